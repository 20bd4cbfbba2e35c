"""The catalogue: docs/catalogue.md and the README's short forms of it, from the registry and certificates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cells
from cells import Claim, describe
from properties.core.certificate import Certificate
from properties.core.desideratum import properties
from properties.report.docstring import paragraphs, prose
from properties.report.families import Family, alike, families, keys
from properties.report.figures import figure, grouped
from properties.report.marks import mark
from properties.report.matrix import markdown_matrix
from properties.report.measures import Measures, measures
from properties.report.signature import signature

PAGE = "docs/catalogue.md"
SMALL, LARGE = (3, 8), (25, 512)
SCOPES = {"at-init": "at initialization", "all-weights": "for all weights"}

_INTRODUCTION = f"""\
# Catalogue

*Written by `nox -s docs -- --write` from docstrings, cells and certificates ({{profiles}}): change those.*

Every registered name, by family. `cells.get(name)(input_size, hidden_size, **knobs)` builds a cell. Counted
on the cells themselves, at (D, H) = (input size, hidden size) = {SMALL} and {LARGE}:

- **parameters**: a tied one once;
- **state**: real scalars; a complex one is two, an integer none;
- **products**: multiplications within the matrix products of one step and its readout, for one sequence. They
  are half of what `torch.utils.flop_counter.FlopCounterMode` counts. Elementwise work (gates, kernels,
  rotations, outer products) is not counted.

In a family's table of verdicts the first mark is {SCOPES["at-init"]}, the second {SCOPES["all-weights"]}; in
the matrix one mark stands for both. What the statements range over: [properties.md](properties.md).
"""


def catalogue(certificates: Sequence[Certificate]) -> str:
    """The page: the full matrix, then each family with equations, costs, verdicts, knobs and references."""
    listed = families(c.name for c in certificates)
    place = {name: family.anchor for family in listed for name in family.names}
    labels = {name: f"[`{name}`](#{anchor})" for name, anchor in place.items()}
    profiles = ", ".join(sorted({f"profile {c.profile}" for c in certificates}))
    parts = [_INTRODUCTION.format(profiles=profiles), "## All verdicts\n"]
    parts.append(markdown_matrix(_ordered(listed, certificates), labels) + "\n")
    for family in listed:
        parts += _section(family, certificates)
    return "\n".join(parts)


def readme_matrix(certificates: Sequence[Certificate]) -> str:
    """The matrix with one row for all names of a family that share their marks."""
    rows, labels = [], {}
    for family in families(c.name for c in certificates):
        for row, count in alike(family, certificates):
            rows.append(row)
            labels[row.name] = f"`{row.name}`" + (f" +{count - 1}" if count > 1 else "")
    return (
        f"{markdown_matrix(rows, labels)}\n\n"
        "+n: n more names of the family have and lack the same properties, and one is marked proved where it "
        f"is for all of them. Every name by itself, with equations and costs: [{PAGE}]({PAGE})."
    )


def readme_catalogue(certificates: Sequence[Certificate]) -> str:
    """One line per family: what it is, its names, and where more is said."""
    return "\n".join(
        f"- [{f.chapter.title}]({PAGE}#{f.anchor}): {f.chapter.idea}. {_listed(f.names)}"
        for f in families(c.name for c in certificates)
    )


def _ordered(listed: Sequence[Family], certificates: Sequence[Certificate]) -> list[Certificate]:
    by_name = {c.name: c for c in certificates}
    return [by_name[name] for family in listed for name in family.names]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(family: Family, certificates: Sequence[Certificate]) -> Iterator[str]:
    chapter = family.chapter
    yield f"## {chapter.title}\n\n*{chapter.title}*: {chapter.idea}.\n"
    yield f"{chapter.equations}\n"
    for name, text in chapter.sections.items():
        if name not in ("Reference", "Example"):
            yield f"- *{name}*: {text}"
    yield "\n" + _costs(family)
    yield _verdicts(_ordered([family], certificates))
    yield _reasons(family)
    yield f"Knobs:\n\n```python\n{signature(family.maker)}\n```\n"
    yield "\n\n".join(paragraphs(family.maker.__doc__ or "")) + "\n"
    yield f"Reference: {chapter.sections.get('Reference', '')}\n"


def _costs(family: Family) -> str:
    sizes = (SMALL, LARGE)
    kinds = [f"{kind} {size}" for kind in ("parameters", "state", "products") for size in sizes]
    lines = ["| name | fixes | " + " | ".join(kinds) + " |", "|:--|:--|" + "--:|" * len(kinds)]
    for name, knobs in family.names.items():
        fixed = ", ".join(f"`{knob}={value!r}`" for knob, value in knobs.items())
        counts = _counts([measures(cells.get(name), *size) for size in sizes])
        lines.append(f"| `{name}` | {fixed} | {counts} |")
    return "\n".join(lines) + "\n"


def _counts(both: Sequence[Measures]) -> str:
    kinds = zip(*((m.parameters, m.state, m.products) for m in both), strict=True)
    return " | ".join(grouped(count) for kind in kinds for count in kind)


def _verdicts(certificates: Sequence[Certificate]) -> str:
    asked = keys(certificates)
    titles = " | ".join(key.replace("-", " ") for key in asked)
    lines = [f"| name | {titles} |", "|:--|" + ":-:|" * len(asked)]
    for certificate in certificates:
        judged = {(r.property, r.scope): mark(r).glyph for r in certificate.results}
        row = (" ".join(judged.get((key, scope), "–") for scope in SCOPES) for key in asked)
        lines.append(f"| `{certificate.name}` | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _reasons(family: Family) -> str:
    """What the names declare, each distinct reason once, with those that give it."""
    order = [p.key for p in properties()]
    given: dict[tuple[int, str], list[str]] = {}
    for name in family.names:
        said = describe(cells.get(name)(*SMALL))
        for verb, claims in (("claimed", said.claims), ("denied", said.denies)):
            for claim in claims:
                place = order.index(claim.property) if claim.property in order else len(order)
                given.setdefault((place, _reason(verb, claim)), []).append(name)
    lines = []
    for (_, text), names in sorted(given.items(), key=lambda item: item[0][0]):
        whose = "" if len(names) == len(family.names) else f" ({_listed(names)})"
        lines.append(f"- {text}{whose}")
    return "Declared:\n\n" + "\n".join(lines) + "\n"


def _reason(verb: str, claim: Claim) -> str:
    where = f" {SCOPES[claim.scope]}" if claim.scope else ""
    numbers = [
        f"{word} {figure(value)}"
        for word, value in (
            ("bound", claim.bound),
            ("window", claim.window),
            ("growth", claim.growth),
        )
        if value is not None
    ]
    facts = f" ({', '.join(numbers)})" if numbers else ""
    return f"**{claim.property}** {verb}{where}{facts}: {prose(claim.because)}"
