"""The published form of a certificate: JSON Schema, draft 2020-12."""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Any


def schema() -> dict[str, Any]:
    """The schema of :meth:`Certificate.to_json` and of a collection of certificates; a fresh copy."""
    copy: dict[str, Any] = json.loads(_text())
    return copy


@functools.cache
def _text() -> str:
    folder = importlib.resources.files("properties.report")
    return (folder / "certificate.schema.json").read_text(encoding="utf-8")
