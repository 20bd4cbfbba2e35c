"""The trainer: replicates together are replicates alone, a resumed run is an uninterrupted one."""

from __future__ import annotations

import importlib.util
import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from studies.core.errors import StudyError
from studies.model.settings import ModelSettings, build
from studies.training.descent import Descent
from studies.training.replicates import Replicates
from studies.training.settings import TrainingSettings
from studies.training.trainer import Trainer

spec = importlib.util.spec_from_file_location(
    "small_tasks", Path(__file__).parent / "small_tasks.py"
)
small = sys.modules.setdefault("small_tasks", importlib.util.module_from_spec(spec))
spec.loader.exec_module(small)

PLAIN = {"learning_rate": 0.01, "batch_size": 4, "examples": 200, "dtype": "float64"}
OPTIONS = {
    "adam": {},
    "radam": {"optimizer": "radam"},
    "weight decay": {"weight_decay": 0.1},
    "clip norm": {"clip_norm": 0.05},
    "clip per variable": {"clip_per_variable": 1.5, "optimizer": "radam"},
    "halving": {"halve_every": 12, "learning_rate": 0.3},
    "patience": {"patience": 1, "learning_rate": 0.3},
    "everything": {
        "optimizer": "radam", "weight_decay": 0.01, "clip_norm": 1.0, "clip_per_variable": 5.0,
        "halve_every": 20, "patience": 3,
    },
}  # fmt: skip
MODELS = {
    "gato": ModelSettings("gato-2", 4, {"k": 2}, decoder_hidden=3),
    "rru": ModelSettings("rru", 4, {"output_size": 3, "dropout": 0.5}, layers=2, embedding=3),
    "lstm": ModelSettings("lstm", 3, {"dropout": 0.4, "mask_scope": "sequence"}, embedding=2),
}


def train(seeds, options=None, model="gato", task=None, together=True, checkpoint=None, **more):
    """(the trainer, its final state) after 50 steps of the small task."""
    task = task or small.SumsTask()
    settings = TrainingSettings(**{**PLAIN, **(options or {}), **more})
    source = task.open(batch_size=settings.batch_size)
    models = [build(MODELS[model], source, seed).double() for seed in seeds]
    trainer = Trainer(
        task, source, models, seeds, settings,
        together=together, checkpoint_path=checkpoint, mark="test",
    )  # fmt: skip
    return trainer, trainer.run()


def weights(trainer, place):
    """All parameters of one replicate, flat."""
    return torch.cat([p.detach().flatten() for p in trainer.models[place].parameters()])


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("name", list(OPTIONS))
def test_replicates_together_are_replicates_alone(name, together):
    """After 50 steps in float64 each replicate is what it is alone, to 1e-9, whatever the options."""
    seeds = [3, 0, 7]
    beside, state = train(seeds, OPTIONS[name], together=together)
    for place, seed in enumerate(seeds):
        alone, own = train([seed], OPTIONS[name])
        torch.testing.assert_close(weights(beside, place), weights(alone, 0), rtol=0, atol=1e-9)
        mine = state.replicates[place]
        assert mine.test == pytest.approx(own.replicates[0].test, abs=1e-9)
        assert (mine.status, mine.best_step) == (
            own.replicates[0].status,
            own.replicates[0].best_step,
        )
        curves = [p.validation[place] for p in state.points if math.isfinite(p.validation[place])]
        assert curves == pytest.approx([p.validation[0] for p in own.points], abs=1e-9)
        for name_ in ("grad_norm", "state_norm"):
            curve = [getattr(p, name_)[place] for p in state.points[: len(own.points)]]
            theirs = [getattr(p, name_)[0] for p in own.points]
            assert curve == pytest.approx(theirs, abs=1e-9, nan_ok=True)
            after = [getattr(p, name_)[place] for p in state.points[len(own.points) :]]
            assert all(map(math.isnan, after))


