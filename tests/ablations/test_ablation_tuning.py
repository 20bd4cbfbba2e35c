"""Tuning: an equal search inside each cell, that nothing that dies changes and that no result ever sees."""

from __future__ import annotations

import dataclasses
import math
import random

import fake_runs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from ablations.core.canonical import digest
from ablations.core.job import lay_out
from ablations.core.registry import get_plan
from ablations.core.tuning import STARTUP
from ablations.ledger.execute import Surroundings, execute
from ablations.ledger.folder import Folder
from ablations.ledger.lease import Leases
from ablations.ledger.ledger import Ledger, ending
from ablations.ledger.search import propose, prunes
from ablations.ledger.storage import JOURNAL, open_storage
from ablations.ledger.tried import Tried, choice, choose, strays, tried, untried
from ablations.ledger.tuning import TuningLedger
from ablations.ledger.worker import Worker, remaining
from studies.core.protocol import Range


@pytest.fixture
def folder(tmp_path):
    """An empty study."""
    return Folder(tmp_path / "study")


def worker(folder, layout, do=fake_runs.execute, **options):
    """A worker with short leases."""
    return Worker(folder, layout, do=do, beat=0.05, lease=0.2, **options)


def searches(path, layout):
    """What every cell's search tried, with values."""
    there = Folder(path).searches
    return [[(t.settings, t.value, t.state) for t in tried(there, c)] for c in layout.tuned]


def test_each_variant_is_searched_equally_and_then_measured(folder):
    """As many trials for each, on the tuning seeds; the runs have the chosen values and the plan's seeds."""
    layout = fake_runs.tuned(tuning={"trials": 12})
    assert worker(folder, layout).work() == []
    assert untried(folder, layout) == 0
    assert remaining(folder, layout) == []
    for ledger in worker(folder, layout).ledgers:
        complete = [t for t in ledger.trials() if t.state is TrialState.COMPLETE]
        tuning = isinstance(ledger, TuningLedger)
        assert len(complete) == (12 if tuning else 3)
        assert {tuple(t.user_attrs["seeds"]) for t in complete} == {
            (100, 101) if tuning else (0, 1)
        }
    for cell in layout.cells:
        found = choice(folder, cell)
        for seed in layout.seeds:
            assert folder.record(cell.key, seed).about["tuned"] == found.settings
    before = (folder.path / JOURNAL).read_bytes()
    assert worker(folder, layout, pytest.fail).work() == []
    assert (folder.path / JOURNAL).read_bytes() == before


def test_what_is_measured_is_what_was_chosen(folder):
    """The values reach the configuration, and the share of the examples only a trial's."""
    layout = fake_runs.tuned(tuning={"share": 0.5})
    job = dataclasses.replace(
        layout.jobs()[0], settings={"training.learning_rate": 0.02, "cell.lam": 0.5}
    )
    assert job.configuration.training.learning_rate == 0.02
    assert job.configuration.model.knobs["lam"] == 0.5
    assert job.configuration.seeds == (0, 1)
    cell = layout.tuned[0]
    trial = worker(folder, layout).ledgers[0]._trial(3, job.settings).configuration
    assert trial.training.examples == round(cell.configuration.training.examples / 2)
    assert trial.seeds == (100, 101)


def test_no_run_is_claimed_before_its_search_is_complete(folder):
    """Nor enqueued; one that is in the queue when a trial's record is damaged goes back."""
    layout = fake_runs.tuned()
    one = worker(folder, layout, max_jobs=11)
    assert one.work() == []
    runs = worker(folder, layout).ledgers[-1]
    runs.fill()
    waiting = {t.user_attrs["variant"] for t in runs.trials()}
    assert waiting == {"baseline", "gato-memory=zero"}
    lost = next(folder.searches.path.glob("runs/*.jsonl"))
    searched = [c for c in layout.tuned if choice(Folder(folder.path), c) is not None]
    lost.write_text("no")
    now = [c for c in layout.tuned if choice(Folder(folder.path), c) is not None]
    assert len(now) in (len(searched), len(searched) - 1)
    fresh = worker(Folder(folder.path), layout).ledgers[-1]
    claimed = [claim.job.cell.variant.name for claim in iter(fresh.claim, None)]
    assert claimed == [cell.variant.name for cell in now]
    for trial in fresh.trials((TrialState.RUNNING,)):
        fresh.study.tell(trial.number, state=TrialState.FAIL)
    assert worker(Folder(folder.path), layout).work(("lost",)) == []
    assert remaining(Folder(folder.path), layout) == []
    assert untried(Folder(folder.path), layout) == 0


