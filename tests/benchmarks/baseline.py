"""Stored runs: one JSON file per key, read to gate a run on the same key, written only when asked to."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from environment import Environment
from result import Result

from studies.core.atomic import write_atomically

FOLDER = Path(__file__).parent / "baselines"
SCHEMA = 1


class Baseline(NamedTuple):
    """The results of one run, by name, and where it was made."""

    environment: Environment
    results: Mapping[str, Result]


def read(path: Path) -> Baseline:
    """A stored run. Raises ``ValueError``, naming the file, for anything else."""
    try:
        found = _parsed(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no stored run: {error}; write it anew with `nox -s bench -- --update-baseline`, or "
            "restore it from the history"
        ) from error
    if path.name != found.environment.file_name:
        raise ValueError(
            f"{path} is named for another key than it holds: expected {found.environment.file_name}; "
            "rename it"
        )
    return found


def _parsed(stored: Any) -> Baseline:
    if not isinstance(stored, dict) or set(stored) != {"schema", "key", "results"}:
        raise ValueError("expected an object with schema, key and results")
    if stored["schema"] != SCHEMA:
        raise ValueError(f"expected schema {SCHEMA}, got {stored['schema']!r}")
    results = {name: Result.read(name, one) for name, one in stored["results"].items()}
    return Baseline(Environment.read(stored["key"]), results)


def stored_runs(folder: Path = FOLDER) -> tuple[Baseline, ...]:
    """Every stored run, by file name."""
    return tuple(read(path) for path in sorted(folder.glob("*.json")))


def find(environment: Environment, folder: Path = FOLDER) -> tuple[Baseline | None, str]:
    """The stored run of this very key, or None, and a sentence that says which or why not."""
    path = folder / environment.file_name
    if path.exists():
        return read(path), f"gated by {path.name}"
    others = [environment.differences(one.environment) for one in stored_runs(folder)]
    if not others:
        return None, "no stored run: a report, nothing is gated"
    nearest = min(others, key=len)
    return (
        None,
        f"no stored run of this key (the nearest has {', '.join(nearest)}): nothing is gated",
    )


def write(environment: Environment, results: Iterable[Result], folder: Path = FOLDER) -> Path:
    """Store ``results`` under their key; what was measured before and is not among them stays.

    Atomic. Raises ``StudyError`` where the folder cannot be written, and as :func:`read` for a file there
    that is none of ours.
    """
    path = folder / environment.file_name
    kept = dict(read(path).results) if path.exists() else {}
    kept |= {one.name: one for one in results}
    stored = {
        "schema": SCHEMA,
        "key": environment.written(),
        "results": {name: kept[name].written() for name in sorted(kept)},
    }
    text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, functools.partial(Path.write_text, data=text, encoding="utf-8"))
    return path