def test_chance_may_begin_later():
    """A model that drew nothing at first draws as it does alone, once its dropout is turned on."""

    def trained(seeds):
        task = small.SumsTask()
        settings = TrainingSettings(**PLAIN)
        source = task.open(batch_size=settings.batch_size)
        models = [build(MODELS["rru"], source, seed) for seed in seeds]
        trainer = Trainer(task, source, models, seeds, settings)
        dropped = [m for model in models for m in model.modules() if hasattr(m, "dropout")]
        rates = [one.dropout for one in dropped]
        for one in dropped:
            one.dropout = 0.0

        def monitor(state, _):
            if state.step == 5:
                assert trainer.replicates.draws is False
                for one, rate in zip(dropped, rates, strict=True):
                    one.dropout = rate

        trainer.run(monitor)
        assert trainer.replicates.draws
        assert trainer.replicates.together or len(seeds) == 1
        return trainer

    beside = trained([3, 0])
    for place, seed in enumerate([3, 0]):
        alone = trained([seed])
        torch.testing.assert_close(weights(beside, place), weights(alone, 0), rtol=0, atol=1e-9)


def test_an_error_after_the_first_step_is_raised(monkeypatch):
    """It is not taken for a draw that vmap refuses, nor is the model trained apart for it."""
    task, settings = small.SumsTask(), TrainingSettings(**PLAIN)
    source = task.open(batch_size=settings.batch_size)
    models = [build(MODELS["gato"], source, seed) for seed in (0, 1)]
    trainer = Trainer(task, source, models, [0, 1], settings)
    trainer._step()  # of sequences of several lengths, one by one
    trainer._step()

    def broken(*_):
        raise RuntimeError("a mistake of the model's")

    monkeypatch.setattr(type(models[0]), "forward", broken)
    with pytest.raises(RuntimeError, match="a mistake of the model's"):
        trainer._step()
    assert trainer.replicates.together
    assert trainer.replicates.draws is False


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("clip", [{}, {"clip_norm": 1e-3}, {"clip_per_variable": 1e-3}])
def test_gradients_are_measured_before_they_are_clipped(clip, together, monkeypatch):
    """Against every number of them squared and summed, at the step before each evaluation and at no other."""
    seen, real = [], Descent._clip

    def clipped(self, own):
        squares = sum(float((p.grad.double() ** 2).sum()) for p in own)
        seen.append(math.sqrt(squares))
        real(self, own)

    monkeypatch.setattr(Descent, "_clip", clipped)
    _, state = train([2, 5], clip, together=together)
    steps = [point.step for point in state.points]
    expected = [seen[2 * (step - 1) : 2 * step] for step in steps]
    assert [point.grad_norm for point in state.points] == [pytest.approx(e) for e in expected]


@pytest.mark.parametrize("task", ["SumsTask", "WindowsTask"])
@pytest.mark.parametrize("model", list(MODELS))
def test_states_are_measured_where_validation_ends(task, model, monkeypatch):
    """Each sequence's state in NumPy, every number and layer of it, by the last evaluation's parameters."""
    monkeypatch.setattr(Trainer, "_test", lambda _: None)  # it puts the best parameters back
    trainer, state = train([4], {}, model, getattr(small, task)())
    network, norms, after = trainer.models[0].eval(), [], None
    with torch.no_grad():
        for batch in trainer.source.evaluation("validation"):
            fields = trainer._tensors(batch)
            _, after = network(fields.inputs, after if fields.fresh is not None else None,
                               fields.lengths, fields.fresh)  # fmt: skip
            leaves = [
                leaf.numpy() for leaf in pytree.tree_leaves(after) if leaf.dtype != torch.bool
            ]
            flattened = np.concatenate([one.reshape(len(one), -1) for one in leaves], axis=1)
            norms += np.sqrt((flattened**2).sum(1)).tolist()
    assert state.points[-1].state_norm == pytest.approx([np.mean(norms)])


def test_measuring_changes_nothing(monkeypatch):
    """Without it the weights are the same, bit for bit."""
    with_, _ = train([0, 1], OPTIONS["everything"])
    monkeypatch.setattr("studies.training.descent.gradient_norm", lambda _: math.nan)
    monkeypatch.setattr("studies.training.trainer.state_norms", lambda _: torch.zeros(1))
    without, state = train([0, 1], OPTIONS["everything"])
    assert all(torch.equal(weights(with_, k), weights(without, k)) for k in (0, 1))
    assert math.isnan(state.points[0].grad_norm[0])


@pytest.mark.parametrize("task", ["SumsTask", "WindowsTask"])
@pytest.mark.parametrize("model", list(MODELS))
def test_dropout_states_and_lengths_keep_replicates_apart(model, task):
    """Masks, carried states and padding come from the replicate's own seed."""
    seeds = [1, 2]
    beside, state = train(seeds, {}, model, getattr(small, task)())
    for place, seed in enumerate(seeds):
        alone, own = train([seed], {}, model, getattr(small, task)())
        torch.testing.assert_close(weights(beside, place), weights(alone, 0), rtol=0, atol=1e-9)
        assert state.replicates[place].test == pytest.approx(own.replicates[0].test, abs=1e-9)


