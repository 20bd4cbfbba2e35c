"""The recordings of one cell: when one is made, which one runs, and why none does."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from cells.core.unroll import unroll
from cells.graphs.agreement import UndecidedError
from cells.graphs.compiled_step import Compiler, compiled
from cells.graphs.inspection import RefusalError
from cells.graphs.key import Key, key_of
from cells.graphs.latest import Latest
from cells.graphs.program import Program
from cells.graphs.recorder import Recorder
from cells.graphs.recording import Recording, answers, inspect
from cells.graphs.replay import Arena, replay
from cells.graphs.twin import Twin

USES = 3
"""At which use of one key a recording is made: it costs seconds, which lengths must come back for."""
MOST = 8
"""Recordings per cell: those of training and of evaluation, of full and of last batches, and as many lengths.
Each takes some kilobytes of the device per step, beside memory for its inputs, outputs and gradients."""
REMEMBERED = 64
"""Keys whose uses are counted, or whose refusal is remembered."""
COMPILED = "compiled step"

_log = logging.getLogger(__name__)


class Status(NamedTuple):
    """``name``: "graphed", or "reference" where a key was refused; ``reason`` in words."""

    name: str
    reason: str


class _Kept(NamedTuple):
    """``versions``: of the parameters when it was made; None once it agreed with others as well."""

    recording: Recording
    versions: tuple[int, ...] | None


class Graphs:
    """Runs one cell by recordings of ``recorder``, and by the loop wherever it has none to trust.

    ``compiler``: of the step, or None to record the step as it is; ``uses``: at which use of one
    :class:`~cells.graphs.key.Key` to record. The cell is passed with every call, and not kept.
    """

    def __init__(
        self, recorder: Recorder, compiler: Compiler | None = None, uses: int = USES
    ) -> None:
        self.recorder, self.compiler, self.uses = recorder, compiler, uses
        self._lock = threading.Lock()
        self._kept: Latest[Key, _Kept] = Latest(MOST)
        self._used: Latest[Key, int] = Latest(REMEMBERED)
        self._refused: Latest[Key, str] = Latest(REMEMBERED)
        self._flaws: Latest[Hashable, str] = Latest(REMEMBERED)
        self._arenas: dict[Hashable, Arena] = {}
        # as long as a recording holds them: lengths share a cell's twin, and its compiled step
        self._twins: WeakValueDictionary[Hashable, Twin] = WeakValueDictionary()
        self._forms: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._kept)

    def status(self, cell: Any, xs: Tensor, state: Any) -> Status:
        """What :meth:`run` would do, and why."""
        key = self._key(cell, xs, state)
        refusal = self._refused.get(key)
        if refusal is not None:
            return Status("reference", f"no CUDA graph of it: {refusal}")
        kept = self._kept.get(key)
        if kept is not None:
            return Status("graphed", f"a CUDA graph of the loop, with the {kept.recording.how}")
        done = self._used.get(key) or 0
        return Status(
            "graphed",
            f"a CUDA graph of the loop, made at use {self.uses} of the same shapes and parameters, "
            f"and the loop itself until then (used {done} times so far)",
        )

    def run(self, cell: Any, xs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """As :func:`cells.unroll`, for what :func:`cells.graphs.eligibility.misfit` has no objection to."""
        if not self._lock.acquire(blocking=False):  # another thread is in the same memory
            return unroll(cell, xs, state)
        try:
            key = self._key(cell, xs, state)
            arena = self._arena(key.queue)
            kept = None if arena.busy else self._believed(key, arena, cell, xs, state)
            if kept is not None:
                flat = replay(kept, arena, (xs, *state), tuple(cell.parameters()))
                return flat[0], kept.program.result_type(*flat[1:])
        finally:
            self._lock.release()
        return unroll(cell, xs, state)

    def _key(self, cell: Any, xs: Tensor, state: Any) -> Key:
        return key_of(cell, xs, state, self.recorder.queue(xs.device))

    def _arena(self, queue: Hashable) -> Arena:
        if queue not in self._arenas:
            self._arenas[queue] = Arena(self.recorder.pool())
        return self._arenas[queue]

    def _believed(
        self, key: Key, arena: Arena, cell: Any, xs: Tensor, state: Any
    ) -> Recording | None:
        """The recording of ``key``, made and compared with the loop where that is due."""
        if key in self._refused:
            return None
        kept, versions = self._kept.get(key), _versions(cell)
        if kept is not None and kept.versions in (None, versions):
            return kept.recording
        if kept is None:
            used = (self._used.get(key) or 0) + 1
            self._used.set(key, used)
            if used < self.uses:
                return None
        with torch.inference_mode(mode=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of compilers; what matters raises
            try:
                kept = self._checked(kept, key, arena, cell, xs, state)
            except UndecidedError:
                self._used.set(key, 0)
                return None
            except Exception as error:  # noqa: BLE001 - whatever fails, the loop runs
                self._refuse(key, _told(error))
                return None
        self._kept.set(key, kept)
        return kept.recording

    def _checked(
        self, kept: _Kept | None, key: Key, arena: Arena, cell: Any, xs: Tensor, state: Any
    ) -> _Kept:
        """``kept``, if it agrees with parameters other than it was recorded with as well, or a new one."""
        if kept is not None:
            try:
                kept.recording.check((xs, *state))
            except RefusalError as error:
                if kept.recording.how != COMPILED:
                    raise
                # roundings may have grown by now to more than a compiled step may be off
                self._flaws.set((COMPILED, key.step), str(error))
            else:
                return kept._replace(versions=None)
        return _Kept(self._made(key, arena, cell, xs, state), _versions(cell))

    def _refuse(self, key: Key, reason: str) -> None:
        self._kept.drop(key)
        self._refused.set(key, reason)
        _log.warning("no CUDA graph for %s: %s; the loop runs it", key, reason)

    def _made(self, key: Key, arena: Arena, cell: Any, xs: Tensor, state: Any) -> Recording:
        """A new recording that agrees with the loop. Raises where there is none."""
        # parameters that moved do not come back, but for two sets that take turns, such as an average
        kept = self._kept.keys()
        known = [one.places for one in kept if one.places != key.places]
        for one in kept:
            if one.places not in (key.places, *known[-1:]):
                self._kept.drop(one)
        twin = self._twins.get((key.places, key.attributes)) or Twin(cell)
        self._twins[key.places, key.attributes] = twin
        graded = {"differentiated": key.differentiated}
        plain = Program(twin, twin.cell, xs, state, **graded)
        inspect(plain)
        inputs = (xs, *state)
        expected, reach = answers(plain, inputs), plain.reach()
        tried = []
        for how, form in self._steps(key, twin, state):
            try:
                program = Program(twin, form(), xs, state, **graded)
                recording = Recording(program, self.recorder, arena.pool, how, reach)
                recording.check(inputs, expected)
            except Exception as error:  # noqa: BLE001 - compilers raise whatever they like
                tried.append(_told(error))
                self._flaws.set((how, key.step), tried[-1])
            else:
                return recording
        raise RefusalError("; ".join(tried))

    def _steps(self, key: Key, twin: Twin, state: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """The forms of the cell to record, best first: its step compiled, and as it is."""
        compiler, flaw = self.compiler, self._flaws.get((COMPILED, key.step))
        if compiler is None:
            flaw = "no compiler"
        elif any(one.is_complex() for one in state):
            flaw = "compilers leave complex numbers alone"
        elif flaw is None:
            yield COMPILED, lambda: self._compiled(key, twin, compiler)
            flaw = self._flaws.get((COMPILED, key.step))
        yield f"step as it is ({flaw})", lambda: twin.cell

    def _compiled(self, key: Key, twin: Twin, compiler: Compiler) -> Any:
        form = self._forms.get(key.step)
        if form is None:
            form = self._forms[key.step] = compiled(twin.cell, compiler)
        return form


def _versions(cell: Any) -> tuple[int, ...]:
    return tuple(one._version for one in (*cell.parameters(), *cell.buffers()))  # noqa: SLF001 - counts writes


def _told(error: Exception) -> str:
    if isinstance(error, RefusalError):
        return str(error)
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
