"""A row once more in a process of its own: slower code is slower in every process.

One kernel was a quarter slower in one process of some forty, three times in a row and after a pause, beside
an ``nn.LSTM`` and a stream that were not, and as quick as ever in all others. Why was not found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate import Verdict
from result import Result

OPTION = "--own-process"
LONGEST = 900.0  # seconds: a row that is measured three times takes a minute
TOLD = 600  # characters of what a process wrote that failed
ALONE = (
    *("-m", "benchmark", "--benchmark-only", "--quiet", "-p", "no:cacheprovider"),
    *("-W", "ignore:Not saving anything"),  # what pytest says where a test failed is enough
)


@dataclass(frozen=True, slots=True)
class OwnProcess:
    """Runs one test under ``root`` with ``options``, the suite's, of the run that asks."""

    root: Path
    options: Sequence[str] = ()

    def __call__(self, test: str, name: str) -> tuple[Result | None, Verdict]:
        """What it measured of the row ``name``, and its verdict; no result, and "slower", where it failed.

        ``test``: the test's address, as pytest writes it.
        """
        with tempfile.TemporaryDirectory(prefix="desiderata-speed-") as folder:
            written = Path(folder) / "row.json"
            settings = [f"--benchmark-json={written}", OPTION, *self.options]
            try:
                run = subprocess.run(
                    [sys.executable, "-m", "pytest", test, *ALONE, *settings], cwd=self.root,
                    env=_without_xdist(), capture_output=True, text=True, check=False, timeout=LONGEST,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return None, Verdict("slower", f"could not be measured within {LONGEST:.0f} s")
            rows = _rows(written)
        if len(rows) != 1:
            said = (run.stdout + run.stderr)[-TOLD:]
            why = f"could not be measured (pytest ended with {run.returncode}): {said}"
            return None, Verdict("slower", why)
        (row,) = rows
        verdict = Verdict(row.pop("verdict"), row.pop("why"))
        del row["reference_seconds"], row["stream_seconds"]
        return Result.read(name, row), verdict


def _without_xdist() -> dict[str, str]:
    """The environment, without what a worker of a parallel test run has: who finds that measures nothing."""
    return {key: value for key, value in os.environ.items() if "PYTEST_XDIST" not in key}


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists() or not path.stat().st_size:
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))
    return [one["extra_info"] for one in stored["benchmarks"] if one["extra_info"]]