@pytest.mark.parametrize("together", [True, False])
def test_a_diverging_neighbor_changes_nothing(together):
    """One replicate meets an infinite target; it is frozen there, the other goes on as if alone."""
    both, state = train([0, 1], task=small.SumsTask(poison=(1, 17)), together=together)
    alone, own = train([0])
    healthy, ill = state.replicates
    torch.testing.assert_close(weights(both, 0), weights(alone, 0), rtol=0, atol=1e-9)
    assert ("finished", own.replicates[0].best_step) == (healthy.status, healthy.best_step)
    assert ("diverged", 16) == (ill.status, ill.last_finite_step)
    assert math.isfinite(ill.last_finite_loss)
    assert math.isfinite(ill.test), "it is tested at its best validation before it diverged"
    assert all(math.isnan(p.validation[1]) for p in state.points if p.step > 17)


def test_a_replicate_that_diverges_at_once_ends_the_run():
    """Nothing was ever validated: no test value, and no endless loop."""
    _, state = train([1], task=small.SumsTask(poison=(1, 0)))
    (ill,) = state.replicates
    assert ("diverged", -1, 1) == (ill.status, ill.last_finite_step, state.step)
    assert math.isnan(ill.test)


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("options", ["everything", "halving"])
def test_a_resumed_run_is_an_uninterrupted_one(tmp_path, model, options):
    """Bit for bit: parameters, curves, ends; windows whose state is carried too."""
    task = small.WindowsTask() if model != "gato" else small.SumsTask()
    whole, expected = train([0, 1], OPTIONS[options], model, task)
    path = tmp_path / "run.checkpoint"
    settings = TrainingSettings(**{**PLAIN, **OPTIONS[options]})
    source = task.open(batch_size=settings.batch_size)
    for stop in (7, 23, None):
        models = [build(MODELS[model], source, seed).double() for seed in (0, 1)]
        trainer = Trainer(task, source, models, [0, 1], settings, checkpoint_path=path, mark="test")

        def monitor(state, _, trainer=trainer, stop=stop):
            if state.step == stop:
                trainer.save()
                raise KilledError

        if stop is None:
            state = trainer.run(monitor)
        else:
            with pytest.raises(KilledError):
                trainer.run(monitor)
    assert trainer.replicates.draws is whole.replicates.draws
    for place in range(2):
        assert torch.equal(weights(whole, place), weights(trainer, place))
    assert [str(p) for p in expected.points] == [str(p) for p in state.points]
    assert [str(r) for r in expected.replicates] == [str(r) for r in state.replicates]


def test_a_resumed_run_stacks_the_batches_that_it_stacked_before(tmp_path, monkeypatch):
    """Ragged batches without dropout are padded and stacked, in the first step after a resumption too."""
    apart = []
    loop = Replicates.losses_apart

    def counted(self, *arguments):
        apart.append(arguments[2])
        return loop(self, *arguments)

    monkeypatch.setattr(Replicates, "losses_apart", counted)
    path = tmp_path / "run.checkpoint"
    task, settings = small.SumsTask(), TrainingSettings(**PLAIN)
    source = task.open(batch_size=4)
    lengths = [{len(source.training(seed, step).inputs) for seed in (0, 1)} for step in range(50)]
    ragged = next(step for step in range(10, 50) if len(lengths[step]) > 1)

    def stop(state, _):
        if state.step == ragged:
            trainer.save()
            raise KilledError

    for monitor in (stop, None):
        models = [build(MODELS["gato"], source, seed).double() for seed in (0, 1)]
        trainer = Trainer(task, source, models, [0, 1], settings, checkpoint_path=path, mark="test")
        if monitor is None:
            trainer.run()
        else:
            with pytest.raises(KilledError):
                trainer.run(monitor)
    assert all(step < ragged for step in apart), "only what is not known yet is found out apart"


