"""A script shows the violation where it is, and none where the cell has been mended."""

from __future__ import annotations

import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cells
from cells import Claim
from properties import UsageError, certify
from properties.core.profile import Profile
from properties.core.verdict import Status
from properties.report.literals import UNPACK, literal, periodic, sequence
from properties.report.reproducer import script

ROOT = Path(__file__).resolve().parents[2]
BRIEF = Profile("brief", 1, 36, 2, 4, 64, 2, 2, 2)
SIZES = [(1, 2), (2, 4)]


def falsified(certificate, key):
    """The first falsified line of a property, its counterexample first looked for in the widest scope."""
    lines = [r for r in certificate.results if r.property == key and r.status is Status.FALSIFIED]
    assert lines, [
        (r.scope, str(r.status), r.reason) for r in certificate.results if r.property == key
    ]
    return lines[-1]


def run_apart(text, folder):
    """The script in a Python of its own, started in the repository; its exit status and output."""
    path = folder / "case.py"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return done.returncode, done.stdout + done.stderr


def run_here(text, folder, capsys):
    """The script in this process; its exit status and output."""
    path = folder / "case.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(path))
    captured = capsys.readouterr()
    return stop.value.code, captured.out + captured.err


@pytest.mark.parametrize(
    ("name", "key", "sizes"),
    [
        ("lstm", "bounded-state", SIZES),
        ("rhn", "bounded-decoder", SIZES),
        ("eurnn", "bounded-state", SIZES),
        ("rru", "identity-block", SIZES),
        ("sru", "bounded-state", [(1, 5)]),
    ],
)
def test_scripts_of_the_catalogue_reproduce(name, key, sizes, tmp_path):
    """Run apart from this process, each exits with 1 and says what it saw."""
    certificate = certify(name, only=(key,), profile=BRIEF, sizes=sizes)
    result = falsified(certificate, key)
    status, output = run_apart(script(certificate, result), tmp_path)
    assert 1 == status, output
    assert "the violation reproduces" in output
    assert result.witness.sentence in output


CELL = '''
from typing import NamedTuple
import torch
from cells import Channels, Claim

class State(NamedTuple):
    memory: torch.Tensor
    recurrent: torch.Tensor

class Surrogate(torch.autograd.Function):
    """Forward halves, backward lets everything pass; vmap takes it."""
    generate_vmap_rule = True
    @staticmethod
    def forward(s):
        return s / 2
    @staticmethod
    def setup_context(ctx, inputs, output):
        pass
    @staticmethod
    def backward(ctx, g):
        return g

class Cell(torch.nn.Module):
    channels = Channels(memory=("memory",), recurrent=("recurrent",))
    claims = (CLAIMS)
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.n = input_size, hidden_size // 2
        self.weight = torch.nn.Parameter(torch.randn(self.n, input_size) / 2)
        self.register_buffer("offset", torch.rand(self.n))
    def initial_state(self, *batch):
        zeros = self.weight.new_zeros(*batch, self.n)
        return State(zeros, zeros)
    def step(self, x, state):
        a = torch.tanh(x @ self.weight.T + 0.1 * state.recurrent)
        memory = MEMORY
        recurrent = RECURRENT
        return State(memory, recurrent)
    def readout(self, state):
        return READOUT
'''
GOOD = {
    "MEMORY": "state.memory + a",
    "RECURRENT": "state.recurrent / 2 + a",
    "READOUT": "torch.cos(torch.cat((state.memory, state.recurrent), -1))",
    "CLAIMS": "",
}
MUTANTS = {
    "leaky memory": ("identity-block", {"MEMORY": "0.9 * state.memory + a"}),
    "memory that autograd misreports": (
        "identity-block",
        {"MEMORY": "Surrogate.apply(state.memory) + a"},
    ),
    "dead memory": ("writable-memory", {"MEMORY": "state.memory + 0 * a"}),
    "unread memory": ("writable-memory", {"READOUT": "torch.cos(state.recurrent)"}),
    "unbounded decoder": (
        "bounded-decoder",
        {"READOUT": "torch.cat((state.memory, state.recurrent), -1)"},
    ),
    "decoder above its bound": (
        "bounded-decoder",
        {
            "READOUT": "3 * torch.cos(torch.cat((state.memory, state.recurrent), -1))",
            "CLAIMS": "Claim('bounded-decoder', 'cos', bound=2.0),",
        },
    ),
    "saturating decoder": ("non-saturating", {"READOUT": "torch.tanh(state.memory)"}),
    "steep decoder": (
        "bounded-decoder-gradient",
        {"READOUT": "torch.cos(torch.cat((state.memory, state.recurrent), -1) ** 2)"},
    ),
    "decoder steeper than claimed": (
        "bounded-decoder-gradient",
        {
            "READOUT": "torch.cos(3 * torch.cat((state.memory, state.recurrent), -1))",
            "CLAIMS": "Claim('bounded-decoder-gradient', 'cos', bound=2.0),",
        },
    ),
    "growing state": ("bounded-state", {"RECURRENT": "state.recurrent + torch.relu(a)"}),
    "state above its bound": (
        "bounded-state",
        {
            "RECURRENT": "state.recurrent / 2 + 2 * a",
            "CLAIMS": "Claim('bounded-state', 'a geometric series', bound=2.0),",
        },
    ),
    "hidden state": ("well-posed", {"MEMORY": "state.memory + a + self.offset.add_(1) * 0"}),
    "mixed rows": ("well-posed", {"MEMORY": "state.memory + a - a.mean(0)"}),
}


