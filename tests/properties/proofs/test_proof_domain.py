"""The structural domain is fuzzed like the cells: every claim is held against numeric Jacobians."""

from __future__ import annotations

from typing import NamedTuple

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from torch import Tensor, nn

from properties.proofs.structural import analyse
from properties.proofs.structural_operators import DENSE, LINEAR, MOVES, POINTWISE, rule_for
from properties.proofs.trace import trace_step

WIDTH = 4


class State(NamedTuple):
    h: Tensor


def index(*places):
    """Positions as a tensor."""
    return torch.tensor(places)


ONE = {
    "double": lambda a: 2 * a,
    "half": lambda a: a / 2,
    "third": lambda a: a / 3,
    "zero": lambda a: 0 * a,
    "negate": lambda a: -a,
    "shift": lambda a: 1.5 - a,
    "roll": lambda a: a.roll(1, -1),
    "flip": lambda a: a.flip(-1),
    "pick": lambda a: a[..., index(0, 0, 3, 2)],
    "gather": lambda a: a.gather(-1, index(3, 1, 1, 0)),
    "pad": lambda a: F.pad(a[..., 1:], (0, 1)),
    "pad-one": lambda a: F.pad(a[..., :3], (1, 0), value=1.0),
    "matrix": lambda a: a.unflatten(-1, (2, 2)).mT.flatten(-2),
    "triangle": lambda a: a.unflatten(-1, (2, 2)).tril().flatten(-2),
    "stack": lambda a: torch.stack((a[..., :2], a[..., 2:]), -1).flatten(-2),
    "repeat": lambda a: a[..., :2].repeat(*(1,) * (a.dim() - 1), 2),
    "known-matrix": lambda a: (
        a @ torch.tensor([[1.0, 0, 0, 0], [0, 0, 2, 0], [0, 1, 0, 0], [0, 1, 0, 1]]).to(a)
    ),
    "matrix-on-the-right": lambda a: (
        a.unflatten(-1, (2, 2)) @ torch.tensor([[1.0, 2.0], [0.0, 0.5]]).to(a)
    ).flatten(-2),
    "matrices": lambda a: torch.bmm(
        a.reshape(2, 1, 2), torch.tensor([[[1.0, 2.0], [0.0, 1.0]], [[0, 1.0], [4.0, 0]]]).to(a)
    ).flatten(),
    "sum": lambda a: a.sum(-1, keepdim=True).expand_as(a),
    "total": lambda a: a.sum().expand_as(a),
    "pairs": lambda a: a.unflatten(-1, (2, 2)).sum(-2).repeat(*(1,) * (a.dim() - 1), 2),
    "mean": lambda a: a - a.mean(-1, keepdim=True),
    "cumulative": lambda a: a.cumsum(-1),
    "softmax": lambda a: torch.softmax(a, -1),
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "square": lambda a: a**2,
    "clamp": lambda a: a.clamp(-0.3, 0.3),
    "floor": lambda a: torch.floor(3 * a),
    "sign": torch.sign,
    "wrap": lambda a: torch.remainder(a, 0.7),
    "norm": lambda a: F.layer_norm(a, (WIDTH,)),
    "largest": lambda a: a.amax(-1, keepdim=True) + 0 * a,
    "convolve": lambda a: F.conv1d(a[None], torch.ones(1, 1, 3).to(a), padding=1)[0],
    "write": lambda a: a.index_put((index(1, 2),), a[..., :2]),
    "put-sum": lambda a: a.index_put((index(1, 1),), a[..., 2:], accumulate=True),
    "add-at": lambda a: a.index_add(-1, index(0, 3), a[..., :2]),
    "scatter-sum": lambda a: a.scatter_add(-1, index(0, 3), a[..., 1:3]),
    "outer": lambda a: torch.outer(a, a).sum(0),
    "masked": lambda a: torch.where(torch.tensor([True, False, True, False]), a, 2 * a),
}
TWO = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (2 + b**2),
    "half-of-each": lambda a, b: torch.cat((a[..., :2], b[..., 2:]), -1),
    "choose": lambda a, b: torch.where(a > 0.1, a, b),
    "lerp": lambda a, b: torch.lerp(a, b, 0.25),
    "lerp-before": lambda a, b: torch.lerp(a, b, -1.0),
    "lerp-beyond": lambda a, b: torch.lerp(a, b, 2.0),
    "lerp-gate": lambda a, b: torch.lerp(a, b, torch.sigmoid(a)),
    "maximum": torch.maximum,
    "slices": lambda a, b: torch.cat((b[..., 3:], a[..., 1:]), -1),
}


