"""The optimizer over replicates: the update as the paper writes it, whatever implementation does it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from studies.training.descent import Descent
from studies.training.settings import TrainingSettings

DECAY = 0.1
BETAS, EPSILON = (0.9, 0.999), 1e-8


def settings(**more):
    """Of a run in float64."""
    return TrainingSettings(**{"learning_rate": 0.02, "batch_size": 1, "examples": 1, **more})


def models(count, *, transposed=False):
    """Linear maps in float64, the weights' memory by columns where they are ``transposed``."""
    torch.manual_seed(0)
    made = [torch.nn.Linear(3, 2).double() for _ in range(count)]
    for model in made if transposed else []:
        model.weight.data = model.weight.data.t().contiguous().t()
    return made


def losses(made, step):
    """One per model, with other gradients at each step."""
    x = torch.linspace(-1, 1 + step, 3, dtype=torch.float64)
    return torch.stack([(k + 1) * model(x).square().sum() for k, model in enumerate(made)])


def adam(value, gradient, moments, step, rate):
    """One update of Kingma and Ba's algorithm 1 with L2 decay, in NumPy; ``moments`` are changed."""
    gradient = gradient + DECAY * value
    for k, power in enumerate((1, 2)):
        moments[k] = BETAS[k] * moments[k] + (1 - BETAS[k]) * gradient**power
    mean, square = (moments[k] / (1 - BETAS[k] ** step) for k in (0, 1))
    return value - rate * mean / (np.sqrt(square) + EPSILON)


@pytest.mark.parametrize("transposed", [False, True])
def test_adam_is_the_published_one(transposed):
    """Ten steps, the second replicate with half the rate and frozen, bit for bit, for the last five."""
    made = models(2, transposed=transposed)
    descent = Descent(made, settings(weight_decay=DECAY))
    descent.halve(1)
    parameters = [list(model.parameters()) for model in made]
    expected = [[p.detach().numpy().copy() for p in own] for own in parameters]
    moments = [[[0.0, 0.0] for _ in own] for own in parameters]
    for step in range(10):
        active = [0, 1] if step < 5 else [0]
        before = copy.deepcopy([p.detach() for p in parameters[1]])
        total = losses(made, step)
        gradients = [torch.autograd.grad(total.sum(), own, retain_graph=True) for own in parameters]
        descent.step(total, active)
        for s in active:
            for k, gradient in enumerate(gradients[s]):
                expected[s][k] = adam(
                    expected[s][k], gradient.numpy(), moments[s][k], step + 1, 0.02 / (s + 1)
                )
                np.testing.assert_allclose(
                    parameters[s][k].detach().numpy(), expected[s][k], rtol=0, atol=1e-12
                )
        if 1 not in active:
            assert all(map(torch.equal, before, parameters[1]))
    steps = {float(descent.optimizer.state[p]["step"]) for p in parameters[1]}
    assert steps == {5.0}


@pytest.mark.parametrize(
    ("options", "transposed", "fused"),
    [({}, False, True), ({}, True, False), ({"optimizer": "radam"}, False, False)],
)
def test_adam_is_fused_where_that_is_right(options, transposed, fused):
    """The fused one disregards strides, and there is none of RAdam."""
    (group,) = Descent(models(1, transposed=transposed), settings(**options)).optimizer.param_groups
    assert (bool(group.get("fused")), bool(group["foreach"])) == (fused, not fused)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_state_of_another_implementation_is_gone_on_from(transposed):
    """As earlier versions wrote it: the same numbers to rounding, by the implementation of this one."""
    made = models(2, transposed=transposed)
    older = torch.optim.Adam(
        [{"params": list(model.parameters())} for model in made], lr=0.02, foreach=True
    )
    for step in range(6):
        if step == 3:
            left, stored = copy.deepcopy(made), copy.deepcopy(older.state_dict())
            stored["param_groups"][1]["lr"] = older.param_groups[1]["lr"] = 0.01
        older.zero_grad()
        losses(made, step).sum().backward()
        older.step()
    descent = Descent(left, settings())
    descent.restore(stored)
    assert descent.learning_rates == [0.02, 0.01]
    assert all(bool(group["fused"]) is not transposed for group in descent.optimizer.param_groups)
    assert all(bool(group["foreach"]) is transposed for group in descent.optimizer.param_groups)
    for step in range(3, 6):
        descent.step(losses(left, step), [0, 1])
    for one, other in zip(made, left, strict=True):
        for name, parameter in one.named_parameters():
            torch.testing.assert_close(other.get_parameter(name), parameter, rtol=0, atol=1e-12)
