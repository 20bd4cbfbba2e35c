"""The ledger on a journal: one job, one completion, whatever happens in between."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys

import fake_runs
import pytest
from optuna.trial import TrialState

from ablations.core.errors import AblationError, UnavailableError
from ablations.ledger import journal as journal_module
from ablations.ledger import worker as worker_module
from ablations.ledger.execute import PreemptedError, Surroundings, TimeLimitError
from ablations.ledger.folder import Folder
from ablations.ledger.host import alive, process_id
from ablations.ledger.lease import Beat, Leases
from ablations.ledger.ledger import LOST_LIMIT, Ledger, ending
from ablations.ledger.storage import JOURNAL, open_storage, redacted
from ablations.ledger.worker import Worker, remaining


@pytest.fixture
def folder(tmp_path):
    """An empty study."""
    return Folder(tmp_path)


def worker(folder, do=fake_runs.execute, layout=None, **options):
    """A worker with short leases."""
    return Worker(folder, layout or fake_runs.layout(), do=do, beat=0.05, lease=0.2, **options)


def endings(folder, layout=None):
    """How every attempt ended, in order."""
    return [one["ending"] for one in worker(folder, layout=layout).attempts()]


def test_all_is_done_and_doing_it_again_does_nothing(folder):
    """One completion per job; the second call enqueues nothing."""
    layout = fake_runs.layout("comparison", block=1)
    assert worker(folder, layout=layout).work() == []
    assert remaining(folder, layout) == []
    before = (folder.path / JOURNAL).read_bytes()
    assert worker(folder, layout=layout).work() == []
    assert (folder.path / JOURNAL).read_bytes() == before
    assert set(endings(folder, layout)) == {"ok", "diverged"}


def test_divergence_is_complete_with_its_outcome(folder):
    """The worst infinity as value, never a failure that exhaustive searches take for done."""
    layout = fake_runs.layout("comparison", block=1)
    worker(folder, layout=layout).work()
    trials = worker(folder, layout=layout).ledgers[0].trials()
    gone = [t for t in trials if t.user_attrs["outcome"] == "diverged"]
    assert gone
    assert all(t.state is TrialState.COMPLETE and t.value == float("inf") for t in gone)


def test_filling_twice_enqueues_once(folder):
    """Also from another process's view of the same journal."""
    one, two = worker(folder), worker(folder)
    for each in (one, two, one):
        for ledger in each.ledgers:
            ledger.fill()
    assert len(one.ledgers[0].trials()) == len(fake_runs.layout().jobs())


def test_an_invented_trial_is_closed_as_surplus(folder, monkeypatch):
    """Asking an empty queue invents a trial; it is failed at once and no job."""
    ledger = worker(folder).ledgers[0]
    answers = iter([[object()], []])
    monkeypatch.setattr(
        type(ledger.study), "get_trials", lambda *_, **__: next(answers), raising=True
    )
    assert ledger.claim() is None
    monkeypatch.undo()
    (trial,) = ledger.study.get_trials()
    assert (trial.state, trial.user_attrs["outcome"]) == (TrialState.FAIL, "surplus")
    assert ledger.trials() == []


def test_a_record_without_tell_is_adopted(folder):
    """The process was killed between the two: the next claim finds the file and does not train."""
    first = worker(folder).ledgers[0]
    first.fill()
    claim = first.claim()
    for record in fake_runs.execute(claim.job, None, 1, None, lambda *_: None):
        folder.keep(record)
    first.study.tell(claim.trial.number, state=TrialState.FAIL)  # what a reaper does
    trained = []

    def do(job, *rest):
        trained.append(job.key)
        return fake_runs.execute(job, *rest)

    assert worker(folder, do).work() == []
    assert claim.job.key not in trained
    assert len(trained) == len(fake_runs.layout().jobs()) - 1
    complete = [t for t in first.trials() if t.state is TrialState.COMPLETE]
    assert sorted(t.user_attrs["job"] for t in complete) == sorted(
        job.key for job in fake_runs.layout().jobs()
    )


def test_of_two_trials_of_one_job_the_lower_counts(folder):
    """Two workers that enqueued at once: one is superseded, whichever is claimed first."""
    ledger = worker(folder).ledgers[0]
    job = ledger.jobs()[0]
    for _ in range(2):
        ledger._enqueue(job, [])
    first = ledger.claim()
    assert ledger.claim() is None
    ledger.complete(first, fake_runs.execute(job, None, 1, None, lambda *_: None))
    assert [ending(t) for t in ledger.trials()] == ["ok", "superseded"]


