"""Networks of units on the GPU, in Triton's interpreter: run by test_unit_networks_triton in a process."""

from __future__ import annotations

import itertools
import os

import pytest
import torch
from torch.func import functional_call, grad, jacrev, vmap
from unit_network_models import (
    CASES,
    NAMES,
    answers,
    decoded,
    ended,
    randn,
    reference,
    results,
    tensors,
)  # fmt: skip

import cells
from cells.fused import unit_launch, unit_networks, unit_operators, unit_tiling

assert "1" == os.environ["TRITON_INTERPRET"], "triton reads it when the kernels are imported"

# numpy, which does the interpreter's arithmetic, says what a GPU does not
pytestmark = pytest.mark.filterwarnings(
    "ignore:(overflow|invalid value|divide by zero):RuntimeWarning"
)

OPERATORS = unit_operators._forward_on_gpu, unit_operators._backward_on_gpu


@pytest.fixture(autouse=True)
def poisoned():
    """What no kernel writes is NaN."""
    torch.use_deterministic_algorithms(mode=True)
    assert torch.zeros(2).new_empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(mode=False)


def kernels(given, gradient, accumulate, wanted=True):
    """Sums and all gradients by the kernels."""
    return results(OPERATORS, given, gradient, accumulate, wanted=wanted)


def same(case, atol=1e-11, equal_nan=False, **change):
    """Compare both on a case, some of its tensors replaced."""
    replicates, sizes, accumulate = case
    *given, gradient = tensors(replicates, sizes)
    given = [change.get(name, one) for name, one in zip(NAMES, given, strict=True)]
    close = {"atol": atol, "rtol": atol, "equal_nan": equal_nan}
    torch.testing.assert_close(
        kernels(given, gradient, accumulate), answers(given, gradient, accumulate), **close
    )


@pytest.mark.parametrize("case", CASES)
def test_the_kernels_are_the_reference(case):
    """Sums and every gradient in double precision: ragged everywhere, replicates shared, chunks of time."""
    same(case)


