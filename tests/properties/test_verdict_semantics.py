"""Statuses against declarations, exit statuses, and what a certificate promises: repetition and replay."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import cells
from cells import Channels, Claim
from properties import Profile, Status, UsageError, certify, registered

BRIEF = Profile("brief", 1, 36, 2, 4, 48, 2, 2, 2)
SIZES = ((1, 2), (2, 4))
SCOPES = ("at-init", "all-weights")
HOLDS = {Status.TESTED, Status.PROVED}


class State(NamedTuple):
    """``r``: (\\*batch, hidden_size)."""

    r: Tensor


class Leaky(nn.Module):
    """r′ = keep·r + tanh(W x), γ = r: bounded by 1/(1 − keep)."""

    keep = 0.5

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-1, 1))

    def initial_state(self, *batch):
        return State(self.weight.new_zeros(*batch, self.hidden_size))

    def step(self, x, state):
        return State(self.keep * state.r + torch.tanh(x @ self.weight.mT))

    def readout(self, state):
        return state.r


class Accumulates(Leaky):
    """r′ = r + (2 + cos r)/3·tanh(W x): it climbs, and is no identity since it reads r."""

    def step(self, x, state):
        gain = (2 + torch.cos(state.r)) / 3 * torch.tanh(x @ self.weight.mT)
        return State(state.r + gain)


class Opens(Leaky):
    """r′ = σ(b)·r + tanh(W x), b = 0 at initialization: bounded there, and a line as b grows."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    def step(self, x, state):
        return State(torch.sigmoid(self.bias) * state.r + torch.tanh(x @ self.weight.mT))


class Adds(Leaky):
    """r′ = r + tanh(W x): the whole state is an identity block."""

    keep = 1.0


class Squashed(Leaky):
    """γ = tanh r of a bounded r: it saturates where r never gets."""

    def readout(self, state):
        return torch.tanh(state.r)


class Blind(Leaky):
    """A readout of nothing."""

    def readout(self, state):
        return torch.ones_like(state.r)


class RefusesLargeInputs(Leaky):
    """Raises within the search, not within the battery of well-posedness."""

    def step(self, x, state):
        if float(x.detach().abs().max()) > 300:
            raise ArithmeticError("too large for me")
        return super().step(x, state)


def judged(factory, only=("bounded-state",), **options):
    """A small certificate of one property beside well-posedness."""
    return certify(factory, profile=BRIEF, sizes=SIZES, only=only, **options)


def claim(bound=None, scope=None, key="bounded-state"):
    """A statement with a reason."""
    return Claim(key, "|r| ≤ 1/(1 − keep)", scope=scope, bound=bound)


# ---- one line: (factory, claims, denies) to (status, declared, required, fails) ----------------

