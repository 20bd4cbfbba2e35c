"""What the command prints: one cell line by line, several as a matrix, and what fails in words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import rich.console
from rich.padding import Padding
from rich.text import Text

from properties.core.certificate import Certificate, Result
from properties.core.failure import explanation, open_lines, script_command
from properties.report.figures import rounded
from properties.report.marks import mark
from properties.report.matrix import EXITS, detail, matrix

_PIPE_WIDTH = 120  # columns where the output is no terminal


def console() -> rich.console.Console:
    """Standard output, as wide as the terminal or COLUMNS say."""
    made = rich.console.Console()
    if made.is_terminal or "COLUMNS" in os.environ:
        return made
    return rich.console.Console(width=_PIPE_WIDTH)


def show(
    certificates: Sequence[Certificate],
    *,
    status: int,
    weights: Sequence[str],
    written: Sequence[Path],
) -> None:
    """Print the certificates; ``weights``: the options that named some, ``written``: the files made."""
    screen = console()
    alone = len(certificates) == 1
    screen.print(detail(certificates[0]) if alone else matrix(certificates))
    for certificate in certificates:
        for part in _failures(certificate, weights, scripts=not _has_scripts(written)):
            # a command is never folded: it is there to be copied
            screen.print(part, soft_wrap=isinstance(part, Command))
    if not alone:
        for text in _evaluations(certificates):
            screen.print(Text(text, style="dim"))
        style = "bold green" if status == 0 else "bold red"
        screen.print(Text(f"exit status {status}: {EXITS[status]}", style=style))
    for path in written:
        # never folded: a path is there to be copied
        screen.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)


def _has_scripts(written: Sequence[Path]) -> bool:
    return any(path.suffix == ".py" for path in written)


class Command(Text):
    """A line for the shell."""


def _failures(
    certificate: Certificate, weights: Sequence[str], *, scripts: bool
) -> Iterator[Text | Padding]:
    """What keeps the certificate from holding; a cell that is not well-posed has that one reason."""
    results = open_lines(certificate.results)
    broken = [r for r in results if r.property == "well-posed"]
    for key, lines in groupby(broken or results, key=lambda r: r.property):
        told: dict[tuple[tuple[str, str], ...], list[Result]] = {}
        for result in lines:
            told.setdefault(tuple(explanation(result)), []).append(result)
        yield Text(f"\n{certificate.name}: {key}", style="bold")
        for number, (pairs, alike) in enumerate(told.items()):
            # what is asked is the same in every scope
            asked, *rest = pairs
            if number == 0:
                yield _pair(*asked)
            yield Padding(_headline(alike), (0, 0, 0, 2), expand=False)
            yield from (_pair(*pair) for pair in rest)
    if broken and len(results) > len(broken):
        others = len(results) - len(broken)
        yield Text(f"\n{others} more lines are not judged: they speak about well-posed cells")
    command = script_command(
        certificate.subject["target"], results, profile=certificate.profile, seed=certificate.seed,
        dtype=certificate.dtype, weights=weights,
    )  # fmt: skip
    if scripts and command is not None:
        yield Text("\na script of each counterexample:")
        yield Command(f"    {command}", style="bold")


def _headline(alike: Sequence[Result]) -> Text:
    m = mark(alike[0])
    scopes = " and ".join(r.scope for r in alike)
    return Text.assemble((f"{m.glyph} {alike[0].status}", m.style), f" {scopes}")


def _pair(word: str, text: str) -> Padding:
    return Padding(Text.assemble((f"{word}: ", "dim"), rounded(text)), (0, 0, 0, 4), expand=False)


def _evaluations(certificates: Sequence[Certificate]) -> Iterator[str]:
    """Cells that were not searched in batches, and why: their searches are smaller."""
    for certificate in certificates:
        if certificate.evaluation.startswith("one by one"):
            yield f"{certificate.name} was evaluated {certificate.evaluation}"