def test_a_finished_run_is_not_trained_again(tmp_path):
    """Its checkpoint says that it has ended; running again returns the same result."""
    path = tmp_path / "run.checkpoint"
    _, first = train([0], checkpoint=path)
    trainer, second = train([0], checkpoint=path)
    assert str(first.replicates) == str(second.replicates)
    assert first.step == trainer.run_state.step == 50


def test_patience_ends_a_replicate_at_its_own_time():
    """Each stops after its own evaluations without gain, and keeps its best."""
    _, state = train([0, 1, 2], {"patience": 2, "learning_rate": 0.5, "examples": None})
    assert {"stopped"} == {r.status for r in state.replicates}
    for place, replicate in enumerate(state.replicates):
        curve = [p.validation[place] for p in state.points if math.isfinite(p.validation[place])]
        best = min(range(len(curve)), key=curve.__getitem__)
        assert best == len(curve) - 1 - 2
        assert replicate.best == curve[best]


def test_the_rate_is_halved_when_the_mean_loss_rose():
    """GATO C.3, recomputed from the losses of every step."""
    losses, rates = [], []
    task = small.SumsTask()
    settings = TrainingSettings(**{**PLAIN, "halve_every": 12, "learning_rate": 0.5})
    source = task.open(batch_size=4)
    trainer = Trainer(task, source, [build(MODELS["gato"], source, 0).double()], [0], settings)

    def monitor(state, _):
        losses.append(state.replicates[0].last_finite_loss)
        rates.append(trainer.descent.learning_rates[0])

    trainer.run(monitor)
    means = [sum(losses[k : k + 3]) / 3 for k in range(0, 48, 3)]
    halvings = sum(after > before for before, after in pairwise(means))
    assert halvings > 0
    assert rates[-1] == 0.5 / 2**halvings


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"learning_rate": 0}, "learning_rate: expected a finite number above 0"),
        ({"clip_norm": math.inf}, "clip_norm: expected a finite number"),
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1"),
        ({"patience": 1.5}, "patience: expected a whole number"),
        ({"weight_decay": -1}, "weight_decay: expected a finite number of at least 0"),
        ({"optimizer": "sgd"}, "optimizer: expected adam or radam, got 'sgd'"),
        ({"dtype": "float16"}, "dtype: expected float32 or float64"),
        ({"examples": None}, "examples and patience are both None"),
    ],
)
def test_settings_out_of_range_are_refused(change, match):
    """Each value with what was expected and what was got."""
    with pytest.raises(StudyError, match=match):
        TrainingSettings(**{**PLAIN, **change})


def test_seeds_must_be_distinct():
    """Two equal replicates would be counted as two measurements."""
    with pytest.raises(StudyError, match="all different and at least one"):
        train([1, 1])


def test_a_task_without_epochs_needs_an_interval():
    """There would be no validation, hence no best and no test."""
    task = small.SumsTask()
    source = task.open(batch_size=4)
    source.steps_per_epoch = None
    with pytest.raises(StudyError, match="evaluate_every: expected a number of examples"):
        Trainer(task, source, [build(MODELS["gato"], source, 0)], [0], TrainingSettings(**PLAIN))


class Branching(torch.nn.Module):
    """A cell whose step asks for a value: it cannot run under vmap."""

    input_size = 2

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(2))

    def initial_state(self, *batch):
        return (torch.zeros(*batch, 2, dtype=self.gain.dtype),)

    def step(self, x, state):
        (h,) = state
        return (h + self.gain * x if bool((h.sum() > -1e9).item()) else h,)

    def readout(self, state):
        return state[0]


def test_models_that_do_not_stack_run_one_by_one():
    """A branch on data: said, and trained all the same; an error of the model's own comes through."""
    from cells import Recurrent
    from studies.model.sequence_model import SequenceModel

    def models():
        torch.manual_seed(0)
        parts = torch.nn.Identity(), Recurrent(Branching()), torch.nn.Linear(2, 1)
        return SequenceModel(*parts, "last").double()

    task = small.SumsTask()
    source = task.open(batch_size=4)
    trainer = Trainer(task, source, [models(), models()], [0, 1], TrainingSettings(**PLAIN))
    state = trainer.run()
    assert ["finished"] * 2 == [r.status for r in state.replicates]
    assert not trainer.replicates.together
    assert trainer.replicates.obstacle
    broken = [models(), models()]
    for model in broken:
        model.decoder = torch.nn.Linear(3, 1).double()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Trainer(task, source, broken, [0, 1], TrainingSettings(**PLAIN)).run()
