"""From a folder to its dataset file."""

from __future__ import annotations

from pathlib import Path

import xarray

from ablations.core.job import Layout
from ablations.dataset.build import build
from ablations.dataset.files import save
from ablations.dataset.provenance import provenance
from ablations.dataset.verdicts import verdicts
from ablations.ledger.folder import DATASET, Folder
from ablations.ledger.storage import kind
from ablations.ledger.tried import tried
from ablations.ledger.worker import Worker


def export(
    folder: Folder,
    layout: Layout,
    *,
    url: str | None = None,
    out: Path | None = None,
    certify: bool = True,
) -> xarray.DataTree:
    """Build, check and write the dataset of what there is (default: ``study.nc`` in the folder).

    Raises ``AblationError`` where another export of the same folder is under way.
    """
    with folder.alone("export", wait=False):
        worker = Worker(folder, layout, url)
        records = {}
        for cell in layout.cells:
            for seed in layout.seeds:
                record = folder.record(cell.key, seed)
                if record is not None:
                    records[cell.key, seed] = record
        judged = verdicts(layout, folder.path / "verdicts") if certify else {}
        about = {**provenance(), "storage_kind": kind(url)}
        searched = {cell.key: tried(folder.searches, cell) for cell in layout.tuned}
        tree = build(layout, records, worker.attempts(), judged, about, searched)
        save(tree, folder.path / DATASET if out is None else out)
        return tree