def test_the_first_trials_are_the_same_for_every_variant(folder):
    """Blind draws from one seed; later ones follow from what a variant's own trials said."""
    layout = fake_runs.tuned(tuning={"trials": STARTUP + 2})

    def do(job, *rest):
        records = fake_runs.execute(job, *rest)
        best = len(job.cell.variant.name) / 10
        return [
            dataclasses.replace(
                r, ends=r.ends | {"valid_metric_best": abs(r.ends["valid_metric_best"] - best)}
            )
            for r in records
        ]  # fmt: skip

    worker(folder, layout, do).work()
    found = searches(folder.path, layout)
    blind = [[settings for settings, *_ in one[:STARTUP]] for one in found]
    assert blind[0] == blind[1] == blind[2]
    assert len({digest(settings) for settings in blind[0]}) == STARTUP
    assert len({digest([settings for settings, *_ in one[STARTUP:]]) for one in found}) == 3


@pytest.mark.parametrize("tuning", [
    {"trials": 13}, {"trials": 16, "at_once": 3}, {"trials": 13, "sampler": "random"},
])  # fmt: skip
def test_interleavings_of_two_workers_make_the_same_search(folder, tmp_path, tuning):
    """Single steps in random order, with claims that are dropped: the trials of one quiet worker."""
    layout = fake_runs.tuned(tuning=tuning)
    draw = random.Random(2)
    ledgers = []
    for _ in "ab":
        storage, own = open_storage(folder.path), Folder(folder.path)
        ledgers += [
            TuningLedger(storage, own.searches, layout, "adding", Leases(0.0), cell=cell)
            for cell in layout.tuned
        ] + [Ledger(storage, own, layout, "adding", Leases(0.0))]
    held = []
    for _ in range(700):
        ledger = draw.choice(ledgers)
        step = draw.choice(("fill", "claim", "claim", "finish", "finish", "finish", "drop"))
        if step == "fill":
            ledger.fill()
        elif step == "claim":
            claim = ledger.claim()
            held += [] if claim is None else [(ledger, claim)]
        elif held:
            owner, claim = held.pop(draw.randrange(len(held)))
            if step == "finish":
                records = fake_runs.execute(claim.job, None, 1, None, lambda *_: None)
                for record in records:
                    assert owner.folder.keep(record) in ("written", "same")
                owner.complete(claim, records)
            else:
                owner.study.tell(claim.trial.number, state=TrialState.FAIL)
    for owner, claim in held:
        owner.study.tell(claim.trial.number, state=TrialState.FAIL)
    assert worker(Folder(folder.path), layout).work(("lost",)) == []
    quiet = Folder(tmp_path / "quiet")
    worker(quiet, layout).work()
    assert searches(folder.path, layout) == searches(quiet.path, layout)
    for ledger in ledgers:
        done = [t.user_attrs["job"] for t in ledger.trials() if t.state is TrialState.COMPLETE]
        assert sorted(done) == sorted(job.key for job in ledger._whole())


def test_a_lost_journal_is_rebuilt_without_a_trial_more(folder):
    """The records are the truth about a search too, half done or whole."""
    layout = fake_runs.tuned(tuning={"trials": 12})
    quiet = Folder(folder.path.with_name("quiet"))
    worker(quiet, layout).work()
    worker(folder, layout, max_jobs=34).work()
    (folder.path / JOURNAL).unlink()
    again = []

    def do(job, *rest):
        again.append(job)
        return fake_runs.execute(job, *rest)

    worker(Folder(folder.path), layout, do).work()
    assert len(again) == 3 * 12 + 3 - 34
    assert searches(folder.path, layout) == searches(quiet.path, layout)
    (folder.path / JOURNAL).unlink()
    assert worker(Folder(folder.path), layout, pytest.fail).work() == []
    trials = [t for ledger in worker(folder, layout).ledgers for t in ledger.trials()]
    assert len(trials) == 3 * 12 + 3
    assert all(t.user_attrs["adopted"] for t in trials)


def test_a_damaged_trial_is_made_again_and_changes_nothing(folder):
    """The same settings and values; runs that are measured stay."""
    layout = fake_runs.tuned(tuning={"trials": 12})
    worker(folder, layout).work()
    before = searches(folder.path, layout)
    for path in sorted(folder.searches.path.glob("runs/*.jsonl"))[::5]:
        path.write_bytes(path.read_bytes().replace(b"adding", b"ADDING"))
    fresh = Folder(folder.path)
    assert untried(fresh, layout) > 0
    assert fresh.damaged()
    assert remaining(fresh, layout) == []
    assert worker(fresh, layout).work() == []
    assert searches(folder.path, layout) == before
    assert strays(fresh, layout) == []


