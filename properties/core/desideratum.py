"""What a property is, and how the modules of ``properties.desiderata`` are found."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from properties.core.context import Context
from properties.core.verdict import Status
from properties.core.witness import Witness


@dataclass(frozen=True)
class Finding:
    """What a property found of one cell in one scope, before declarations are weighed."""

    status: Status
    reason: str = ""
    quantifiers: dict[str, Any] = field(default_factory=dict)
    passed: int = 0
    discarded: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)
    witness: Witness | None = None


@dataclass(frozen=True)
class Property:
    """One formal statement about cells and the procedure that judges it.

    ``key``: its name everywhere; ``statement``: with every quantifier; ``source``: section; ``order``:
    place in the matrix; ``advisory``: reported, never counted against a cell; ``judge(context, scope)``:
    the search; ``prove(context, scope)``: the proof for all parameters, a ``Proof`` or None; ``after``:
    keys whose findings this one builds on; ``reproduce``: lines of the script that shows a witness.
    """

    key: str
    title: str
    statement: str
    source: str
    order: int
    judge: Callable[[Context, str], Finding]
    advisory: bool = False
    semantics: tuple[str, ...] = ("F", "A")
    reproduce: Callable[[Context, Witness], list[str]] | None = None
    after: tuple[str, ...] = ()
    prove: Callable[[Context, str], Any] | None = None


@functools.cache
def properties() -> tuple[Property, ...]:
    """Every registered property in the order of the matrix."""
    package = importlib.import_module("properties.desiderata")
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"properties.desiderata.{module.name}")
        candidate = getattr(loaded, "PROPERTY", None)
        if isinstance(candidate, Property):
            found.append(candidate)
    return tuple(sorted(found, key=lambda p: p.order))
