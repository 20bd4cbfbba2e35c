"""The report as Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import xarray

from ablations.report.across import FEWEST, Across
from ablations.report.agreement import Agreement
from ablations.report.analysis import Row, Section, analyze
from ablations.report.claims import Claim, spelled
from ablations.report.statistics import ALPHA, Paired


def markdown(
    tree: xarray.DataTree,
    sections: Sequence[Section],
    over: Across | None,
    pictures: dict[str, list[str]],
) -> str:
    """The whole page; ``over``: all tasks; ``pictures``: task → the files of its curves and its grid."""
    lines = [*_head(tree, sections)]
    for section in sections:
        lines += _section(section, pictures.get(section.task, []))
    if over is not None:
        lines += _over(over)
    lines += _foot(tree)
    return "\n".join(lines) + "\n"


def _head(tree: xarray.DataTree, sections: Sequence[Section]) -> Iterator[str]:
    about = tree.attrs
    yield f"# {about['title']}"
    yield ""
    yield (
        f"Plan `{about['suite']}`, profile {about['profile']}, design {about['design']}: {about['summary']}. "
        f"Source: {about['source']}."
    )
    yield ""
    claims = [(section.task, claim) for section in sections for claim in section.claims]
    if claims:
        yield "What is claimed, and what the runs say:"
        yield ""
        yield from (f"- **{one.word}**, {_claim(task, one)}" for task, one in claims)
        yield ""
    missing = sum(row.missing for section in sections for row in section.rows)
    planned = sum(row.planned for section in sections for row in section.rows)
    if missing:
        yield f"**{missing} of {planned} runs are missing**; what follows speaks about the others."
        yield ""


def claim_lines(tree: xarray.DataTree) -> list[str]:
    """The claims of a study, a line each, as the command prints them."""
    sections = analyze(tree)
    return [f"{c.word}: {_claim(s.task, c)}" for s in sections for c in s.claims]


def _claim(task: str, one: Claim) -> str:
    return f"on {task}: {one.claim} ({one.source}). {one.because}."


def _section(section: Section, pictures: Sequence[str]) -> Iterator[str]:
    about = section.about
    unit = "" if section.unit == "1" else f" ({section.unit})"
    yield f"## {section.task}"
    yield ""
    yield (
        f"Test {about['metric']}{unit} at the best validation, {about['better']} is better; ignorance scores "
        f"{about['ignorance']:.4g}."
    )
    yield ""
    said = (f"validation {about['metric']} against examples seen", "medians over the grid")
    for text, picture in zip(said, pictures, strict=False):
        yield f"![{text}]({picture})"
        yield ""
    yield from _table(HEADER, [cells(row) for row in section.rows])
    if section.effects:
        yield "Each level against the baseline level of its axis, averaged over the other axes seed by seed:"
        yield ""
        rows = [
            [
                f"{e.axis}: {e.level} less {e.baseline}",
                str(e.combinations),
                *_difference(e.against),
                _p(e.against.p),
            ]
            for e in section.effects
        ]
        yield from _table(
            ("effect", "combinations", "difference", "95% interval", "seen from", "p"), rows
        )
    if section.published:
        yield f"Published numbers ({about['citation']}):"
        yield ""
        rows = [
            [
                one.label,
                one.column,
                one.table,
                number(one.value),
                number(one.ours),
                one.word,
                one.note,
            ]
            for one in section.published
        ]
        yield from _table(("row", "column", "where", "published", "ours", "", "note"), rows)
        yield from (f"- {agreed(one)}" for one in section.agreement)
        yield from [""] * bool(section.agreement)
    if section.search is not None:
        yield section.search.said
        yield ""
        yield from _table(section.search.header, section.search.rows)
    yield f"Protocol `{about['protocol']}`; differs from the paper: {about['protocol_differences']}."
    yield ""
    judged = {row.variant: row.verdicts for row in section.rows if row.verdicts}
    if judged:
        keys = sorted(next(iter(judged.values())))
        yield "What certification says of each variant's cell, over all weights:"
        yield ""
        yield from _table(
            ("variant", *keys), [[n, *(v[k] for k in keys)] for n, v in judged.items()]
        )


def agreed(one: Agreement) -> str:
    """What a column of a published table and our runs have in common, as a sentence."""
    text = f"{one.table}, {one.column}: "
    parts = [] if math.isnan(one.tau) else [f"Kendall's τ = {one.tau:.2f} over {one.rows} rows"]
    if one.effects:
        parts.append(f"the sign of {one.same} of {one.effects} effects is the printed one")
    if one.flat:
        parts.append(f"{one.flat} printed as no effect")
    return f"{text}{'; '.join(parts)}."


def scaling(over: Across) -> str:
    """What the numbers over all tasks are, as a sentence or two."""
    text = (
        f"Interquartile means over {', '.join(over.tasks)}: 0 is ignorance and 1 the baseline's mean on each "
        "task, a diverged run is worse than any number. 95% intervals: seeds drawn again within "
        f"each task. A variant with fewer than {FEWEST} runs has none."
    )
    left = ", ".join(over.left_out)
    return (
        f"{text} Left out, since the baseline has learned nothing there: {left}." if left else text
    )


def _over(over: Across) -> Iterator[str]:
    yield "## Across tasks"
    yield ""
    yield scaling(over)
    yield ""
    rows = [
        [one.variant, str(one.runs), number(one.iqm), "–" if math.isnan(one.iqm) else spelled(one.interval)]
        for one in over.aggregates
    ]  # fmt: skip
    yield from _table(("variant", "runs", "interquartile mean", "95% interval"), rows)


def _foot(tree: xarray.DataTree) -> Iterator[str]:
    impossible = json.loads(tree.attrs["impossible_json"])
    if impossible:
        yield "Combinations that cannot be:"
        yield ""
        yield from (f"- {name}: {because}" for name, because in impossible)
        yield ""
    yield (
        "Differences are paired by seed against the baseline. Intervals are 95%: t below 10 "
        "seeds, BCa from 10, and a "
        f"range below 5. p: exact sign flips, two-sided, Holm's correction within a table (α = {ALPHA}). "
        "“Seen from”: the smallest difference that so many seeds show with a power of 80%. "
        "“Better”: the probability "
        "that a run beats one of the baseline, diverged runs being worst. Means are over finite runs."
    )
    yield ""
    yield f"Content {tree.attrs['content_hash'][:16]}."


HEADER = (
    "variant", "runs", "diverged", "mean", "95% interval", "sd", "median", "difference", "95% interval",
    "seen from", "p", "better", "ρ", "parameters of the cell",
)  # fmt: skip


def cells(row: Row) -> list[str]:
    """The row of a variant as text, in the order of ``HEADER``."""
    against = row.against
    compared = ["", "", "", "", "", ""]
    if against is not None and against.n:
        compared = [
            *_difference(against),
            _p(row.adjusted),
            number(row.improvement),
            number(against.rho),
        ]
    return [
        row.variant,
        f"{len(row.values)} of {row.planned}",
        str(row.diverged),
        number(row.mean),
        spelled(row.interval) if row.values else "–",
        number(row.sd),
        number(row.median),
        *compared,
        f"{row.n_cell_parameters:,}" if row.n_cell_parameters >= 0 else "–",
    ]


def _difference(one: Paired) -> list[str]:
    return [number(one.difference), spelled(one.interval), number(one.detectable)]


def _p(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def number(value: float) -> str:
    """Four digits; a dash for what there is not."""
    return "–" if math.isnan(value) else f"{value:.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield f"| {' | '.join(text.replace('|', '∣') for text in row)} |"
    yield ""
