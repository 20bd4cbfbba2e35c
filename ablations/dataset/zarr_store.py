"""Trees as Zarr stores, for arrays too large for one file: a folder of chunks (the extra ``zarr``)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import xarray

from ablations.core.errors import AblationError
from studies.core.atomic import write_folder_atomically

NAME = "Zarr"


def write(tree: xarray.DataTree, path: Path) -> None:
    """Write the folder, whole or not at all.

    Raises :class:`AblationError` without the package zarr, ``StudyError`` where writing fails.
    """
    _needed(path)
    write_folder_atomically(path, lambda temporary: tree.to_zarr(temporary, consolidated=False))


def read(path: Path) -> xarray.DataTree:
    """Everything in memory; raises what the libraries do for a folder that is no store."""
    _needed(path)
    with xarray.open_datatree(path, engine="zarr", consolidated=False) as opened:
        return opened.load()


def _needed(path: Path) -> None:
    if importlib.util.find_spec("zarr") is None:
        raise AblationError(
            f"{path}: expected the package zarr beside ours: pip install 'desiderata[zarr]', or name a "
            "file that ends in .nc"
        )
