"""Registered names by family, and which of them share their verdicts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cells
from properties.core.certificate import Certificate, Result
from properties.core.desideratum import properties
from properties.core.verdict import Status
from properties.report.docstring import Chapter, chapter
from properties.report.marks import PROVED, TESTED, combined


@dataclass(frozen=True)
class Family:
    """One module of cells: its ``chapter``, the class that makes them, and the knobs that each name fixes."""

    chapter: Chapter
    maker: Callable[..., Any]
    names: dict[str, dict[str, Any]]

    @property
    def anchor(self) -> str:
        """What a link to the family's section of the page ends in, as GitHub derives it from the title."""
        kept = (c for c in self.chapter.title.lower() if c.isalnum() or c in " -_")
        return "".join(kept).replace(" ", "-")


def families(names: Iterable[str]) -> list[Family]:
    """The families of registered ``names`` by their titles; within one, fewer fixed knobs come first."""
    found: dict[Callable[..., Any], dict[str, dict[str, Any]]] = {}
    for name in names:
        factory: Any = cells.get(name)
        knobs: dict[str, Any] = {}
        if isinstance(factory, functools.partial):
            factory, knobs = factory.func, factory.keywords
        found.setdefault(factory, {})[name] = knobs
    listed = [
        Family(
            chapter(getattr(inspect.getmodule(maker), "__doc__", None) or ""),
            maker,
            dict(sorted(members.items(), key=lambda item: (len(item[1]), item[0]))),
        )
        for maker, members in found.items()
    ]
    return sorted(listed, key=lambda family: family.chapter.title.lower())


def keys(certificates: Iterable[Certificate]) -> list[str]:
    """The properties judged that count for or against a cell, in the order of the matrix."""
    judged = {r.property for c in certificates for r in c.results}
    return [p.key for p in properties() if p.key in judged and not p.advisory]


def alike(family: Family, certificates: Sequence[Certificate]) -> list[tuple[Certificate, int]]:
    """One certificate for all names of the family that have and lack the same properties.

    It bears the first of the names, and of each line the weakest: proved only where it is for all of
    them. The numbers count the names it stands for.
    """
    by_name = {c.name: c for c in certificates}
    groups: dict[tuple[str, ...], list[Certificate]] = {}
    for name in family.names:
        row = tuple(_word(by_name[name], key) for key in keys(certificates))
        groups.setdefault(row, []).append(by_name[name])
    return [(replace(group[0], results=_weakest(group)), len(group)) for group in groups.values()]


def _word(certificate: Certificate, key: str) -> str:
    found = combined([r for r in certificate.results if r.property == key])
    return TESTED.word if found == PROVED else found.word


def _weakest(group: Sequence[Certificate]) -> tuple[Result, ...]:
    found: dict[tuple[str, str], Result] = {}
    for result in (r for certificate in group for r in certificate.results):
        place = (result.property, result.scope)
        if place not in found or found[place].status is Status.PROVED:
            found[place] = result
    return tuple(found.values())