HOLDING = (Leaky, [claim(2.0)], [])
LINES = {
    "claimed and holds": (*HOLDING, HOLDS, "claims", True, False),
    "claimed and violated": (
        Accumulates, [claim(2.0)], [], {Status.FALSIFIED}, "claims", True, True,
    ),
    "claimed too small": (Leaky, [claim(1.9)], [], {Status.FALSIFIED}, "claims", True, True),
    "claimed without a number and violated": (
        Accumulates, [claim()], [], {Status.FALSIFIED}, "claims", True, True,
    ),
    "denied and violated": (
        Accumulates, [], [claim()], {Status.FALSIFIED}, "denies", False, False,
    ),
    "denied and holds": (Leaky, [], [claim()], {Status.STALE_DENIAL}, "denies", False, True),
    "silent and holds": (Leaky, [], [], HOLDS, "silent", True, False),
    "silent and violated": (Accumulates, [], [], {Status.FALSIFIED}, "silent", True, True),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_declaration_decides_what_a_finding_means(name):
    """Claims and silence must hold, a denial must fail: the line counts where that is not so."""
    factory, claims, denies, statuses, declared, required, fails = LINES[name]
    cert = judged(factory, claims=claims, denies=denies)
    line = cert.verdict("bounded-state", "all-weights")
    assert line.status in statuses
    assert (declared, required, fails) == (line.declared, line.required, line.fails)
    assert int(fails) == cert.exit_status
    assert (not fails) == cert.holds
    spoken = [*claims, *denies]
    assert (spoken[0].because if spoken else "") == line.because


def test_a_stale_denial_quotes_itself():
    """The reader sees the claim that nothing supports, and what was searched."""
    line = judged(Leaky, claims=[], denies=[claim()]).verdict("bounded-state")
    assert "denied (|r| ≤ 1/(1 − keep)), yet no counterexample was found" in line.reason


@pytest.mark.parametrize("scope", SCOPES)
def test_a_denial_covers_its_scope_alone(scope):
    """In the other scope the cell is silent, and the property is asked for."""
    cert = judged(Accumulates, claims=[], denies=[claim(scope=scope)])
    other = next(s for s in SCOPES if s != scope)
    assert not cert.verdict("bounded-state", scope).fails
    assert cert.verdict("bounded-state", other).fails
    assert "silent" == cert.verdict("bounded-state", other).declared


@pytest.mark.parametrize(
    ("key", "factory", "reason"),
    [
        ("non-saturating", Squashed, "the state that γ reads stays bounded, so it has no tails"),
        ("non-saturating", Blind, "the readout depends on no scalar of the state"),
        ("bounded-state", Adds, "the whole state is an identity block"),
        ("writable-memory", Leaky, "there is no identity block to write to"),
    ],
)
def test_a_claim_about_nothing_is_vacuous(key, factory, reason):
    """A cell that claims something of what it does not have fails; a silent one is not asked."""
    cert = judged(factory, [key], claims=[claim(key=key)], denies=[])
    line = cert.verdict(key)
    assert (Status.VACUOUS, True) == (line.status, line.fails)
    assert f"vacuous: {reason}" in line.reason
    assert 1 == cert.exit_status
    cert = judged(factory, [key], claims=[], denies=[])
    assert (Status.NOT_APPLICABLE, False) == (cert.verdict(key).status, cert.verdict(key).fails)
    assert 3 == cert.exit_status


def test_an_advisory_line_never_fails():
    """A gain of exp overflows at weights of 1000: told, and forgiven."""

    class Exponential(Leaky):
        def step(self, x, state):
            return State(torch.tanh(torch.exp(x @ self.weight.mT) - torch.exp(state.r)))

    cert = judged(Exponential, ["finite-step"])
    line = cert.verdict("finite-step", "at-init")
    assert (True, False, False) == (line.advisory, line.required, line.fails)
    assert 0 == cert.exit_status


def test_a_dtype_that_the_cell_refuses_is_named_with_its_reason():
    """A complex state has no 16-bit form: no magnitude stands there, and the cell's own words say why."""
    evidence = certify("eurnn", profile="dev", only=["finite-step"]).verdict(
        "finite-step", "at-init"
    )
    largest, refused = evidence.evidence["largest_finite_magnitude"], evidence.evidence["refused"]
    assert {"bfloat16", "float16"} == {d for d, reached in largest.items() if reached is None}
    assert {"bfloat16", "float16"} == refused.keys()
    assert all("expected float32 or float64" in why for why in refused.values())


# ---- allowances ---------------------------------------------------------------------------------


def test_an_allowed_violation_does_not_count():
    """It stays falsified, with its witness, and the reason for allowing it stands beside it."""
    cert = judged(Accumulates, allow={"bounded-state": "an integrator, on purpose"})
    line = cert.verdict("bounded-state")
    assert (Status.FALSIFIED, "allowed", False, False) == (
        line.status, line.declared, line.required, line.fails,
    )  # fmt: skip
    assert "an integrator, on purpose" == line.because
    assert line.witness is not None
    assert 0 == cert.exit_status


def test_an_allowance_that_nothing_needs_is_stale():
    """As a test that passes unexpectedly."""
    cert = judged(Leaky, allow={"bounded-state": "an integrator, on purpose"})
    assert {Status.STALE_DENIAL} == {cert.verdict("bounded-state", s).status for s in SCOPES}
    assert "yet it holds: drop the allowance" in cert.verdict("bounded-state").reason
    assert 1 == cert.exit_status


def test_an_allowance_that_one_scope_needs_is_used():
    """One violation is enough to keep it."""
    cert = judged(Opens, allow={"bounded-state": "known"}, claims=[], denies=[])
    assert Status.FALSIFIED == cert.verdict("bounded-state").status
    assert cert.verdict("bounded-state", "at-init").status in HOLDS
    assert 0 == cert.exit_status


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_allowance_needs_a_reason(reason):
    """In words, in the caller's repository."""
    with pytest.raises(UsageError, match=r'allow: a reason is needed, write bounded-state="why'):
        judged(Leaky, allow={"bounded-state": reason})


# ---- keys and profiles --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["bounded-sate"]}, r"got 'bounded-sate'; did you mean bounded-state"),
        (
            {"allow": {"identity": "so"}},
            r"expected a property key, got 'identity'; did you mean ident",
        ),
        ({"only": ["zzz"]}, r"got 'zzz'; known: .*identity-block"),
        ({"profile": "fast"}, r"profile: expected one of dev, ci, nightly, got 'fast'"),
    ],
)
def test_an_unknown_word_is_explained(options, message):
    """Before any work, with near words or the known ones."""
    with pytest.raises(UsageError, match=message):
        certify(Leaky, **{"profile": BRIEF, **options})


