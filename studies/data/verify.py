"""Whether a file is the one that a corpus consists of, by size and checksum of itself or of its content."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from studies.data.cache import cache_folder
from studies.data.content import DAMAGED, raw_chunks
from studies.data.corpus import Corpus, DataFile
from studies.data.errors import MissingFileError, WrongFileError
from studies.data.folder import described, places, wanted
from studies.data.writing import write_bytes

# verified: a checksum agrees. present: no checksum is known, and what is known (a size) agrees.
Status = Literal["verified", "present", "missing", "wrong"]
_BEST_FIRST: tuple[Status, ...] = ("verified", "present", "wrong", "missing")


@dataclass(frozen=True)
class Digest:
    """Size and SHA-256 of some bytes; ``damage`` says why they could not all be read."""

    size: int
    sha256: str
    damage: str = ""


@dataclass(frozen=True)
class Check:
    """What stands at the place of one file: ``found`` is the checksum that says which content it is."""

    file: DataFile
    status: Status
    path: Path | None = None
    found: str = ""
    problem: str = ""


def check(file: DataFile, corpus: Corpus[Any], folder: Path) -> Check:
    """Look for ``file`` or an alternative in ``folder``; the best of what is there counts."""
    checks = [
        check_at(choice, path)
        for choice in file.choices()
        for path in places(folder, corpus, choice)
    ]
    best = min(checks, key=lambda one: _BEST_FIRST.index(one.status))
    return Check(file, "missing") if best.status == "missing" else best


def require(corpus: Corpus[Any], folder: Path) -> dict[str, Check]:
    """A check of every file of ``corpus``, by its name, all of them usable.

    Raises :class:`MissingFileError` or :class:`WrongFileError`, with name, size and checksum expected,
    what was found, and where people get the file.
    """
    checks = {file.name: check(file, corpus, folder) for file in corpus.files}
    wrong = [one for one in checks.values() if one.status == "wrong"]
    if wrong:
        lines = "\n".join(f"  {one.problem}" for one in wrong)
        origin = wrong[0].file.origin
        raise WrongFileError(
            f"{corpus.name}: expected the conventional files, got others; get them anew "
            f"({origin}):\n{lines}"
        )
    missing = [name for name, one in checks.items() if one.status == "missing"]
    if missing:
        raise MissingFileError(
            f"{corpus.name}: expected {', '.join(missing)} in {folder / corpus.where} or {folder}, "
            f"found none of that name; put {'it' if len(missing) == 1 else 'them'} there{wanted(corpus)}"
        )
    return checks


def check_at(file: DataFile, path: Path) -> Check:
    """Judge what lies at ``path``; a folder where a file is meant, or the other way round, is neither."""
    try:
        there = path.is_dir() if file.folder else path.is_file()
    except OSError as error:
        return Check(file, "wrong", path, problem=f"{path}: cannot be reached ({error.strerror})")
    if not there:
        return Check(file, "missing")
    outer = None if file.folder else digest_of_file(path)
    if outer is not None:
        if outer.sha256 == file.sha256:
            return Check(file, "verified", path, outer.sha256)
        if outer.damage:
            return Check(file, "wrong", path, problem=f"{path}: cannot be read ({outer.damage})")
    inner = None
    if file.unpacked_sha256 is not None or file.unpacked_size is not None or outer is None:
        inner = digest_of_content(path, file)
        if inner.sha256 == file.unpacked_sha256 and not inner.damage:
            return Check(file, "verified", path, inner.sha256)
    if file.sha256 is None and file.unpacked_sha256 is None and not (inner and inner.damage):
        sizes = {
            file.size: outer.size if outer else None,
            file.unpacked_size: inner.size if inner else None,
        }
        if all(expected in {None, found} for expected, found in sizes.items()):
            best = inner or outer
            return Check(file, "present", path, best.sha256 if best else "")
    return Check(file, "wrong", path, problem=_difference(file, path, outer, inner))


def _difference(file: DataFile, path: Path, outer: Digest | None, inner: Digest | None) -> str:
    """What is expected at ``path`` and what is there instead."""
    got = [f"expected {described(file)}"]
    if outer is not None:
        short = file.size is not None and outer.size < file.size
        cut = ", cut short" if short else ""
        got.append(f"found {outer.size:,} bytes{cut}, sha256 {outer.sha256}")
    if inner is not None and inner.damage:
        got.append(f"it cannot be unpacked ({inner.damage})")
    elif inner is not None:
        inside = f"inside are {inner.size:,} bytes, sha256 {inner.sha256}"
        if file.unpacked_sha256 is not None:
            inside += f", expected {file.unpacked_sha256}"
        elif file.unpacked_size is not None:
            inside += f", expected {file.unpacked_size:,} bytes"
        got.append(inside)
    return f"{path}: " + "; ".join(got)


def digest_of_file(path: Path) -> Digest:
    """Size and checksum of the file itself, remembered until its size or time of change differs."""

    def pieces() -> Iterable[bytes]:
        with path.open("rb") as file:
            yield from raw_chunks(file)

    return _remembered(path, "file", pieces())


def digest_of_content(path: Path, file: DataFile) -> Digest:
    """Size and checksum of what is inside, remembered likewise."""
    return _remembered(path, f"content {file.name}", file.content(path))


def _remembered(path: Path, what: str, pieces: Iterable[bytes]) -> Digest:
    try:
        before = _fingerprint(path)
    except OSError as error:
        return Digest(0, "", error.strerror or str(error))
    key = hashlib.sha256(f"{path.resolve()}\n{what}".encode()).hexdigest()
    memo = cache_folder() / "verified" / f"{key}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(memo.read_text(encoding="utf-8"))
        if kept["fingerprint"] == before:
            return Digest(**kept["digest"])
    digest = _digest(pieces)
    with contextlib.suppress(OSError):
        # a file that changed while it was read is not remembered, nor is damage: a disk may recover
        if not digest.damage and _fingerprint(path) == before:
            note = {"path": str(path), "fingerprint": before, "digest": asdict(digest)}
            write_bytes(memo, json.dumps(note).encode())
    return digest


def _digest(pieces: Iterable[bytes]) -> Digest:
    size, running = 0, hashlib.sha256()
    try:
        for piece in pieces:
            size += len(piece)
            running.update(piece)
    except (*DAMAGED, WrongFileError) as error:
        return Digest(size, running.hexdigest(), str(error) or type(error).__name__)
    return Digest(size, running.hexdigest())


def _fingerprint(path: Path) -> list[int]:
    """What changes when a file does, or anything in a folder: number of files, bytes, time of change."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    stats = [one.stat() for one in files]
    return [
        len(stats),
        sum(one.st_size for one in stats),
        max((one.st_mtime_ns for one in stats), default=0),
    ]
