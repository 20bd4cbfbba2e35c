"""``python -m properties CELL [CELL …]``: certificates, as a matrix, JSON, HTML and scripts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import cells
from properties.command.delivery import DTYPES, Order, carry_out
from properties.command.outputs import Outputs
from properties.command.screen import show
from properties.core.checks import chosen
from properties.core.errors import OutputError, UsageError
from properties.core.profile import PROFILES
from properties.core.profile import profile as profile_named
from properties.core.resolve import resolve

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def command(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="CELL", help="a registry name, or package.module:attribute"),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="every registered cell")] = False,
    profile: Annotated[
        str, typer.Option(help=f"the budget: {', '.join(PROFILES)}, from seconds to hours")
    ] = "dev",
    only: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="only this property (repeatable)")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar='KEY="reason"', help="accept a violation, with a reason (repeatable)"),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.pt", help="judge these trained weights")
    ] = None,
    dtype: Annotated[str, typer.Option(help=", ".join(DTYPES))] = "float64",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="write the certificate(s)")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write a page per cell, with plots")
    ] = None,
    reproducer: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write a script per counterexample")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write JUnit XML, a case per line")
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write SARIF 2.1.0, what fails or is undecided"),
    ] = None,
    badge: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the JSON of a shields.io badge")
    ] = None,
    seed: Annotated[int, typer.Option(help="decides every draw")] = 0,
    input_size: Annotated[
        int | None, typer.Option(min=1, help="with --weights: as trained (else inferred)")
    ] = None,
    hidden_size: Annotated[
        int | None, typer.Option(min=1, help="with --weights: as trained (else inferred)")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="processes; 0: one per core")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress display")] = False,
) -> int:
    """Certify recurrent cells: which desiderata they meet, for which parameters.

    CELL is a registered name, or package.module:attribute of a callable (input_size, hidden_size) -> cell.

    Exit status: 0 everything required holds; 1 something is falsified, or a declaration is stale or
    vacuous; 2 something required is inconclusive, or the command is wrong; 3 nothing applied.
    """
    names = _targets(targets or [], every=every)
    profile_named(profile)
    if dtype not in DTYPES:
        raise UsageError(f"dtype: expected one of {', '.join(DTYPES)}, got {dtype!r}")
    allowed = dict(_allowance(text) for text in allow or [])
    chosen(only or (), allowed)
    size = _size(input_size, hidden_size, weights, len(names))
    outputs = Outputs(json_file, html, reproducer, junit, sarif, badge)
    outputs.check()
    orders = [
        Order(
            target=name,
            profile=profile,
            seed=seed,
            dtype=dtype,
            only=tuple(only or ()),
            allow=allowed,
            weights=None if weights is None else str(weights),
            size=size,
            html=html is not None,
            scripts=reproducer is not None,
        )
        for name in names
    ]
    deliveries = carry_out(orders, jobs or os.cpu_count() or 1, quiet=quiet)
    written: list[Path] = []
    failure = None
    try:
        for path in outputs.write(deliveries):
            written.append(path)  # noqa: PERF402 - what is written before an error is told too
    except OutputError as error:
        failure = error  # what was found out is shown even so
    certificates = [d.certificate for d in deliveries]
    statuses = {c.exit_status for c in certificates}
    status = next((s for s in (1, 2, 3) if s in statuses), 0)
    show(certificates, status=status, weights=_weights_options(weights, size), written=written)
    if failure is not None:
        raise failure
    return status


def _targets(targets: list[str], *, every: bool) -> list[str]:
    if every and targets:
        raise UsageError(
            f"expected cells or --all, got both: {', '.join(targets)} and --all; drop one"
        )
    if every:
        return list(cells.names())
    if not targets:
        raise UsageError(
            "expected a cell: a registry name, package.module:attribute, or --all; got none. "
            f"Registered: {', '.join(cells.names())}"
        )
    for target in targets:
        resolve(target)  # every name is checked before any work is done
    return list(dict.fromkeys(targets))


def _allowance(text: str) -> tuple[str, str]:
    key, equals, reason = text.partition("=")
    reason = reason.strip().strip("\"'").strip()
    if not equals or not key.strip() or not reason:
        raise UsageError(
            f'allow: expected KEY="reason", got {text!r}; say why the violation is accepted'
        )
    return key.strip(), reason


def _weights_options(weights: Path | None, size: tuple[int, int] | None) -> list[str]:
    """The options of this run that a second one needs to judge the same weights."""
    options = [] if weights is None else ["--weights", str(weights)]
    if size is not None:
        options += ["--input-size", str(size[0]), "--hidden-size", str(size[1])]
    return options


def _size(
    input_size: int | None, hidden_size: int | None, weights: Path | None, cells_asked: int
) -> tuple[int, int] | None:
    """The sizes given for trained weights, if any."""
    if weights is not None and cells_asked != 1:
        raise UsageError(
            f"weights: expected one cell to load them into, got {cells_asked} cells; run once per file"
        )
    if (input_size is None) != (hidden_size is None):
        raise UsageError(
            "expected --input-size and --hidden-size together, got one of them; give both"
        )
    if input_size is None or hidden_size is None:
        return None
    if weights is None:
        raise UsageError(
            "--input-size and --hidden-size go with --weights, which is not given: the search draws its own "
            "sizes; leave them out"
        )
    return input_size, hidden_size
