"""Generated pages, and generated blocks of hand-written ones: written, or compared with what is there."""

from __future__ import annotations

from pathlib import Path

import typer

from properties.core.errors import UsageError
from properties.report.write import write_text


def refresh(page: Path, block: str, text: str, *, check: bool) -> int:
    """Put ``text`` between ``<!-- block:begin -->`` and ``<!-- block:end -->`` of ``page``.

    With ``check`` nothing is written: 0 where the block is up to date, 1 where it is stale. Raises
    :class:`UsageError` where the page or its markers are missing.
    """
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    try:
        old = page.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"expected the page {page}, which cannot be read: {error.strerror}"
        ) from None
    head, found, rest = old.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise UsageError(f"expected {begin} and {end} in {page.name}: put the markers back")
    new = f"{head}{begin}\n{text.strip()}\n{end}{tail}"
    return _settle(page, f"{page.name}: the block {block!r}", old, new, check=check)


def rewrite(page: Path, text: str, *, check: bool) -> int:
    """Make ``text`` all that ``page`` holds; ``check`` and the result as for :func:`refresh`."""
    old = page.read_text(encoding="utf-8") if page.exists() else None
    return _settle(page, f"{page.name}: the page", old, f"{text.strip()}\n", check=check)


def _settle(page: Path, what: str, old: str | None, new: str, *, check: bool) -> int:
    if new == old:
        typer.echo(f"{what} is up to date")
        return 0
    if check:
        typer.echo(f"{what} is stale: run `nox -s docs -- --write`", err=True)
        return 1
    write_text(page, new)
    typer.echo(f"{what} was written")
    return 0
