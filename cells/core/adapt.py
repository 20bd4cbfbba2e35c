"""Strangers' cells: any ``(x, state) -> state`` module becomes a :class:`~cells.core.protocol.Cell`."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cells.core.claims import Channels, Claim


class AdaptError(TypeError):
    """A module that cannot be turned into a cell; the message says what was tried and what to pass."""


def adapt(
    module: Any,
    *,
    input_size: int | None = None,
    initial_state: Callable[..., Any] | None = None,
    readout: Callable[[Any], Tensor] | None = None,
    channels: Channels | None = None,
    claims: Sequence[Claim] = (),
    denies: Sequence[Claim] = (),
) -> Any:
    """Turn ``module`` into a cell, or return it unchanged where it already is one.

    Three calling conventions are recognized by trying them on a zero input: ``h' = module(x, h)``
    (``torch.nn.GRUCell``), ``(h', c') = module(x, (h, c))`` with any number of tensors
    (``torch.nn.LSTMCell``), and ``output, state' = module(x, state)``, where the output becomes an
    *emission* field. State fields are named ``hidden``, ``cell``, ``state_2``, …; the readout is the
    emission, or else the first field.

    ``input_size``: needed where the module has no attribute of that name; ``initial_state(*batch)``: a
    callable that returns the state as the module takes it (default: what ``module(x)`` starts from,
    zeros); ``readout``, ``channels``, ``claims``, ``denies``: declarations of the cell.

    Raises :class:`AdaptError` for a module that is not callable, has no input size, or answers none of
    the conventions.
    """
    if all(hasattr(module, name) for name in ("initial_state", "step", "readout")):
        return module
    if not callable(module):
        raise AdaptError(
            f"expected a module or function (x, state) -> state, got {type(module).__name__}: "
            "pass something callable"
        )
    size = input_size if input_size is not None else getattr(module, "input_size", None)
    if not isinstance(size, int):
        raise AdaptError(
            f"{type(module).__name__} has no integer attribute `input_size`: "
            "pass adapt(module, input_size=…)"
        )
    return _Adapted(module, size, initial_state, readout, channels, tuple(claims), tuple(denies))


class _Adapted(nn.Module):
    """A stranger's module behind the protocol; its parameters stay its own."""

    def __init__(
        self,
        module: Any,
        input_size: int,
        initial_state: Callable[..., Any] | None,
        readout: Callable[[Any], Tensor] | None,
        channels: Channels | None,
        claims: tuple[Claim, ...],
        denies: tuple[Claim, ...],
    ) -> None:
        super().__init__()
        self.module = module
        self.input_size = input_size
        self.claims, self.denies = claims, denies
        self._readout = readout
        self._initial = initial_state
        fields, self._single, self._emits, zeros = _probe(module, input_size, initial_state)
        self._state_type: Any = _named_tuple(fields)
        self._zero_shapes = [tuple(z.shape[1:]) for z in zeros]
        emission = ("emission",) if self._emits else ()
        rest = tuple(f for f in fields if f != "emission")
        self.channels = channels
        if channels is None and self._emits:
            self.channels = Channels(recurrent=rest, emission=emission)

    def initial_state(self, *batch: int) -> Any:
        """Zeros, or what the ``initial_state`` given to ``adapt`` returns."""
        if self._initial is not None:
            parts = _parts(self._initial(*batch))
            if self._emits:
                parts = [*parts, self._zeros(batch, self._zero_shapes[-1])]
            return self._state_type(*parts)
        return self._state_type(*(self._zeros(batch, shape) for shape in self._zero_shapes))

    def _zeros(self, batch: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
        like = _reference_tensor(self.module)
        return torch.zeros(*batch, *shape, dtype=like.dtype, device=like.device)

    def step(self, x: Tensor, state: Any) -> Any:
        """Call the module on one (x, state); batch axes are flattened to the single one it knows."""
        batch = x.shape[:-1]
        flat = [
            part.reshape(-1, *part.shape[len(batch) :])
            for part in (state[:-1] if self._emits else state)
        ]
        result = self.module(x.reshape(-1, x.shape[-1]), flat[0] if self._single else tuple(flat))
        parts = [*_parts(result[1]), result[0]] if self._emits else _parts(result)
        if len(parts) != len(state):
            raise AdaptError(
                f"the module returned {len(parts)} state tensors where the state has {len(state)}"
            )
        return self._state_type(*(part.reshape(*batch, *part.shape[1:]) for part in parts))

    def readout(self, state: Any) -> Tensor:
        """The emission, or else the first field, or the ``readout`` given to ``adapt``."""
        if self._readout is not None:
            return self._readout(state)
        out: Tensor = state[-1] if self._emits else state[0]
        return out


def _named_tuple(fields: tuple[str, ...]) -> Any:
    return collections.namedtuple("AdaptedState", fields)  # noqa: PYI024 - the fields are not known before


def _parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def _reference_tensor(module: Any) -> Tensor:
    tensors = [*module.parameters(), *module.buffers()] if isinstance(module, nn.Module) else []
    floating = [t for t in tensors if t.is_floating_point() or t.is_complex()]
    if not floating:
        return torch.empty(0)
    return floating[0].real if floating[0].is_complex() else floating[0]


@torch.no_grad()
def _probe(
    module: Any, input_size: int, initial_state: Callable[..., Any] | None
) -> tuple[tuple[str, ...], bool, bool, list[Tensor]]:
    """Field names, whether the state is a bare tensor, whether the module emits, and zero states."""
    like = _reference_tensor(module)
    x = torch.zeros(2, input_size, dtype=like.dtype, device=like.device)
    was_training = isinstance(module, nn.Module) and module.training
    if was_training:
        module.eval()
    try:
        first, failures = None, []
        for label, call in _starts(module, x, initial_state, like):
            try:
                first = call()
            except Exception as error:  # noqa: BLE001 - any failure means: not this convention
                failures.append(
                    f"{label}: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
                )
                continue
            break
        if first is None:
            raise AdaptError(
                f"{type(module).__name__} answers none of the calls tried on a zero input "
                f"({'; '.join(failures)}): pass adapt(module, initial_state=lambda *batch: …)"
            )
        for emits in (False, True):
            candidate = first[1] if emits else first
            if emits and not isinstance(first[0], Tensor):
                break
            if not _is_state(candidate):
                continue
            try:
                again = module(x, candidate)
            except Exception as error:  # noqa: BLE001
                failures.append(
                    f"fed back: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
                )
                if isinstance(first, Tensor):
                    break
                continue
            if _shapes(again) == _shapes(first):
                tensors = _parts(candidate)
                names = ("hidden", "cell", *(f"state_{i}" for i in range(2, len(tensors))))
                fields = names[: len(tensors)] + (("emission",) if emits else ())
                zeros = [*tensors, first[0]] if emits else tensors
                return fields, isinstance(candidate, Tensor), emits, zeros
        raise AdaptError(
            f"{type(module).__name__} returned {_shapes(first)} and does not take that back as its "
            f"state ({'; '.join(failures) or 'shapes changed'}): expected (x, state) -> state or "
            "(x, state) -> (output, state)"
        )
    finally:
        if was_training:
            module.train()


def _starts(
    module: Any, x: Tensor, initial_state: Callable[..., Any] | None, like: Tensor
) -> list[tuple[str, Callable[[], Any]]]:
    if initial_state is not None:
        return [("module(x, initial_state(2))", lambda: module(x, initial_state(2)))]
    starts: list[tuple[str, Callable[[], Any]]] = [
        ("module(x)", lambda: module(x)),
        ("module(x, None)", lambda: module(x, None)),
    ]
    width = getattr(module, "hidden_size", None)
    if isinstance(width, int):
        zeros = torch.zeros(x.shape[0], width, dtype=like.dtype, device=like.device)
        starts += [
            ("module(x, h)", lambda: module(x, zeros)),
            ("module(x, (h, c))", lambda: module(x, (zeros, zeros))),
        ]
    return starts


def _is_state(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    return (
        isinstance(value, tuple | list)
        and len(value) > 0
        and all(isinstance(v, Tensor) for v in value)
    )


def _shapes(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else tuple(_shapes(v) for v in value)