def test_runs_with_other_values_than_the_search_chooses_are_named(folder):
    """With the file to move; then they are measured again."""
    layout = fake_runs.tuned()
    worker(folder, layout).work()
    cell = layout.tuned[0]
    path = folder.run_path(cell.key, 1)
    record = folder.record(cell.key, 1)
    path.unlink()
    folder.keep(dataclasses.replace(record, about={**record.about, "tuned": {"cell.lam": 0.1}}))
    (line,) = strays(folder, layout)
    assert "baseline on adding: 1 runs were measured with other values" in line
    assert path.name in line
    path.unlink()
    fresh = Folder(folder.path)
    assert worker(fresh, layout).work() == []
    assert strays(fresh, layout) == []


def test_a_trial_that_fails_holds_up_its_own_search_alone(folder):
    """With its reason; the others are measured; `resume` tries it again."""
    layout = fake_runs.tuned(tuning={"trials": 12})

    def do(job, *rest):
        if job.tune_trial == 11 and job.cell.variant.name == "baseline":
            raise RuntimeError("it broke")
        return fake_runs.execute(job, *rest)

    (line,) = worker(folder, layout, do).work()
    assert line.startswith("baseline on adding, tuning trial 11: error: RuntimeError: it broke")
    assert "--errors" in line
    assert untried(folder, layout) == 1
    assert [job.cell.variant.name for job in remaining(folder, layout)] == ["baseline"]
    assert len(list(folder.searches.path.glob("errors/*.txt"))) == 1
    assert worker(folder, layout).work(("error",)) == []
    assert remaining(folder, layout) == []


@dataclasses.dataclass(frozen=True)
class Curved(Tried):
    """A trial whose curve is not read from records."""

    points: tuple = ()

    @property
    def curve(self):
        """The validation values."""
        return list(self.points)


def trial(number, state="ok", value=0.5, finite=10, curve=(), settings=None):
    """A trial that has ended."""
    settings = settings or {"training.learning_rate": 0.001 * (1 + number % 90), "cell.lam": 0.5}
    return Curved(number, settings, state, value, finite, (), tuple(curve))


ends = st.lists(
    st.tuples(
        st.sampled_from(["ok", "diverged", "pruned"]), st.sampled_from([0.1, 0.2, 0.3]), st.integers(0, 3)
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@given(ends, st.sampled_from(["lower", "higher"]))
def test_the_choice_follows_the_rule(found, better):
    """Best of those that ended well, then of the pruned, then the longest finite; the first of equal ones."""
    trials = [trial(k, *one) for k, one in enumerate(found)]
    chosen = choose(trials, better)
    sign = 1 if better == "lower" else -1
    order = ("ok", "pruned", "diverged")
    keys = [
        (order.index(s), -f if s == "diverged" else sign * v, k)
        for k, (s, v, f) in enumerate(found)
    ]
    assert chosen.number == min(keys)[2]
    assert chosen.diverged == all(state == "diverged" for state, *_ in found)
    assert choose([*trials, None], better) is None
    assert choose([], better) is None


def test_where_all_diverged_the_divergence_is_measured(folder):
    """Nothing is made up: the runs of the plan's seeds say it, and the study is complete."""
    layout = fake_runs.tuned()

    def do(job, *_):
        return [fake_runs.record(job, seed, outcome="diverged") for seed in job.seeds]

    assert worker(folder, layout, do).work() == []
    assert choice(folder, layout.tuned[0]).diverged
    assert {folder.record(layout.tuned[0].key, seed).outcome for seed in (0, 1)} == {"diverged"}
    assert {t.value for t in tried(folder.searches, layout.tuned[0])} == {math.inf}


def test_the_test_split_has_no_say(folder):
    """The choice is the same whatever the trials' test metrics are."""
    layout = fake_runs.tuned()

    def do(job, *rest):
        return [
            dataclasses.replace(r, ends=r.ends | {"test_metric": -fake_runs.distance(job.settings)})
            for r in fake_runs.execute(job, *rest)
        ]

    worker(folder, layout, do).work()
    for cell in layout.tuned:
        trials = [t for t in tried(folder.searches, cell) if t.state == "ok"]
        best = min(trials, key=lambda one: fake_runs.distance(one.settings))
        assert choice(folder, cell).number == best.number


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_proposal_is_a_function_of_the_seed_and_the_trials_before(sampler):
    """Inside the ranges, with the declared types; equal input, equal output."""
    tuning = fake_runs.search(
        sampler=sampler,
        trials=40,
        space={
            "training.learning_rate": Range(1e-4, 1e-1, "log"), "q": Range(1, 9, whole=True),
            "cell.lam": (0.5, 0.7), "model.parameters": Range(10, 1000, "log", whole=True),
        },
    )  # fmt: skip
    known, seen = [], set()
    for number in range(20):
        states = {3: "diverged", 7: "pruned"}
        settings = propose(tuning, number, known, "lower")
        assert settings == propose(tuning, number, known, "lower")
        assert 1e-4 <= settings["training.learning_rate"] <= 1e-1
        assert type(settings["cell.q"]) is int
        assert 1 <= settings["cell.q"] <= 9
        assert settings["cell.lam"] in (0.5, 0.7)
        state = states.get(number, "ok")
        value = math.inf if state == "diverged" else settings["training.learning_rate"]
        known.append(trial(number, state, value, curve=(1.0, 0.5), settings=settings))
        seen.add(digest(settings))
    assert len(seen) == 20
    other = propose(dataclasses.replace(tuning, sampler_seed=1), 0, [], "lower")
    assert other != known[0].settings


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=2, max_size=4), min_size=0, max_size=8),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
    st.integers(0, 2),
)
def test_pruning_is_by_the_median_of_the_trials_before(others, curve, warmup):
    """After five trials that ended well, past the warm-up, with a best value above their median there."""
    import numpy as np

    tuning = fake_runs.search(pruner="median", warmup=warmup)
    known = [trial(k, curve=one) for k, one in enumerate(others)]
    known += [trial(50, "diverged", math.inf, curve=(9.0,) * 4), trial(51, "pruned", curve=(9.0,))]
    at = len(curve) - 1
    there = [one[at] for one in others if len(one) > at]
    expected = len(others) >= 5 and at >= warmup and bool(there)
    expected = expected and min(curve) > np.percentile(there, 50)
    assert prunes(tuning, known, curve, "lower") == expected
    assert not prunes(dataclasses.replace(tuning, pruner="none"), known, curve, "lower")
    assert not prunes(tuning, known, [*curve, math.nan], "lower")


