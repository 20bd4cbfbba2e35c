"""Trees as files, netCDF or Zarr by their suffix, written whole and checked on both ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray

from ablations.core.errors import AblationError
from ablations.dataset import netcdf, zarr_store
from ablations.dataset.validate import validate

_FORMATS = {".nc": netcdf, ".zarr": zarr_store}


def save(tree: xarray.DataTree, path: Path) -> None:
    """Write netCDF-4 (``.nc``) or a Zarr store (``.zarr``, the extra ``zarr``).

    Raises :class:`AblationError` for what departs from the schema, or another suffix.
    """
    if path.suffix not in _FORMATS:
        raise AblationError(f"{path}: expected a file name that ends in {' or '.join(_FORMATS)}")
    _FORMATS[path.suffix].write(validate(tree, str(path)), path)


def load(path: Path) -> xarray.DataTree:
    """Read and check a study; raises :class:`AblationError` for a file that is none, or is damaged."""
    form = _FORMATS.get(path.suffix, netcdf)
    try:
        tree = form.read(path)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise AblationError(
            f"{path}: expected a study in {form.NAME} that can be read, got {type(error).__name__}: {error}: "
            "`python -m ablations export STUDY` writes it again"
        ) from error
    return validate(_plain(tree), str(path))


def _plain(tree: xarray.DataTree) -> xarray.DataTree:
    """The text arrays as objects, whichever way the library read them."""
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
    """The runs of one task, with the factors and verdicts of the root attached to ``variant``.

    Dimension coordinates alone are inherited by groups.
    """
    dataset = tree.children["runs"].children[task].to_dataset(inherit=False)
    root = tree.to_dataset(inherit=False)
    return dataset.assign_coords(
        {name: one for name, one in root.coords.items() if one.dims == ("variant",)}
    )