class Composed(nn.Module):
    """A step made of a drawn list of operations over the state, the input, and what they give."""

    input_size = WIDTH

    def __init__(self, recipe):
        super().__init__()
        self.recipe = recipe
        self.w = nn.Parameter(torch.randn(WIDTH, WIDTH))

    def initial_state(self, *batch):
        return State(self.w.new_zeros(*batch, WIDTH))

    def readout(self, state):
        return state.h

    def step(self, x, state):
        values = [state.h, x, F.linear(x, self.w), self.w[0] * state.h]
        for name, first, second in self.recipe:
            a, b = values[first % len(values)], values[second % len(values)]
            values.append(ONE[name](a) if name in ONE else TWO[name](a, b))
        return State(values[-1])


places = st.integers(0, 11)
recipes = st.lists(st.tuples(st.sampled_from([*ONE, *TWO]), places, places), min_size=1, max_size=6)


def hold_against_jacobians(cell):
    """Every exact coefficient is the derivative; every entry without a mark is that coefficient."""
    trace = trace_step(cell)
    forward = analyse(trace.forward, "state")
    backward = analyse(trace.backward, "cotangent", bitwise=True)
    assert () == forward.unknown + backward.unknown
    n, input_mark = forward.domain.sources, forward.domain.group("input")
    known = ~forward.marks()[:, :n]
    vanishing = analyse(trace.backward, "cotangent", bitwise=True, zero=True)
    exact_rows = ~backward.marks().any(1)
    generator = torch.Generator().manual_seed(0)
    for scale in (1.0, 0.2, 3.0):
        x, h = scale * torch.randn(2, WIDTH, generator=generator, dtype=torch.float64)

        def step(h, x=x):
            return cell.step(x, State(h)).h

        jacobian = torch.autograd.functional.jacobian(step, h)
        assert torch.equal(forward.coefficients()[known], jacobian[known])
        by_input = torch.autograd.functional.jacobian(lambda x, h=h: step(h, x), x)
        unread = ~forward.marks()[:, input_mark]
        assert 0.0 == float(by_input[unread].abs().sum())
        cotangent = torch.randn(WIDTH, generator=generator, dtype=torch.float64)
        *_, gradient = trace.eager(x, h, cotangent)
        claimed = backward.coefficients() @ cotangent
        single = exact_rows & ((backward.coefficients() != 0).sum(1) <= 1)
        assert torch.equal(claimed[single], gradient[single])
        torch.testing.assert_close(claimed[exact_rows], gradient[exact_rows])
        silent = vanishing.domain.is_zero(vanishing.outputs[0])
        *_, nothing = trace.eager(x, h, torch.zeros_like(cotangent))
        assert 0.0 == float(nothing[silent].abs().sum())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes)
def test_claims_hold_of_random_cells(recipe):
    """A coefficient called exact is the derivative, to the bit; what carries no mark is not read."""
    torch.manual_seed(len(recipe))
    hold_against_jacobians(Composed(recipe).double())


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_claims_hold_of_every_operation(name):
    """Each operation alone, on the state, after a doubling, and as a factor: a filled-in one is no zero."""
    factor = [(name, 0, 0), ("multiply", 4, 0)]
    for recipe in ([(name, 0, 1)], [("double", 0, 0), (name, 4, 0)], [(name, 0, 4)], factor):
        hold_against_jacobians(Composed(recipe).double())