def test_a_pruned_trial_ends_early_and_is_told_apart(tmp_path):
    """A real run; and if its worker dies after its last step, the checkpoint still ends as pruned."""
    layout = lay_out(
        dataclasses.replace(
            get_plan("gato-memory"), tuning={"smoke": fake_runs.search()},
            overrides={"training.evaluate_every": 64},
        ),
        "smoke", 2,
    )  # fmt: skip
    settings = {"training.learning_rate": 0.01, "cell.lam": 0.5}
    job = dataclasses.replace(layout.jobs()[0], settings=settings, tune_trial=0)
    seen = []

    def report(step, value):
        seen.append((step, value))
        return len(seen) == 3

    path = tmp_path / "checkpoint.pt"
    one = execute(job, path, 1, Surroundings(), report)
    assert [record.outcome for record in one] == ["pruned", "pruned"]
    assert [len(record.curves["step"]) for record in one] == [3, 3]
    assert [step for step, _ in seen] == one[0].curves["step"]
    assert all(record.about["tuned"] == settings for record in one)
    told, seen[:] = list(seen), []
    two = execute(job, path, 2, Surroundings(), report)
    assert [record.result for record in two] == [record.result for record in one]
    assert seen == told


def test_a_pruned_trial_is_complete_in_the_ledger(folder):
    """It counts as one of the trials, and is not chosen."""
    layout = fake_runs.tuned(tuning={"trials": 12, "pruner": "median", "warmup": 0})

    def do(job, _checkpoint, attempt, _around, report):
        value = fake_runs.distance(job.settings) if job.tune_trial is not None else 0.0
        outcome = "pruned" if report(10, value) else "ok"
        assert outcome == "ok" or job.tune_trial is not None
        return [fake_runs.record(job, s, outcome=outcome, attempt=attempt) for s in job.seeds]

    def steep(job, *rest):
        return [
            dataclasses.replace(r, curves=r.curves | {"valid_metric": [0.0, 0.0]})
            if job.tune_trial is not None and r.outcome == "ok" else r
            for r in do(job, *rest)
        ]  # fmt: skip

    assert worker(folder, layout, steep).work() == []
    trials = tried(folder.searches, layout.tuned[0])
    assert [t.state for t in trials] == ["ok"] * STARTUP + ["pruned"] * 2
    assert choice(folder, layout.tuned[0]).number < STARTUP
    endings = [ending(t) for t in worker(folder, layout).ledgers[0].trials()]
    assert endings.count("pruned") == 2


def test_more_seeds_are_an_extension_and_the_search_stays(folder):
    """Only the new runs are made, with what was chosen."""
    worker(folder, fake_runs.tuned(seeds=2)).work()
    made = []

    def do(job, *rest):
        made.append(job.seeds)
        return fake_runs.execute(job, *rest)

    assert worker(folder, fake_runs.tuned(seeds=4), do).work() == []
    assert made == [(2, 3)] * 3
