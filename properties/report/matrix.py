"""Cells × properties, and one cell line by line, for the terminal; the compact form for the README."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import rich.box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from properties.core.certificate import Certificate, Result
from properties.core.desideratum import properties
from properties.core.verdict import PASSING, Status
from properties.report.evidence import evidence, proof
from properties.report.figures import grouped, rounded
from properties.report.marks import (
    AT_INIT,
    DENIED,
    MARKS,
    NOTHING,
    PROVED,
    TESTED,
    Mark,
    combined,
    mark,
)

EXITS = {
    0: "every required line holds",
    1: "something required fails, or a declaration is stale or vacuous",
    2: "something required could not be judged",
    3: "nothing that was asked for applies to the cell",
}


def matrix(certificates: Sequence[Certificate]) -> Table:
    """One row per cell, one column per property, both scopes in one mark; ends with a legend.

    Where the terminal is too narrow for the words, the columns are numbered and hold the glyphs
    alone, and the legend says what both mean.
    """
    return _Fitting(list(certificates))


class _Fitting(Table):
    """The matrix with words; drawn without them where it does not fit."""

    def __init__(self, certificates: list[Certificate]) -> None:
        super().__init__(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        self.certificates = certificates
        self.keys = _keys(certificates)
        self.add_column("cell", overflow="fold")
        for key in self.keys:
            self.add_column(key.replace("-", "\n"), vertical="bottom")
        self.add_column("ran/\napply/\nlines", justify="right")
        self.add_column("cases", justify="right", vertical="bottom")
        for certificate in certificates:
            marks = (_cell(m, m.text) for m in _row(certificate, self.keys))
            self.add_row(Text(certificate.name), *marks, *_denominators(certificate))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = Measurement.get(console, options.update(width=1000, max_width=1000), _plain(self))
        fits = wide.maximum <= options.max_width
        yield from super().__rich_console__(console, options) if fits else _narrow(self)
        yield from _legend(self, numbered=not fits)


def _plain(table: _Fitting) -> Table:
    copy = Table(box=table.box, padding=table.padding, pad_edge=table.pad_edge)
    copy.columns = table.columns
    copy.rows = table.rows
    return copy


def _narrow(table: _Fitting) -> Iterator[RenderableType]:
    small = Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    small.add_column("cell", overflow="fold")
    for number, _ in enumerate(table.keys, 1):
        small.add_column(str(number), justify="center")
    small.add_column("ran/apply/lines", justify="right")
    small.add_column("cases", justify="right")
    for certificate in table.certificates:
        marks = (_cell(m, m.glyph) for m in _row(certificate, table.keys))
        small.add_row(Text(certificate.name), *marks, *_denominators(certificate))
    yield small


def _legend(table: _Fitting, *, numbered: bool) -> Iterator[RenderableType]:
    if numbered:
        columns = Text("columns: ", style="dim")
        columns.append("  ".join(f"{i}\N{NO-BREAK SPACE}{k}" for i, k in enumerate(table.keys, 1)))
        yield columns
    present = {m for c in table.certificates for m in _row(c, table.keys)}
    for m in MARKS:
        if m in present:
            yield _explained(m)
    words = "one mark for both scopes; ran/apply/lines: pairs of property and scope that were judged, that"
    yield Text(f"{words} apply, that are registered; cases: draws judged", style="dim")


def _keys(certificates: Iterable[Certificate]) -> list[str]:
    asked = {r.property for c in certificates for r in c.results}
    return [p.key for p in properties() if p.key in asked]


def _row(certificate: Certificate, keys: Sequence[str]) -> Iterator[Mark]:
    for key in keys:
        yield combined([r for r in certificate.results if r.property == key])


def _cell(m: Mark, text: str) -> Text:
    return Text(text, style=m.style, no_wrap=True)


def _denominators(certificate: Certificate) -> tuple[str, str]:
    counts = certificate.counts
    cases = sum(r.passed + r.discarded for r in certificate.results)
    return f"{counts['ran']}/{counts['applicable']}/{counts['registered']}", grouped(cases)


def detail(certificate: Certificate) -> RenderableType:
    """One cell: under each property a line per scope with verdict, declaration and what was seen."""
    parts: list[RenderableType] = [Text(certificate.statement, style="bold")]
    sources = {p.key: p.source for p in properties()}
    for key, results in groupby(certificate.results, key=lambda r: r.property):
        lines = list(results)
        source = "advisory" if lines[0].advisory else sources.get(key, "")
        parts.append(Text.assemble("\n", (key, "bold"), (f"  {source}", "dim")))
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=1 + max(len(r.scope) for r in certificate.results))
        grid.add_column(width=max(len(mark(r).text) for r in certificate.results), no_wrap=True)
        grid.add_column(width=7)
        grid.add_column(ratio=1, overflow="fold")
        for before, result in zip([None, *lines], lines, strict=False):
            m = mark(result)
            seen = _seen(result)
            same = before is not None and _seen(before) == seen
            grid.add_row(
                f" {result.scope}", Text(m.text, style=m.style), result.declared,
                Text("as above", style="dim") if same else seen,
            )  # fmt: skip
        parts.append(grid)
    status = certificate.exit_status
    environment = certificate.environment
    parts += ["", *(_explained(m) for m in MARKS if m in {mark(r) for r in certificate.results})]
    parts.append(Text(f"evaluation: {certificate.evaluation}", style="dim"))
    parts.append(
        Text(f"torch {environment.get('torch')}, {environment.get('platform')}", style="dim")
    )
    end = f"exit status {status}: {EXITS[status]}"
    parts.append(Text(end, style="bold green" if status == 0 else "bold red"))
    return Group(*parts)


def _explained(m: Mark) -> Text:
    return Text.assemble((f"{m.glyph} {m.word}", m.style), (f": {m.meaning}", "dim"))


def _seen(result: Result) -> Text:
    seen = Text(rounded(result.reason))
    facts = [f"{name} {value}" for name, value in evidence(result, beside_reason=True)]
    if result.passed or result.discarded:
        judged = grouped(result.passed) + (" case holds" if result.passed == 1 else " cases hold")
        facts.append(
            judged + (f", {grouped(result.discarded)} discarded" if result.discarded else "")
        )
    if facts:
        seen.append("\n" + "; ".join(facts), style="dim")
    why = proof(result)
    if result.status is not Status.PROVED and why:
        seen.append(f"\n{why}", style="dim")
    if result.because and result.status not in PASSING and result.because not in result.reason:
        verb = {"denies": "denied", "allowed": "allowed"}.get(result.declared, "claimed")
        seen.append(f"\n{verb} because {result.because}", style="dim")
    return seen


def markdown_matrix(
    certificates: Sequence[Certificate], labels: Mapping[str, str] | None = None
) -> str:
    """Cells × properties as a Markdown table of glyphs with a line that explains them.

    ``labels``: what stands in the first column instead of the name, by name.
    Advisory properties are left out: they judge a number format, not a cell. Numbers that depend on
    a version of torch are left out too, so that the block is stale only where a verdict changed.
    """
    advisory = {p.key for p in properties() if p.advisory}
    keys = [k for k in _keys(certificates) if k not in advisory]
    head = "| cell | " + " | ".join(k.replace("-", " ") for k in keys) + " |"
    rule = "|:--|" + ":-:|" * len(keys)
    names = {c.name: f"`{_escaped(c.name)}`" for c in certificates} | dict(labels or {})
    rows = [
        f"| {names[c.name]} | " + " | ".join(m.glyph for m in _row(c, keys)) + " |"
        for c in certificates
    ]
    usual = (PROVED, TESTED, AT_INIT, DENIED, NOTHING)
    loud = {m for c in certificates for m in _row(c, keys)} - set(usual)
    explained = [*usual, *(m for m in MARKS if m in loud)]
    legend = "; ".join(f"{m.glyph} {m.word}: {m.meaning}" for m in explained)
    return "\n".join([head, rule, *rows, "", f"{legend}."])


def _escaped(name: str) -> str:
    return name.replace("|", "\\|").replace("`", "'")
