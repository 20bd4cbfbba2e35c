"""Where and with what a dataset was made, without anything that names a person or a machine."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

_LIBRARIES = ("torch", "numpy", "scipy", "optuna", "xarray", "h5netcdf")


def provenance() -> dict[str, Any]:
    """Versions, platform and commit, as attributes of a netCDF file."""
    sha, dirty = _commit()
    return {
        "date_created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "package_version": _version("desiderata"),
        "versions_json": json.dumps({name: _version(name) for name in _LIBRARIES}, sort_keys=True),
        "platform": f"{platform.system().lower()}-{platform.machine()} python-{platform.python_version()}",
        "git_sha": sha,
        "git_dirty": dirty,
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> tuple[str, int]:
    """The commit of the checkout that the code lies in, and 1 if it was changed since.

    "unknown" outside one.
    """
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return "unknown", 0

    def git(*arguments: str) -> str:
        run = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return run.stdout.strip()

    try:
        return git("rev-parse", "HEAD"), int(bool(git("status", "--porcelain", "--untracked=no")))
    except (OSError, subprocess.SubprocessError):
        return "unknown", 0
