"""Names of corpora: every module in ``studies/data/corpora`` lists its own in ``CORPORA``."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from typing import Any

from studies.data.corpus import Corpus
from studies.data.errors import UnknownCorpusError


@functools.cache
def _corpora() -> dict[str, Corpus[Any]]:
    package = importlib.import_module("studies.data.corpora")
    found: dict[str, Corpus[Any]] = {}
    for one in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"studies.data.corpora.{one.name}")
        for corpus in module.CORPORA:
            enter(found, corpus, module.__name__)
    return found


def enter(known: dict[str, Corpus[Any]], corpus: Corpus[Any], origin: str) -> None:
    """Add ``corpus`` to ``known``; raises ``ValueError`` for a name that another corpus has."""
    if corpus.name in known:
        raise ValueError(f"{origin}: the corpus name {corpus.name!r} is taken: choose another")
    known[corpus.name] = corpus


def names() -> tuple[str, ...]:
    """The names of all corpora, sorted."""
    return tuple(sorted(_corpora()))


def get(name: str) -> Corpus[Any]:
    """The corpus of that name.

    Raises :class:`UnknownCorpusError` (a ``LookupError``) that lists the near names.
    """
    try:
        return _corpora()[name]
    except KeyError:
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names())}"
        raise UnknownCorpusError(f"no corpus is called {name!r}; {hint}") from None
