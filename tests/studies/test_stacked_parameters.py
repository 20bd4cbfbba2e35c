"""Parameters in one memory: training is what it is with parameters apart, and models are still models."""

from __future__ import annotations

import io

import pytest
import torch
from torch import nn
from torch.func import functional_call

from studies.training.descent import Descent
from studies.training.replicates import Replicates, Tensors
from studies.training.settings import TrainingSettings
from studies.training.stacked_parameters import StackedParameters

STEPS, BATCH = 20, 5
ACTIVE = [[0, 1, 2]] * 6 + [[0, 2]] * 7 + [[2]] * 3 + [[2, 0]] * 2 + [[2, 1, 0]] * 2


class Small(nn.Module):
    """A recurrence with a weight used twice, one under two names, a fixed one and one that nothing reads."""

    def __init__(self, width=4):
        super().__init__()
        self.enter, self.mix = nn.Linear(2, width), nn.Linear(width, width)
        self.again = nn.Linear(width, width)
        self.again.weight = self.mix.weight
        self.gain = nn.Parameter(torch.full((width,), 0.7), requires_grad=False)
        self.unread = nn.Parameter(torch.ones(3))

    def forward(self, inputs, state, *_):
        h = inputs.new_zeros(inputs.shape[1], self.gain.shape[0]) if state is None else state
        for x in inputs:
            h = torch.tanh(self.enter(x) + self.again(self.mix(h) * self.gain))
        return h, h


def models(count=3, width=4):
    """``count`` of them in float64, different from one another."""
    torch.manual_seed(1)
    return [Small(width).double() for _ in range(count)]


def apart(self, active):
    """What stands for :meth:`StackedParameters.of`: the models' own tensors, stacked in the graph."""
    return {name: torch.stack([own[s] for s in active]) for name, own in self._own.items()}


def trained(made, optimizer="adam", together=True, **more):
    """``made``, after 20 steps in which some of them rest; they carry their states on."""
    replicates = Replicates(made, list(range(len(made))), together=together)
    descent = Descent(made, TrainingSettings(0.02, BATCH, examples=1, optimizer=optimizer, **more))
    draws = torch.Generator().manual_seed(2)
    for step in range(STEPS):
        active = ACTIVE[step]
        inputs = torch.randn(len(made), 3, BATCH, 2, generator=draws, dtype=torch.float64)[active]
        weights = torch.ones(len(active), BATCH, dtype=torch.float64)
        batch = Tensors(inputs, inputs.sum((1, 3)), weights, None, None)
        losses, _ = replicates.losses(
            active, batch, None, step, lambda out, target: (out.mean(-1) - target).square()
        )
        before = {s: [p.detach().clone() for p in made[s].parameters()] for s in range(len(made))}
        descent.step(losses, active)
        for s in set(range(len(made))) - set(active):
            assert all(map(torch.equal, before[s], made[s].parameters()))
            assert all(p.grad is None for p in made[s].parameters())
    assert replicates.together is together
    return made, descent


@pytest.mark.parametrize(
    "options",
    [
        {}, {"weight_decay": 0.1}, {"clip_norm": 0.05}, {"clip_per_variable": 1.5},
        {"optimizer": "radam", "clip_per_variable": 1.5},
    ],
    ids=str,
)  # fmt: skip
def test_training_is_what_it_is_with_parameters_apart(options, monkeypatch):
    """Parameters, moments and step counts, whoever rests, comes back, or changes places."""
    made, descent = trained(models(), **options)
    others = [trained(models(), together=False, **options)]
    monkeypatch.setattr(StackedParameters, "of", apart)
    monkeypatch.setattr(StackedParameters, "_gather", lambda _: None)
    others.append(trained(models(), **options))
    for others_models, other in others:
        for one, theirs in zip(made, others_models, strict=True):
            for name, parameter in one.named_parameters():
                expected = theirs.get_parameter(name)
                torch.testing.assert_close(parameter, expected, rtol=0, atol=1e-12)
                mine = descent.optimizer.state.get(parameter, {})
                kept = other.optimizer.state.get(expected, {})
                assert mine.keys() == kept.keys()
                assert bool(mine) is (name not in {"gain", "unread"})
                for key, value in kept.items():
                    torch.testing.assert_close(mine[key], value, rtol=0, atol=1e-12)


