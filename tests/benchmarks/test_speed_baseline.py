"""Stored runs: their keys, their files, and what is wrong with a file said in words."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import os
from types import SimpleNamespace

import baseline
import environment
import pytest
import torch
from environment import Environment, processor
from fake_results import CPU, GPU, result
from goals import GOALS
from hypothesis import given
from hypothesis import strategies as st
from result import rounded
from workloads import ROWS, WORKLOADS

from studies.core.errors import StudyError


def test_what_is_written_is_read(tmp_path):
    """Under its key's name, the same results."""
    path = baseline.write(CPU, [result(), result("hoisted", 3.0)], tmp_path)
    assert "some-cpu-family-1-model-2-avx2-2.13.0-numba-0.68.1-1.json" == path.name
    found = baseline.read(path)
    assert CPU == found.environment
    assert {"copy/fused": result(), "copy/hoisted": result("hoisted", 3.0)} == found.results


def test_a_file_does_not_depend_on_the_order_of_tests(tmp_path):
    """Sorted, with a line end: a diff shows what changed."""
    one = baseline.write(CPU, [result(), result("hoisted")], tmp_path / "a").read_bytes()
    other = baseline.write(CPU, [result("hoisted"), result()], tmp_path / "b").read_bytes()
    assert one == other
    assert one.endswith(b"}\n")


def test_what_was_not_measured_stays(tmp_path):
    """A run of some tests replaces what it measured, and nothing else."""
    baseline.write(CPU, [result(ratio=10), result("hoisted", 3)], tmp_path)
    path = baseline.write(CPU, [result(ratio=12)], tmp_path)
    found = baseline.read(path).results
    assert (12, 3) == (found["copy/fused"].ratio, found["copy/hoisted"].ratio)


def test_the_run_of_this_key_is_found(tmp_path):
    """And its file named."""
    baseline.write(CPU, [result()], tmp_path)
    baseline.write(GPU, [result()], tmp_path)
    found, why = baseline.find(GPU, tmp_path)
    assert found is not None
    assert GPU == found.environment
    assert "gated by nvidia-h200-2.11.0-triton-3.6.0-91002-1.json" == why


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"device": "Another CPU"}, "device Another CPU instead of Some CPU"),
        ({"torch": "2.11.0"}, "torch 2.11.0 instead of 2.13.0"),
        ({"kernels": "numba 0.70.0"}, "kernels numba 0.70.0 instead of numba 0.68.1"),
        ({"cudnn": "91002"}, "cudnn 91002 instead of none"),
        ({"threads": 2}, "threads 2 instead of 1"),
    ],
)
def test_another_key_is_a_report(tmp_path, changes, word):
    """Each part of the key counts; the report says what the nearest stored run differs in."""
    baseline.write(dataclasses.replace(CPU, **changes), [result()], tmp_path)
    found, why = baseline.find(CPU, tmp_path)
    assert found is None
    assert f"the nearest has {word}" in why
    assert "nothing is gated" in why


def test_without_any_stored_run(tmp_path):
    """A fresh folder gates nothing, and says so."""
    assert (None, "no stored run: a report, nothing is gated") == baseline.find(CPU, tmp_path)
    assert (None, "no stored run: a report, nothing is gated") == baseline.find(
        CPU, tmp_path / "no"
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: "", "is no stored run: Expecting value"),
        (lambda text: text[:-20], "is no stored run: .*write it anew with `nox -s bench"),
        (lambda _: "[]", "expected an object with schema, key and results"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "expected schema 1, got 2"),
        (lambda text: text.replace('"torch"', '"tosh"'), "key: expected the fields"),
        (lambda text: text.replace('"rounds": 9', '"rounds": 0'), "positive finite rounds, got 0"),
        (lambda text: text.replace('"ratio": 10.0', '"ratio": "x"'), "finite ratio, got 'x'"),
        (lambda text: text.replace('"ratio": 10.0', '"ratio": NaN'), "finite ratio, got nan"),
        (lambda text: text.replace('"gated"', '"dated"'), "copy/fused: expected the fields"),
        (lambda text: text.replace("2.13.0", "2.14.0"), "named for another key than it holds"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, damage, message):
    """By its name, with what is wrong and what to do."""
    path = baseline.write(CPU, [result()], tmp_path)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        baseline.read(path)
    assert str(path) in str(caught.value)


def test_a_damaged_file_is_not_overwritten(tmp_path):
    """What stands there may be mended; a run that replaced a part of it could not be."""
    path = baseline.write(CPU, [result()], tmp_path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="is no stored run"):
        baseline.write(CPU, [result()], tmp_path)
    assert "{" == path.read_text(encoding="utf-8")


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    """Nothing half-written survives."""
    path = baseline.write(CPU, [result()], tmp_path)
    before = path.read_bytes()

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StudyError, match="cannot be written: No space left"):
        baseline.write(CPU, [result(ratio=99)], tmp_path)
    assert ([path], before) == (list(tmp_path.iterdir()), path.read_bytes())


words = st.text("abcXYZ 0.9,", min_size=1).filter(str.strip)


@given(words, words)
def test_different_devices_have_different_files(one, other):
    """Up to case and punctuation: a file that holds another key is refused when it is read."""
    first, second = (dataclasses.replace(CPU, device=name).file_name for name in (one, other))
    if first == second:
        assert "".join(filter(str.isalnum, one)).lower() == (
            "".join(filter(str.isalnum, other)).lower()
        )


@given(st.floats(1e-9, 1e9))
def test_four_digits_are_kept(value):
    """More do not repeat."""
    assert rounded(value) == pytest.approx(value, rel=6e-4)
    assert rounded(rounded(value)) == rounded(value)


def test_this_machine_has_a_key():
    """On the CPU, with the instruction set, since kernels are compiled for it."""
    here = Environment.here(cuda=False)
    assert torch.backends.cpu.get_cpu_capability() in here.device
    assert (torch.__version__.partition("+")[0], "none") == (here.torch, here.cudnn)
    assert Environment.read(json.loads(json.dumps(here.written()))) == here
    assert not here.cuda
    assert (True, True) == (GPU.cuda, GPU.hopper)


def test_the_processor_is_named_by_its_design(tmp_path):
    """A name that covers several designs is not enough; without a listing there is still one."""
    listing = tmp_path / "cpuinfo"
    listing.write_text("model name\t: X\ncpu family\t: 25\nmodel\t: 17\n", encoding="utf-8")
    assert processor(listing).startswith("X, family 25, model 17, ")
    assert processor(tmp_path / "none")


def test_the_share_of_a_processor_is_what_the_clocks_say(monkeypatch):
    """A process that ran for three tenths of the time."""
    wall, used = itertools.count(), itertools.count(step=0.3)
    clocks = SimpleNamespace(
        perf_counter=lambda: float(next(wall)), process_time=lambda: float(next(used))
    )
    monkeypatch.setattr(environment, "time", clocks)
    assert environment.processor_share(0.5) == pytest.approx(0.3 / 2)


def test_every_stored_run_is_one_of_this_suite():
    """What is committed can be read, and holds no workload that is measured no more."""
    for stored in baseline.stored_runs():
        for one in stored.results.values():
            rows = ROWS.get(one.workload)
            assert rows is None or one.implementation in rows


def test_every_workload_is_run():
    """A shape that nothing runs would be a promise."""
    assert set(ROWS) == set(WORKLOADS)
    assert {"copy", "adding-750", "icu", "ptb", "cert-small"} <= set(ROWS)
    assert all("fused" in names for names in ROWS.values())
    assert len({(goal.name, goal.statement) for goal in GOALS}) == len(GOALS)
