"""Corpora of a few bytes in the conventional formats, with the checksums of what a test wrote."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import replace

import numpy as np

from studies.data.corpus import Corpus, DataFile
from studies.data.verify import digest_of_content

TERMS = "anyone may"
ORIGIN = "the test"


def sha256(content):
    """The checksum, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def plain(content, name="words.txt", **changes):
    """A file that should hold ``content``."""
    stated = {"size": len(content), "sha256": sha256(content)} | changes
    return DataFile(name=name, terms=TERMS, origin=ORIGIN, **stated)


def of_files(*files, parse=None, **changes):
    """A corpus of ``files`` whose one array holds their bytes."""

    def whole(paths):
        content = b"".join(path.read_bytes() for path in paths.values())
        return {"bytes": np.frombuffer(content, np.uint8)}

    stated = {"name": "tiny", "summary": "a tiny corpus", "where": "tiny"} | changes
    return Corpus(
        files=files,
        parse=parse or whole,
        build=lambda arrays: arrays["bytes"].tobytes(),
        **stated,
    )


def place(folder, corpus, contents):
    """Write ``contents``, by file name, where the corpus conventionally lies."""
    home = folder / corpus.where
    home.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (home / name).write_bytes(content)
    return home


def fitted(corpus, folder):
    """``corpus`` with the sizes and checksums of the files in ``folder``; alternatives by content only."""

    def fit(file):
        path = folder / corpus.where / file.name
        content = path.read_bytes()
        inside = digest_of_content(path, file).sha256
        others = tuple(
            replace(one, size=None, sha256=None, unpacked_size=None, unpacked_sha256=inside)
            for one in file.alternatives
        )
        return replace(
            file,
            size=len(content),
            sha256=sha256(content),
            unpacked_size=None,
            unpacked_sha256=inside,
            alternatives=others,
        )

    return replace(corpus, files=tuple(map(fit, corpus.files)))


def written(corpus, folder, contents):
    """The corpus of these files, written and fitted."""
    place(folder, corpus, contents)
    return fitted(corpus, folder)


def idx(array):
    """The bytes of an idx file, compressed."""
    header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def archive(members, mode="w:gz"):
    """The bytes of a tar archive of ``members``, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
