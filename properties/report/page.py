"""One page per cell: a single HTML file with pictures and scripts inside, that asks nothing of a network."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterator, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from properties.core.certificate import CHECK_SET, Certificate, Result
from properties.core.desideratum import properties
from properties.core.verdict import Status
from properties.report.case import case
from properties.report.evidence import brief, evidence, proof
from properties.report.figures import figure, grouped, rounded
from properties.report.marks import MARKS, Mark, mark
from properties.report.matrix import EXITS

SCOPE_MEANING = {
    "at-init": "parameters as constructed, inputs |x| ≤ 1",
    "all-weights": "parameters scaled up to saturation, inputs up to 10³",
    "these-weights": "the trained weights that were given, inputs |x| ≤ 10",
}
_TONES = {
    "green": "good", "yellow": "part", "bold red": "bad", "magenta": "open", "dim": "none", "default": "",
}  # fmt: skip


def page(certificate: Certificate) -> str:
    """The whole page as text; everything that comes from the cell is escaped.

    Pictures and scripts need the live run; a certificate without one (``context`` None) gets a page
    that says so in their place.
    """
    figures, obstacle = _figures(certificate)
    subject = certificate.subject
    present = {mark(r) for r in certificate.results}
    return _template().render(
        name=certificate.name,
        statement=certificate.statement.removeprefix(f"{certificate.name}: "),
        exit_status=certificate.exit_status,
        outcome=EXITS[certificate.exit_status].capitalize() + ".",
        scopes=_scopes(certificate),
        scope_meaning=SCOPE_MEANING,
        rows=list(_rows(certificate)),
        legend=[m for m in MARKS if m in present],
        counts=certificate.counts,
        figures=figures,
        no_figures=obstacle,
        drawn_at=_size(subject["standard_size"]),
        cases=[
            case(certificate, r) | {"mark": mark(r), "tone": _tone(mark(r))}
            for r in certificate.results
            if r.status in (Status.FALSIFIED, Status.VERIFIER_CONFLICT)
        ],
        limits=certificate.limits,
        run=list(_run(certificate)),
    )


@functools.cache
def _template() -> jinja2.Template:
    text = (importlib.resources.files("properties.report") / "page.html.j2").read_text(
        encoding="utf-8"
    )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    return environment.from_string(text)


def _scopes(certificate: Certificate) -> list[str]:
    return list(dict.fromkeys(r.scope for r in certificate.results))


def _tone(m: Mark) -> str:
    return _TONES[m.style]


def _rows(certificate: Certificate) -> Iterator[dict[str, Any]]:
    sources = {p.key: p.source for p in properties()}
    for key in dict.fromkeys(r.property for r in certificate.results):
        results = [r for r in certificate.results if r.property == key]
        by_scope = {r.scope: r for r in results}
        yield {
            "key": key,
            "advisory": results[0].advisory,
            "statement": results[0].statement,
            "source": sources.get(key, ""),
            "declared": _declared(results),
            "lines": [_line(by_scope[s]) if s in by_scope else None for s in _scopes(certificate)],
        }


def _declared(results: Sequence[Result]) -> list[str]:
    """What is declared and why, once where both scopes agree."""
    said = [(r.scope, r.declared + (f": {r.because}" if r.because else "")) for r in results]
    texts = {text for _, text in said}
    if texts == {"silent"}:
        return ["nothing"]
    if len(texts) == 1:
        return [said[0][1]]
    return [f"{scope} {text.replace('silent', 'nothing')}" for scope, text in said]


def _line(result: Result) -> dict[str, Any]:
    m = mark(result)
    facts = [f"{name} {value}" for name, value in evidence(result)]
    judged = f"{grouped(result.passed)} cases hold"
    if result.discarded:
        judged += f", {grouped(result.discarded)} discarded"
    return {
        "scope": result.scope,
        "mark": m,
        "tone": _tone(m),
        "brief": brief(result),
        "reason": rounded(result.reason),
        "evidence": "; ".join(facts),
        "proof": proof(result),
        "quantifiers": [(word, _range(value)) for word, value in result.quantifiers.items()],
        "cases": [judged] if result.passed or result.discarded else [],
    }


def _range(value: Any) -> str:
    """A quantifier's value in words; sizes as input × hidden."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(v, list) and len(v) == 2 for v in value)
    ):
        return ", ".join(f"{a}×{b}" for a, b in value)
    return figure(value)


def _size(size: Sequence[int]) -> str:
    return f"input size {size[0]}, hidden size {size[1]}"


def _figures(certificate: Certificate) -> tuple[list[dict[str, Any]], str]:
    """The pictures with their captions, or why there are none."""
    from properties.report import captions, curves, plots  # matplotlib takes a second to import

    if certificate.context is None:
        return [], "This certificate was read from a file; pictures are drawn from the run itself."
    try:
        data = curves.curves(certificate)
    except Exception as error:  # noqa: BLE001 - a stranger's cell may raise anything, anywhere
        text = (str(error).strip().splitlines() or [""])[0]
        return [], f"The pictures could not be drawn: {type(error).__name__}: {text[:200]}"
    if data is None:
        return [], "The cell is not well-posed, so there is nothing to draw."
    drawn = [
        ("Gradient against gap.", plots.gradient(data), captions.gradient(data)),
        ("State against time.", plots.growth(data), captions.growth(data)),
    ]
    if data.gamma is not None:
        drawn.append(("γ and γ′.", plots.gamma(data.gamma), captions.gamma(data.gamma)))
    drawn.append(("Jacobian of the state.", plots.heat(data.heat), captions.heat(data.heat)))
    return [
        {"title": title, "svg": Markup(svg), "caption": caption}  # noqa: S704 - drawn here, letters as paths
        for title, svg, caption in drawn
    ], ""


def _run(certificate: Certificate) -> Iterator[tuple[str, str]]:
    subject, environment = certificate.subject, certificate.environment
    yield (
        "cell",
        f"{subject['target'] or 'a function without an import path'}, class {subject['class']}",
    )
    yield "sizes", ", ".join(f"{a}×{b}" for a, b in subject["sizes"]) + " (input × hidden)"
    where = _size(subject["standard_size"])
    yield (
        "parameters",
        f"{grouped(subject['parameters_at_standard_size'])} at {where}; {subject['weights']}",
    )
    yield "budget", f"profile {certificate.profile}, seed {certificate.seed}, {certificate.dtype}"
    yield "evaluation", certificate.evaluation
    versions = ", ".join(
        f"{k} {environment[k]}" for k in ("torch", "hypothesis") if k in environment
    )
    yield (
        "environment",
        f"Python {environment.get('python')}, {versions}, {environment.get('platform')}",
    )
    yield "checks", f"set {CHECK_SET}"
    yield "made", certificate.created_at
