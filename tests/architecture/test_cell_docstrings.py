"""The docstring of a cell's module: equations, then fixed sections in a fixed order, then an example."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil

import cells

SECTIONS = (
    ".. math::",
    "Symbols:",
    "Shapes:",
    "Convention:",
    "Paper and code:",
    "Reference:",
    "Example:",
)


def test_every_section_is_there_in_order(cell_modules):
    """Each section begins a line, once, in the order of the table."""
    wrong = {}
    for name, tree in cell_modules.items():
        lines = (ast.get_docstring(tree) or "").splitlines()
        first = [
            next((i for i, line in enumerate(lines) if line.startswith(section)), -1)
            for section in SECTIONS
        ]
        missing = [section for section, i in zip(SECTIONS, first, strict=True) if i < 0]
        if missing or first != sorted(first):
            wrong[name] = f"missing {missing}" if missing else "out of order"
    assert {} == wrong


def test_every_example_runs(cell_modules):
    """The examples in the docstrings of ``cells`` print what they say, and each cell has one."""
    without = []
    for module in pkgutil.walk_packages(cells.__path__, "cells."):
        result = doctest.testmod(importlib.import_module(module.name))
        assert 0 == result.failed, f"{module.name}: run python -m doctest on it"
        if result.attempted == 0 and module.name.removeprefix("cells.") in cell_modules:
            without.append(module.name)
    assert [] == without
