"""The trainer: S replicates of one configuration side by side, each with its own course and end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from studies.core.batch import Batch, stacked, without_full_lengths
from studies.core.errors import StudyError
from studies.core.streams import stream_key
from studies.core.task import Source, Split, Task
from studies.training import checkpoint
from studies.training.descent import Descent
from studies.training.norms import state_norms
from studies.training.replicates import Replicates, Tensors
from studies.training.run_state import Point, ReplicateState, RunState
from studies.training.settings import TrainingSettings

Monitor = Callable[[RunState, int | None], None]
"""Called after every step with the state and the number of steps of the whole run (None: open)."""

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_BETWEEN_CHECKPOINTS = 30.0  # seconds


class Trainer:
    """Train one model per seed on ``source``.

    ``models``: one per seed, as the seed's initialization drew it; ``together``: whether replicates are
    stacked under vmap or run one by one; ``checkpoint_path``: a file to go on from and to write to, with
    ``mark`` naming the run's settings. Each replicate has its own data order, dropout, learning rate, clip
    norm and early stop; one whose loss is not finite is frozen and the others go on.
    """

    def __init__(
        self,
        task: Task,
        source: Source,
        models: Sequence[nn.Module],
        seeds: Sequence[int],
        settings: TrainingSettings,
        *,
        device: str = "cpu",
        together: bool = True,
        checkpoint_path: Path | None = None,
        mark: str = "",
    ) -> None:
        if len(models) != len(seeds) or len(set(seeds)) != len(seeds) or not seeds:
            raise StudyError(
                f"seeds: expected one per model, all different and at least one, got {list(seeds)}"
            )
        self.task, self.source, self.settings = task, source, settings
        self.seeds = list(seeds)
        self.device, self.dtype = torch.device(device), _DTYPES[settings.dtype]
        self.models = [model.to(self.device, self.dtype).train() for model in models]
        self.replicates = Replicates(
            self.models, [stream_key(seed, "dropout") for seed in seeds], together=together
        )
        self.descent = Descent(self.models, settings)
        self.run_state = RunState([ReplicateState(seed) for seed in seeds])
        self.best: list[dict[str, Tensor] | None] = [None] * len(seeds)
        self.states: dict[int, Any] = {}
        self.state_norms: dict[int, float] = {}
        """Of the last validation, by replicate: the mean over its sequences."""
        self.checkpoint_path, self.mark = checkpoint_path, mark
        self._saved = time.monotonic()
        per_step = source.examples_per_step
        self.total = None if settings.examples is None else math.ceil(settings.examples / per_step)
        self.halving = _steps(settings.halve_every, per_step)
        interval = _steps(settings.evaluate_every, per_step) or source.steps_per_epoch
        if interval is None:
            raise StudyError(
                "evaluate_every: expected a number of examples, since this task draws new ones for ever "
                "and has no epochs; got None"
            )
        self.interval = interval

    def run(self, monitor: Monitor | None = None) -> RunState:
        """Train until every replicate has ended, then score each on the test split at its best validation."""
        self._resume()
        started = time.monotonic() - self.run_state.seconds
        while self.run_state.active:
            self._step()
            self.run_state.seconds = time.monotonic() - started
            if self._due(self.run_state.step):
                self._evaluate()
            if self._at_end:
                self._finish()
            if monitor is not None:
                monitor(self.run_state, self.total)
            if time.monotonic() - self._saved > _BETWEEN_CHECKPOINTS:
                self.save()
        self._test()
        self.save()
        return self.run_state

    @property
    def _at_end(self) -> bool:
        return self._ends(self.run_state.step)

    def _ends(self, step: int) -> bool:
        return self.total is not None and step >= self.total

    def _due(self, step: int) -> bool:
        """Whether the runs are evaluated after ``step`` steps."""
        return step % self.interval == 0 or self._ends(step)

    def _step(self) -> None:
        active = self.run_state.active
        step = self.run_state.step
        batches = [self.source.training(self.seeds[s], step) for s in active]
        carries = batches[0].fresh is not None
        if len({len(b.inputs) for b in batches}) > 1 and self.replicates.draws is not False:
            apart = [self._tensors(batch) for batch in batches]
            losses, after = self.replicates.losses_apart(active, apart, step, self.task.loss)
        else:
            carried = [self.states[s] for s in active] if carries and self.states else None
            losses, after = self.replicates.losses(
                active, self._tensors(stacked(batches)), carried, step, self.task.loss
            )
        values = losses.detach().tolist()
        finite = [k for k, value in enumerate(values) if math.isfinite(value)]
        self.descent.step(
            losses if len(finite) == len(active) else losses[finite],
            {active[k] for k in finite},
            measured=self._due(step + 1),
        )
        if carries:
            self.states = dict(zip(active, after, strict=True))
        self.run_state.step += 1
        for s, value in zip(active, values, strict=True):
            self._note(s, value)

    def _note(self, s: int, loss: float) -> None:
        replicate = self.run_state.replicates[s]
        if not math.isfinite(loss):
            replicate.status = "diverged"
            return
        replicate.last_finite_step, replicate.last_finite_loss = self.run_state.step - 1, loss
        replicate.loss_sum += loss
        replicate.loss_count += 1
        if self.halving is None:
            return
        replicate.halving_sum += loss
        if self.run_state.step % self.halving == 0:
            mean = replicate.halving_sum / self.halving
            if mean > replicate.halving_before:
                self.descent.halve(s)
            replicate.halving_before, replicate.halving_sum = mean, 0.0

    def _evaluate(self) -> None:
        state = self.run_state
        active = state.active
        values = dict(zip(active, self.score("validation", active), strict=True))
        rates = self.descent.learning_rates
        point = Point(state.step, state.step * self.source.examples_per_step, [], [], [])
        for s, replicate in enumerate(state.replicates):
            value = values.get(s, math.nan)
            point.train_loss.append(
                replicate.loss_sum / replicate.loss_count if replicate.loss_count else math.nan
            )
            point.validation.append(value)
            point.learning_rate.append(rates[s] if s in values else math.nan)
            point.grad_norm.append(self.descent.gradient_norms.get(s, math.nan))
            point.state_norm.append(self.state_norms.get(s, math.nan))
            replicate.loss_sum, replicate.loss_count = 0.0, 0
            if s in values:
                self._compare(s, value)
        state.points.append(point)

    def _compare(self, s: int, value: float) -> None:
        replicate, metric = self.run_state.replicates[s], self.task.metric
        best = replicate.best if math.isfinite(replicate.best) else metric.worst
        if metric.improves(value, best):
            replicate.best, replicate.best_step = value, self.run_state.step
            replicate.without_gain = 0
            self.best[s] = {n: v.detach().clone() for n, v in self.models[s].state_dict().items()}
            return
        replicate.without_gain += 1
        if self.settings.patience is not None and replicate.without_gain >= self.settings.patience:
            replicate.status = "stopped"

    def _finish(self) -> None:
        for s in self.run_state.active:
            self.run_state.replicates[s].status = "finished"

    def _test(self) -> None:
        """Score every replicate with the parameters of its best validation; they stay in the models."""
        scored = [s for s, best in enumerate(self.best) if best is not None]
        for s in scored:
            self.models[s].load_state_dict(self.best[s] or {})
        for s, value in zip(scored, self.score("test", scored), strict=True):
            self.run_state.replicates[s].test = value

    @torch.no_grad()
    def score(self, split: Split, places: Sequence[int]) -> list[float]:
        """The metric of each replicate in ``places`` on a held-out split, in evaluation mode."""
        if not places:
            return []
        for s in places:
            self.models[s].eval()
        total = torch.zeros(len(places), dtype=torch.float64, device=self.device)
        norms, count = torch.zeros_like(total), 0
        weight, states = 0.0, None
        for batch in self.source.evaluation(split):
            tensors = self._tensors(batch)
            sums, after = self.replicates.sums(places, tensors, states, self.task.metric.score)
            states = after if tensors.fresh is not None else None
            total += sums
            if split == "validation":
                found = torch.stack([state_norms(one) for one in after])
                norms, count = norms + found.sum(1), count + found.shape[1]
            weight += float(batch.weights.sum())
        for s in places:
            self.models[s].train()
        if split == "validation":
            self.state_norms = dict(zip(places, (norms / count).tolist(), strict=True))
        return [self.task.metric.finish(value) for value in (total / weight).tolist()]

    def _tensors(self, batch: Batch) -> Tensors:
        def tensor(values: np.ndarray | None) -> Tensor | None:
            if values is None:
                return None
            kind = self.dtype if values.dtype.kind == "f" else None
            if values.dtype.kind in "iu":
                kind = torch.int64
            return torch.as_tensor(values, device=self.device, dtype=kind)

        return Tensors(*(tensor(values) for values in without_full_lengths(batch)))  # type: ignore[arg-type]

    def save(self) -> None:
        """Write the checkpoint, if there is to be one."""
        self._saved = time.monotonic()
        if self.checkpoint_path is None:
            return
        content = {
            "models": [model.state_dict() for model in self.models],
            "optimizer": self.descent.optimizer.state_dict(),
            "best": self.best,
            "draws": self.replicates.draws,  # it decides whether ragged batches are stacked
            "states": {s: _flat(state) for s, state in self.states.items()},
            "run": self.run_state.plain(),
        }
        checkpoint.save(self.checkpoint_path, content, self.mark)

    def _resume(self) -> None:
        content = self.checkpoint_path and checkpoint.load(self.checkpoint_path, self.mark)
        if not content:
            return
        for model, values in zip(self.models, content["models"], strict=True):
            model.load_state_dict(values)
        self.descent.restore(content["optimizer"])
        self.best = content["best"]
        self.replicates.draws = content["draws"]
        self.run_state = RunState.of(content["run"])
        self.states = {s: _shaped(self._like(s), flat) for s, flat in content["states"].items()}

    def _like(self, s: int) -> Any:
        return self.models[s].recurrent.initial_state(1)  # type: ignore[union-attr, operator]


def _flat(state: Any) -> list[Tensor]:
    """A state as a list of tensors: named tuples of a user's own package do not belong in a file."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in _flat(part)]


def _shaped(like: Any, flat: list[Tensor]) -> Any:
    rest = iter(flat)

    def fill(part: Any) -> Any:
        if isinstance(part, Tensor):
            return next(rest)
        parts = [fill(one) for one in part]
        return type(part)(*parts) if hasattr(part, "_fields") else type(part)(parts)

    return fill(like)


def _steps(examples: int | None, per_step: int) -> int | None:
    return None if examples is None else max(1, round(examples / per_step))
