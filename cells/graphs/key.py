"""What a recording holds for: every fact that it took in when it was made and does not read again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

DEEPEST = 6
"""How far into nested containers of an attribute values are compared; below, objects are."""

# of every module: tables that are told apart, bookkeeping, and what a cell declares of itself
_OWN = (frozenset(vars(nn.Module())) - {"training"}) | {"claims", "denies", "channels"}


class Key(NamedTuple):
    """A call, as far as a recording depends on it.

    ``shapes``: of inputs and states, with dtypes and what needs a gradient; ``state``: its type;
    ``differentiated``: whether anything needs one; ``places``: where parameters and buffers lie;
    ``attributes``: what all others are; ``numerics``: torch's switches that choose among kernels; ``queue``:
    the device's, where the call runs.
    """

    shapes: tuple[tuple[tuple[int, ...], torch.dtype, bool], ...]
    state: type
    differentiated: bool
    places: Hashable
    attributes: Hashable
    numerics: Hashable
    queue: Hashable

    @property
    def step(self) -> Hashable:
        """What one step depends on: all but how many there are."""
        shape, *rest = self.shapes[0]
        return shape[1:], *rest, self.shapes[1:], *self[1:]

    def __str__(self) -> str:
        (steps, *batch, _), dtype, _ = self.shapes[0]
        kind = "with" if self.differentiated else "without"
        return f"T {steps}, batch {tuple(batch)}, {dtype}, {kind} gradients"


def key_of(cell: nn.Module, xs: Tensor, state: tuple[Tensor, ...], queue: Hashable) -> Key:
    """The key of a call."""
    graded = torch.is_grad_enabled()
    shapes = tuple(
        (tuple(one.shape), one.dtype, graded and one.requires_grad) for one in (xs, *state)
    )
    differentiated = graded and any(one.requires_grad for one in (xs, *state, *cell.parameters()))
    modules = tuple(cell.named_modules())
    return Key(
        shapes,
        type(state),
        differentiated,
        tuple(_told({**one._parameters, **one._buffers}, 1) for _, one in modules),  # noqa: SLF001 - None too
        tuple((name, type(one), _told(_attributes(one), 1)) for name, one in modules),
        _numerics(),
        queue,
    )


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {name: one for name, one in vars(module).items() if name not in _OWN}


def _told(value: Any, depth: int) -> Hashable:
    """A value that equals another's if nothing tells them apart that a step could read.

    What is neither a tensor, a container, a plain value nor an object with attributes is taken to be
    what it is: functions, modules and the like.
    """
    if isinstance(value, Tensor):
        place = (value.data_ptr(), tuple(value.shape), value.stride(), value.dtype, value.device)
        return (type(value), *place, value.requires_grad)
    if value is None:
        return None
    if isinstance(value, bool | int | float | complex | str | bytes | torch.dtype | torch.device):
        return type(value), repr(value)  # text: 0.0 equals -0.0 and 1 equals True, but these do not
    if depth <= DEEPEST and isinstance(value, Mapping):
        pairs = ((_told(k, depth + 1), _told(v, depth + 1)) for k, v in value.items())
        return (type(value), *pairs)
    if depth <= DEEPEST and isinstance(value, tuple | list):
        return (type(value), *(_told(one, depth + 1) for one in value))
    whole = type(value), id(value)
    if depth + 2 > DEEPEST or isinstance(value, type | nn.Module | FunctionType):
        return whole
    held = {name: getattr(value, name, None) for name in _slots(type(value))}
    # an object's own are two levels deeper, or one that knows its trainer would be all of a program
    return (*whole, _told({**held, **getattr(value, "__dict__", {})}, depth + 2))


def _slots(kind: type) -> list[str]:
    declared = (one.__dict__.get("__slots__", ()) for one in kind.__mro__)
    names = [name for one in declared for name in ((one,) if isinstance(one, str) else one)]
    return [name for name in names if not name.startswith("__")]


def _numerics() -> Hashable:
    return (
        torch.get_float32_matmul_precision(),
        getattr(torch.backends.cuda.matmul, "fp32_precision", None),
        torch.are_deterministic_algorithms_enabled(),
        getattr(torch.utils.deterministic, "fill_uninitialized_memory", None),
        torch.get_default_dtype(),
    )


def rounds_to_tf32() -> bool:
    """Whether products of float32 may round to 10 bits at present."""
    precision = getattr(torch.backends.cuda.matmul, "fp32_precision", None)
    return precision == "tf32" or torch.get_float32_matmul_precision() != "highest"