@pytest.mark.parametrize("only", [["bounded-decoder"], ["non-saturating", "bounded-decoder"]])
def test_only_what_is_asked_for_has_lines(only):
    """And well-posedness, which everything rests on."""
    cert = judged(Leaky, only)
    assert {"well-posed", *only} == {r.property for r in cert.results}
    order = [p.key for p in registered()]
    assert sorted((r.property for r in cert.results), key=order.index) == [
        r.property for r in cert.results
    ]


def test_a_line_that_is_not_there_is_explained():
    """With the lines that are."""
    with pytest.raises(
        KeyError, match=r"no line for 'bounded-decoder' in scope 'all-weights'; the"
    ):
        judged(Leaky).verdict("bounded-decoder")


# ---- exit statuses ------------------------------------------------------------------------------


def test_exit_status_0_and_1():
    """All that is required holds; something fails."""
    assert (0, 1) == (judged(Leaky).exit_status, judged(Accumulates, claims=[]).exit_status)


def test_exit_status_2_where_something_required_is_open():
    """A search that the cell stops is inconclusive, with the error in the reason."""
    cert = judged(RefusesLargeInputs)
    line = cert.verdict("bounded-state")
    assert Status.INCONCLUSIVE == line.status
    assert "the search stopped with ArithmeticError: too large for me" in line.reason
    assert 2 == cert.exit_status


def test_an_open_line_that_is_denied_does_not_count():
    """Nothing was found for the denial or against it."""
    assert 0 == judged(RefusesLargeInputs, denies=[claim(scope="all-weights")]).exit_status


def test_a_failure_outranks_an_open_line():
    """1 before 2."""
    cert = judged(RefusesLargeInputs, claims=[claim(1e-3, "at-init")])
    assert {Status.FALSIFIED, Status.INCONCLUSIVE} <= {r.status for r in cert.results}
    assert 1 == cert.exit_status


def test_exit_status_3_where_nothing_ran():
    """An empty certificate is no success."""
    cert = judged(Leaky)
    idle = tuple(
        dataclasses.replace(r, status=Status.NOT_APPLICABLE, declared="silent")
        for r in cert.results
    )
    assert (3, 3) == tuple(
        dataclasses.replace(cert, results=results).exit_status for results in (idle, ())
    )
    assert (len(idle), 0, 0) == tuple(
        dataclasses.replace(cert, results=idle).counts[k] for k in ("registered", "applied", "ran")
    )


