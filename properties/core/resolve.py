"""From what a user types to a factory: a registry name, or ``package.module:attribute``."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cells
from properties.core.errors import SubjectError


def resolve(target: str) -> Callable[..., Any]:
    """The factory ``(input_size, hidden_size) -> cell`` that ``target`` names.

    A name without a colon is looked up in the registry; ``package.module:attribute`` is imported, the
    current directory included. Raises :class:`SubjectError` for an unknown name (with near
    names), a module that cannot be imported, a missing attribute (with near names), or an
    attribute that is not callable.
    """
    if ":" not in target:
        try:
            return cells.get(target)
        except cells.UnknownNameError as error:
            raise SubjectError(f"{error.args[0]}; {_own(target)}") from None
    module_name, _, attribute = target.partition(":")
    parts = attribute.split(".")
    if not all(part.isidentifier() for part in (*module_name.split("."), *parts)):
        raise SubjectError(
            f"{target}: expected package.module:attribute, Python names with dots and one colon; a file is "
            "named by its module, so folder/mine.py as folder.mine"
        )
    module = _import(module_name, target)
    value: Any = module
    for part in parts:
        try:
            value = getattr(value, part)
        except AttributeError:
            near = difflib.get_close_matches(part, dir(value), n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else "look at the spelling"
            raise SubjectError(
                f"{target}: expected {module_name!r} to have an attribute {part!r}, it has none; {hint}"
            ) from None
    if not callable(value):
        raise SubjectError(
            f"{target}: expected a callable (input_size, hidden_size) -> cell, got an "
            f"object of type {type(value).__name__}: name a class or a factory function"
        )
    return value  # type: ignore[no-any-return]


def _own(target: str) -> str:
    """How a cell of the user's own is named, with ``target`` as the example where it is one."""
    package, dot, attribute = target.rpartition(".")
    if dot and package and attribute != "py":
        return f"a cell of your own is named with a colon: {package}:{attribute}"
    return "a cell of your own is named package.module:attribute"


def _import(name: str, target: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        # as `python -m` does: a user's package in the current directory is importable; behind the rest
        # where Python was told (-P) that nothing there may stand in for an installed package
        sys.path.insert(len(sys.path) if sys.flags.safe_path else 0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise SubjectError(
                f"{target}: no module named {error.name!r}; install the package, or start in the "
                "folder that holds it"
            ) from None
        raise SubjectError(
            f"{target}: importing {name!r} failed: {error}; install what it imports"
        ) from error
    except (Exception, SystemExit) as error:  # a script without a main guard may end the program
        raise SubjectError(
            f"{target}: importing {name!r} raised {type(error).__name__}: {error}; "
            "mend the module first"
        ) from error