def write(folder, parts):
    """The module of one cell, and no trace of an older version of it."""
    text = CELL
    for part, code in (GOOD | parts).items():
        text = text.replace(part, code)
    (folder / "reported_cell.py").write_text(text, encoding="utf-8")
    sys.modules.pop("reported_cell", None)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_script_tells_the_mutant_from_the_mended_cell(mutant, tmp_path, monkeypatch, capsys):
    """The same script exits with 1 on the cell as it was, and with 0 once its module is mended."""
    key, parts = MUTANTS[mutant]
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # both versions may have one time stamp
    write(tmp_path, parts)
    certificate = certify("reported_cell:Cell", only=(key,), profile=BRIEF, sizes=SIZES)
    text = script(certificate, falsified(certificate, key))
    sys.modules.pop("reported_cell")
    status, output = run_here(text, tmp_path, capsys)
    assert 1 == status, output
    write(tmp_path, {"CLAIMS": parts.get("CLAIMS", "")})
    status, output = run_here(text, tmp_path, capsys)
    assert 0 == status, output
    assert "the violation does not reproduce" in output
    sys.modules.pop("reported_cell")


def test_a_cell_that_changed_shape_is_no_verdict(tmp_path, monkeypatch, capsys):
    """Exit status 2: neither reproduced nor refuted."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(tmp_path, {"MEMORY": "0.9 * state.memory + a"})
    certificate = certify(
        "reported_cell:Cell", only=("identity-block",), profile=BRIEF, sizes=SIZES
    )
    text = script(certificate, falsified(certificate, "identity-block"))
    path = tmp_path / "reported_cell.py"
    path.write_text(
        path.read_text().replace("self.n, input_size) / 2", "self.n + 1, input_size) / 2")
    )
    sys.modules.pop("reported_cell")
    status, output = run_here(text, tmp_path, capsys)
    assert 2 == status
    assert "the cell has changed" in output
    sys.modules.pop("reported_cell")


def test_a_factory_without_a_name_leaves_a_place_for_it(tmp_path, capsys):
    """Exit status 2 and a hint, until the factory is filled in."""

    def local(input_size, hidden_size):
        return torch.nn.GRUCell(input_size, hidden_size)

    certificate = certify(local, only=("identity-block",), profile=BRIEF, sizes=SIZES)
    text = script(certificate, falsified(certificate, "identity-block"))
    status, output = run_here(text, tmp_path, capsys)
    assert 2 == status
    assert "edit this script: return your cell from factory()" in output
    line = next(line for line in text.splitlines() if "raise RuntimeError" in line)
    mended = text.replace(line, "    return torch.nn.GRUCell(input_size, hidden_size)")
    assert 1 == run_here(mended, tmp_path, capsys)[0]


def test_an_advisory_line_repeats_its_check(tmp_path, capsys):
    """Without a counterexample, the check itself is run again."""
    certificate = certify(
        "gato", only=("resolvable-memory",), profile=BRIEF, sizes=SIZES, dtype=torch.bfloat16
    )
    result = falsified(certificate, "resolvable-memory")
    assert 1 == run_here(script(certificate, result), tmp_path, capsys)[0]


def test_trained_weights_are_part_of_a_repeated_check(tmp_path, capsys):
    """A battery that complains of trained weights is run on those weights, and holds without the flaw."""
    weights = torch.nn.GRUCell(2, 4).double().state_dict()
    weights["weight_hh"][0, 0] = float("nan")
    certificate = certify(torch.nn.GRUCell, weights=weights, sizes=[(2, 4)], profile=BRIEF)
    text = script(certificate, falsified(certificate, "well-posed"))
    status, output = run_here(text, tmp_path, capsys)
    assert 1 == status, output
    assert "NaN" in output
    status, output = run_here(text.replace("[nan,", "[0.0,"), tmp_path, capsys)
    assert 0 == status, output


def test_a_claim_from_outside_is_part_of_a_repeated_check(tmp_path, capsys):
    """What the caller claims of a cell is claimed in the script too."""
    claim = Claim("gate-gradient", "a bold claim", bound=50.0)
    certificate = certify(
        "lstm", only=("gate-gradient",), profile=BRIEF, sizes=SIZES, claims=[claim], denies=[]
    )
    text = script(certificate, falsified(certificate, "gate-gradient"))
    assert "Claim(property='gate-gradient', because='a bold claim', bound=50.0)" in text
    assert 1 == run_here(text, tmp_path, capsys)[0]
    assert 0 == run_here(text.replace("bound=50.0", "bound=0.5"), tmp_path, capsys)[0]


def test_a_header_says_what_and_how():
    """Statement, observation, versions and how to run it; a message cannot break out of the comment."""
    certificate = certify("lstm", only=("identity-block",), profile=BRIEF, sizes=SIZES)
    result = falsified(certificate, "identity-block")
    object.__setattr__(result, "because", 'a """ quote\nimport os\x00\x0c \\')
    text = script(certificate, result)
    header = text[: text.index("\n\n")]
    assert all(line.startswith("# ") for line in header.splitlines())
    header = " ".join(line[2:].strip() for line in header.splitlines())
    for expected in (
        "Statement:",
        "Seen:",
        "Run:",
        "Exit status:",
        certificate.environment["torch"],
        "seed 0",
    ):
        assert expected in header
    compile(text, "case.py", "exec")