def test_a_dead_worker_is_noticed_at_once_and_its_job_done_again(folder):
    """A process of this host that is gone needs no lease."""
    script = "import os; print(os.getpid())"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ledger = worker(folder).ledgers[0]
    ledger.leases = Leases(1e9)
    ledger.fill()
    claim = ledger.claim()
    claim.trial.set_user_attr("process", f"{run.stdout.strip()}.1")
    assert ledger.reap() == 1
    assert ledger.reap() == 0
    ledger.fill()
    again = [t for t in ledger.trials() if t.user_attrs["job"] == claim.job.key]
    assert [ending(t) for t in again] == ["lost", "waiting"]
    assert (again[1].user_attrs["attempt"], again[1].user_attrs["retry_of"]) == (2, again[0].number)


def test_a_silent_worker_loses_its_lease_and_its_word(folder, monkeypatch):
    """What it tells after that changes nothing; a beat in time keeps the lease."""
    ledger = worker(folder).ledgers[0]
    now = [0.0]
    monkeypatch.setattr("ablations.ledger.lease.time.monotonic", lambda: now[0])
    ledger.leases = Leases(10.0)
    ledger.fill()
    claim = ledger.claim()
    for count in range(3):
        ledger.beat(claim, count)
        assert ledger.reap() == 0
        now[0] += 9.0
    now[0] += 2.0
    assert ledger.reap() == 1
    ledger.complete(claim, fake_runs.execute(claim.job, None, 1, None, lambda *_: None))
    (trial,) = [t for t in ledger.trials() if t.number == claim.trial.number]
    assert (trial.state, ending(trial)) == (TrialState.FAIL, "lost")


def test_what_is_lost_too_often_needs_a_person(folder):
    """Three times automatically, then by request."""
    ledger = worker(folder).ledgers[0]
    key = ledger.jobs()[0].key
    for _ in range(LOST_LIMIT + 1):
        assert ledger.fill() == []
        claims = iter(ledger.claim, None)
        claim = next(one for one in claims if one.job.key == key)
        ledger.study.tell(claim.trial.number, state=TrialState.FAIL)
    stuck = ledger.fill()
    assert len(stuck) == 1
    assert "lost 4 times" in stuck[0]
    assert "resume --lost" in stuck[0]
    assert ledger.fill(["lost"]) == []


@pytest.mark.parametrize(
    ("error", "told", "flag"),
    [
        (RuntimeError("it broke"), "error", "--errors"),
        (MemoryError("too much"), "oom", "--oom"),
        (TimeLimitError(), "timeout", "--timeouts"),
    ],
)
def test_failures_are_not_repeated_until_asked(folder, error, told, flag):
    """With their reason and traceback; the other jobs go on; then one more attempt, which counts."""
    layout = fake_runs.layout()
    bad = layout.jobs()[1].key

    def do(job, *rest):
        if job.key == bad:
            raise error
        return fake_runs.execute(job, *rest)

    around = Surroundings(max_seconds=1.0)
    stuck = worker(folder, do, around=around).work()
    assert len(stuck) == 1
    assert told in stuck[0]
    assert flag in stuck[0]
    assert len(remaining(folder, layout)) == 1
    assert worker(folder, do, around=around).work() == stuck
    assert endings(folder).count(told) == 1
    assert worker(folder).work((told,)) == []
    assert remaining(folder, layout) == []
    if told != "timeout":
        (text,) = (folder.path / "errors").glob("*.txt")
        assert str(error) in text.read_text()


def test_a_worker_that_is_asked_to_stop_gives_its_job_back(folder):
    """Preempted is not counted as a failure."""

    def do(*_):
        raise PreemptedError

    with pytest.raises(PreemptedError):
        worker(folder, do).work()
    assert worker(folder).work() == []
    assert endings(folder).count("preempted") == 1
    assert remaining(folder, fake_runs.layout()) == []


def test_a_deleted_record_is_made_again(folder):
    """The plan is compared with what is on disk, not with what the ledger remembers."""
    layout = fake_runs.layout()
    worker(folder).work()
    victim = layout.jobs()[0]
    folder.run_path(victim.cell.key, 1).unlink()
    assert [job.seeds for job in remaining(Folder(folder.path), layout)] == [(1,)]
    assert worker(Folder(folder.path)).work() == []
    assert remaining(Folder(folder.path), layout) == []


def test_a_lost_journal_is_rebuilt_from_the_records(folder):
    """Every run is entered as complete, none is trained."""
    layout = fake_runs.layout()
    worker(folder).work()
    (folder.path / JOURNAL).unlink()
    assert worker(Folder(folder.path), do=pytest.fail).work() == []
    found = worker(folder).ledgers[0].trials()
    assert len(found) == len(layout.jobs())
    assert all(t.state is TrialState.COMPLETE and t.user_attrs["adopted"] for t in found)


