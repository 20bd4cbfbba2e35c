"""What a cell offers beside its step: forms of itself for other code than the reference."""

from __future__ import annotations

from typing import Any, TypeVar

F = TypeVar("F")


def offered(cell: Any, method: str, kind: type[F], nothing: str) -> F | str:
    """What the cell's ``method`` returns, a ``kind`` or the reason why not; ``nothing`` where it has none.

    A stranger's cell may use the name for something else: an attribute, or a method with another result.
    """
    if not callable(getattr(type(cell), method, None)):
        return nothing
    form = getattr(cell, method)()
    return form if isinstance(form, (kind, str)) else nothing
