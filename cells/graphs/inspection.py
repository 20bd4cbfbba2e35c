"""What a cell does beside computing: seen in one run, operator by operator, before anything is recorded.

A recording that fails half-way leaves a device in a state that torch does not always repair, so what must
fail is found beforehand; and a recording that succeeds repeats what it was shown, so what would differ the
next time must not be in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
# they make tensors of numbers that Python holds
_CONSTANTS = (aten.lift_fresh.default, aten.lift.default)
_COPIES = (aten._to_copy.default, aten.copy_.default)  # noqa: SLF001 - its name


class RefusalError(Exception):
    """Why something is not recorded; the message is the reason."""


class Inspection(TorchDispatchMode):
    """Raises :class:`RefusalError` before an operator that cannot be recorded runs in here.

    ``known``: the tensors that the run may read. Refused are random numbers, numbers that are read back,
    shapes that depend on numbers, copies between devices, writing into what is known, and reading what
    is neither known nor made in here.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._given: set[int] = set()
        self._seen: set[int] = set()
        self.know(known)
        # memory that is freed could be used for something foreign, and would pass for what it was
        self._kept: list[Tensor] = []

    def forget(self) -> None:
        """Let go of what the run made, and of autograd's nodes with it."""
        self._kept.clear()

    def know(self, tensors: Iterable[Tensor]) -> None:
        """From here on these may be read as well."""
        self._given.update(map(_memory, tensors))
        self._seen |= self._given

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        tensors = [one for one in tree_leaves((args, options)) if isinstance(one, Tensor)]
        name = func.name()
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise RefusalError(f"its step draws random numbers ({name})")
        if torch.Tag.data_dependent_output in func.tags:
            raise RefusalError(f"its step reads a number back from the device ({name})")
        if torch.Tag.dynamic_output_shape in func.tags:
            raise RefusalError(f"the shapes in its step depend on numbers ({name})")
        if func not in _CONSTANTS and any(_memory(one) not in self._seen for one in tensors):
            raise RefusalError(
                f"its step reads a tensor that is no parameter, buffer or attribute of it ({name})"
            )
        for one in _written(func, args, options):
            if _memory(one) in self._given:
                raise RefusalError(f"its step changes a tensor that it was given ({name})")
        result = func(*args, **options)
        made = [one for one in tree_leaves(result) if isinstance(one, Tensor)]
        # a number that lies on the host is read when a kernel is queued, and copied by nothing else
        places = {one.device for one in (*tensors, *made) if one.dim() or func in _COPIES}
        if len(places) > 1:
            raise RefusalError(f"its step copies between devices ({name})")
        self._kept += made
        self._seen.update(map(_memory, made))
        return result


def _memory(tensor: Tensor) -> int:
    """Whose memory a tensor shows; views of one another have the same."""
    place: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - addresses are all 0 where nothing is stored
    return place


def _written(func: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> list[Tensor]:
    """The arguments that an operator writes into."""
    if "batch_norm" in func.name() and any(one is True for one in args):
        return [one for one in args if isinstance(one, Tensor)]  # in training; its schema is silent
    found: list[Any] = []
    for place, argument in enumerate(func._schema.arguments):  # noqa: SLF001 - it has no other name
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append(args[place] if place < len(args) else options.get(argument.name))
    return [one for one in tree_leaves(found) if isinstance(one, Tensor)]
