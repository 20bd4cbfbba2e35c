"""The structural proof of the identity block: what it proves, what it refuses, and where it points."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cells
from properties.proofs.identity import prove_identity
from properties.proofs.structural import analyse
from properties.proofs.trace import trace_step


class State(NamedTuple):
    s: Tensor
    r: Tensor


class Values(NamedTuple):
    """What a mutant sees of one step: input, old state, and the honest new state (m, n)."""

    cell: nn.Module
    x: Tensor
    s: Tensor
    r: Tensor
    m: Tensor
    n: Tensor


MEMORY = (0, 1, 2, 3)


class Carry(nn.Module):
    """A small GATO; mutants change what ``step`` returns, from the honest memory and recurrent part."""

    input_size = 3

    def __init__(self):
        super().__init__()
        self.f, self.g = nn.Linear(3, 4), nn.Linear(3, 4)
        self.a, self.b = nn.Parameter(torch.rand(4)), nn.Parameter(torch.rand(4))
        self.calls = 0

    def initial_state(self, *batch):
        return State(*(self.a.new_zeros(*batch, 4) for _ in range(2)))

    def readout(self, state):
        return torch.cos(state.s)

    def gain(self, x, r):
        return F.softplus(self.f(x) + self.a * r)

    def next_r(self, x, r):
        return 0.7 * torch.sigmoid(self.b * r) * r + torch.tanh(self.g(x))

    def step(self, x, state):
        s, r = state
        return self.change(Values(self, x, s, r, s + self.gain(x, r), self.next_r(x, r)))

    def change(self, values):
        return State(values.m, values.n)


def mutant(change, *modules):
    """The honest cell with ``change(values) -> State`` applied to each step."""
    cell = Carry()
    cell.extra = nn.ModuleList(modules)
    cell.change = change
    return cell.double()


class Clip(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, v):
        return v.clone()

    @staticmethod
    def backward(_ctx, g):
        return g.clamp(-1e-2, 1e-2)


class Offset(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, v):
        return v.clone()

    @staticmethod
    def backward(_ctx, g):
        return g + 0.1


class Interleaved(Carry):
    """Memory and recurrent scalars alternate in one field."""

    def initial_state(self, *batch):
        return Whole(self.a.new_zeros(*batch, 8))

    def readout(self, state):
        return torch.cos(state.h[..., ::2])

    def step(self, x, state):
        s, r = state.h[..., ::2], state.h[..., 1::2]
        new = torch.stack((s + self.gain(x, r), self.next_r(x, r)), -1)
        return Whole(new.flatten(-2))


class Whole(NamedTuple):
    h: Tensor


def written_in_place(v):
    """The honest step, its memory written in place into a copy."""
    memory = v.s.clone()
    memory[..., :2] += v.cell.gain(v.x, v.r)[..., :2]
    memory[..., 2:].add_(v.cell.gain(v.x, v.r)[..., 2:])
    return State(memory, v.n)


def network(*sizes):
    """Linear layers, a ReLU after each."""
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    return nn.Sequential(*(m for layer in layers for m in (layer, nn.ReLU())))


PROVED = {
    "honest": lambda: mutant(lambda v: State(v.m, v.n)),
    "in-place": lambda: mutant(written_in_place),
    "algebra": lambda: mutant(
        lambda v: State(0.5 * (2 * v.s) + 0 * torch.sin(v.s) + v.cell.gain(v.x, v.r), v.n)
    ),
    "difference": lambda: mutant(lambda v: State(2 * v.s - v.s + v.cell.gain(v.x, v.r), v.n)),
    "there-and-back": lambda: mutant(lambda v: State(v.m.roll(1, -1).roll(-1, -1), v.n)),
    "permutation": lambda: mutant(
        lambda v: State(v.m[..., torch.tensor([2, 0, 3, 1])][..., [1, 3, 0, 2]], v.n)
    ),
    "lerp-zero": lambda: mutant(lambda v: State(torch.lerp(v.m, v.r, 0.0), v.n)),
    "known-matrix": lambda: mutant(lambda v: State(v.m @ torch.eye(4, dtype=v.m.dtype), v.n)),
    "two-layers": lambda: mutant(
        lambda v: State(v.s + v.cell.extra[0](torch.cat((v.x, v.r), -1)), v.n), network(7, 6, 4)
    ),
    "layer-norm-in-g": lambda: mutant(
        lambda v: State(v.s + F.softplus(v.cell.extra[0](v.r)), v.cell.extra[0](v.n)),
        nn.LayerNorm(4),
    ),
    "convolution-in-g": lambda: mutant(
        lambda v: State(v.s + v.cell.extra[0](v.r.unsqueeze(-2)).squeeze(-2), v.n),
        nn.Conv1d(1, 1, 3, padding=1),
    ),
    "attention-in-g": lambda: mutant(
        lambda v: State(v.s + torch.softmax(v.r, -1) * v.r.amax(-1, keepdim=True), v.n)
    ),
    "python-loop": lambda: mutant(
        lambda v: State(
            torch.stack([v.s[..., k] + v.cell.gain(v.x, v.r)[..., k] for k in range(4)], -1), v.n
        )
    ),
    "gathered": lambda: mutant(
        lambda v: State(v.s.gather(-1, torch.arange(4)) + v.cell.gain(v.x, v.r), v.n)
    ),
}


@pytest.mark.parametrize("name", PROVED)
def test_an_identity_block_is_proved(name):
    """However the carry is written, the block is found, in its column form and on both graphs."""
    proof = prove_identity(PROVED[name]())
    assert ("proved", "column", MEMORY) == (proof.status, proof.form, proof.units), proof.reason
    assert ("R", "A") == proof.semantics
    assert 128 == proof.replay_steps
    assert () == proof.assumptions
    assert {"forward", "autograd"} == set(proof.graph_hashes)


def test_interleaved_layout_is_proved():
    """The block need not be contiguous in the flat state."""
    proof = prove_identity(Interleaved())
    assert ("proved", "column", (0, 2, 4, 6)) == (proof.status, proof.form, proof.units)


KNOBS = [
    {},
    {"layers": 2, "reg": "tanh", "gamma": "sin"},
    {"wrap_s": True},
    {"wrap_s": True, "layers": 2},
    {"readout": "gamma_s_only", "n_b": 0},
    {"readout": "gamma_s_raw_r", "n_b": 2},
    {"s_fraction": 0.25},
    {"s_fraction": 0.75, "layers": 2, "k": 3},
    {"lam": 1.0, "init": "linear"},
]


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_gato_is_proved_for_every_knob(knobs):
    """GATO 4.1: the memory is an identity block; storing it modulo 2π changes no derivative."""
    cell = cells.get("gato")(3, 8, **knobs)
    size = cell.memory_size
    proof = prove_identity(cell, carry=tuple(range(size)))
    assert ("proved", "column", tuple(range(size))) == (proof.status, proof.form, proof.units)
    assert knobs.get("wrap_s", False) == bool(proof.assumptions)
    assert proof.units == prove_identity(cell).units


@pytest.mark.parametrize("mode", ["zero", "no_residual"])
def test_the_ablations_of_gatos_memory_are_not_proved(mode):
    """Without the residual nothing is carried."""
    proof = prove_identity(cells.get("gato")(3, 8, s_mode=mode), carry=MEMORY)
    assert ("not-proved", ()) == (proof.status, proof.semantics)
    assert "does not carry itself unchanged: the result does not depend on it" in proof.reason


AUTOGRAD_ONLY = {
    "detach": (
        lambda v: State(v.s.detach() + v.cell.gain(v.x, v.r), v.n),
        "does not depend on it",
    ),
    "clip": (lambda v: State(Clip.apply(v.m), v.n), "aten.clamp"),
    "offset": (lambda v: State(Offset.apply(v.m), v.n), "something beside it"),
    "hook": (
        lambda v: (
            v.m.requires_grad and v.m.register_hook(lambda g: g * 0.9),
            State(v.m, v.n),
        )[1],
        "aten.mul",
    ),
}


@pytest.mark.parametrize("name", AUTOGRAD_ONLY)
def test_what_only_autograd_sees_is_not_proved(name):
    """Detached carry, clipped backward, gradient hook: perfect in the forward graph, and refused."""
    change, culprit = AUTOGRAD_ONLY[name]
    cell = mutant(change)
    assert torch.eye(4).equal(
        analyse(trace_step(cell).forward, "state").coefficients()[:4, :4].float()
    )
    for carry in (None, MEMORY):
        proof = prove_identity(cell, carry)
        assert ("not-proved", ("R",), MEMORY) == (proof.status, proof.semantics, proof.units)
        assert proof.reason.startswith("autograd may differ from the mathematics")
        assert culprit in proof.reason


def test_the_line_of_a_tampered_gradient_is_named():
    """The source of a clipped backward is the line of the custom function, of a hook its own line."""
    clip = prove_identity(mutant(AUTOGRAD_ONLY["clip"][0]), MEMORY)
    assert "g.clamp(-1e-2, 1e-2)" in clip.source
    assert "test_proof_structural.py" in clip.source
    hook = prove_identity(mutant(AUTOGRAD_ONLY["hook"][0]), MEMORY)
    assert "register_hook" in hook.source


def test_two_carries_chosen_by_the_input_are_left_to_search():
    """The gradient of a choice is a sum of two halves, which the domain cannot put together again."""
    cell = mutant(
        lambda v: State(torch.where(v.x[..., :1] > 0, v.m, v.s - v.cell.gain(v.x, v.r)), v.n)
    )
    proof = prove_identity(cell, MEMORY)
    assert ("not-proved", ("R",), MEMORY) == (proof.status, proof.semantics, proof.units)


NOT_IDENTITY = {
    "leak": (lambda v: State(v.m, v.n + 1e-6 * torch.tanh(v.m)), "aten.tanh"),
    "relu-leak": (lambda v: State(v.m, v.n + F.relu(v.s - 20)), "aten.relu"),
    "decay": (lambda v: State(0.999 * v.m, v.n), "aten.mul"),
    "half": (lambda v: State(0.5 * v.s + v.cell.gain(v.x, v.r), v.n), "exact coefficient 0.5"),
    "rolled": (lambda v: State(v.m.roll(1, -1), v.n), "s[0]"),
    "mean": (lambda v: State(v.m + 0.1 * v.s.mean(-1, keepdim=True), v.n), "s[0]"),
    "layer-norm": (
        lambda v: State(F.layer_norm(v.m, (4,)), v.n),
        "aten.native_layer_norm",
    ),
    "reset": (
        lambda v: State(torch.where((v.x.abs() > 3.9).any(-1, keepdim=True), 0 * v.m, v.m), v.n),
        "aten.where",
    ),
    "own-reset": (lambda v: State(torch.where(v.s > 5, 0 * v.m, v.m), v.n), "aten.where"),
    "clamped": (lambda v: State(v.m.clamp(-5, 5), v.n), "aten.clamp"),
    "narrowed": (lambda v: State(v.m.bfloat16().to(v.m.dtype), v.n), "aten._to_copy"),
    "cross-matrix": (
        lambda v: State(v.m @ torch.ones(4, 4, dtype=v.m.dtype), v.n),
        "s[0]",
    ),
    "gated": (lambda v: State(torch.sigmoid(v.x[..., :1]) * v.s + v.m - v.s, v.n), "aten.mul"),
}


@pytest.mark.parametrize("name", NOT_IDENTITY)
def test_what_is_no_identity_is_not_proved(name):
    """Leaks of any size, decay, permuted carry, mixing and normalization are refused, with the operator."""
    change, culprit = NOT_IDENTITY[name]
    proof = prove_identity(mutant(change), MEMORY)
    assert ("not-proved", ()) == (proof.status, proof.semantics)
    assert culprit in proof.reason
    if culprit.startswith("aten"):
        assert proof.operator.startswith(culprit)
        assert "test_proof_structural.py" in proof.source


def test_memory_read_without_a_way_back_has_the_block_and_not_the_column():
    """Where r reads s while the increment reads only x: s_T still has derivative I, r_T does not vanish."""
    cell = mutant(
        lambda v: State(v.s + F.softplus(v.cell.f(v.x)), v.n + torch.tanh(v.s)),
    )
    for carry in (None, MEMORY):
        proof = prove_identity(cell, carry)
        assert ("proved", "block", MEMORY) == (proof.status, proof.form, proof.units)


def test_a_loop_through_the_recurrent_part_is_refused_in_the_block_form():
    """A loop s → r → s is invisible at one step and not at two."""
    proof = prove_identity(mutant(NOT_IDENTITY["leak"][0]), MEMORY)
    assert None is proof.form
    assert () == prove_identity(mutant(NOT_IDENTITY["leak"][0])).units


def test_a_loop_through_one_unit_costs_that_unit_alone():
    """Units are discovered: what leaks leaves the block, the others stay."""

    def leak_of_one(v):
        return State(v.m, torch.cat((v.n[..., :1] + torch.tanh(v.s[..., :1]), v.n[..., 1:]), -1))

    proof = prove_identity(mutant(leak_of_one))
    assert ("proved", (1, 2, 3)) == (proof.status, proof.units)


def test_a_tampered_gradient_that_flows_back_is_refused_in_the_block_form():
    """A gradient of r with an offset reaches s at the step before, since r reads s."""
    cell = mutant(
        lambda v: State(v.s + F.softplus(v.cell.f(v.x)), v.n + Offset.apply(torch.tanh(v.s)))
    )
    proof = prove_identity(cell, MEMORY)
    assert ("not-proved", ("R",)) == (proof.status, proof.semantics)


def test_a_counter_in_python_is_caught_by_the_replay():
    """Nothing in either graph shows a step that changes with the number of calls."""

    def count(v):
        v.cell.calls += 1
        return State(v.m if v.cell.calls <= 50 else 0.5 * v.m, v.n)

    cell = mutant(count)
    proof = prove_identity(cell, MEMORY)
    assert ("inconclusive", 50, ()) == (proof.status, proof.replay_steps, proof.units)
    assert "differ at step 50" in proof.reason
    assert 0 == cell.calls


def test_a_refused_trace_is_inconclusive():
    """A branch on values leaves no single graph to prove anything of."""
    proof = prove_identity(mutant(lambda v: State(v.m, v.n) if v.x.sum() > 0 else State(v.s, v.r)))
    assert "inconclusive" == proof.status
    assert "not traced: data-dependent" in proof.reason
    assert "x.sum() > 0" in proof.reason


@torch.library.custom_op("desiderata_test::twice", mutates_args=())
def twice(value: Tensor) -> Tensor:
    """An operator that the domain has never heard of."""
    return 2 * value


@twice.register_fake
def _(value):
    return torch.empty_like(value)


twice.register_autograd(lambda _ctx, g: 2 * g)


def test_an_unknown_operator_on_the_state_is_inconclusive():
    """An unknown operator gives ``inconclusive``, never ``proved``, with its name and line."""
    proof = prove_identity(
        mutant(lambda v: State(v.s + v.cell.gain(v.x, v.r), v.n + 0.1 * twice(v.r)))
    )
    assert "inconclusive" == proof.status
    assert "desiderata_test.twice.default" == proof.operator
    assert "no rule for desiderata_test.twice.default, which reads the state" in proof.reason
    assert "0.1 * twice(v.r)" in proof.source


def test_reading_the_memory_around_a_tensor_is_inconclusive():
    """A strided view of an honest part can reach the state beside it."""

    def peek(v):
        whole = torch.cat((v.x, v.s), -1)
        return State(v.m, v.n + whole[..., :3].as_strided((4,), (1,), 3))

    proof = prove_identity(mutant(peek))
    assert ("inconclusive", "aten.as_strided.default") == (proof.status, proof.operator)


def test_an_unknown_operator_on_the_input_does_no_harm():
    """What does not read the state is opaque anyway."""
    proof = prove_identity(mutant(lambda v: State(v.m + twice(v.x)[..., :1], v.n)))
    assert "proved" == proof.status


@pytest.mark.parametrize("name", [n for n in cells.names() if not n.startswith("gato")])
def test_every_other_cell_gets_a_verdict_that_agrees_with_its_declaration(name):
    """No cell that denies the block everywhere is proved to have one; a claim in R is not contradicted."""
    cell = cells.get(name)(3, 8).eval()
    proof = prove_identity(cell)
    described = cells.describe(cell)
    if all(described.denial("identity-block", s) for s in ("at-init", "all-weights")):
        assert "proved" != proof.status
    assert proof.reason


def test_torch_cells_get_a_verdict():
    """Strangers' cells, adapted, are traced like ours; the gates of GRU and LSTM carry nothing exactly."""
    for module in (nn.GRUCell(3, 4), nn.LSTMCell(3, 4), nn.RNNCell(3, 4)):
        proof = prove_identity(cells.adapt(module))
        assert ("not-proved", ()) == (proof.status, proof.units)


@pytest.mark.parametrize("carry", [(), (8,), (-1, 0)])
def test_a_carry_outside_the_state_is_an_error(carry):
    """Places must be those of the flat state."""
    with pytest.raises(ValueError, match=r"carry: expected places from 0 to 7 .* got"):
        prove_identity(Carry(), carry)
