"""A hash of what a dataset says, whatever file it lies in."""

from __future__ import annotations

import hashlib

import numpy as np
import xarray

# derived from the rest, or different at every writing
_OUTSIDE = (
    "content_hash", "date_created", "versions_json", "git_sha", "git_dirty", "platform", "devices_json",
    "package_version", "storage_kind",
)  # fmt: skip
_GROUPS_OUTSIDE = ("/attempts",)
_VARIABLES_OUTSIDE = ("wall_time", "device_time", "peak_memory", "attempt")


def content_hash(tree: xarray.DataTree) -> str:
    """SHA-256 over names, dimensions, values and attributes of all groups but the log of attempts.

    Durations, attempts and provenance are left out: two executions of one study that agree have one hash.
    """
    total = hashlib.sha256()
    for node in sorted(tree.subtree, key=lambda one: one.path):
        if node.path in _GROUPS_OUTSIDE:
            continue
        dataset = node.to_dataset(inherit=False)
        total.update(node.path.encode())
        for key in sorted(map(str, dataset.attrs)):
            if key not in _OUTSIDE:
                total.update(f"{key}={_spelled(dataset.attrs[key])}".encode())
        for name in sorted(map(str, dataset.variables)):
            if name not in _VARIABLES_OUTSIDE:
                total.update(_variable(name, dataset.variables[name]))
    return total.hexdigest()


def _variable(name: str, variable: xarray.Variable) -> bytes:
    values = np.asarray(variable.values)
    if values.dtype.kind in "UOT":
        data = "\x1f".join(str(one) for one in values.ravel().tolist()).encode()
        kind = "text"
    else:
        little = values.astype(values.dtype.newbyteorder("<"))
        if little.dtype.kind == "f":
            little = np.where(np.isnan(little), np.nan, little)  # one NaN of the many
        data, kind = little.tobytes(), little.dtype.str
    attrs = {str(key): _spelled(value) for key, value in variable.attrs.items()}
    head = f"{name}{variable.dims}{variable.shape}{kind}{sorted(attrs.items())}"
    return hashlib.sha256(head.encode() + data).digest()


def _spelled(value: object) -> str:
    return str(np.asarray(value).tolist())
