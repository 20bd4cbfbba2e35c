"""Axes and plans by name, discovered by folder: adding one is adding a file."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import Any

from ablations.core.axis import Axis
from ablations.core.errors import AblationError
from ablations.core.plan import Plan
from studies.core.registry import near


@functools.cache
def axes() -> dict[str, Axis]:
    """Every ``AXIS`` of a module in ``ablations/axes``."""
    return _discovered("axes", "AXIS")


@functools.cache
def plans() -> dict[str, Plan]:
    """Every ``PLAN`` of a module in ``ablations/plans``."""
    return _discovered("plans", "PLAN")


def _discovered(folder: str, attribute: str) -> dict[str, Any]:
    package = importlib.import_module(f"ablations.{folder}")
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        one = getattr(importlib.import_module(f"ablations.{folder}.{module.name}"), attribute)
        if one.name in found:
            raise ValueError(f"ablations/{folder}: two are called {one.name!r}: rename one")
        found[one.name] = one
    return dict(sorted(found.items()))


def get_axis(name: str) -> Axis:
    """An axis by name or ``package.module:attribute``; raises :class:`AblationError` with near names."""
    if ":" in name:
        return _imported(name, Axis)  # type: ignore[no-any-return]
    if name not in axes():
        raise AblationError(
            f"no axis is called {name!r}{near(name, axes())}; axes: {', '.join(axes())}"
        )
    return axes()[name]


def get_plan(name: str) -> Plan:
    """A plan by name, ``package.module:attribute``, or the path of a TOML file.

    Raises :class:`AblationError` with near names for an unknown one, and what is wrong in a file.
    """
    if name.endswith(".toml"):
        from ablations.core.declaration import read

        return read(Path(name))
    if ":" in name:
        return _imported(name, Plan)  # type: ignore[no-any-return]
    if name not in plans():
        raise AblationError(
            f"no plan is called {name!r}{near(name, plans())}; plans: {', '.join(plans())}; one "
            "of your own is "
            "a file.toml or package.module:attribute"
        )
    return plans()[name]


def _imported(reference: str, kind: type) -> Any:
    module, _, attribute = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise AblationError(
            f"{reference}: expected package.module:attribute that can be imported; {error}: put "
            "its folder on "
            "PYTHONPATH or mend the name"
        ) from error
    if not isinstance(found, kind):
        raise AblationError(f"{reference}: expected a {kind.__name__}, got {found!r}")
    return found
