"""``verify`` confirms what a certificate proves and shows, and catches what was changed in it afterwards."""

from __future__ import annotations

import copy
import json
from functools import partial

import jsonschema
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from properties import certify
from properties.command import main
from properties.core.errors import SubjectError, UsageError
from properties.core.profile import Profile
from properties.core.verify import CONFIRMED, DIFFERS, SEARCHED, read, verify
from properties.core.witness import Draws, Witness
from properties.report.schema import schema

BRIEF = Profile("brief", 1, 8, 2, 4, 32, 2, 2, 2)
SIZES = [(1, 2), (2, 4), (3, 8)]


def document(factory, **options):
    """A certificate as a reader of the file gets it."""
    return json.loads(certify(factory, profile=BRIEF, sizes=SIZES, **options).dumps())


@pytest.fixture(scope="module")
def gato():
    """Proved in every criterion."""
    return document("gato")


@pytest.fixture(scope="module")
def rhn():
    """Falsified with replayed counterexamples, and denied."""
    return document("rhn")


def lines(stored, **options):
    """{(property, scope): line}."""
    return {(found.property, found.scope): found for found in verify(stored, **options)}


def line_of(stored, key, scope="all-weights"):
    """One line of the document, to be tampered with."""
    return next(r for r in stored["results"] if (r["property"], r["scope"]) == (key, scope))


def test_an_honest_certificate_is_confirmed(gato, rhn):
    """Proofs and counterexamples are confirmed, what was only searched is named, nothing differs."""
    proved, falsified = lines(gato), lines(rhn)
    assert {CONFIRMED, SEARCHED} == {
        found.outcome for found in (*proved.values(), *falsified.values())
    }
    for key in (
        "identity-block",
        "bounded-decoder",
        "non-saturating",
        "bounded-decoder-gradient",
        "bounded-state",
    ):
        assert CONFIRMED == proved[key, "at-init"].outcome == proved[key, "all-weights"].outcome
    assert SEARCHED == proved["well-posed", "at-init"].outcome
    for key in ("identity-block", "bounded-decoder", "bounded-state"):
        assert "falsified" == line_of(rhn, key)["status"]
        assert CONFIRMED == falsified[key, "all-weights"].outcome


def radius(stored):
    """Another least radius."""
    line_of(stored, "bounded-state")["evidence"]["proof"]["radius"] = "3"


def graph(stored):
    """Another forward graph."""
    line_of(stored, "identity-block")["evidence"]["proof"]["graph_sha256"]["forward"] = "0" * 64


def gamma(stored):
    """Another supremum of γ."""
    line_of(stored, "bounded-decoder")["evidence"]["proof"]["bound"] = "1/2"


def unproved(stored):
    """The proof is gone."""
    del line_of(stored, "bounded-state")["evidence"]["proof"]


def status(stored):
    """Proved becomes tested."""
    line_of(stored, "bounded-state")["status"] = "tested"


def invented(stored):
    """An advisory line is proved."""
    line_of(stored, "resolvable-memory", "at-init")["status"] = "proved"


def demanded(stored):
    """The line is no longer required."""
    line_of(stored, "bounded-state")["required"] = False


def statement(stored):
    """Another statement."""
    line_of(stored, "bounded-state")["statement"] = "The state is small."


def counted(stored):
    """One more is counted as proved."""
    stored["counts"]["proved"] += 1


def passed_off(stored):
    """Another exit status."""
    stored["exit_status"] = 3


def parameters(stored):
    """Another number of parameters."""
    stored["subject"]["parameters_at_standard_size"] += 1


def unknown_property(stored):
    """A property that nobody knows."""
    line_of(stored, "bounded-state")["property"] = "bounded-mood"


PROVED = {
    radius: ("bounded-state", "stored '3', made again '4503599627370496/1351079888211149'"),
    graph: ("identity-block", "proof.graph_sha256: stored"),
    gamma: ("bounded-decoder", "proof.bound: stored '1/2', made again '1'"),
    unproved: ("bounded-state", "proved without a proof"),
    status: ("bounded-state", "a proof, but not proved"),
    invented: ("resolvable-memory", "proved without a proof"),
    demanded: ("bounded-state", "required otherwise"),
    statement: ("bounded-state", "another statement"),
    counted: ("counts", "the lines give"),
    passed_off: ("exit_status", "stored 3, the lines give 0"),
    parameters: ("subject", "parameters_at_standard_size"),
    unknown_property: ("bounded-mood", "there is no such property"),
}


@pytest.mark.parametrize("tamper", PROVED, ids=lambda f: f.__name__)
def test_a_changed_proof_is_caught(gato, tamper):
    """Radius, hash, bound, status, declaration and denominators: each change is seen in its own line."""
    key, reason = PROVED[tamper]
    changed = copy.deepcopy(gato)
    tamper(changed)
    differing = {found.property: found for found in verify(changed) if found.outcome == DIFFERS}
    assert reason in differing[key].reason


def observed(line):
    """A larger measurement."""
    line["counterexample"]["observed"] *= 2


def started(line):
    """Another initial state."""
    line["counterexample"]["state"][0] = 123.0


def tamed(line):
    """Weights of zero."""
    for name, values in line["counterexample"]["parameters"].items():
        shape = line["counterexample"]["tensors"][f"parameters.{name}"]["shape"]
        line["counterexample"]["parameters"][name] = torch.zeros(shape).tolist()
        del values


def silenced(line):
    """No counterexample."""
    line["counterexample"] = None


def held(line):
    """The line holds."""
    line["status"], line["counterexample"] = "tested", None


CASES = {
    observed: "observed: stored",
    started: "observed: stored",
    tamed: "stored falsified, replayed tested",
    silenced: "stored falsified, replayed",
    held: "denied, yet it holds",
}


