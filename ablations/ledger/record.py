"""The record of one run: what was asked, what came out, where; one small file, hashed, whole or not there."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ablations.core.errors import AblationError, UnavailableError
from studies.core.atomic import replaced

FORMAT = "ablations-record 1"
OUTCOMES = ("missing", "ok", "diverged", "error", "oom", "timeout", "lost", "over_budget")
OBSERVED = ("grad_norm", "state_norm")
CURVES = ("step", "examples", "valid_metric", "train_loss", "learning_rate")


class DamagedRecordError(AblationError):
    """A record file whose content is not what was written."""


@dataclass(frozen=True)
class Record:
    """One run, a cell of the design with one seed.

    ``about``: what the numbers are measured in and how (metric, unit, better, ignorance, protocol, …);
    ``ends``: test_metric, valid_metric_best, best_step, last_finite_step, final_step, n_parameters,
    n_cell_parameters; ``curves``: equally long lists under the names of ``CURVES``; ``provenance``:
    whatever may differ between two executions of the same run (times, host, versions, attempt);
    ``observed``: more curves, under the names of ``OBSERVED``, that were looked at on the way and decide
    nothing; records of before have none.
    """

    cell: str
    seed: int
    task: str
    outcome: str
    about: Mapping[str, Any]
    ends: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    provenance: Mapping[str, Any]
    observed: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """SHA-256 of all but ``provenance`` and ``observed``: equal where two runs agree bit for bit."""
        content = self._content()
        del content["provenance"], content["observed"]
        return hashlib.sha256(_text(content).encode()).hexdigest()

    def _content(self) -> dict[str, Any]:
        # not `asdict`, which copies every number of every curve
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def dumps(self) -> str:
        """Two lines: the format with the hash of the second, then the content."""
        body = _text(self._content())
        head = {"format": FORMAT, "sha256": hashlib.sha256(body.encode()).hexdigest()}
        return f"{json.dumps(head, sort_keys=True)}\n{body}\n"

    @classmethod
    def loads(cls, text: str, name: str) -> Record:
        """The inverse of :meth:`dumps`; raises :class:`DamagedRecordError` that names ``name``."""
        head, _, body = text.partition("\n")
        try:
            expected = json.loads(head)
            if expected["format"] != FORMAT:
                raise DamagedRecordError(f"{name}: expected {FORMAT}, got {expected['format']!r}")
            if hashlib.sha256(body.removesuffix("\n").encode()).hexdigest() != expected["sha256"]:
                raise DamagedRecordError(f"{name}: its content is not what was written (SHA-256)")
            return cls(**_read(json.loads(body)))
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedRecordError(
                f"{name}: expected a record of a run, got {error!r}"
            ) from error


def write(path: Path, record: Record) -> None:
    """Put the record at ``path``; raises :class:`UnavailableError` where the disk is full or not writable."""
    content = record.dumps().encode()
    try:
        replaced(path, functools.partial(Path.write_bytes, data=content))
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror or error}; nothing half-written is left: make room "
            "and run the same command again, finished runs are kept"
        ) from error


def read(path: Path) -> Record:
    """The record at ``path``; raises :class:`DamagedRecordError` or ``FileNotFoundError``."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedRecordError(f"{path}: expected text: {error}") from error
    return Record.loads(text, str(path))


def _text(value: Any) -> str:
    """The one JSON text of a value, whose hash is its identity."""
    write = functools.partial(json.dumps, sort_keys=True, separators=(",", ":"), allow_nan=False)
    try:
        return write(value)
    except (ValueError, TypeError):
        # a number that JSON does not have, or another mapping than a dictionary
        return write(_spelled(value))


def _spelled(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are written as words, in objects of one key."""
    if isinstance(value, Mapping):
        return {key: _spelled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        return {key: _read(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_read(one) for one in value]
    return value
