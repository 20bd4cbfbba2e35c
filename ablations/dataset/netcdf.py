"""Trees as netCDF files, written whole and checked on both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray

from ablations.core.errors import AblationError
from ablations.dataset.schema import VARIABLES
from ablations.dataset.validate import validate
from studies.core.atomic import write_atomically


def save(tree: xarray.DataTree, path: Path) -> None:
    """Write netCDF-4 with a checksum on every array.

    Raises :class:`AblationError` for what departs from the schema.
    """
    if path.suffix != ".nc":
        raise AblationError(f"{path}: expected a file name that ends in .nc")
    validate(tree, str(path))
    encoding: dict[str, Any] = {}
    for task, node in tree.children["runs"].children.items():
        numeric = [name for name, one in VARIABLES.items() if one.kind != "U"]
        encoding[f"/runs/{task}"] = {
            name: {"zlib": True, "complevel": 4, "fletcher32": True}
            for name in numeric
            if node[name].size
        }
    write_atomically(
        path, lambda temporary: tree.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
    )


def load(path: Path) -> xarray.DataTree:
    """Read and check a study; raises :class:`AblationError` for a file that is none, or is damaged."""
    try:
        with xarray.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise AblationError(
            f"{path}: expected a study in netCDF that can be read, got {type(error).__name__}: {error}: "
            "`python -m ablations export STUDY` writes it again"
        ) from error
    return validate(_texts(tree), str(path))


def _texts(tree: xarray.DataTree) -> xarray.DataTree:
    """The text arrays as objects, whichever way the library read them.

    Dimension coordinates are not inherited.
    """
    groups = {}
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        for name in list(dataset.variables):
            values = dataset[name]
            if values.dtype.kind in "UT":
                text = np.array(values.values.tolist(), dtype=object).reshape(values.shape)
                dataset = (
                    dataset.assign_coords({name: (values.dims, text, values.attrs)})
                    if (name in dataset.coords)
                    else dataset.assign({name: (values.dims, text, values.attrs)})
                )
        groups[node.path] = dataset
    return xarray.DataTree.from_dict(groups)


def runs(tree: xarray.DataTree, task: str) -> xarray.Dataset:
    """The runs of one task, with the factors and verdicts of the root attached to ``variant``."""
    dataset = tree.children["runs"].children[task].to_dataset(inherit=False)
    root = tree.to_dataset(inherit=False)
    return dataset.assign_coords(
        {name: one for name, one in root.coords.items() if one.dims == ("variant",)}
    )