def test_a_cell_that_is_no_function_leaves_every_other_line_open():
    """Nothing else can be said of it, and the certificate fails."""

    class Counts(Leaky):
        calls = 0

        def step(self, x, state):
            self.calls += 1
            return super().step(x, state)

    cert = certify(Counts, profile=BRIEF, sizes=SIZES)
    assert {"well-posed"} == {r.property for r in cert.results if r.fails}
    rest = [r for r in cert.results if r.property != "well-posed"]
    assert {Status.INCONCLUSIVE} == {r.status for r in rest}
    assert all("not judged, since the cell is not well-posed: " in r.reason for r in rest)
    assert "not evaluated" == cert.evaluation
    assert 1 == cert.exit_status


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_meaning(status):
    """One sentence for the reader."""
    assert status.meaning.endswith(".")


# ---- the same again -----------------------------------------------------------------------------


def without_time(cert):
    """The JSON text of a certificate but for the moment it was made."""
    return {**json.loads(cert.dumps()), "created_at": ""}


@pytest.mark.parametrize("name", ["gato", "rhn"])
def test_the_same_arguments_give_the_same_certificate(name):
    """Whatever random numbers were drawn in between; and another seed draws other cases."""
    first = certify(name, profile=BRIEF, sizes=SIZES, seed=3)
    torch.manual_seed(99)
    random.seed(99)
    assert without_time(first) == without_time(certify(name, profile=BRIEF, sizes=SIZES, seed=3))
    other = certify(name, profile=BRIEF, sizes=SIZES, seed=4)
    assert [r.status for r in first.results] == [r.status for r in other.results]
    assert without_time(first)["results"] != without_time(other)["results"]


def test_certifying_leaves_the_caller_alone():
    """Random generators, gradient mode, the number of threads and the default dtype are as before."""

    def surroundings():
        modes = (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype())
        return (*modes, random.getstate(), torch.get_rng_state().tolist())

    with torch.no_grad():
        before = surroundings()
        cert = judged(Accumulates)
        assert before == surroundings()
    assert [r.status for r in judged(Accumulates).results] == [r.status for r in cert.results]


# ---- witnesses replay ---------------------------------------------------------------------------


class Split(NamedTuple):
    """``memory`` and ``recurrent``, each (\\*batch, n)."""

    memory: Tensor
    recurrent: Tensor


class Broken(nn.Module):
    """A cell that breaks identity-block, bounded-decoder, its gradient and bounded-state at once."""

    channels = Channels(memory=("memory",), recurrent=("recurrent",))
    claims = (
        Claim("identity-block", "wrong: it decays"),
        Claim("bounded-decoder", "wrong: it is the identity", bound=1.0),
        Claim("bounded-decoder-gradient", "wrong: it is 3", bound=1.0),
        Claim("bounded-state", "wrong: it accumulates", bound=2.0),
    )

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-0.1, 0.1))

    def initial_state(self, *batch):
        zeros = self.weight.new_zeros(*batch, self.hidden_size)
        return Split(zeros, zeros)

    def step(self, x, state):
        gain = torch.tanh(x @ self.weight.mT)
        return Split(0.9 * state.memory + gain, state.recurrent + gain)

    def readout(self, state):
        return 3 * torch.cat((state.memory, state.recurrent), -1)


def replayed(stored):
    """The cell of a stored witness, its flat states after each step, and a function from flat to flat.

    Written from the JSON alone: no part of the harness takes part.
    """
    d, h = stored["input_size"], stored["hidden_size"]
    cell = Broken(d, h).double()
    weights = {k: torch.tensor(v, dtype=torch.float64) for k, v in stored["parameters"].items()}
    inputs = torch.tensor(stored["inputs"], dtype=torch.float64).reshape(-1, d)
    steps = list(itertools.islice(itertools.cycle(inputs), stored["horizon"]))

    def run(flat):
        states = [flat]
        for x in steps:
            old = Split(*states[-1].split(h))
            with torch.nn.utils.stateless._reparametrize_module(cell, weights):
                states.append(torch.cat(cell.step(x, old)))
        return torch.stack(states[1:])

    def readout(flat):
        return cell.readout(Split(*flat.split(h)))

    return run, readout, torch.tensor(stored["state"], dtype=torch.float64), h