def test_each_model_reads_and_writes_its_own_rows():
    """By name and in place, by a state dict, and by an optimizer that knows of the one model."""
    made = models()
    expected = [{n: v.clone() for n, v in model.state_dict().items()} for model in made]
    stacked = StackedParameters(made)
    for model, values in zip(made, expected, strict=True):
        assert all(torch.equal(v, values[n]) for n, v in model.state_dict().items())
    made[1].load_state_dict(expected[2])
    torch.testing.assert_close(stacked.of([1])["mix.weight"][0], expected[2]["mix.weight"])
    with torch.no_grad():
        made[0].enter.bias.fill_(3)
    bias = stacked.of([0, 1, 2])["enter.bias"]
    assert (bias[0] == 3).all()
    assert bias.data_ptr() == made[0].enter.bias.data_ptr(), "nothing is copied"
    assert torch.equal(bias[2], expected[2]["enter.bias"])


def test_gradients_arrive_where_they_belong():
    """As for one model alone: of a tied weight once, added up over passes, none where nothing is read."""
    made, twins = models(), models()
    for one in (made[0], twins[0]):
        one.enter.bias.requires_grad = False  # of one model only
    stacked, x = StackedParameters(made), torch.randn(2, 5, 2, dtype=torch.float64)
    for _ in range(2):
        weights = stacked.of([2, 0])
        torch.vmap(lambda own: functional_call(made[0], own, (x, None))[0])(
            weights
        ).sum().backward()
        for s in (0, 2):
            twins[s](x, None)[0].sum().backward()
    for one, other in zip(made, twins, strict=True):
        for name, parameter in one.named_parameters():
            expected = other.get_parameter(name).grad
            assert (parameter.grad is None) is (expected is None)
            if expected is not None:
                torch.testing.assert_close(parameter.grad, expected, rtol=0, atol=1e-12)


def test_models_that_were_moved_are_stacked_anew():
    """Another dtype parts a model from the common memory; its rows would be stale."""
    made = models()
    stacked = StackedParameters(made)
    for model in made:
        model.float()
    with torch.no_grad():
        made[1].enter.bias.fill_(5)
    bias = stacked.of([0, 1, 2])["enter.bias"]
    assert bias.dtype == torch.float32
    assert (bias[1] == 5).all()
    assert bias.data_ptr() == made[0].enter.bias.data_ptr()


def test_a_file_holds_the_common_memory_once():
    """State dicts of all models written together take no more than those of models apart."""

    def size(made):
        buffer = io.BytesIO()
        torch.save([model.state_dict() for model in made], buffer)
        return len(buffer.getvalue())

    made = models(8, width=32)
    before = size(made)
    StackedParameters(made)
    assert size(made) <= before


def test_models_of_different_shapes_stay_as_they_are():
    """They cannot be stacked: said by torch, and trained one by one all the same."""
    made = [*models(1), *models(1, width=6)]
    before = [p.data_ptr() for model in made for p in model.parameters()]
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        StackedParameters(made)
    assert before == [p.data_ptr() for model in made for p in model.parameters()]
    replicates = Replicates(made, [0, 1], together=True)
    inputs = torch.ones(2, 3, BATCH, 2, dtype=torch.float64)
    batch = Tensors(inputs, inputs.sum((1, 3)), torch.ones(2, BATCH).double(), None, None)
    losses, _ = replicates.losses([0, 1], batch, None, 0, lambda out, t: out.mean(-1) - t)
    losses.sum().backward()
    assert not replicates.together
    assert "equal size" in replicates.obstacle
    assert all(model.mix.weight.grad is not None for model in made)