EXACT = {
    "roll": {(0, 3): 1.0, (1, 0): 1.0, (2, 1): 1.0, (3, 2): 1.0},
    "pick": {(0, 0): 1.0, (1, 0): 1.0, (2, 3): 1.0, (3, 2): 1.0},
    "half": {(i, i): 0.5 for i in range(4)},
    "pad": {(i, i + 1): 1.0 for i in range(3)},
    "add-at": {(0, 0): 2.0, (1, 1): 1.0, (2, 2): 1.0, (3, 3): 1.0, (3, 1): 1.0},
    "known-matrix": {(0, 0): 1.0, (2, 1): 2.0, (1, 2): 1.0, (1, 3): 1.0, (3, 3): 1.0},
    "matrix-on-the-right": {
        (0, 0): 1.0,
        (1, 0): 2.0,
        (1, 1): 0.5,
        (2, 2): 1.0,
        (3, 2): 2.0,
        (3, 3): 0.5,
    },
    "matrices": {(0, 0): 1.0, (1, 0): 2.0, (1, 1): 1.0, (2, 3): 4.0, (3, 2): 1.0},
    "masked": {(i, i): 1.0 + i % 2 for i in range(4)},
    "wrap": {(i, i): 1.0 for i in range(4)},
    "sum": {(i, j): 1.0 for i in range(4) for j in range(4)},
    "zero": {},
}


@pytest.mark.parametrize("name", EXACT)
def test_coefficients_are_as_sharp_as_they_can_be(name):
    """Soundness alone would be satisfied by knowing nothing."""
    forward = analyse(trace_step(Composed([(name, 0, 0)]).double()).forward, "state")
    expected = torch.zeros(4, 4, dtype=torch.float64)
    for place, coefficient in EXACT[name].items():
        expected[place] = coefficient
    assert torch.equal(expected, forward.coefficients())
    assert not bool(forward.marks()[:, :4].any())


def test_elementwise_operators_read_their_own_element_only():
    """The tanh of h_i reads h_i and nothing else."""
    forward = analyse(trace_step(Composed([("tanh", 0, 0)]).double()).forward, "state")
    assert torch.equal(torch.eye(4, dtype=torch.bool), forward.marks()[:, :4])


def test_piecewise_constant_reads_are_marked_apart():
    """The floor of h_i has no derivative in h_i where it has one, and still reads it."""
    forward = analyse(trace_step(Composed([("floor", 0, 0)]).double()).forward, "state")
    marks = forward.marks()
    assert not bool(marks[:, :4].any())
    assert torch.equal(torch.eye(4, dtype=torch.bool), marks[:, 4:8])


def test_a_sum_that_rounds_is_no_exact_gradient():
    """(v + w) − w is v in the reals; a gradient is computed in floating point."""

    class Detour(Composed):
        def step(self, _x, state):
            a, b = state.h[..., :2], state.h[..., 2:]
            return State(torch.cat((a + b - b, b), -1))

    trace = trace_step(Detour([]).double())
    forward = analyse(trace.forward, "state")
    assert torch.equal(torch.eye(4, dtype=torch.float64), forward.coefficients())
    assert not bool(forward.marks()[:, :4].any())
    assert bool(analyse(trace.forward, "state", bitwise=True).marks()[:2, :4].any())


def test_every_listed_operator_exists():
    """A rule for a name that torch does not have would be dead, a misspelt one unsound."""
    for name in (*MOVES, *LINEAR, *POINTWISE, *DENSE):
        assert hasattr(torch.ops.aten, name), name


def test_reading_the_bits_as_another_type_is_unknown():
    """``view(dtype)`` shares the name of ``view`` and moves nothing."""
    assert (None, False) == rule_for(torch.ops.aten.view.dtype)
    assert rule_for(torch.ops.aten.view.default)[1]
