"""Kernels that make what a unit reads of a few inputs themselves: as those that are given it, and exact."""

from __future__ import annotations

import pytest
import torch

import cells
from cells.fused import lanes, numba_chunks, numba_kernels, operators, recurrence
from cells.parts.input_map import FEW, InputMap, input_map

pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
torch.set_num_threads(1)

NAMES = ["gato", "gato-2", "gru-diag", "lstm-diag", "brhn-diag", "indrnn"]


def form_of(name, inputs, units):
    """A cell in the kernels' terms, in double precision."""
    generator = torch.Generator().manual_seed(0)
    hidden_size = units * (2 if name in ("gato", "gato-2") else 1)
    cell = cells.get(name)(inputs, hidden_size, generator=generator).double()
    return cell.lanes()


def run_of(form, xs, initial, *, mapped):
    """All results and all gradients, by kernels that map x or by those that are given projected inputs."""
    x, weight, bias, own = (
        one.detach().clone().requires_grad_()
        for one in (xs, form.project.weight, form.project.bias, form.weights)
    )
    inputs = [x, weight, bias] if mapped else [InputMap(weight, bias)(x)]
    begin = [one.clone().requires_grad_() for one in initial]
    found = recurrence.run(form.step, inputs, own, form.constants, begin)
    parts = [*found.states, *found.last, *([] if found.readouts is None else [found.readouts])]
    draw = torch.Generator().manual_seed(1)
    seeds = [torch.randn(one.shape, generator=draw, dtype=one.dtype) for one in parts]
    leaves = [x, weight, bias, own, *begin]
    gradients = torch.autograd.grad(parts, leaves, seeds, allow_unused=True, materialize_grads=True)
    return [*(one.detach() for one in parts), *gradients]


@pytest.mark.parametrize("units", [1, 63, 64, 130])
@pytest.mark.parametrize("inputs", [*range(1, FEW + 1), 12])
@pytest.mark.parametrize("name", NAMES)
def test_both_forms_are_one_function(name, inputs, units):
    """Every number of inputs, parts of tiles, several tiles: results and every gradient."""
    form = form_of(name, inputs, units)
    draw = torch.Generator().manual_seed(2)
    xs = torch.randn(5, 3, inputs, generator=draw, dtype=torch.float64)
    initial = [torch.randn(3, units, generator=draw, dtype=torch.float64) for _ in form.fields]
    made, given = (run_of(form, xs, initial, mapped=mapped) for mapped in (True, False))
    torch.testing.assert_close(made, given, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("steps_at_once", [1, 4, 100])
@pytest.mark.parametrize("inputs", [FEW, FEW + 1])
@pytest.mark.parametrize("name", NAMES)
def test_both_sides_of_the_limit_are_the_reference(name, inputs, steps_at_once, monkeypatch):
    """With a gradient of x and without; many inputs in parts, the last of which may be shorter."""
    of_step = 4 * len(cells.get(name)(inputs, 12).lanes().project.weight) * 8
    monkeypatch.setattr(numba_chunks, "BYTES", steps_at_once * of_step)
    monkeypatch.setattr(lanes, "WHOLE", 5 * of_step)  # of six steps
    cell = cells.get(name)(inputs, 12, generator=torch.Generator().manual_seed(0)).double()
    xs = torch.randn(6, 4, inputs, dtype=torch.float64)
    for graded in (True, False):
        answers = []
        for backend in ("fused", "reference"):
            leaf = xs.clone().requires_grad_(graded)
            outputs, (last,) = cells.Recurrent(cell, backend=backend)(leaf)
            wanted = [leaf] * graded + list(cell.parameters())
            loss = outputs.square().sum() + sum(one.sum() for one in last)
            answers.append([outputs.detach(), *torch.autograd.grad(loss, wanted)])
        torch.testing.assert_close(*answers, atol=1e-12, rtol=1e-12)


def test_no_product_over_all_steps_is_made(monkeypatch):
    """The kernel gets x; with more inputs it gets the product, or, if that is large, those of some steps."""
    given = []
    real = numba_kernels.forward
    monkeypatch.setattr(
        numba_kernels, "forward", lambda s, i, *a, **k: given.append(len(i)) or real(s, i, *a, **k)
    )
    for inputs in (1, FEW, FEW + 1):
        cells.Recurrent(cells.get("gru-diag")(inputs, 4), backend="fused")(
            torch.zeros(3, 2, inputs)
        )
    assert [3, 3, 1] == given
    monkeypatch.setattr(lanes, "WHOLE", 2 * 2 * 12 * 4)
    monkeypatch.setattr(numba_chunks, "BYTES", 2 * 2 * 12 * 4)  # two steps of two examples
    cells.Recurrent(cells.get("gru-diag")(FEW + 1, 4), backend="fused")(torch.zeros(3, 2, FEW + 1))
    assert [3, 3, 1, 1, 1] == given


def test_a_gradient_of_x_that_nobody_wants_is_not_made():
    """It is zero, and the others have the same bits."""
    form = form_of("gru-diag", 2, 5)
    operators.announce(form.step)
    maps = [one.detach()[None] for one in (form.project.weight, form.project.bias)]
    inputs = [torch.randn(1, 4, 2, 2, dtype=torch.float64), *maps]
    begin = [torch.zeros(1, 2, 5, dtype=torch.float64)]
    given = (form.step.name, inputs, form.weights.detach()[None], [])
    states, _ = operators.recurrence(*given, begin, True)  # noqa: FBT003
    seeds = [torch.randn_like(states), begin[0].new_empty(1, 0, 0)]
    every, some = (
        operators.recurrence_backward(*given, begin, [states], seeds, wanted)
        for wanted in (True, False)
    )
    assert 0 == some[0].abs().max() < every[0].abs().max()
    assert all(map(torch.equal, every[1:], some[1:]))


def test_without_a_bias():
    """Zeros stand for it, and nothing is differentiated by them."""
    cell = cells.get("gato")(2, 8, n_b=0).double()
    assert cell.lanes().project.bias is None
    xs = torch.randn(4, 3, 2, dtype=torch.float64)
    answers = []
    for backend in ("fused", "reference"):
        outputs, _ = cells.Recurrent(cell, backend=backend)(xs)
        gradients = torch.autograd.grad(outputs.square().sum(), list(cell.parameters()))
        answers.append([outputs.detach(), *gradients])
    torch.testing.assert_close(*answers, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_number_that_is_none_reaches_every_unit_that_reads_it(value):
    """And no other example."""
    cell = cells.get("gru-diag")(3, 70)
    xs = torch.zeros(4, 2, 3)
    xs[1, 0, 2] = value
    with torch.no_grad():
        cell.weight_ih[:, 2] = torch.where(torch.arange(210) % 2 == 0, 1.0, -1.0)
    outputs, _ = cells.Recurrent(cell, backend="fused")(xs)
    wanted, _ = cells.Recurrent(cell, backend="reference")(xs)
    torch.testing.assert_close(outputs, wanted, equal_nan=True)
    assert outputs[:, 1].isfinite().all()


def test_an_input_map_is_what_it_says():
    """W x + b, and whether kernels make it themselves."""
    weight, bias, x = torch.randn(5, 3), torch.randn(5), torch.randn(2, 4, 3)
    assert torch.equal(InputMap(weight, bias)(x), input_map(x, weight, bias))
    assert InputMap(weight).few
    assert not InputMap(torch.randn(5, FEW + 1)).few