@pytest.mark.parametrize("decode", ["cos", "sin"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_decoded_too(case, decode):
    """Of the state that is read and of the sums; gradients of both, or of what is decoded alone."""
    decoded(OPERATORS, case, decode)


@pytest.mark.parametrize("case", CASES)
def test_the_last_value_by_itself(case):
    """With and without the others, and with gradients of both."""
    ended(OPERATORS, case)


@pytest.mark.parametrize("chunks", [1, 2])
def test_however_time_is_divided(chunks, monkeypatch):
    """One chunk, or an uneven two."""
    monkeypatch.setattr(unit_tiling, "_CHUNKS", chunks)
    monkeypatch.setattr(unit_tiling, "_SLICES", chunks)
    case = ((2, 1, 1, 2, 2), (19, 2, 3, 2, 2), True)
    divided = [
        unit_tiling.chunks(1, 19, unit_tiling.tiling(k, 3, 2, 2, torch.float64).points).parts
        for k in ("forward", "backward")
    ]
    assert [chunks] * 2 == divided
    same(case)


@pytest.mark.parametrize("inputs", [3, 9])
def test_in_single_precision(inputs):
    """As near to double precision as the reference in single precision is."""
    *given, gradient = tensors((1, 1, 2, 1, 2), (19, 2, 5, inputs, 8))
    single, seed = [one.float() for one in given], gradient.float()
    ours, theirs = kernels(single, seed, True), answers(single, seed, True)  # noqa: FBT003
    truth = answers([one.double() for one in single], seed.double(), True)  # noqa: FBT003
    for mine, other, true in zip(ours, theirs, truth, strict=True):
        assert torch.float32 == mine.dtype
        scale = float(true.norm())
        assert float((mine - true).norm()) <= 2 * float((other - true).norm()) + 2e-6 * scale


def test_a_relu_that_is_exactly_zero_lets_nothing_through():
    """Its derivative there is 0, as torch's is: no input, no state and no bias."""
    case = ((1, 1, 1, 1, 1), (4, 2, 3, 2, 2), True)
    *given, _ = tensors(*case[:2])
    weights = given[3].clone()
    weights[:, 3:-1:5] = 0  # the biases
    x, reads, first = map(torch.zeros_like, given[:3])
    same(case, x=x, reads=reads, first=first, weights=weights)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["x", "reads", "first", "held"])
def test_what_is_not_finite_leaves_as_in_the_reference(name, value):
    """Forwards; backwards the same places are not finite."""
    case = ((1, 1, 1, 1, 1), (6, 2, 3, 2, 2), True)
    *given, gradient = tensors(*case[:2])
    place = NAMES.index(name)
    given[place] = given[place].clone()
    given[place][(0, 2, 1) if given[place].dim() > 3 else (0, 1)] = value
    ours, theirs = (run(given, gradient, True) for run in (kernels, answers))  # noqa: FBT003
    torch.testing.assert_close(ours[:2], theirs[:2], atol=1e-11, rtol=1e-11, equal_nan=True)
    for mine, other in zip(ours[2:], theirs[2:], strict=True):
        # where both are finite they agree; a NaN of the reference is never hidden
        assert mine[other.isnan()].isnan().all()
        finite = mine.isfinite() & other.isfinite()
        torch.testing.assert_close(mine[finite], other[finite], atol=1e-10, rtol=1e-10)


def test_a_nan_weight_stays_in_its_unit():
    """And comes out of it."""
    case = ((1, 1, 1, 1, 1), (6, 2, 3, 2, 2), True)
    *given, gradient = tensors(*case[:2])
    given[3] = given[3].clone()
    given[3][0, 0, 1] = torch.nan
    last, out, _, to_reads, to_first, to_weights, _ = kernels(given, gradient, True)  # noqa: FBT003
    for one in (last, out, to_reads[:, :-1], to_first):
        assert one[..., 1].isnan().all()
        assert one[..., [0, 2]].isfinite().all()
    assert to_weights[:, :5, 1].isnan().all()
    assert to_weights[..., [0, 2]].isfinite().all()


def test_tensors_need_not_be_dense_and_equal_runs_have_equal_bits():
    """Strided ones give what their copies give, to the bit."""
    *given, gradient = tensors((1, 2, 1, 2, 2), (9, 2, 5, 3, 3))
    wanted = kernels(given, gradient, True)  # noqa: FBT003
    strange = [torch.stack((one, one), -1)[..., 0] for one in (*given, gradient)]
    assert not any(one.is_contiguous() for one in strange)
    other = kernels(strange[:-1], strange[-1], True)  # noqa: FBT003
    expanded = kernels(
        [one.expand(2, *one.shape[1:]) if len(one) == 1 else one for one in given],
        gradient,
        True,  # noqa: FBT003
    )
    assert all(map(torch.equal, other, wanted))
    assert all(map(torch.equal, expanded[:2], wanted[:2]))


def test_the_gradient_of_x_is_only_made_where_it_is_wanted():
    """The others have the same bits; that of x is zero."""
    *given, gradient = tensors((1, 1, 1, 1, 1), (5, 2, 5, 3, 2))
    every = kernels(given, gradient, True)  # noqa: FBT003
    some = kernels(given, gradient, True, wanted=False)  # noqa: FBT003
    assert 0 == some[2].abs().max() < every[2].abs().max()
    assert all(map(torch.equal, every[3:], some[3:]))
    none = kernels(given, torch.zeros_like(gradient), True)  # noqa: FBT003
    assert all(0 == one.abs().max() for one in none[2:])


def test_nothing_runs_over_no_steps():
    """And nothing fails."""
    *given, gradient = tensors((1, 1, 1, 1, 1), (0, 2, 5, 3, 2))
    last, out, *found = kernels(given, gradient, True)  # noqa: FBT003
    assert torch.equal(last, given[4])
    assert out.shape == (1, 0, 2, 5)
    assert all(0 == one.abs().sum() for one in found)


@pytest.fixture
def interpreted(monkeypatch):
    """The operators run these kernels."""
    monkeypatch.setattr(unit_networks, "networks", OPERATORS[0])
    monkeypatch.setattr(unit_networks, "networks_backward", OPERATORS[1])


@pytest.mark.usefixtures("interpreted")
def test_under_the_transforms_of_torch():
    """Through the function and its rules: replicates that some tensors share."""
    x, reads, first, _, held, _ = (one[0] for one in tensors((1,) * 5, (3, 2, 3, 2, 2)))
    weights = randn(2, 2 * 5 + 1, 3, seed=7)

    def ours(x, w):
        return unit_networks.run(x, reads, first, w, held, accumulate=True, decode="sin").readouts

    def theirs(x, w):
        values = reference(*(one[None] for one in (x, reads, first, w, held)), accumulate=True)[0]
        return torch.sin(torch.cat((reads, values), -1))

    found = []
    for function in (ours, theirs):
        one = vmap(function, (None, 0))(x, weights)
        two = vmap(grad(lambda x, w, f=function: f(x, w).square().sum(), (0, 1)), (None, 0))
        three = jacrev(lambda x, f=function: f(x, weights[0])[-1, 0])(x)
        found.append([one, *two(x, weights), three])
    torch.testing.assert_close(*found, atol=1e-11, rtol=1e-11)


@pytest.mark.usefixtures("interpreted")
def test_a_cell_runs_them(monkeypatch):
    """Two-layer GATO behind its recurrence, in every mode that has an increment."""
    calls = []
    real = unit_launch.forward
    monkeypatch.setattr(unit_launch, "forward", lambda *a: calls.append(1) or real(*a))
    xs = randn(5, 2, 3, seed=3)
    for mode, wrap in itertools.product(("residual", "no_residual"), (False, True)):
        cell = cells.get("gato-2")(3, 8, k=3, s_mode=mode, wrap_s=wrap).double()
        found = []
        for backend in ("fused", "reference"):
            model = cells.Recurrent(cell, backend=backend)
            leaf = xs.clone().requires_grad_()
            outputs, _ = functional_call(model, dict(model.named_parameters()), (leaf,))
            found.append(
                [outputs, *torch.autograd.grad(outputs.square().sum(), (leaf, *cell.parameters()))]
            )
        torch.testing.assert_close(*found, atol=1e-11, rtol=1e-11)
    assert [1] * 4 == calls
