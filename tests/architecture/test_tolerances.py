"""Tolerances stand in one table, properties/core/tolerance.py."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TABLE = Path("properties/core/tolerance.py")
NAMES = {"atol", "rtol"}


def literal_tolerances(tree):
    """The lines where ``atol`` or ``rtol`` is given a number, in a call or as a default."""
    lines = []
    for node in ast.walk(tree):
        pairs = []
        if isinstance(node, ast.Call):
            pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
        elif isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            defaults = positional[len(positional) - len(node.defaults) :]
            pairs = [(a.arg, d) for a, d in zip(defaults, node.defaults, strict=True)]
            pairs += [(a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
        # 10 * 1e-9 is a literal too; what mentions a name, such as table.atol, is looked up
        lines += [
            value.lineno
            for name, value in pairs
            if name in NAMES and value is not None and not _names_in(value)
        ]
    return lines


def _names_in(value):
    return any(isinstance(node, ast.Name | ast.Attribute) for node in ast.walk(value))


def test_no_tolerance_outside_the_table(trees):
    """No literal atol or rtol anywhere else in the packages."""
    found = {str(path): literal_tolerances(tree) for path, tree in trees.items() if path != TABLE}
    assert {} == {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("close(a, b, atol=1e-9)", [1]),
        ("close(a, b,\n      rtol=10 * 2e-3)", [2]),
        ("def f(a, rtol=1e-3, *, atol=0.0): ...", [1, 1]),
        ("close(a, b, atol=tolerance.atol)", []),
        ("def f(a, *, atol): ...", []),
    ],
)
def test_a_literal_is_found(source, lines):
    """The walk finds numbers, and lets through what is looked up."""
    assert lines == literal_tolerances(ast.parse(source))
