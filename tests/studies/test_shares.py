"""Replicates in processes of their own are replicates together; nothing is lost when one of them dies."""

from __future__ import annotations

import gc
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import xarray
from hypothesis import given
from hypothesis import strategies as st

from studies.command import main
from studies.core.errors import StudyError
from studies.model.settings import ModelSettings, build
from studies.training import checkpoint, shares
from studies.training.run_state import Point, ReplicateState, RunState
from studies.training.settings import TrainingSettings
from studies.training.trainer import Trainer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="shares are forked under Linux only"
)
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location(
    "small_tasks", Path(__file__).parent / "small_tasks.py"
)
small = sys.modules.setdefault("small_tasks", importlib.util.module_from_spec(spec))
spec.loader.exec_module(small)

ROOT = Path(__file__).parents[2]
MODELS = {
    "gato": ModelSettings("gato-2", 4, {"k": 2}, decoder_hidden=3),
    "lstm": ModelSettings("lstm", 3, {"dropout": 0.4, "mask_scope": "sequence"}, embedding=2),
}
SETTINGS = {"learning_rate": 0.01, "batch_size": 4, "examples": 200, "dtype": "float64"}
SMOKE = ["run", "adding", "--cell", "gato-2", "--profile", "smoke", "--quiet", "--seeds", "4"]


def trainer(seeds, *, task=None, model="gato", together=True, path=None, **options):
    """Of the small task."""
    task = task or small.SumsTask()
    settings = TrainingSettings(**{**SETTINGS, **options})
    source = task.open(batch_size=settings.batch_size)
    models = [build(MODELS[model], source, seed).double() for seed in seeds]
    return Trainer(
        task, source, models, seeds, settings,
        together=together, checkpoint_path=path, mark="test",
    )  # fmt: skip


def plain(state):
    """All but the time it took, NaN as a word."""
    values = replace(state, seconds=0.0).plain()
    return json.loads(json.dumps(values))


CASES = {
    "as long as the others": {},
    "patience": {"patience": 1, "learning_rate": 0.3},
    "halving": {"halve_every": 12, "learning_rate": 0.3},
    "diverged, with its share": {"task": small.SumsTask(poison=(3, 7)), "together": False},
    "one by one": {"together": False, "model": "lstm"},
    "carried states": {"task": small.WindowsTask(), "model": "lstm"},
}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("case", list(CASES))
def test_shares_are_one_run(case, count):
    """Curves, ends and parameters, to 1e-9; the monitor sees all replicates."""
    seeds, seen = [3, 0, 7], []
    whole, parts = trainer(seeds, **CASES[case]), trainer(seeds, **CASES[case])
    expected = whole.run()
    found = shares.train(parts, count, lambda state, total: seen.append((state, total)))
    assert found is parts.run_state
    ours, theirs = (plain(one) for one in (found, expected))
    assert [r["status"] for r in ours["replicates"]] == [r["status"] for r in theirs["replicates"]]
    flat, other = (torch.tensor(_numbers(one), dtype=torch.float64) for one in (ours, theirs))
    torch.testing.assert_close(flat, other, rtol=0, atol=1e-9, equal_nan=True)
    for one, two in zip(parts.models, whole.models, strict=True):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(value, two.state_dict()[name], rtol=0, atol=1e-9)
    assert seen[-1] == (found, whole.total)
    assert all([r.seed for r in state.replicates] == seeds for state, _ in seen)


def _numbers(value):
    if isinstance(value, dict):
        return [n for key in sorted(value) for n in _numbers(value[key])]
    if isinstance(value, list):
        return [n for one in value for n in _numbers(one)]
    return [] if isinstance(value, str) else [float(value)]


@st.composite
def states(draw):
    """A state of some replicates, of which each ends at an evaluation; and where to cut it."""
    count, points = draw(st.integers(2, 5)), draw(st.integers(1, 4))
    ends = draw(st.lists(st.integers(1, points), min_size=count, max_size=count))
    last = max(ends)
    value = st.floats(-1, 1)
    curves = [
        Point(
            2 * k,
            8 * k,
            *[[draw(value) if end >= k else math.nan for end in ends] for _ in range(5)],
        )
        for k in range(1, last + 1)
    ]
    replicates = [
        ReplicateState(s, "finished" if end == last else "stopped") for s, end in enumerate(ends)
    ]
    cut = draw(st.integers(1, count - 1))
    return RunState(replicates, 2 * last, draw(st.floats(0, 9)), curves), cut, ends


@given(drawn=states())
def test_merging_undoes_cutting(drawn):
    """A share knows nothing of the time after its own end."""
    whole, cut, ends = drawn
    parts = []
    for places in (slice(None, cut), slice(cut, None)):
        last = 2 * max(ends[places])
        points = [
            Point(p.step, p.examples, *[getattr(p, name)[places] for name in shares._CURVES])
            for p in whole.points
            if p.step <= last
        ]
        parts.append(RunState(whole.replicates[places], last, whole.seconds, points))
    assert plain(shares.merged(parts)) == plain(whole)


def test_a_state_in_the_middle_is_where_the_slowest_is():
    """Whose time is what is left; what it has not come to yet is NaN."""
    fast = RunState([ReplicateState(0)], 8, 2.0, [Point(4, 16, [1.0], [2.0], [3.0], [4.0], [5.0])])
    slow = RunState([ReplicateState(1, loss_sum=1.0, loss_count=2)], 3, 1.0, [])
    state = shares.merged([fast, slow])
    assert (state.step, state.seconds) == (3, 2.0)
    assert state.points[0].train_loss[0] == 1.0
    assert math.isnan(state.points[0].train_loss[1])


