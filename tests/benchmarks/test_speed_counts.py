"""What can be counted instead of timed: operators of a fused layer, and what it keeps for its backward."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from implementations import MissingError, of_cell
from kernel_calls import NAMESPACE, calls, saved_bytes
from workloads import Shape

import cells
from cells.fused import lanes

SHAPE = Shape(20, 4, 5, 16)
PRODUCTS = {"aten.addmm", "aten.mm", "aten.bmm", "aten.baddbmm", "aten.linear", "aten.matmul"}


@pytest.fixture(params=["few inputs", "many inputs", "many inputs, long"])
def layer(request, monkeypatch):
    """Fused one-layer GATO, and its inputs; warm, so that nothing of a first call is counted."""
    shape = SHAPE._replace(inputs=SHAPE.inputs if "few" in request.param else 12)
    if "long" in request.param:
        monkeypatch.setattr(lanes, "WHOLE", 1)
    try:
        subject = of_cell("gato", {}, 2 * SHAPE.units, shape, torch.device("cpu"), "fused")
    except MissingError as missing:
        pytest.skip(str(missing))
    xs = torch.randn(SHAPE.steps, SHAPE.batch, shape.inputs, requires_grad=True)
    subject.run(xs).sum().backward()
    return subject, xs, int(request.param == "many inputs")


def kinds(run):
    """How often each operator runs."""
    return Counter(call.name for call in calls(run))


def test_a_forward_is_one_recurrence(layer):
    """However long the sequence: a kernel per step would be the loop again. A product may stand before it."""
    subject, xs, outside = layer
    counted = kinds(lambda: subject.run(xs))
    assert outside == sum(n for name, n in counted.items() if name in PRODUCTS), counted
    assert 1 == counted[f"{NAMESPACE}.recurrence"], counted
    longer = torch.randn(7 * SHAPE.steps, SHAPE.batch, xs.shape[-1], requires_grad=True)
    assert counted == kinds(lambda: subject.run(longer))


def test_a_backward_is_one_recurrence(layer):
    """Nothing is accumulated step by step."""
    subject, xs, outside = layer
    outputs = subject.run(xs)
    counted = kinds(lambda: torch.autograd.grad(outputs.sum(), (xs, *subject.parameters)))
    assert 1 == counted[f"{NAMESPACE}.recurrence_backward"], counted
    assert 2 * outside == sum(n for name, n in counted.items() if name in PRODUCTS), counted


def test_two_floats_are_kept_per_update_or_five(layer):
    """Two states, and projections where they were made beforehand; gates are computed again."""
    subject, xs, outside = layer
    constant = xs.nbytes + 4 * 200 * SHAPE.units  # the inputs, initial states and stacked weights
    kept = saved_bytes(lambda: subject.run(xs), subject.parameters)
    assert kept <= (2 + 3 * outside) * 4 * SHAPE.elements + constant


def test_the_count_finds_a_loop():
    """The readable step's loop is seen by the same counts: they could fail."""
    cell = cells.get("gato")(SHAPE.inputs, 2 * SHAPE.units)
    xs = torch.randn(SHAPE.steps, SHAPE.batch, SHAPE.inputs)
    counted = kinds(lambda: cells.unroll(cell, xs))
    assert counted["aten.tanh"] == SHAPE.steps
    kept = saved_bytes(lambda: cells.unroll(cell, xs)[0], tuple(cell.parameters()))
    assert kept > 5 * 4 * SHAPE.elements
