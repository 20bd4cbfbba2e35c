"""A run measures in turn, judges, keeps what it found, and refuses options that contradict each other."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import baseline
import pytest
import speed_run
from fake_results import CPU, GPU, result
from gate import Verdict
from result_table import duration, show
from speed_run import SpeedRun
from workloads import Shape, dispatched

SHAPE = result().shape


class FakeClock:
    """Time passes where a work says so, and a little when it is read, for who waits by it."""

    cuda = False

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1e-6
        return self.now

    def hold(self, _):
        """There is no device to hold."""

    def settle(self):
        """And none to wait for."""

    def seconds(self, work):
        """As the clock's own."""
        begin = self.now
        work()
        return self.now - begin

    def work(self, length):
        """A function that takes ``length`` seconds."""

        def run():
            self.now += length

        return run


class FakeBenchmark:
    """What of pytest-benchmark's fixture the run uses."""

    def __init__(self, clock):
        self.clock, self.extra_info, self.data = clock, {}, []
        self.fullname = "tests/a.py::test_b[c]"
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=self.data))

    def pedantic(self, target, setup, rounds):
        """Time ``target`` after ``setup``, per call, as the timer makes it."""
        for _ in range(rounds):
            setup()
            self.data.append(self.clock.seconds(target) / speed_run.TIMER.calls)


@pytest.fixture
def measured(monkeypatch):
    """A function that measures a work of so many seconds in a run, against one second of reference."""
    clock = FakeClock()
    monkeypatch.setattr(speed_run, "CLOCK", clock)
    monkeypatch.setattr(speed_run, "stream", lambda _: clock.work(0.2))
    monkeypatch.setattr(speed_run, "dispatch", lambda: clock.work(0.02))
    monkeypatch.setattr(speed_run, "processor_share", lambda: 1.0)
    monkeypatch.setattr(speed_run.time, "sleep", lambda _: None)

    def measure(run, seconds, **settings):
        benchmark = FakeBenchmark(clock)
        found = run.measure(
            benchmark, ("copy", "fused"), clock.work(seconds), ("nn.LSTM(2)", clock.work(1.0)),
            shape=SHAPE, **settings,
        )  # fmt: skip
        return found, benchmark

    return measure


def run_with(ratio=None, **settings):
    """A run on a key under which ``ratio`` was stored, or nothing."""
    stored = None
    if ratio is not None:
        kept = result(ratio=ratio, stream=ratio / 5, seconds=1 / ratio)
        stored = baseline.Baseline(CPU, {"copy/fused": kept})
    return SpeedRun(CPU, stored, "why", **settings)


@pytest.mark.parametrize("seconds", [3.0, 0.1, 1e-4])
def test_the_ratio_is_of_calls(measured, seconds):
    """However many calls a round holds on either side."""
    run = run_with()
    found, benchmark = measured(run, seconds, figures=lambda ratio, one: {"a": ratio, "b_s": one})
    assert found.ratio == pytest.approx(1 / seconds, rel=1e-2)
    assert found.seconds == pytest.approx(seconds, rel=1e-2)
    assert found.figures == pytest.approx({"a": 1 / seconds, "b_s": seconds}, rel=1e-2)
    assert {"copy/fused": found} == run.results
    assert "reported" == benchmark.extra_info["verdict"]


def test_slower_fails_and_is_kept(measured):
    """The table shows what failed."""
    run = run_with(ratio=10)
    measured_again = r"copy/fused has become slower: 0\.77 of the stored ratio 10.*measured again"
    with pytest.raises(AssertionError, match=measured_again):
        measured(run, 0.13)
    assert "slower" == run.verdicts["copy/fused"].status


@pytest.mark.parametrize("status", ["held", "faster", "busy"])
def test_a_process_of_its_own_has_the_last_word(measured, status):
    """What it measured is kept, beside what was seen here."""
    asked = []

    def elsewhere(*which):
        asked.append(which)
        return result(ratio=9.9), Verdict(status, "0.99 of the stored ratio")

    run = run_with(ratio=10, elsewhere=elsewhere)
    found, benchmark = measured(run, 0.13)
    assert [("tests/a.py::test_b[c]", "copy/fused")] == asked
    assert found == run.results["copy/fused"] == result(ratio=9.9)
    assert status == run.verdicts["copy/fused"].status == benchmark.extra_info["verdict"]
    why = benchmark.extra_info["why"]
    assert why.startswith("0.77 of the stored ratio 10")
    assert why.endswith("; in a process of its own: 0.99 of the stored ratio")


def test_slower_in_a_process_of_its_own_fails(measured):
    """Also where that had no result. What held, is not gated or is to be stored starts no process."""
    words = r"has become slower: 0\.77 of .*; in a process of its own: no such test"
    run = run_with(ratio=10, elsewhere=lambda *_: (None, Verdict("slower", "no such test")))
    with pytest.raises(AssertionError, match=words):
        measured(run, 0.13)
    assert run.results["copy/fused"].ratio == pytest.approx(1 / 0.13, rel=1e-2)
    for seconds, gated, update in ((0.1, True, False), (0.13, False, False), (0.13, True, True)):
        run = run_with(ratio=10, elsewhere=lambda *_: pytest.fail("asked"), update=update)
        measured(run, seconds, gated=gated)


