"""What certification says of each variant's cell, so that verdicts stand beside metrics."""

from __future__ import annotations

import functools
import inspect
import json
from pathlib import Path
from typing import Any

from ablations.core.canonical import digest
from ablations.core.job import Layout
from properties import HarnessError, Profile, certify, registered
from studies.core.atomic import write_atomically
from studies.model.settings import ModelSettings, cell_factory

# small: a certificate of its own is `python -m properties NAME`; this one only has to tell variants apart
PROFILE = Profile(
    name="ablations",
    regimes=2,
    draws=48,
    single_draws=4,
    gap=32,
    horizon=96,
    confirm=3,
    initializations=6,
    shrinks=4,
)
_FORMAT = "ablations-verdicts 1"
_SIZES = ((3, 8), (2, 16))


def keys() -> list[str]:
    """The properties that are asked for: those that count for or against a cell."""
    return [one.key for one in registered() if not one.advisory]


def verdicts(layout: Layout, cache: Path) -> dict[str, dict[str, str]]:
    """Variant → property → verdict over all weights.

    Read from the folder ``cache`` where it was judged before.
    """
    found = {}
    for cell in layout.cells:
        if cell.variant.name not in found:
            found[cell.variant.name] = _cached(cell.configuration.model, cache)
    return found


def _cached(model: ModelSettings, cache: Path) -> dict[str, str]:
    mark = digest(
        {
            "format": _FORMAT,
            "cell": model.cell,
            "knobs": dict(model.knobs),
            "keys": keys(),
            "profile": [getattr(PROFILE, name) for name in Profile.__slots__],
        }
    )
    path = cache / f"{mark[:24]}.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        judged = judge(model)
    text = json.dumps(judged, indent=1, sort_keys=True) + "\n"
    write_atomically(path, functools.partial(Path.write_text, data=text, encoding="utf-8"))
    return judged


def judge(model: ModelSettings) -> dict[str, str]:
    """Property → verdict of the cell with its knobs; "not judged" where it cannot be built at small sizes."""
    factory = cell_factory(model.cell)
    knobs = _small(factory, dict(model.knobs))

    def build(input_size: int, hidden_size: int) -> Any:
        return factory(input_size, hidden_size, **knobs)

    try:
        certificate = certify(build, name=model.cell, profile=PROFILE, sizes=_SIZES)
    except HarnessError:
        return dict.fromkeys(keys(), "not judged")
    return {
        result.property: str(result.status)
        for result in certificate.results
        if not result.advisory and result.scope == "all-weights"
    }


def _small(factory: Any, knobs: dict[str, Any]) -> dict[str, Any]:
    """Without dropout, which is noise and no property, with inner widths that certification can afford."""
    try:
        known = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return knobs
    small = {"dropout": 0.0, "output_size": 4, "k": 4}
    return {
        name: min(value, small[name]) if name in small and name in known else value
        for name, value in knobs.items()
    }
