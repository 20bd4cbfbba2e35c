"""Where a cell is written: the file from its package on, and the line, for tools that annotate code."""

from __future__ import annotations

import inspect
import re
from typing import Any

from properties.core.certificate import Certificate, Result
from properties.core.errors import HarnessError
from properties.core.resolve import resolve
from properties.proofs.graph import short_path

_PLACE = re.compile(r"(?P<file>[\w./-]+\.py):(?P<line>[1-9]\d*) in ")


def source_line(certificate: Certificate, result: Result) -> tuple[str, int] | None:
    """The line that a proof names, else that of the cell's class; None where the cell has no file."""
    proof: dict[str, Any] = result.evidence.get("proof") or {}
    named = _PLACE.search(str(proof.get("reason", "")))
    if named is not None and not named["file"].startswith(
        "cells/core/"
    ):  # adapters, no cell's code
        return named["file"], int(named["line"])
    return _definition(certificate.subject.get("target"))


def _definition(target: Any) -> tuple[str, int] | None:
    try:
        factory: Any = resolve(str(target))
        while hasattr(factory, "func"):  # a registered variant is a partial of its class
            factory = factory.func
        file = inspect.getsourcefile(factory)
        line = inspect.getsourcelines(factory)[1]
    except (HarnessError, OSError, TypeError):
        return None
    return None if file is None else (short_path(file), max(line, 1))