def test_where_processes_take_turns_nothing_fails(measured, monkeypatch):
    """What cannot be judged is said, and kept."""
    monkeypatch.setattr(speed_run, "processor_share", lambda: 0.67)
    run = run_with(ratio=10)
    _, benchmark = measured(run, 0.13)
    assert "busy" == benchmark.extra_info["verdict"]
    assert (
        "this process gets 67% of a processor, too little to judge by: 0.77 of"
        in benchmark.extra_info["why"]
    )
    assert "held" == measured(run_with(ratio=10), 0.1)[1].extra_info["verdict"]


def test_what_is_dispatched_is_judged_beside_such_work(measured, monkeypatch):
    """Seconds alone and one ratio do not fail it; both ratios do, and on a GPU it is a kernel."""
    found, _ = measured(run_with(), 0.1, dispatched=True, backend="fused")
    assert found.stream == pytest.approx(0.2, rel=1e-2)
    assert measured(run_with(), 0.1, backend="fused")[0].stream == pytest.approx(2, rel=1e-2)
    kept = {"copy/fused": result(ratio=10, stream=0.2, seconds=0.05)}
    run = SpeedRun(CPU, baseline.Baseline(CPU, kept), "why")
    _, benchmark = measured(run, 0.1, dispatched=True, backend="fused")
    assert "held" == benchmark.extra_info["verdict"], "twice the seconds, as everything beside it"
    kept = {"copy/fused": result(ratio=12, stream=0.2, seconds=0.05)}
    run = SpeedRun(CPU, baseline.Baseline(CPU, kept), "why")
    assert "held" == measured(run, 0.1, dispatched=True, backend="fused")[1].extra_info["verdict"]
    kept = {"copy/fused": result(ratio=12, stream=0.25, seconds=0.1)}
    run = SpeedRun(CPU, baseline.Baseline(CPU, kept), "why")
    with pytest.raises(AssertionError, match=r"0\.83 of the stored ratio 12, 0\.80 and 1\.00 by"):
        measured(run, 0.1, dispatched=True, backend="fused")
    monkeypatch.setattr(speed_run.CLOCK, "cuda", True)
    found, _ = measured(run_with(), 0.1, dispatched=True, backend="fused")
    assert found.stream == pytest.approx(2, rel=1e-2)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("hoisted", (1000, 8, 4, 64), True), ("naive", (50, 4, 4, 257), False),
        ("fused", (400, 4, 4, 32), True), ("fused", (401, 4, 4, 32), False),
        ("lstm", (10, 1, 4, 4), False),
    ],
)  # fmt: skip
def test_calls_are_most_of_small_steps_and_short_sequences(name, shape, expected):
    """A loop's steps are small or not, however many; a kernel is called once, for all of them."""
    assert dispatched(name, Shape(*shape)) is expected


def test_slowed_on_purpose_is_caught(measured):
    """``--slow fused=1.3`` on a machine without noise."""
    with pytest.raises(AssertionError, match=r"0\.77 of the stored ratio"):
        measured(run_with(ratio=10, slow={"fused": 1.3}), 0.1)
    assert "held" == measured(run_with(ratio=10, slow={"gru": 1.3}), 0.1)[1].extra_info["verdict"]


def test_what_is_not_gated_is_reported(measured):
    """Torch's own layers, and every layer of a run that stores."""
    run = run_with(ratio=10)
    measured(run, 0.5, gated=False)
    assert "reported" == run.verdicts["copy/fused"].status
    update = run_with(ratio=10, update=True)
    assert 2 == pytest.approx(measured(update, 0.5)[0].ratio, rel=1e-2)


def test_a_run_that_stores_measures_longer(measured):
    """With twice the budget: what later runs are held to should be the better figure."""
    plain = measured(run_with(), 0.1, budget=20)[0].rounds
    assert 2 * plain - 2 <= measured(run_with(update=True), 0.1, budget=20)[0].rounds


def test_two_tests_of_one_name_are_refused():
    """One would hide the other in the stored run."""
    run = run_with()
    run.keep(result(), Verdict("reported", ""))
    with pytest.raises(ValueError, match="copy/fused is measured by two tests: rename one"):
        run.keep(result(), Verdict("reported", ""))


def test_the_table_shows_every_result_and_why():
    """Ratios beside the stored ones, goals, what is absent, and the key."""
    run = run_with(ratio=20)
    run.keep(result(ratio=10), Verdict("slower", ""))
    run.absent["icu/fused"] = "no numba"
    lines = []
    show(run, lines.append)
    text = "\n".join(lines)
    assert "SLOWER" in text
    assert " 0.50 " in text
    assert "not measured: icu/fused: no numba" in text
    assert CPU.device in lines[-1]
    assert "goals not measured in this run: G1, G2, G3" in text
    gpu = dataclasses.replace(run, environment=GPU, results={}, verdicts={})
    lines.clear()
    show(gpu, lines.append)
    assert "G4, " in "\n".join(lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.5e-6, "4.5 µs"), (7e-9, "7 ns")]
)
def test_durations(seconds, text):
    """Three digits and a unit."""
    assert text == duration(seconds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--slow", "fused"], "--slow: expected NAME=FACTOR"),
        (["--slow", "fused=2", "--update-baseline"], "expected no --slow beside it"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    """Before anything is measured."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/benchmarks", "--collect-only", "-q", *options],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert 4 == run.returncode, run.stdout + run.stderr
    assert message in run.stderr
