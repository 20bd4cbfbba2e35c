"""The numbers of one line of a certificate as pairs of words, in the order a reader wants them."""

from __future__ import annotations

import re
from typing import Any

from properties.core.certificate import Result
from properties.core.verdict import PASSING
from properties.report.figures import figure, rounded

_NAMES = {
    "law": "law",
    "slope": "slope",
    "supremum": "supremum seen",
    "bound": "bound claimed",
    "domain": "over the",
    "map": "of",
    "block": "block",
    "form": "shape",
    "window": "window",
    "least_slope": "least slope",
    "state_law": "state's law",
    "live_draws": "live draws",
    "largest_finite_magnitude": "finite up to",
    "by_dtype": "shares",
}
_UNITS = {"linear": "per step", "sublinear": "(power of t)", "geometric": "nats per step"}
_SAID = frozenset(
    {"checks", "units", "of", "at_size", "tails_reached", "written_draws", "seen_draws", "proof"}
)
_BRIEF = 72
_BESIDE = frozenset({"slope", "supremum", "bound", "block", "largest_finite_magnitude"})


def evidence(result: Result, *, beside_reason: bool = False) -> list[tuple[str, str]]:
    """(name, value) pairs of what ``result`` measured, formatted.

    ``beside_reason``: only what adds to the line's reason, for where space is short.
    """
    pairs = _all(result)
    if not beside_reason:
        return pairs
    labels = {_NAMES[name] for name in _BESIDE}
    said = f" {result.reason} ".replace(",", " ").replace(";", " ")

    def adds(label: str, value: str) -> bool:
        told = f" {value.partition(' ')[0]} " in said or (
            label.startswith("sup") and " sup" in said
        )
        return label in labels and value != "none" and not told

    return [pair for pair in pairs if adds(*pair)]


def brief(result: Result) -> str:
    """What was seen in a few words, for a table: the figure that the verdict turns on."""
    found, law = result.evidence, result.evidence.get("law")
    if law == "sublinear":
        return f"grows like t to the power {figure(found.get('slope'), 3)}"
    if law in ("linear", "geometric"):
        speed = {"linear": "linearly", "geometric": "geometrically"}[law]
        return f"grows {speed}, {figure(found.get('slope'), 3)} {_UNITS[law]}"
    if isinstance(found.get("supremum"), int | float | str):
        bound = found.get("bound")
        seen = f"supremum seen {figure(found['supremum'])}"
        if bound is None or found["supremum"] in ("infinity", "nan"):
            return seen
        return f"{seen}, bound {figure(bound)}"
    if found.get("units"):
        return f"{found.get('block')}: {ranges(found['units'])}"
    if found.get("least_slope") and result.status in PASSING:
        return f"|γ′| ≥ {found['least_slope']} in every window of {figure(found.get('window'))}"
    if found.get("checks"):
        return f"{len(found['checks'])} checks"
    return _clause(rounded(result.reason))


def _clause(reason: str) -> str:
    first = re.split(r"[;(]| where |, yet ", reason, maxsplit=1)[0].strip(" ,")
    if len(first) <= _BRIEF:
        return first
    return first[:_BRIEF].rsplit(" ", 1)[0] + " …"


def _all(result: Result) -> list[tuple[str, str]]:
    found = result.evidence
    pairs: list[tuple[str, str]] = []
    for name, label in _NAMES.items():
        value = found.get(name)
        if value is None or (name == "slope" and not value):
            continue
        if name == "slope":
            pairs.append(
                (label, f"{figure(value)} {_UNITS.get(str(found.get('law')), '')}".strip())
            )
        elif name == "block" and found.get("units"):
            pairs.append(
                ("block", f"{value}: {ranges(found['units'])} (of {found.get('of')} scalars)")
            )
        elif name == "live_draws":
            pairs.append((label, f"{value} of {found.get('of')}"))
        else:
            pairs.append((label, figure(value)))
    pairs += [
        (name.replace("_", " "), figure(value))
        for name, value in found.items()
        if name not in _NAMES and name not in _SAID and _plain(value)
    ]
    return pairs


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and 0 < len(value) < 80)


def ranges(labels: list[str]) -> str:
    """Labels of state scalars with runs folded: memory[0] … memory[3] become memory[0…3]."""
    folded: list[tuple[str, int, int, str]] = []
    for label in labels:
        name, _, rest = label.partition("[")
        place, _, suffix = rest.partition("]")
        if not place.isdigit():
            folded.append((label, -1, -1, ""))
            continue
        at = int(place)
        if folded and folded[-1][0] == name and folded[-1][3] == suffix and folded[-1][2] == at - 1:
            folded[-1] = (name, folded[-1][1], at, suffix)
        else:
            folded.append((name, at, at, suffix))
    return ", ".join(
        name if low < 0 else f"{name}[{low}]{end}" if low == high else f"{name}[{low}…{high}]{end}"
        for name, low, high, end in folded
    )


def proof(result: Result) -> str:
    """What was proved, of which semantics and on which assumptions; or why nothing was."""
    found = result.evidence.get("proof") or {}
    if not found:
        return ""
    if found.get("status") != "proved":
        return f"proof {found.get('status')}: {rounded(str(found.get('reason', '')))}"
    words = [
        f"proved by {found.get('method', 'derivation')}, about {figure(found.get('semantics', []))}"
    ]
    if found.get("scope"):
        words.append(f"for {found['scope']}")
    if found.get("assumptions"):
        words.append(f"assuming {figure(found['assumptions'])}")
    return "; ".join(words)