@pytest.fixture(scope="module")
def broken():
    """The certificate of the cell that breaks four properties."""
    return certify(Broken, profile=BRIEF, sizes=SIZES)


def observed(broken, key, scope):
    """The number that the certificate stored, and the witness it came from."""
    line = broken.verdict(key, scope)
    assert Status.FALSIFIED == line.status, line.reason
    stored = json.loads(json.dumps(line.to_json()["counterexample"]))
    number = stored["observed"]
    return (math.inf if number == "infinity" else number), stored


@pytest.mark.parametrize("scope", SCOPES)
def test_a_stored_state_is_reached_again(broken, scope):
    """bounded-state: the largest |r| of the rollout is the number in the certificate."""
    number, stored = observed(broken, "bounded-state", scope)
    run, _, state, h = replayed(stored)
    assert number == pytest.approx(float(run(state)[:, h:].abs().max()), rel=1e-12)
    assert number > stored["required"]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_stored_readout_is_reached_again(broken, scope):
    """bounded-decoder: the largest |γ| of the rollout."""
    number, stored = observed(broken, "bounded-decoder", scope)
    run, readout, state, _ = replayed(stored)
    peak = max(float(readout(flat).abs().max()) for flat in run(state))
    assert number == pytest.approx(peak, rel=1e-12)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_stored_slope_is_measured_again(broken, scope):
    """bounded-decoder-gradient: the largest |γ′| over the stored states."""
    number, stored = observed(broken, "bounded-decoder-gradient", scope)
    _, readout, _, _ = replayed(stored)
    points = torch.tensor(stored["extra"]["points"], dtype=torch.float64)
    slopes = [torch.autograd.functional.jacobian(readout, p).abs().max() for p in points]
    assert number == pytest.approx(float(max(slopes)), rel=1e-12)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_stored_decay_is_measured_again(broken, scope):
    """identity-block: ∂s_T/∂s_0 is not the identity; the number is one plus how far it is from it."""
    number, stored = observed(broken, "identity-block", scope)
    run, _, state, h = replayed(stored)
    jacobian = torch.autograd.functional.jacobian(lambda flat: run(flat)[-1], state)[:h, :h]
    assert number == pytest.approx(
        1 + float((jacobian - torch.eye(h, dtype=torch.float64)).abs().max()), rel=1e-9
    )


def test_the_sentence_of_a_witness_is_the_reason_of_its_line(broken):
    """One text for both, and it holds the number."""
    line = broken.verdict("bounded-state")
    assert line.witness is not None
    assert line.witness.sentence == line.reason
    assert f"{line.witness.observed:.10g}" in line.reason


def test_registered_cells_have_witnesses_for_what_they_deny():
    """RHN denies a bounded state for all weights: the certificate holds the case that shows why."""
    cert = certify("rhn", profile=BRIEF, sizes=SIZES, only=["bounded-state"])
    line = cert.verdict("bounded-state")
    assert ("denies", Status.FALSIFIED, False) == (line.declared, line.status, line.fails)
    draws = line.witness.draws
    cell = cells.get("rhn")(draws.input_size, draws.hidden_size).double()
    state = cell.initial_state()._replace(hidden=draws.state[0])
    peaks = []
    for x in line.witness.draws.with_horizon(400).inputs[:, 0]:
        state = functional_call(
            _Stepper(cell), {f"cell.{k}": v[0] for k, v in draws.parameters.items()}, (x, state)
        )
        peaks.append(float(state.hidden.detach().abs().max()))
    assert peaks[-1] > 1.5 * peaks[199] > 2 * peaks[99]


class _Stepper(nn.Module):
    """What ``functional_call`` can call: it only knows ``forward``."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, state):
        return self.cell.step(x, state)
