"""Replicates in shares, a process each: a step in Python keeps one processor busy, whatever the cell.

A replicate is a function of its seed alone, so shares need not know of each other. They are forked: the data
are in memory once, and nothing is imported anew.
"""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import math
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

import torch

from cells.fused.threads import processors
from studies.core.errors import StudyError
from studies.training.memory import settle_objects
from studies.training.run_state import Point, ReplicateState, RunState
from studies.training.trainer import Monitor, Trainer

_CURVES = [field.name for field in fields(Point) if field.name not in ("step", "examples")]
_BETWEEN_WORDS = 0.5  # seconds
_PATIENCE = 30.0  # seconds for a share to save what it has


def fitting(trainer: Trainer, asked: int | None = None) -> int:
    """In how many shares to train: as a checkpoint has it, as ``asked``, or one per processor.

    Stacked replicates stay at least two in a share: one by itself is computed by other operations, to other
    last digits. Raises :class:`StudyError` where more than one cannot be had.
    """
    path, count = trainer.checkpoint_path, len(trainer.models)
    if path is not None and path.exists():
        return 1
    left = [] if path is None else checkpoints(path)
    if left:
        asked = int(left[0].name.rpartition("-")[2])
    possible = sys.platform == "linux" and trainer.device.type == "cpu"
    if asked is not None:
        if asked > 1 and not possible:
            raise StudyError(
                f"processes: expected 1 on {trainer.device.type} under {sys.platform}, got {asked}"
                f"{f' ({left[0]} is of that many)' if left else ''}; shares of replicates are forked, which "
                "is safe on a CPU under Linux only"
            )
        return min(asked, count)
    # with more threads a processor is taken already
    if not possible or torch.get_num_threads() > 1:
        return 1
    least = 2 if trainer.replicates.together else 1
    return max(1, min(processors(), count // least))


def checkpoints(path: Path) -> list[Path]:
    """The files of a run whose checkpoint is at ``path``, in one piece or in shares."""
    return [one for one in (path, *sorted(path.parent.glob(f"{path.name}.*-of-*"))) if one.exists()]


def train(trainer: Trainer, count: int, monitor: Monitor | None = None) -> RunState:
    """As ``trainer.run``, in ``count`` processes; ``trainer`` has the models and the state afterwards.

    Raises :class:`StudyError` where a share does, or dies. A share that loses this process saves its
    checkpoint and ends.
    """
    bounds = [len(trainer.models) * k // count for k in range(count + 1)]
    places = [range(*pair) for pair in itertools.pairwise(bounds)]
    context = get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in places]
    workers = [
        context.Process(target=_work, args=(trainer, places, k, pipes), daemon=True)
        for k in range(count)
    ]
    with warnings.catch_warnings():
        # Python warns where there are threads: those of a BLAS wait for work, and hold no lock
        warnings.simplefilter("ignore", DeprecationWarning)
        with _frozen_objects():
            for worker in workers:
                worker.start()
    for _, writer in pipes:
        writer.close()
    shares = [RunState([ReplicateState(trainer.seeds[s]) for s in share]) for share in places]
    left: dict[Any, int] = {reader: k for k, (reader, _) in enumerate(pipes)}
    try:
        while left:
            for reader in connection.wait(list(left)):
                k = left[reader]
                word, *content = _heard(reader, workers[k], [trainer.seeds[s] for s in places[k]])
                shares[k], total = content[:2]
                if word == "done":
                    del left[reader]
                    _take(trainer, places[k], *content[2:])
                if monitor is not None:
                    monitor(merged(shares), total)
    finally:
        for reader, _ in pipes:
            reader.close()
        until = time.monotonic() + _PATIENCE
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))
            worker.kill()
            worker.join()
    trainer.run_state = merged(shares)
    return trainer.run_state


@contextlib.contextmanager
def _frozen_objects() -> Iterator[None]:
    """Who is forked in here never searches what there is by now for garbage: that copies its memory.

    A share took a fifth of a second for it. This process searches afterwards as it did before.
    """
    before = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not before:
            gc.unfreeze()


