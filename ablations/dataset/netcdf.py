"""Trees as netCDF-4 files, through h5netcdf, with a checksum on every array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray

from studies.core.atomic import write_atomically

NAME = "netCDF"


def write(tree: xarray.DataTree, path: Path) -> None:
    """Write the file, whole or not at all; raises ``StudyError`` where that fails."""
    encoding: dict[str, Any] = {}
    for node in tree.subtree:
        if node.path.startswith(("/runs/", "/tuning/")):
            encoding[node.path] = {
                name: {"zlib": True, "complevel": 4, "fletcher32": True}
                for name, one in node.data_vars.items()
                if one.dtype.kind in "fi" and one.size
            }
    write_atomically(
        path, lambda temporary: tree.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
    )


def read(path: Path) -> xarray.DataTree:
    """Everything in memory; raises what the libraries do for a file that is none."""
    with xarray.open_datatree(path, engine="h5netcdf") as opened:
        return opened.load()
