"""The README's code runs, and the blocks that are generated are marked."""

from __future__ import annotations

import doctest
import re

import pytest


@pytest.fixture(scope="module")
def readme(root):
    """The README's text."""
    return (root / "README.md").read_text(encoding="utf-8")


def blocks(text, language):
    """The fenced code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_its_python_runs(readme):
    """The blocks run from top to bottom, as a reader would paste them; sessions print what they show."""
    scope = {"__name__": "readme"}
    for block in blocks(readme, "python"):
        exec(compile(block, "README.md", "exec"), scope)  # noqa: S102 - our own README
    runner = doctest.DocTestRunner()
    for i, block in enumerate(blocks(readme, "pycon")):
        runner.run(
            doctest.DocTestParser().get_doctest(block, scope, f"session {i}", "README.md", 0)
        )
    assert 0 == runner.failures


def test_generated_blocks_are_closed(readme):
    """Each ``<!-- name:begin -->`` is followed by its end; the matrix is among them."""
    names = re.findall(r"^<!-- (\S+):begin -->$", readme, re.MULTILINE)
    assert "matrix" in names
    for name in names:
        assert re.search(rf"<!-- {name}:begin -->\n.*?<!-- {name}:end -->", readme, re.DOTALL)


def test_relative_links_lead_somewhere(root):
    """Links of the README, the changelog and the pages of docs/ lead to files that exist."""
    pages = [
        root / "README.md",
        root / "CHANGELOG.md",
        *root.glob("docs/*.md"),
        *root.glob(".github/*.md"),
    ]
    broken = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert [] == broken
