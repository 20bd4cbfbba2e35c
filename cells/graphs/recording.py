"""One recording: made, believed only after it agreed with the loop, and replayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cells.graphs.agreement import disagreement, require_finite
from cells.graphs.inspection import Inspection, RefusalError
from cells.graphs.program import Gradients, Program
from cells.graphs.recorder import Recorder

Reach = tuple[tuple[bool, ...], ...]
Answers = tuple[tuple[Tensor | None, ...], Gradients]


class Recording:
    """A :class:`~cells.graphs.program.Program` that was recorded with ``pool``.

    ``results``: where its outputs lie after :meth:`forward`, and ``gradients`` where those of the leaves lie
    after :meth:`backward`, or None. ``how``: in words, what was recorded; ``reach``: as
    :meth:`~cells.graphs.program.Program.reach` tells. Raises what recording raises.
    """

    def __init__(
        self, program: Program, recorder: Recorder, pool: Any, how: str, reach: Reach
    ) -> None:
        self.program, self.how, self.reach = program, how, reach
        device = program.inputs[0].device
        _fill(program.inputs)
        recorder.rehearse(program.whole, device)
        self.results, self._forward = recorder.record(program.forward, device, pool)
        self.graded = tuple(one.requires_grad for one in self.results)
        self.results = tuple(one.detach() for one in self.results)
        self.gradients: Gradients = ()
        if any(self.graded):
            self.gradients, self._backward = recorder.record(program.backward, device, pool)
            missing = [one is None for one in self.gradients]
            if any(gone and any(on) for gone, *on in zip(missing, *reach, strict=True)):
                raise RefusalError(f"with the {how} a gradient is missing that the loop has")

    @torch.no_grad()
    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The outputs for ``inputs``, in memory of their own."""
        for place, one in zip(self.program.inputs, inputs, strict=True):
            place.copy_(one)
        self._forward()
        return tuple(one.clone() for one in self.results)

    @torch.no_grad()
    def backward(self, upstream: Sequence[Tensor | None]) -> Gradients:
        """The gradients of the leaves, in memory of their own, for the last :meth:`forward`.

        ``upstream``: of each output that has a gradient, or None for zeros. Once per :meth:`forward`.
        """
        for place, one in zip(self.program.upstream, upstream, strict=True):
            place.zero_() if one is None else place.copy_(one)
        self._backward()
        return self.reached(upstream, [None if g is None else g.clone() for g in self.gradients])

    def reached(
        self, upstream: Sequence[Tensor | None], gradients: Sequence[Tensor | None]
    ) -> Gradients:
        """``gradients``, but None for leaves on which nothing depends that ``upstream`` is given for."""
        given = [on for one, on in zip(upstream, self.reach, strict=True) if one is not None]
        return tuple(
            one if any(on[place] for on in given) else None for place, one in enumerate(gradients)
        )

    def check(self, inputs: Sequence[Tensor], expected: Answers | None = None) -> None:
        """Raise :class:`RefusalError` unless a replay on ``inputs`` agrees with the loop, gradients included.

        ``expected``: what :func:`answers` says of them, where it is known already. Raises as that does.
        """
        outputs, gradients = answers(self.program, inputs) if expected is None else expected
        found: Answers = (self.forward(inputs), ())
        if any(self.graded):
            found = found[0], self.backward(_patterns(self.program))
        steps = inputs[0].shape[0]
        for what, mine, other in (
            ("output", found[0], outputs),
            ("gradient", found[1], gradients if any(self.graded) else ()),
        ):
            off = disagreement(mine, other, steps)
            if off is not None:
                raise RefusalError(
                    f"with the {self.how} it is not the loop's function: {what} {off}"
                )


def answers(program: Program, inputs: Sequence[Tensor]) -> Answers:
    """Outputs and gradients for ``inputs`` by the loop, of an inspected program.

    Raises ``UndecidedError`` where they are not finite: then nothing can be compared with them.
    """
    found = program.reference(inputs, _patterns(program) if program.upstream else None)
    for part in found:
        require_finite(part)
    return found


def _patterns(program: Program) -> list[Tensor]:
    return [_pattern(one) for one in program.upstream]


def inspect(program: Program) -> None:
    """Run ``program`` once, watched. Raises :class:`RefusalError` for what cannot be recorded."""
    _fill(program.inputs)
    watch = Inspection([*program.inputs, *program.twin.tensors])
    try:
        program.whole(watch)
    finally:
        watch.forget()


def _fill(tensors: Sequence[Tensor]) -> None:
    """Other numbers than a call's, or a recording that returns what it was shown would pass for right."""
    with torch.no_grad():
        for one in tensors:
            if one.is_floating_point() or one.is_complex():
                one.copy_(_pattern(one).mul_(0.5))


def _pattern(like: Tensor) -> Tensor:
    """Numbers in [-1, 1], no two neighbors alike, that take nothing from a random generator."""
    count = torch.arange(1, like.numel() + 1, dtype=torch.float64, device=like.device)
    numbers = torch.cos(count.square())
    if like.is_complex():
        numbers = torch.complex(numbers, numbers.flip(0))
    return numbers.to(like.dtype).reshape(like.shape)
