"""How another implementation is compared with the reference, case by case and in a certificate."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import cells
from properties import Profile, Status, certify
from properties.core.agreement import compare
from properties.core.differences import derivative
from properties.core.implementations import implementations
from properties.core.observation import Case, Layer
from properties.core.setting import BATCHES, COTANGENTS, INPUTS, STATES, WATCHED, Setting
from properties.core.verify import CONFIRMED, verify
from tests.properties.test_museum import CATALOGUE, FOLDER, MUTANTS

KEY = "fused-equals-reference"
BRIEF = Profile("brief", 1, 24, 4, 8, 16, 1, 2, 4)


def line(cell, scope="at-init", **options):
    """The certificate of one cell for this property, and its line."""
    given = {"profile": BRIEF, "sizes": ((1, 2), (3, 4)), **options}
    certificate = certify(cell, only=[KEY], **given)
    return certificate, certificate.verdict(KEY, scope)


def test_twelve_settings_in_a_row_hold_every_choice():
    """And 420 hold all combinations of batch, layouts and what is watched."""
    for start in (0, 5, 417):
        some = [Setting.numbered(start + i) for i in range(12)]
        assert {s.batch for s in some} == set(BATCHES)
        assert {s.inputs for s in some} == set(INPUTS)
        assert {s.state for s in some} == set(STATES)
        assert {s.watched for s in some} == set(WATCHED)
        assert {s.cotangent for s in some} == set(COTANGENTS)
    every = [Setting.numbered(i) for i in range(420)]
    assert 420 == len({(s.batch, s.inputs, s.state, s.watched) for s in every})


@given(st.integers(0, 2**31))
def test_a_setting_is_stored_as_numbers(number):
    """What the witness keeps is the setting."""
    setting = Setting.numbered(number)
    assert setting == Setting.decoded(torch.tensor(setting.code(), dtype=torch.float64))


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("batch", BATCHES)
def test_layouts_change_strides_and_no_number(inputs, batch):
    """Each layout is a view of its leaf with the same entries; only the first is contiguous."""
    given = torch.arange(12, dtype=torch.float64).reshape(4, 3) + 1
    setting = Setting(batch=batch, inputs=inputs)
    leaf = setting.inputs_of(given)
    xs = setting.sequence(leaf)
    assert (4, *batch, 3) == xs.shape
    assert leaf.untyped_storage().data_ptr() == xs.untyped_storage().data_ptr()
    if inputs == "one row for all":
        assert torch.equal(xs, given.reshape(4, *(1,) * len(batch), 3).expand_as(xs))
    else:
        assert torch.equal(xs, Setting(batch=batch).sequence(Setting(batch=batch).inputs_of(given)))
    dense = inputs in (INPUTS[0], "one row for all", "batch first") and math.prod(batch) == 1
    assert xs.is_contiguous() == (dense or inputs == INPUTS[0])


def test_the_readable_cell_has_no_other_implementation():
    """And the line says what each backend has against it."""
    found, why = implementations(cells.get("rru")(3, 5))
    assert () == found
    assert "library: RRU is no cell of torch" in why
    _, result = line("rru")
    assert Status.NOT_APPLICABLE is result.status
    assert "nothing but the reference runs it" in result.reason


def test_torchs_kernels_are_another_implementation():
    """What they cannot run is said, and is not held against them."""
    assert ["library"] == [one.name for one in implementations(cells.get("gru")(3, 5))[0]]
    certificate, result = line("gru", "all-weights")
    assert Status.TESTED is result.status, result.reason
    assert result.passed > 20
    assert "the sequence or the batch is empty" in result.reason
    assert ["library"] == result.evidence["implementations"]
    assert 0 < result.evidence["worst_ratio"] < 1
    json.loads(certificate.dumps())


def test_a_callable_of_its_own_is_offered():
    """Also on a cell that ``adapt`` made."""
    cell = cells.adapt(nn.GRUCell(3, 4))
    cell.fused = lambda xs, state: cells.unroll(cell, xs, state)
    assert ["offered"] == [one.name for one in implementations(cell)[0]]


class Refuses(CATALOGUE.Specimen):
    """Offers a layer that never runs."""

    def fused(self, *_):
        raise RuntimeError("no such kernel on this machine")


def test_what_refuses_everything_is_inconclusive():
    """It is offered, so the line is asked for; nothing was compared, so nothing is tested."""
    certificate, result = line(Refuses)
    assert Status.INCONCLUSIVE is result.status
    assert "every case was refused" in result.reason
    assert "no such kernel" in result.reason
    assert 2 == certificate.exit_status


def case(cell, **setting):
    """One case of two steps with numbers that float32 holds."""
    parameters = {k: p.detach().clone() for k, p in cell.named_parameters()}
    generator = torch.Generator().manual_seed(3)
    state = torch.randn(cells.Layout.of(cell.initial_state()).size, generator=generator)
    inputs = torch.randn(2, cell.input_size, generator=generator)
    return Case(parameters, state.double(), inputs.double(), Setting(**setting))


def test_one_case_by_hand():
    """``compare`` takes what builds the cell, and gives one comparison per implementation."""
    factory = MUTANTS["one-weights-gradient-is-off"].factory
    cell = factory(3, 8).double()
    (found,) = compare(lambda dtype: factory(3, 8).to(dtype), case(cell))
    assert 1 < found.ratio
    assert ["weight_r"] == sorted(
        {c.text.split(" is off")[0].split()[-1] for c in found.complaints}
    )
    assert "finite differences of offered's own forward side with the reference" in found.text
    (found,) = compare(
        lambda dtype: factory(3, 8).to(dtype), case(cell, watched="inputs and initial state")
    )
    assert [] == found.complaints


class Kinked(nn.Module):
    """|h + x| with a gradient that may be ``off``: no derivative where the sum is 0."""

    def __init__(self, off=0.0):
        super().__init__()
        self.input_size, self.off = 1, off

    def initial_state(self, *batch):
        return CATALOGUE.State(torch.zeros(*batch, 1), torch.zeros(*batch, 1))

    def step(self, x, state):
        return state._replace(memory=(state.memory + x).abs(), recurrent=state.recurrent + x)

    def readout(self, state):
        return state.memory


@pytest.mark.parametrize("at", [0.0, 0.5])
def test_differences_decide_nothing_at_a_kink(at):
    """Away from it a wrong slope is found; on it neither side is right."""
    cell = Kinked().double()
    state = torch.tensor([at, 0.0], dtype=torch.float64)
    setting = Setting(batch=(), cotangent="outputs")
    one = Case({}, state, torch.zeros(1, 1, dtype=torch.float64), setting)
    layer = Layer(cell, lambda xs, s: cells.unroll(cell, xs, s), one, torch.float64)
    slope = layer.observe().gradients["inputs"]
    found = derivative(layer, "inputs", slope + 0.2, 1e-15)
    assert not found.agrees
    assert found.decided == bool(at)
    assert not at or derivative(layer, "inputs", slope, 1e-15).agrees


def test_a_counterexample_is_replayed_and_has_a_script(tmp_path):
    """The stored case is judged again without a search, and the script shows it by itself."""
    module = tmp_path / "halved.py"
    module.write_text(
        "import torch\n"
        "from cells.elman import Elman\n\n\n"
        "class Halved(Elman):\n"
        "    def fused(self, xs, state):\n"
        "        from cells import unroll\n"
        "        outputs, last = unroll(self, xs, state)\n"
        "        return outputs, last._replace(hidden=0.5 * last.hidden)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "properties", "halved:Halved", "--only", KEY, "--json", "c.json",
         "--reproducer", "scripts"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parents[2])},
    )  # fmt: skip
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "the last state's 'hidden' is off" in done.stdout
    scripts = sorted((tmp_path / "scripts").glob("*.py"))
    assert scripts
    ran = subprocess.run(
        [sys.executable, str(scripts[0])],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parents[2])},
    )  # fmt: skip
    assert 1 == ran.returncode, ran.stdout + ran.stderr
    assert "offered: in float64 the last state's 'hidden' is off" in ran.stdout
    sys.path.insert(0, str(tmp_path))
    try:
        document = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
        stored = document["certificates"][0] if "certificates" in document else document
        outcomes = {(one.property, one.outcome) for one in verify(stored)}
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("halved", None)
    assert (KEY, CONFIRMED) in outcomes
    assert "differs" not in {outcome for _, outcome in outcomes}