def test_a_script_needs_the_run():
    """A certificate without its context cannot say where the block lies."""
    certificate = certify("lstm", only=("identity-block",), profile=BRIEF, sizes=SIZES)
    object.__setattr__(certificate, "context", None)
    with pytest.raises(UsageError, match="got one without its run; call certify again"):
        script(certificate, falsified(certificate, "identity-block"))


def test_the_float32_of_a_certificate_is_the_scripts(tmp_path, capsys):
    """Literals and cell are in the certificate's dtype."""
    certificate = certify(
        "lstm", only=("bounded-state",), profile=BRIEF, sizes=SIZES, dtype=torch.float32
    )
    text = script(certificate, falsified(certificate, "bounded-state"))
    assert "torch.float32" in text
    assert "torch.float64" not in text
    assert 1 == run_here(text, tmp_path, capsys)[0]


def evaluate(expression):
    """The value of an expression as a script would see it."""
    import base64
    import zlib

    scope = {
        "torch": torch,
        "inf": float("inf"),
        "nan": float("nan"),
        "base64": base64,
        "zlib": zlib,
    }
    exec(textwrap.dedent(UNPACK), scope)  # noqa: S102 - our own text
    return eval(expression, scope)  # noqa: S307 - ditto


def same(one, other):
    """Bit for bit, but that any NaN is any NaN."""
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    alike = (one == other) & (torch.signbit(one.real) == torch.signbit(other.real))
    return bool((alike | ((one != one) & (other != other))).all())  # noqa: PLR0124


NUMBERS = st.floats() | st.sampled_from([0.0, -0.0, 1.0, 80.0])
DTYPES = st.sampled_from([torch.float64, torch.float32, torch.bfloat16])


@given(st.lists(NUMBERS, max_size=6), DTYPES, st.booleans())
def test_a_literal_is_the_tensor(values, dtype, column):
    """Evaluating the text gives every bit back."""
    tensor = torch.tensor(values, dtype=torch.float64).to(dtype)
    tensor = tensor.unsqueeze(-1) if column else tensor
    assert same(tensor, evaluate(literal(tensor)))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.5),
        torch.tensor([[1 + 2j, -0.5j]], dtype=torch.complex128),
        torch.zeros(3, 0),
        torch.arange(6000, dtype=torch.float64).reshape(2, 3000) / 7,
        torch.randn(5, 5, 200, generator=torch.Generator().manual_seed(0)),
    ],
    ids=["scalar", "complex", "empty", "large", "large float32"],
)
def test_literals_of_every_kind(tensor):
    """Scalars, complex numbers, nothing, and what is too large for digits."""
    assert same(tensor, evaluate(literal(tensor)))


def test_a_large_literal_is_short():
    """A constant is one number, a large tensor is packed."""
    assert len(literal(torch.full((500, 500), 3.0))) < 60
    assert len(literal(torch.arange(60_000.0))) < 200_000


@given(
    st.lists(st.sampled_from([0.0, 1.0, -1.0]), max_size=5),
    st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=4),
    st.integers(1, 9),
)
def test_a_sequence_is_its_inputs(beginning, period, times):
    """A beginning and a repeated period give back every step, and are no longer than what was repeated."""
    inputs = torch.tensor(beginning + period * times, dtype=torch.float64).unsqueeze(-1)
    assert same(inputs, evaluate(sequence(inputs)))
    start, length = periodic(inputs)
    assert start + 2 * length <= max(len(beginning) + 2 * len(period), 2) or start + length == len(
        inputs
    )


def test_periods_are_found():
    """Constant, alternating, an impulse late in silence, and noise."""
    silence = torch.zeros(100, 2)
    impulse = silence.clone()
    impulse[60] = 1
    noise = torch.rand(100, 2, generator=torch.Generator().manual_seed(1))
    assert [(0, 1), (61, 1), (0, 100)] == [periodic(x) for x in (silence, impulse, noise)]


def test_the_registry_is_named_by_name():
    """A registered cell is built as any user would."""
    assert "lstm" in cells.names()
    certificate = certify("lstm", only=("identity-block",), profile=BRIEF, sizes=SIZES)
    assert "cells.get('lstm')" in script(certificate, falsified(certificate, "identity-block"))
