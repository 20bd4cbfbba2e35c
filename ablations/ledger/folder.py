"""The folder of one study: its declaration, its records, its checkpoints, what was found damaged."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ablations.core.canonical import digest
from ablations.core.errors import AblationError
from ablations.core.job import Job, Layout, lay_out
from ablations.core.registry import get_plan
from ablations.ledger.record import DamagedRecordError, Record, read, write
from studies.core.atomic import write_atomically

DECLARATION = "study.json"
DATASET = "study.nc"


@dataclass(frozen=True)
class Declaration:
    """What a folder is a study of, so that workers need no more than the folder."""

    plan: str
    profile: str
    seeds: int
    layout: str
    format: str = "ablations-study-folder 1"


class Folder:
    """A study on disk: ``runs/`` holds the records, ``checkpoints/`` what is under way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[Path, tuple[tuple[int, int], Record]] = {}

    @functools.cached_property
    def searches(self) -> Folder:
        """Where the records of tuning lie: none of them is ever one of the result."""
        return Folder(self.path / "tuning")

    def declare(self, plan: str, layout: Layout) -> None:
        """Write the declaration, or check that the one there is of the same design.

        More seeds than before are an extension and are welcome. Raises :class:`AblationError` where the
        folder holds another study.
        """
        wanted = Declaration(plan, layout.profile, len(layout.seeds), layout.key)
        path = self.path / DECLARATION
        if path.exists():
            there = self.declaration()
            if (there.layout, there.profile) != (wanted.layout, wanted.profile):
                raise AblationError(
                    f"{self.path} holds a study of {there.plan} ({there.profile}) with other cells than "
                    f"{plan} ({wanted.profile}): name another folder with --out, or move this one away"
                )
        text = json.dumps(asdict(wanted), indent=1, sort_keys=True) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, functools.partial(Path.write_text, data=text, encoding="utf-8"))

    def declaration(self) -> Declaration:
        """What the folder is a study of; raises :class:`AblationError` where it is none."""
        path = self.path / DECLARATION
        try:
            return Declaration(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise AblationError(
                f"{self.path}: expected the folder of a study, with {DECLARATION}: {error}; make one with "
                "`python -m ablations run PLAN`"
            ) from error

    def layout(self) -> Layout:
        """The plan's layout; raises :class:`AblationError` where the plan has changed since."""
        there = self.declaration()
        layout = lay_out(get_plan(there.plan), there.profile, there.seeds)
        if layout.key != there.layout:
            raise AblationError(
                f"{self.path}: the plan {there.plan} asks for other cells now than when this "
                "study began: name "
                "another folder with --out, or go back to the version that began it"
            )
        return layout

    def run_path(self, cell: str, seed: int) -> Path:
        """Where the record of a run lies."""
        return self.path / "runs" / f"{cell[:24]}-{seed:03}.jsonl"

    def checkpoint(self, job: Job) -> Path:
        """Where a job saves what it has reached: by its settings too where they were searched."""
        key = job.key
        if job.settings is not None:
            key = digest({"job": job.key, "settings": dict(job.settings)})
        return self.path / "checkpoints" / f"{key[:24]}.pt"

    def record(self, cell: str, seed: int) -> Record | None:
        """The record of a run, or None; a damaged one is moved to ``quarantine/`` and so becomes missing."""
        path = self.run_path(cell, seed)
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        mark = (stat.st_mtime_ns, stat.st_size)
        known = self._known.get(path)
        if known is not None and known[0] == mark:
            return known[1]
        try:
            record = read(path)
        except FileNotFoundError:
            return None
        except DamagedRecordError:
            self._quarantine(path)
            return None
        if (record.cell, record.seed) != (cell, seed):
            self._quarantine(path)
            return None
        self._known[path] = (mark, record)
        return record

    def keep(self, record: Record) -> str:
        """Write a record, unless there is one: "written", "same", or "conflict" (both are kept)."""
        there = self.record(record.cell, record.seed)
        path = self.run_path(record.cell, record.seed)
        if there is None:
            write(path, record)
            return "written"
        if there.result == record.result:
            return "same"
        write(path.with_name(f"{path.stem}.{record.result[:8]}.dup"), record)
        return "conflict"

    def done(self, layout: Layout) -> set[tuple[str, int]]:
        """(cell, seed) of every run of the layout that has a sound record."""
        return {
            (cell.key, seed)
            for cell in layout.cells
            for seed in layout.seeds
            if self.record(cell.key, seed) is not None
        }

    def damaged(self) -> list[str]:
        """The names of what lies in quarantine, of the result and of tuning."""
        found = [*self.path.glob("quarantine/*"), *self.path.glob("tuning/quarantine/*")]
        return sorted(path.name for path in found)

    def _quarantine(self, path: Path) -> None:
        folder = self.path / "quarantine"
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another worker has moved it
            os.replace(path, folder / f"{path.name}.{len(list(folder.iterdir()))}")  # noqa: PTH105

    @contextlib.contextmanager
    def alone(self, what: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock ``what`` of this folder; the kernel releases it if the process dies.

        Raises :class:`AblationError` where another process holds it and ``wait`` is false.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / f".{what}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                raise AblationError(
                    f"{self.path}: another process is at its {what}: wait until it is done, then repeat"
                ) from error
            yield
