"""Reading a corpus: find its files, verify them, parse them once, and keep the arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, overload

from studies.data.cache import arrays_path, load, store
from studies.data.corpus import Corpus
from studies.data.folder import data_folder
from studies.data.registry import get
from studies.data.verify import require

T = TypeVar("T")


@overload
def read(corpus: Corpus[T], data: str | Path | None = None) -> T: ...
@overload
def read(corpus: str, data: str | Path | None = None) -> Any: ...
def read(corpus: str | Corpus[Any], data: str | Path | None = None) -> Any:
    """Read a corpus, by name or as an object, from the folder ``data`` or ``$DESIDERATA_DATA``.

    Every file is verified first. What comes back is the corpus' own type, made of NumPy arrays; the
    second reading takes them from the user's cache. Raises a :class:`studies.data.errors.DataError`
    that says what is missing or wrong.
    """
    corpus = get(corpus) if isinstance(corpus, str) else corpus
    checks = require(corpus, data_folder(data, corpus))
    kept = arrays_path(corpus, [one.found for one in checks.values()])
    arrays = load(kept)
    if arrays is None:
        paths = {name: one.path for name, one in checks.items() if one.path is not None}
        arrays = dict(corpus.parse(paths))
        store(kept, arrays)
    return corpus.build(arrays)
