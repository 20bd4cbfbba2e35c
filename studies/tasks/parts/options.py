"""Checks of a task's options; the messages say what was expected and got."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def at_least(least: int, **values: Any) -> None:
    """Raise ``ValueError`` for the first value that is no whole number of at least ``least``."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(
                f"{name}: expected a whole number of at least {least}, got {value!r}; change it"
            )


def at_least_or_none(least: int, **values: Any) -> None:
    """As :func:`at_least`, with None let through."""
    at_least(least, **{name: value for name, value in values.items() if value is not None})


def one_of(known: Iterable[str], **values: Any) -> None:
    """Raise ``ValueError`` for the first value that is not in ``known``."""
    known = tuple(known)
    for name, value in values.items():
        if value not in known:
            raise ValueError(
                f"{name}: expected one of {', '.join(known)}, got {value!r}; choose one of them"
            )