@pytest.mark.parametrize("tamper", CASES, ids=lambda f: f.__name__)
def test_a_changed_counterexample_is_caught(rhn, tamper):
    """Its numbers must reproduce on the real cell, and a denial needs one."""
    changed = copy.deepcopy(rhn)
    line = line_of(changed, "bounded-state")
    tamper(line)
    changed["results"] = [line]
    differing = {found.property: found for found in verify(changed) if found.outcome == DIFFERS}
    if tamper is silenced:
        assert "bounded-state" in differing
    else:
        assert CASES[tamper] in differing["bounded-state"].reason


def test_rounding_is_checked_in_its_own_dtype():
    """A claim that half precision breaks by one unit in the last place is confirmed as falsified."""
    stored = document("gato", dtype=torch.float16, only=["bounded-state"])
    found = lines(stored)["bounded-state", "all-weights"]
    assert "falsified" == line_of(stored, "bounded-state")["status"]
    assert (CONFIRMED, "") == (found.outcome, found.reason)


def test_trained_weights_are_needed_again():
    """A certificate of trained weights is checked with them, and not without."""
    cell = torch.nn.GRUCell(2, 4)
    made = certify(torch.nn.GRUCell, profile=BRIEF, sizes=[(2, 4)], weights=cell.state_dict())
    stored = json.loads(made.dumps())
    assert DIFFERS not in {found.outcome for found in verify(stored, cell.state_dict())}
    with pytest.raises(UsageError, match=r"made with trained weights; pass --weights"):
        list(verify(stored))


def test_a_cell_without_an_import_path_cannot_be_checked():
    """The message says what is needed."""
    stored = document(partial(torch.nn.GRUCell), only=["bounded-state"])
    with pytest.raises(
        UsageError, match=r"expected subject.target .* got null.*package.module:attribute"
    ):
        list(verify(stored))


def test_a_cell_that_is_gone_cannot_be_checked(gato):
    """The registry's own message."""
    changed = copy.deepcopy(gato)
    changed["subject"]["target"] = "gatto"
    with pytest.raises(SubjectError, match="gatto"):
        list(verify(changed))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "expected a document of schema .* got 'list'"),
        ('{"schema": "other/1"}', "got 'other/1'"),
        ('{"schema": "desiderata-certificate/1", "check_set": "1999.1"}', "expected the check set"),
    ],
)
def test_other_documents_are_refused(tmp_path, text, message):
    """Expected, got, remedy."""
    path = tmp_path / "certificate.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read(path)


def test_a_damaged_certificate_is_refused(gato):
    """A member is missing."""
    changed = copy.deepcopy(gato)
    del changed["results"][0]["status"]
    with pytest.raises(UsageError, match=r"damaged: KeyError\('status'\)"):
        list(verify(changed))


def test_the_command_and_its_exit_status(tmp_path, capsys, gato, rhn):
    """0: nothing differs, of several cells; 1: something does; 2: no certificate."""
    small = {**gato, "results": [line_of(gato, "bounded-state")]}
    path = tmp_path / "one.json"
    path.write_text(json.dumps(gato), encoding="utf-8")
    assert 0 == main(["verify", str(path)])
    assert "gato: bounded-state (all-weights): confirmed\n" in capsys.readouterr().out
    both = {"schema": "desiderata-certificates/1", "certificates": [rhn, small]}
    path.write_text(json.dumps(both), encoding="utf-8")
    assert 1 == main(["verify", str(path)])
    out = capsys.readouterr().out
    assert "rhn: bounded-state (all-weights): confirmed\n" in out
    assert "gato: counts: differs: " in out
    assert 2 == main(["verify", str(tmp_path / "none.json")])
    assert "error: expected a certificate" in capsys.readouterr().err


def test_versions_that_differ_are_said(tmp_path, capsys, gato):
    """Hashes of graphs may differ between versions of torch: the reader is told first."""
    small = copy.deepcopy(gato)
    small["environment"]["torch"] = "0.1"
    path = tmp_path / "old.json"
    path.write_text(json.dumps(small), encoding="utf-8")
    assert 0 == main(["verify", str(path)])
    assert f"made with torch 0.1, checked with {torch.__version__}" in capsys.readouterr().err


@given(
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16]),
    period=st.integers(1, 3),
    steps=st.integers(1, 7),
    width=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_a_counterexample_survives_its_json(dtype, period, steps, width, seed):
    """Every tensor comes back bit for bit: infinities, NaN, complex and empty ones, and repeated inputs."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    state = draw(1, 4)
    state[0, :3] = torch.tensor([torch.inf, -torch.inf, torch.nan])
    draws = Draws(
        width, 2,
        {"w": draw(1, 2, 3), "none": draw(1, 0, 3), "z": torch.randn(1, 2, dtype=torch.complex128)},
        state, draw(period, 1, width).repeat(steps, 1, 1), {"starts": draw(1, 5).double()},
    )  # fmt: skip
    witness = Witness(draws, float("inf"), 1.0, "too large")
    stored = json.loads(json.dumps(witness.to_json(), allow_nan=False))
    back = Witness.from_json(stored)
    counterexample = {"$ref": "#/$defs/counterexample", "$defs": schema()["$defs"]}
    jsonschema.Draft202012Validator(counterexample).validate(stored)
    assert stored == back.to_json()
    for name in ("w", "none", "z"):
        assert torch.equal(draws.parameters[name], back.draws.parameters[name])
        assert draws.parameters[name].dtype == back.draws.parameters[name].dtype
    assert torch.equal(draws.inputs, back.draws.inputs)
    assert torch.equal(draws.state.nan_to_num(nan=7.0), back.draws.state.nan_to_num(nan=7.0))
    assert torch.equal(draws.extra["starts"], back.draws.extra["starts"])
