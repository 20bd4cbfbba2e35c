"""Records: whole or not there, and every kind of damage is noticed."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import types

import fake_runs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.core.errors import AblationError, UnavailableError
from ablations.ledger.folder import Folder
from ablations.ledger.record import DamagedRecordError, Record, read, write
from studies.core import atomic

JOB = fake_runs.layout().jobs()[0]


@given(st.lists(st.floats(), min_size=1, max_size=6), st.floats())
def test_a_record_is_read_as_it_was_written(values, test):
    """Every float to the last bit, NaN and infinities included."""
    base = fake_runs.record(JOB, 0)
    record = dataclasses.replace(
        base, ends={**base.ends, "test_metric": test}, curves={**base.curves, "train_loss": values}
    )
    again = Record.loads(record.dumps(), "it")
    assert again.result == record.result
    assert np.array_equal(again.curves["train_loss"], values, equal_nan=True)
    assert again.ends["test_metric"] == test or math.isnan(test)
    for line in record.dumps().splitlines():
        json.loads(line, parse_constant=pytest.fail)  # strict JSON: no NaN literal


def test_the_text_of_a_record_is_one():
    """Its hash is of sorted JSON without spaces, whichever mapping held the numbers; infinities are words."""
    plain = fake_runs.record(JOB, 0)
    content = dataclasses.asdict(plain)
    del content["provenance"], content["observed"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert plain.result == hashlib.sha256(text.encode()).hexdigest()
    other = dataclasses.replace(plain, about=types.MappingProxyType(dict(plain.about)))
    assert other.result == plain.result
    content["ends"]["test_metric"] = {"float": "inf"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    strange = dataclasses.replace(plain, ends={**plain.ends, "test_metric": math.inf})
    assert strange.result == hashlib.sha256(text.encode()).hexdigest()


def test_a_record_from_before_curves_were_observed_is_read():
    """Nothing is known of them then, and its result is the same."""
    record = fake_runs.record(JOB, 0)
    old = dataclasses.replace(record, observed={})
    body = json.loads(old.dumps().splitlines()[1])
    del body["observed"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    head = {"format": "ablations-record 1", "sha256": hashlib.sha256(text.encode()).hexdigest()}
    again = Record.loads(f"{json.dumps(head)}\n{text}\n", "it")
    assert again == old
    assert again.result == record.result


def test_the_result_leaves_out_where_it_was_made():
    """Two executions that agree have one result, whoever made them."""
    one, two = fake_runs.record(JOB, 0, attempt=1), fake_runs.record(JOB, 0, attempt=2)
    assert one.dumps() != two.dumps()
    assert one.result == two.result != fake_runs.record(JOB, 0, shift=1e-9).result


@pytest.mark.parametrize("place", range(0, 1200, 97))
def test_every_flipped_bit_is_noticed(tmp_path, place):
    """In the head, the body, a number."""
    path = tmp_path / "a.jsonl"
    write(path, fake_runs.record(JOB, 0))
    content = bytearray(path.read_bytes())
    content[min(place, len(content) - 2)] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedRecordError, match=r"a\.jsonl"):
        read(path)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]\n{}", '{"format": "other", "sha256": ""}\n{}\n', "\xff"]
)
def test_what_is_no_record_is_refused(tmp_path, text):
    """Empty, torn, of another format, not text."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedRecordError):
        read(path)


def test_a_damaged_record_becomes_a_missing_run(tmp_path):
    """It is kept in quarantine, and the run is asked for again."""
    folder, layout = Folder(tmp_path), fake_runs.layout()
    record = fake_runs.record(JOB, 0)
    assert folder.keep(record) == "written"
    assert folder.keep(record) == "same"
    path = folder.run_path(record.cell, 0)
    path.write_text(path.read_text().replace("0", "1", 1))
    assert Folder(tmp_path).record(record.cell, 0) is None
    assert folder.record(record.cell, 0) is None
    assert len(folder.damaged()) == 1
    assert (record.cell, 0) not in folder.done(layout)


def test_a_record_under_another_runs_name_is_damage(tmp_path):
    """A file that was copied by hand does not count twice."""
    folder = Folder(tmp_path)
    folder.keep(fake_runs.record(JOB, 0))
    folder.run_path(JOB.cell.key, 0).rename(folder.run_path(JOB.cell.key, 1))
    assert folder.record(JOB.cell.key, 1) is None
    assert len(folder.damaged()) == 1


def test_two_attempts_that_differ_are_both_kept(tmp_path):
    """The first stands, the other lies beside it."""
    folder = Folder(tmp_path)
    first = fake_runs.record(JOB, 0)
    folder.keep(first)
    assert folder.keep(fake_runs.record(JOB, 0, shift=1e-6)) == "conflict"
    assert folder.record(JOB.cell.key, 0).result == first.result
    assert len(list((tmp_path / "runs").glob("*.dup"))) == 1


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    """The message says that the same command goes on."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(UnavailableError, match="No space left on device; nothing half-written"):
        write(tmp_path / "runs" / "a.jsonl", fake_runs.record(JOB, 0))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_folder_is_of_one_study(tmp_path):
    """More seeds are welcome; another plan or profile is not."""
    folder = Folder(tmp_path)
    folder.declare("gato-memory", fake_runs.layout(seeds=2))
    folder.declare("gato-memory", fake_runs.layout(seeds=3))
    assert folder.layout().seeds == (0, 1, 2)
    with pytest.raises(AblationError, match="holds a study of gato-memory"):
        folder.declare("gates", fake_runs.layout("gates"))
    with pytest.raises(AblationError, match="expected the folder of a study"):
        Folder(tmp_path / "no").layout()


def test_a_plan_that_changed_is_not_mixed_with_its_past(tmp_path):
    """Cells are compared, not names."""
    folder = Folder(tmp_path)
    folder.declare("gato-memory", fake_runs.layout(protocol_version=3))
    with pytest.raises(AblationError, match="asks for other cells now"):
        folder.layout()


def test_a_lock_that_is_held_is_said(tmp_path):
    """Two exports at once."""
    folder = Folder(tmp_path)
    with (
        folder.alone("export"),
        pytest.raises(AblationError, match="another process is at its export"),
        Folder(tmp_path).alone("export", wait=False),
    ):
        pass
