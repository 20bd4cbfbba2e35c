"""A cell's docstring as Markdown: equations in GitHub's notation, sections by name, prose in one line."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SECTION = re.compile(r"([A-Z][\w ]*):\s+(.*)", re.DOTALL)
_INLINE = re.compile(r":math:`(?P<math>[^`]+)`|(?::\w+:`|``)(?P<code>[^`]+)`{1,2}")


@dataclass(frozen=True)
class Chapter:
    """What a module says of its family.

    ``title`` and ``idea``: the two sides of the colon in the first line; ``equations``: the text from
    there to the sections, in Markdown; ``sections``: text by name, such as "Reference".
    """

    title: str
    idea: str
    equations: str
    sections: dict[str, str]


def chapter(docstring: str) -> Chapter:
    """Take the docstring of a cell's module apart; a missing part is empty."""
    first, *rest = _paragraphs(inspect.cleandoc(docstring))
    title, _, idea = prose(first).rstrip(".").partition(": ")
    sections: dict[str, str] = {}
    body: list[str] = []
    for paragraph in rest:
        entries = re.split(r"\n(?=\S)", paragraph)
        named = [m for m in map(_SECTION.fullmatch, entries) if m]
        if len(named) == len(entries):
            sections |= {m[1]: prose(m[2]) for m in named}
        elif not sections:  # what follows the sections is the example's output
            body.append(paragraph)
    return Chapter(title, idea, "\n\n".join(_markdown(body)), sections)


def prose(text: str) -> str:
    """Running text on one line: code and formulas in Markdown, and no sign that it takes for markup."""
    line = " ".join(text.split())
    parts, end = [], 0
    for span in _INLINE.finditer(line):
        parts.append(_escaped(line[end : span.start()]))
        parts.append(f"$`{span['math']}`$" if span["math"] else f"`{span['code'].strip(':~')}`")
        end = span.end()
    return "".join((*parts, _escaped(line[end:])))


def paragraphs(docstring: str) -> list[str]:
    """The paragraphs of a docstring without equations or sections, as prose."""
    return [prose(paragraph) for paragraph in _paragraphs(inspect.cleandoc(docstring))]


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n\s*\n", text.strip())


def _markdown(paragraphs: list[str]) -> Iterator[str]:
    """Indented paragraphs are equations: each block of the directive has one or more."""
    for paragraph in paragraphs:
        formula = paragraph
        if paragraph.startswith(".. math::"):
            formula = paragraph.removeprefix(".. math::")
            if not formula.strip():
                continue
        elif not paragraph.startswith(" "):
            yield prose(paragraph)
            continue
        lines = "\n".join(line.strip() for line in formula.strip().splitlines())
        yield f"```math\n{lines}\n```"
