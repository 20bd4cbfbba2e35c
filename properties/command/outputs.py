"""Where the command writes: looked at before the work, written whole or not at all after it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from properties.command.delivery import Delivery
from properties.core.certificate import COLLECTION
from properties.core.errors import UsageError
from properties.report.badge import badge
from properties.report.junit import junit
from properties.report.sarif import sarif
from properties.report.write import write_text


@dataclass(frozen=True, slots=True)
class Outputs:
    """The places asked for: certificates, a page per cell, a folder of scripts, and what machines read."""

    json_file: Path | None = None
    html: Path | None = None
    reproducer: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    badge: Path | None = None

    def check(self) -> None:
        """Complain about an impossible place before the work, not after it. Raises :class:`UsageError`."""
        files = {
            "--json": self.json_file,
            "--html": self.html,
            "--junit": self.junit,
            "--sarif": self.sarif,
            "--badge": self.badge,
        }
        for option, path in files.items():
            if path is None:
                continue
            if path.is_dir():
                raise UsageError(f"{option}: expected a file, got the folder {path}; add a name")
            _check_folder(option, path.resolve().parent)
        if self.reproducer is not None:
            folder = self.reproducer.resolve()
            if folder.exists() and not folder.is_dir():
                raise UsageError(f"--reproducer: expected a folder, got the file {folder}")
            _check_folder("--reproducer", folder if folder.exists() else folder.parent)

    def write(self, deliveries: Sequence[Delivery]) -> Iterator[Path]:
        """Write every file, and yield it once it is there. Raises :class:`OutputError`."""
        if self.json_file is not None:
            write_text(self.json_file, _document(deliveries))
            yield self.json_file
        for path, render in ((self.junit, junit), (self.sarif, sarif), (self.badge, badge)):
            if path is not None:
                write_text(path, render([d.certificate for d in deliveries]))
                yield path
        if self.html is not None:
            for path, delivery in zip(self.pages(deliveries), deliveries, strict=True):
                if delivery.html is not None:
                    write_text(path, delivery.html)
                    yield path
        if self.reproducer is not None:
            for delivery in deliveries:
                for name, text in delivery.scripts.items():
                    self.reproducer.mkdir(exist_ok=True)
                    write_text(self.reproducer / name, text)
                    yield self.reproducer / name

    def pages(self, deliveries: Sequence[Delivery]) -> list[Path]:
        """A page per cell: the file itself for one cell, ``name-cell.html`` for several."""
        assert self.html is not None  # noqa: S101 - for the type checker: asked by write alone
        if len(deliveries) == 1:
            return [self.html]
        stem, suffix = self.html.stem, self.html.suffix or ".html"
        names = [re.sub(r"[^A-Za-z0-9]+", "-", d.certificate.name).strip("-") for d in deliveries]
        return [
            # a.b:c and a:b.c read alike
            self.html.with_name(f"{stem}-{n}{'' if n not in names[:i] else f'-{i}'}{suffix}")
            for i, n in enumerate(names)
        ]


def _check_folder(option: str, folder: Path) -> None:
    if not folder.is_dir():
        wrong = "is a file" if folder.exists() else "does not exist"
        raise UsageError(
            f"{option}: expected {folder} to be a folder, it {wrong}; create the folder first, or choose "
            "another place"
        )
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"{option}: expected to be allowed to write in {folder}, which is read-only; choose another place"
        )


def _document(deliveries: Sequence[Delivery]) -> str:
    certificates = [d.certificate for d in deliveries]
    if len(certificates) == 1:
        return certificates[0].dumps()
    document = {"schema": COLLECTION, "certificates": [c.to_json() for c in certificates]}
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
