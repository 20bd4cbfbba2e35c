"""Set equations: what exists is tested, and what is tested exists."""

from __future__ import annotations

import ast

import cells

# Registered names that no golden trajectory pins, each with the reason.
WITHOUT_GOLDEN: dict[str, str] = {}


def test_every_cell_module_has_its_test(root, cell_modules):
    """cells/x.py is tested in tests/cells/test_x.py."""
    tested = {path.stem.removeprefix("test_") for path in (root / "tests/cells").glob("test_*.py")}
    missing = sorted(set(cell_modules) - tested)
    assert not missing, f"write tests/cells/test_….py for: {', '.join(missing)}"


def test_every_cell_module_registers_a_cell(cell_modules):
    """A module directly in ``cells`` is a cell; infrastructure lies in sub-packages."""
    silent = [
        name
        for name, tree in cell_modules.items()
        if not any(isinstance(n, ast.Name) and n.id == "register" for n in ast.walk(tree))
    ]
    assert [] == silent


def golden_names(root):
    """Every text that stands in a test file which holds a golden test."""
    texts = set()
    for path in (root / "tests/cells").glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        if any("golden" in function.name for function in functions):
            texts |= {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
    return texts


def test_every_name_is_golden(root):
    """A test named ``test_…golden…`` pins a short trajectory of each registered name."""
    missing = sorted(set(cells.names()) - golden_names(root) - set(WITHOUT_GOLDEN))
    assert not missing, f"record a golden trajectory for: {', '.join(missing)}"


def test_no_exemption_is_stale(root):
    """An exempted name exists and is still without a golden test."""
    assert set() == set(WITHOUT_GOLDEN) - (set(cells.names()) - golden_names(root))