def test_how_many_shares(tmp_path, monkeypatch):
    """One per processor, of two stacked replicates at least; as asked; as a checkpoint has it."""
    monkeypatch.setattr(shares, "processors", lambda: 4)
    assert [shares.fitting(trainer(range(n))) for n in (1, 2, 3, 4, 7, 9)] == [1, 1, 1, 2, 3, 4]
    assert [shares.fitting(trainer(range(n), together=False)) for n in (1, 3, 9)] == [1, 3, 4]
    assert [shares.fitting(trainer(range(3)), asked) for asked in (1, 2, 8)] == [1, 2, 3]
    path = tmp_path / "r.checkpoint"
    four = trainer(range(4), path=path)
    path.with_name("r.checkpoint.2-of-3").touch()  # the first has died before it saved
    assert (shares.fitting(four), shares.fitting(four, 2)) == (3, 3)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        with pytest.raises(StudyError, match=r"got 3 \(.*r\.checkpoint\.2-of-3 is of that many\)"):
            shares.fitting(four)
    path.touch()
    assert shares.fitting(four) == 1
    assert {path, path.with_name("r.checkpoint.2-of-3")} == set(shares.checkpoints(path))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert shares.fitting(trainer(range(4))) == 1


@pytest.mark.parametrize("frozen", [False, True])
def test_shares_search_nothing_of_ours_for_garbage(frozen):
    """What there is when they are forked is theirs to keep; here it is searched afterwards as before."""
    gc.unfreeze()  # a command may have run in this process
    try:
        if frozen:
            gc.freeze()
        with shares._frozen_objects():
            assert gc.get_freeze_count() > 10_000
            assert len(gc.get_objects()) < 10_000
        assert bool(gc.get_freeze_count()) == frozen
    finally:
        gc.unfreeze()


def test_where_nothing_is_forked_there_is_one(monkeypatch):
    """Elsewhere than under Linux, and on a GPU."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert shares.fitting(trainer(range(4))) == 1
    with pytest.raises(StudyError, match="processes: expected 1 on cpu under darwin, got 2"):
        shares.fitting(trainer(range(4)), 2)


def test_what_a_share_refuses_is_refused(tmp_path, monkeypatch):
    """A full disk, say; and a mistake of ours comes with its own traceback."""

    def full(*_):
        raise StudyError("no room")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(StudyError, match="no room"):
        shares.train(trainer([0, 1, 2, 3], path=tmp_path / "c"), 2)

    def wrong(*_):
        raise ZeroDivisionError("of a share")

    monkeypatch.setattr(checkpoint, "save", wrong)
    with pytest.raises(
        RuntimeError, match=r"in the process of seeds \[[02], [13]\]:\n(.*\n)*.*of a share"
    ):
        shares.train(trainer([0, 1, 2, 3], path=tmp_path / "c"), 2)


def test_a_share_that_dies_is_named(monkeypatch, tmp_path):
    """By its seeds and its end; the others leave checkpoints, and the next run goes on from them."""
    step, home = Trainer._step, os.getpid()

    def dying(self):
        if self.run_state.step == 9 and 2 in self.seeds and os.getpid() != home:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        step(self)

    path = tmp_path / "c"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", dying)
        patch.setattr(shares, "_BETWEEN_WORDS", 0.0)
        with pytest.raises(
            StudyError, match=r"seeds \[2, 3\] died \(exit status -9.*goes on from its"
        ):
            shares.train(trainer([0, 1, 2, 3], path=path), 2)
    assert shares.checkpoints(path) == [tmp_path / "c.1-of-2"]
    left = checkpoint.load(tmp_path / "c.1-of-2", "test.1-of-2")
    assert left["run"]["step"] > 0
    again = trainer([0, 1, 2, 3], path=path)
    assert shares.fitting(again) == 2
    found = shares.train(again, 2)
    expected = trainer([0, 1, 2, 3]).run()
    assert plain(found) == plain(expected)


COMMAND = [sys.executable, "-m", "studies", *SMOKE, "--set", "training.examples=100000"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_no_process_and_goes_on(tmp_path, how):
    """Killed or interrupted: its shares notice, save what they have, and end."""
    running = subprocess.Popen(
        [*COMMAND, "--processes", "2", "--out", "r.nc"], cwd=tmp_path, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, text=True,
        start_new_session=True,
    )  # fmt: skip
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    deadline = time.monotonic() + 60
    while len(children.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    own = [int(pid) for pid in children.read_text().split()]
    time.sleep(2)
    running.send_signal(how)
    _, err = running.communicate(timeout=60)
    if how == signal.SIGINT:
        assert running.returncode == 130
        assert "goes on from its checkpoint" in err
    while any(map(_runs, own)):
        assert time.monotonic() < deadline + 60, "a share outlives its run"
        time.sleep(0.05)
    left = sorted(one.name for one in tmp_path.iterdir())
    assert left == ["r.nc.checkpoint.1-of-2", "r.nc.checkpoint.2-of-2"]


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_command_shares_to_equal_bits(tmp_path, capsys):
    """The dataset says in how many processes; no checkpoint stays."""
    found = []
    for count in (1, 2):
        path = tmp_path / f"{count}.nc"
        assert main([*SMOKE, "--processes", str(count), "--out", str(path)]) == 0
        found.append(xarray.load_dataset(path, engine="h5netcdf"))
        assert found[-1].attrs["processes"] == count
    capsys.readouterr()
    assert found[0].equals(found[1])
    assert ["1.nc", "2.nc"] == sorted(one.name for one in tmp_path.iterdir())
