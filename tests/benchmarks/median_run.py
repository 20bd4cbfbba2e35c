"""One stored run of several: row by row their medians, since one process may be lucky.

Work in pure Python is up to a fifth faster in one process than in the next, by where things lie in memory;
what is gated by such a row looks slower ever after. Store several runs (``--update-baseline --stored
FOLDER``, a folder for each), and then: ``python tests/benchmarks/median_run.py FILE FILE FILE``.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import baseline
from result import Result

MEASURED = ("ratio", "lower", "upper", "stream", "seconds")


def median(rows: Sequence[Result]) -> Result:
    """The rows of several runs as one; what was not measured is the last one's.

    Raises ``ValueError`` for rows of different work.
    """
    last = rows[-1]
    if len({(one.name, one.shape, one.reference, one.backend) for one in rows}) > 1:
        raise ValueError(
            f"{last.name}: expected one shape, reference and backend in all runs, got several; leave out the "
            "runs of other code"
        )
    numbers = {key: statistics.median(getattr(one, key) for one in rows) for key in MEASURED}
    figures = {
        key: statistics.median(one.figures[key] for one in rows if key in one.figures)
        for key in last.figures
    }
    return dataclasses.replace(last, **numbers, figures=figures)


def store(paths: Sequence[Path], folder: Path = baseline.FOLDER) -> Path:
    """Write the medians of the runs at ``paths``, the newest last, and of every row that this one has.

    Raises ``ValueError`` for no run, for runs of different keys, or as :func:`median`.
    """
    if not paths:
        raise ValueError("expected the files of stored runs, the newest last; got none")
    runs = [baseline.read(path) for path in paths]
    newest = runs[-1]
    if any(run.environment != newest.environment for run in runs):
        raise ValueError("expected runs of one key: a median of two machines is neither's")
    rows = (
        median([run.results[name] for run in runs if name in run.results])
        for name in newest.results
    )
    return baseline.write(newest.environment, rows, folder)


if __name__ == "__main__":
    sys.stdout.write(f"stored {store([Path(one) for one in sys.argv[1:]])}\n")
