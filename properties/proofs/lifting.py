"""A cell's parameters and buffers as inputs: swapped in for one call, and everything put back after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


class TraceRefused(Exception):  # noqa: N818 - a verdict about the cell, not a failure of ours
    """The step cannot be written as a graph; ``reason`` says why and, where known, in which line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Weight:
    """A parameter or another tensor of the cell, with every place that holds it (tied ones have several)."""

    name: str
    tensor: Tensor
    trainable: bool
    places: list[tuple[dict[str, Any], str]] = field(default_factory=list)


class Lifted:
    """The weights of a cell: every tensor that it, a module of it or a module that it holds has as its own.

    Parameters, registered buffers and plain attributes alike: a tensor that stayed a constant could be
    changed by the step without a trace.
    """

    def __init__(self, cell: Any) -> None:
        attributes = dict(getattr(cell, "__dict__", {}))
        if isinstance(cell, nn.Module):
            roots = {"": cell}
        else:
            roots = {f"{k}.": v for k, v in attributes.items() if isinstance(v, nn.Module)}
        self._modules: dict[str, nn.Module] = {}
        for prefix, root in roots.items():
            for path, module in root.named_modules():
                self._modules[prefix + (path + "." if path else "")] = module
        self._holders: list[Any] = list(self._modules.values())
        found: dict[int, Weight] = {}
        for prefix, module in self._modules.items():
            for store in (*_stores(module), vars(module)):
                _collect(found, store, prefix)
        if not isinstance(cell, nn.Module) and attributes:
            self._holders.append(cell)
            _collect(found, vars(cell), "")
        self.weights = tuple(found.values())

    @contextlib.contextmanager
    def preserved(self) -> Iterator[None]:
        """Restore every attribute of the cell and its modules when the ``with`` ends."""
        stores = [s for m in self._modules.values() for s in _stores(m)]
        saved = [(s, dict(s)) for s in (*(vars(h) for h in self._holders), *stores)]
        try:
            yield
        finally:
            for store, content in saved:
                store.clear()
                store.update(content)

    @contextlib.contextmanager
    def swapped(self, tensors: Sequence[Tensor]) -> Iterator[None]:
        """Put ``tensors`` in place of the weights, then restore every attribute.

        Raises :class:`TraceRefused` where the body of the ``with`` put another tensor in the place
        of one: that is state outside the state.
        """
        with self.preserved():
            for weight, tensor in zip(self.weights, tensors, strict=True):
                for store, key in weight.places:
                    store[key] = tensor
            yield
            for weight, tensor in zip(self.weights, tensors, strict=True):
                if any(store.get(key) is not tensor for store, key in weight.places):
                    raise TraceRefused(hidden_state(weight.name))


def _stores(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where a module keeps its own parameters and buffers: where ``functional_call`` swaps them too."""
    return module._parameters, module._buffers  # noqa: SLF001


def _collect(found: dict[int, Weight], store: dict[str, Any], prefix: str) -> None:
    for key, tensor in store.items():
        if isinstance(tensor, Tensor):
            trainable = isinstance(tensor, nn.Parameter) or tensor.requires_grad
            weight = found.setdefault(id(tensor), Weight(prefix + key, tensor, trainable))
            weight.places.append((store, key))


def hidden_state(name: str) -> str:
    """The reason for refusing a step that changes the tensor called ``name``."""
    return (
        f"hidden state: the step changes {name!r}; expected a pure function of (parameters, state, x): "
        "make it a field of the state"
    )
