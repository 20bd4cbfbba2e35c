"""What a training run shows while it lasts: steps, rate, time left, losses."""

from __future__ import annotations

import math
import sys
import time
from typing import Self

import rich.console
import rich.progress
from rich.text import Text

from studies.core.metric import Metric
from studies.training.run_state import RunState

_BETWEEN_LINES = 10.0  # seconds, where the output is no terminal


class Display:
    """A bar on a terminal; elsewhere a line now and then; nothing with ``quiet``."""

    def __init__(self, metric: Metric, examples_per_step: int, *, quiet: bool) -> None:
        self.metric, self.per_step = metric, examples_per_step
        self.console = rich.console.Console(file=sys.stderr)
        self.quiet = quiet
        self._last = self._started = time.monotonic()
        self._first: int | None = None
        self._bar: rich.progress.Progress | None = None
        if not quiet and self.console.is_terminal:
            self._bar = rich.progress.Progress(
                rich.progress.BarColumn(bar_width=24),
                rich.progress.TaskProgressColumn(),
                rich.progress.TimeRemainingColumn(),
                rich.progress.TextColumn("{task.description}", markup=False),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, state: RunState, total: int | None) -> None:
        """Take note of a step; the trainer's monitor."""
        if self._first is None:
            self._first = state.step - 1
            if (
                self._bar is not None
            ):  # not before: it has a thread, and shares of replicates are forked
                self._bar.start()
        now = time.monotonic()
        if self.quiet or (self._bar is None and now - self._last < _BETWEEN_LINES):
            return
        rate = (state.step - self._first) / max(now - self._started, 1e-9)
        text = self._text(state, rate)
        if self._bar is not None:
            self._bar.update(self._task, completed=state.step, total=total, description=text)
            return
        self._last = now
        left = "" if total is None else f", {_duration((total - state.step) / rate)} left"
        of = "" if total is None else f"/{total}"
        self.console.print(Text(f"step {state.step}{of}{left}: {text}"), soft_wrap=True)

    def _text(self, state: RunState, rate: float) -> str:
        active = len(state.active)
        losses = [r.last_finite_loss for r in state.replicates]
        parts = [
            f"{rate * self.per_step:.0f} examples/s × {len(state.replicates)}",
            f"loss {_range(losses)}",
        ]
        if state.points:
            parts.append(f"{self.metric.name} {_range(state.points[-1].validation)}")
        if active < len(losses):
            parts.append(f"{active} of {len(losses)} training")
        return ", ".join(parts)


def _range(values: list[float]) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "–"
    low, high = min(finite), max(finite)
    return f"{low:.4g}" if len(finite) == 1 else f"{low:.4g}…{high:.4g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
