"""One text per value, so that equal content has equal hashes in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from ablations.core.errors import AblationError


def canonical(value: Any) -> str:
    """JSON with sorted keys, shortest floats and no spaces; tuples are lists.

    Raises :class:`AblationError` for NaN, an infinity, or what JSON does not have.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """The SHA-256 of :func:`canonical`, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise AblationError(
            f"a setting must be a finite number to be part of an identity, got {value}"
        )
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise AblationError(
        f"a setting must be text, a number, true or false, or a list of them, got {value!r}"
    )
