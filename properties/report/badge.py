"""A badge: the counts of certificates in the JSON that shields.io asks an endpoint for."""

from __future__ import annotations

import json
from collections.abc import Sequence

from properties.core.certificate import CHECK_SET, Certificate
from properties.core.verdict import Status

_SAID = (Status.PROVED, Status.TESTED, Status.FALSIFIED)
_MORE = (Status.INCONCLUSIVE, Status.STALE_DENIAL, Status.VACUOUS, Status.VERIFIER_CONFLICT)
_COLORS = {0: "brightgreen", 1: "red", 2: "orange", 3: "lightgrey"}


def badge(certificates: Sequence[Certificate]) -> str:
    """JSON of schema version 1; never "verified" alone: always how many, and by which set of checks.

    Falsified counts what was required; a violation that the cell denies is no defect of the cell. The color
    is that of the worst certificate: green all required lines hold, red one fails, orange one could
    not be judged, grey nothing applied.
    """
    lines = [r for c in certificates for r in c.results if not r.advisory]
    counts = {status: sum(r.status is status for r in lines) for status in (*_SAID, *_MORE)}
    counts[Status.FALSIFIED] = sum(r.status is Status.FALSIFIED and r.required for r in lines)
    shown = [*_SAID, *(status for status in _MORE if counts[status])]
    message = ", ".join(f"{counts[status]} {status}" for status in shown)
    statuses = {c.exit_status for c in certificates}
    worst = next((s for s in (1, 2, 3) if s in statuses), 0 if certificates else 3)
    name = certificates[0].name if len(certificates) == 1 else f"{len(certificates)} cells"
    document = {
        "schemaVersion": 1,
        "label": f"{name}: properties",
        "message": f"{message} @ {CHECK_SET}",
        "color": _COLORS[worst],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