def test_the_torn_line_of_a_dead_writer_is_cut_off(folder):
    """It was never acknowledged; without the cut, the next line would make it damage for everybody."""
    worker(folder, max_jobs=1).work()
    path = folder.path / JOURNAL
    whole = path.read_bytes()
    for length in (1, 17, 60):
        path.write_bytes(
            whole + b'{"op_code":8,"worker_id":"x","trial_id":0,"user_attr":{"a":1}}'[:length]
        )
        assert worker(Folder(folder.path), max_jobs=1).work() == []
        for line in path.read_text().splitlines():
            json.loads(line)
    assert remaining(folder, fake_runs.layout()) == []


def test_damage_inside_a_journal_names_the_repair(folder):
    """Readers stop with the command, and nobody appends to it."""
    worker(folder, max_jobs=1).work()
    path = folder.path / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][: len(lines[2]) // 2] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(AblationError, match=r"damaged .* doctor .* --rebuild"):
        worker(Folder(folder.path))


def test_a_full_disk_stops_before_the_journal_is_torn(folder, monkeypatch):
    """The line that did not fit is taken back."""
    one = worker(folder)
    path = folder.path / JOURNAL
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_module.os, "fsync", full)
    with pytest.raises(UnavailableError, match=r"cannot be written: No space left"):
        one.ledgers[0].fill()
    assert path.read_bytes() == before


def test_nothing_is_begun_on_a_disk_that_is_nearly_full(folder, monkeypatch):
    """Below the reserve a worker leaves with a message."""
    monkeypatch.setattr(worker_module, "RESERVE", 2**80)
    with pytest.raises(UnavailableError, match="MiB of disk are free"):
        worker(folder, do=pytest.fail).work()


def test_conflicts_are_kept_and_said(folder):
    """An attempt that differs from the record is evidence, not noise."""
    job = fake_runs.layout().jobs()[0]
    lines, done = [], []

    def do(job, *rest):
        if not done:  # another attempt finishes while this one trains
            done.append(job)
            for seed in job.seeds:
                folder.keep(fake_runs.record(job, seed, shift=1.0))
        return fake_runs.execute(job, *rest)

    worker(folder, do, say=lines.append).work()
    assert any("differs from the record of another attempt" in line for line in lines)
    assert folder.record(job.cell.key, 0).result == fake_runs.record(job, 0, shift=1.0).result


def test_processes_are_told_apart_from_later_ones_of_their_number():
    """Number and beginning; one that has ended is gone."""
    run = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = process_id(run.pid)
    assert alive(name)
    assert not alive(f"{run.pid}.1")
    run.communicate(b"\n")
    assert not alive(name)


def test_a_beat_is_counted_and_its_errors_are_not_the_runs():
    """It goes on after an exception."""
    import threading

    heard, enough = [], threading.Event()

    def tell(count):
        heard.append(count)
        if count == 3:
            enough.set()
        raise OSError("no network")

    with Beat(tell, 0.001):
        assert enough.wait(30)
    assert heard[:3] == [1, 2, 3]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:///a.db", "SQLite has no row lock"),
        ("mysql://me:secret@host/db", "expected postgresql"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", "the database does not answer"),
    ],
)
def test_other_storages_are_refused_without_their_password(tmp_path, url, text):
    """The message can be shown to anybody, and so can everything on disk."""
    pytest.importorskip("psycopg")
    with pytest.raises(AblationError, match=text) as caught:
        open_storage(tmp_path, url)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:1/d?password=x", "postgresql://h:1/d"),
        ("u:p@h", "h"),
        ("a://u:p:@@h/d", "a://h/d"),
    ],
)
def test_urls_are_shown_without_secrets(url, shown):
    """User, password and options go."""
    assert redacted(url) == shown


def test_many_interleavings_of_two_workers_end_in_one_completion_per_job(folder):
    """Single steps of two ledgers in random order, with trials that are dropped on the floor."""
    layout = fake_runs.layout("gates", tasks=("adding",), protocols={}, block=1)
    draw = random.Random(1)
    ledgers = [
        Ledger(open_storage(folder.path), folder, layout, "adding", Leases(0.0)) for _ in "ab"
    ]
    held = []
    for _ in range(400):
        ledger = draw.choice(ledgers)
        step = draw.choice(("fill", "claim", "claim", "finish", "finish", "drop"))
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
                    folder.keep(record)
                owner.complete(claim, records)
            else:
                owner.study.tell(claim.trial.number, state=TrialState.FAIL)
    for owner, claim in held:
        owner.study.tell(claim.trial.number, state=TrialState.FAIL)
    worker(folder, layout=layout).work(("lost",))
    assert remaining(folder, layout) == []
    done = [t.user_attrs["job"] for t in ledgers[0].trials() if t.state is TrialState.COMPLETE]
    assert sorted(done) == sorted(job.key for job in layout.jobs())
