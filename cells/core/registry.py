"""Names of cells: registration by decorator, discovery by folder, near names in the error."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])

_factories: dict[str, Callable[..., Any]] = {}


class UnknownNameError(LookupError):
    """A name that nothing is registered under; the message lists the near ones."""


def register(name: str, **knobs: Any) -> Callable[[T], T]:
    """Register a factory ``(input_size, hidden_size, **knobs) -> cell`` under ``name``.

    Used as a decorator on a cell class; ``knobs`` are fixed for that name and can still be
    overridden by the caller, so one class serves several names::

        @register("gato")
        @register("gato-2", layers=2)
        class GATO(nn.Module): ...

    Raises ``ValueError`` for a name that is taken or not lower-case with hyphens.
    """
    if not name or name != name.lower() or "_" in name or " " in name:
        raise ValueError(
            f"a cell's name is lower-case with hyphens, such as 'gru-diag': got {name!r}"
        )

    def enter(factory: T) -> T:
        known = _factories.get(name)
        if known is not None:
            raise ValueError(f"the name {name!r} is taken by {_origin(known)}: choose another")
        _factories[name] = functools.partial(factory, **knobs) if knobs else factory
        return factory

    return enter


def _origin(factory: Callable[..., Any]) -> str:
    inner = factory.func if isinstance(factory, functools.partial) else factory
    return f"{inner.__module__}.{inner.__qualname__}"


@functools.cache
def _discover() -> None:
    """Import every module that lies directly in the ``cells`` folder: a new file is a new cell."""
    package = importlib.import_module("cells")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg:
            importlib.import_module(f"cells.{module.name}")


def names() -> tuple[str, ...]:
    """The registered names, sorted."""
    _discover()
    return tuple(sorted(_factories))


def get(name: str) -> Callable[..., Any]:
    """The factory ``(input_size, hidden_size, **knobs) -> cell`` registered under ``name``.

    Raises :class:`UnknownNameError` (a ``LookupError``) that lists the near names.
    """
    _discover()
    try:
        return _factories[name]
    except KeyError:
        near = difflib.get_close_matches(name, _factories, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"registered: {', '.join(names())}"
        raise UnknownNameError(f"no cell is registered under {name!r}; {hint}") from None