def _heard(reader: Any, worker: Any, seeds: Sequence[int]) -> Any:
    """The next word of a share."""
    try:
        word = reader.recv()
    except EOFError:
        worker.join()
        raise StudyError(
            f"the process of seeds {seeds} died (exit status {worker.exitcode}; -9 is often a lack of "
            "memory, and fewer --processes need less). With --out the same command goes on from its "
            "checkpoint"
        ) from None
    if word[0] == "refused":
        raise StudyError(word[1])
    if word[0] == "failed":
        raise RuntimeError(f"in the process of seeds {seeds}:\n{word[1]}")
    return word


def _work(trainer: Trainer, places: Sequence[range], k: int, pipes: Sequence[Any]) -> None:
    """Train share ``k``, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is interrupted closes the pipe
    for other, (reader, writer) in enumerate(pipes):
        reader.close()
        if other != k:
            writer.close()
    out = pipes[k][1]
    try:
        out.send(_trained(trainer, places, k, out))
    except BrokenPipeError:
        pass  # nobody listens any more
    except StudyError as error:
        _say(out, ("refused", str(error)))
    except BaseException:  # noqa: BLE001 - told to the process that asked
        _say(out, ("failed", traceback.format_exc()))
    finally:
        out.close()
        os._exit(0)  # without the endings of the process that was forked


def _say(out: Any, word: tuple[str, str]) -> None:
    with contextlib.suppress(BrokenPipeError):
        out.send(word)


def _trained(trainer: Trainer, places: Sequence[range], k: int, out: Any) -> tuple[Any, ...]:
    share, path = places[k], trainer.checkpoint_path
    name = f"{k + 1}-of-{len(places)}"
    part = Trainer(
        trainer.task,
        trainer.source,
        [trainer.models[s] for s in share],
        [trainer.seeds[s] for s in share],
        trainer.settings,
        device=str(trainer.device),
        together=trainer.replicates.together,
        checkpoint_path=path and path.with_name(f"{path.name}.{name}"),
        mark=f"{trainer.mark}.{name}",
    )
    last = time.monotonic()

    def tell(state: RunState, total: int | None) -> None:
        nonlocal last
        settle_objects()
        if time.monotonic() - last < _BETWEEN_WORDS:
            return
        last = time.monotonic()
        try:
            out.send(("step", state, total))
        except BrokenPipeError:
            part.save()
            raise

    state = part.run(tell)
    weights = io.BytesIO()
    torch.save([model.state_dict() for model in part.models], weights)
    return (
        "done",
        state,
        part.total,
        weights.getvalue(),
        part.replicates.together,
        part.replicates.obstacle,
    )


def _take(trainer: Trainer, share: range, weights: bytes, together: bool, obstacle: str) -> None:
    """What is known of a share when it is done."""
    for s, values in zip(share, torch.load(io.BytesIO(weights), weights_only=True), strict=True):
        trainer.models[s].load_state_dict(values)
    if obstacle:
        trainer.replicates.together, trainer.replicates.obstacle = together, obstacle


def merged(shares: Sequence[RunState]) -> RunState:
    """One state of all replicates, as if they had trained in one process."""
    active = [one.step for one in shares if one.active]
    steps = {point.step: point.examples for one in shares for point in one.points}
    points = [Point(step, steps[step], [], [], []) for step in sorted(steps)]
    replicates: list[ReplicateState] = []
    for one in shares:
        after = None if one.active else next((s for s in sorted(steps) if s > one.step), None)
        for point in points:
            for name in _CURVES:
                getattr(point, name).extend(_values(one, point.step, name, after))
        told: dict[str, Any] = {} if after is None else {"loss_sum": 0.0, "loss_count": 0}
        replicates += [replace(replicate, **told) for replicate in one.replicates]
    return RunState(
        replicates,
        min(active) if active else max(one.step for one in shares),
        max(one.seconds for one in shares),
        points,
    )


def _values(share: RunState, step: int, name: str, after: int | None) -> list[float]:
    """Of a curve at ``step``; ``after``: of the others' evaluations the first after the share's end."""
    for point in share.points:
        if point.step == step:
            return list(getattr(point, name))
    if name == "train_loss" and step == after:
        # of the steps since its last evaluation, before it diverged
        return [r.loss_sum / r.loss_count if r.loss_count else math.nan for r in share.replicates]
    return [math.nan] * len(share.replicates)
