"""Imports point down only: ablations → studies, properties → cells; and each layer has its libraries."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

# Which of our packages each layer may import, besides itself.
BELOW = {
    "cells": set(),
    "properties": {"cells"},
    "studies": {"cells"},
    "ablations": {"cells", "studies", "properties"},
}
# What a layer may import of others where it is not everything that pyproject.toml declares.
LIBRARIES = {"cells": {"torch", "numpy"}}
# Kernels may use compilers, and a launcher its library: inside functions, so that importing never needs one.
LAZY = {"cells/fused": {"numba", "triton"}, "ablations/command": {"submitit"}}
BROUGHT = {"numba": {"llvmlite"}}  # what a compiler's language is partly written in
IMPORT_NAMES = {"python-flint": "flint"}


def imported(tree):
    """(dotted name, names taken from it, whether inside a function) for every import in ``tree``."""
    found = []

    def visit(node, inside):
        if isinstance(node, ast.Import):
            found.extend((alias.name, (), inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            found.append(("." * node.level + (node.module or ""), names, inside))
        deeper = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            visit(child, deeper)

    visit(tree, inside=False)
    return found


def violations(path, tree, libraries):
    """What the module at ``path`` imports and may not, in words."""
    layer = path.parts[0]
    below = BELOW[layer] | {layer}
    lazy = LAZY.get("/".join(path.parts[:2]), set())
    # what is written in a compiler's language is named after it, and imported inside functions in its turn
    spoken = {top for top in lazy if top in path.stem.split("_") and path.parts[1] == "fused"}
    spoken = spoken.union(*(BROUGHT.get(top, set()) for top in spoken))
    wrong = []
    for name, names, inside in imported(tree):
        top = name.partition(".")[0]
        if name.startswith("."):
            wrong.append(f"{path}: relative import of {name}: write the absolute name")
        elif top in BELOW:
            if top not in below:
                wrong.append(f"{path}: {layer} must not import {top}")
            if layer == "ablations" and top == "properties" and (name != top or "core" in names):
                wrong.append(f"{path}: ablations takes `from properties import …`, not {name}")
        elif top in sys.stdlib_module_names:
            continue
        elif top not in LIBRARIES.get(layer, libraries) and not (
            top in spoken or (inside and top in lazy)
        ):
            wrong.append(f"{path}: {layer} must not import {top}")
    return wrong


@pytest.fixture(scope="module")
def libraries(pyproject):
    """The import names of the declared dependencies."""
    names = [re.split(r"[<>=!~\[; ]", one)[0] for one in pyproject["project"]["dependencies"]]
    return {IMPORT_NAMES.get(name, name) for name in names}


def test_imports_point_down(trees, libraries):
    """No module imports a layer above or beside it, nor a library that its layer does without."""
    wrong = [line for path, tree in trees.items() for line in violations(path, tree, libraries)]
    assert [] == wrong


def test_every_package_is_placed(packages):
    """The table of layers speaks about the four packages and no other."""
    assert set(packages) == set(BELOW)


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("cells/gato.py", "import properties"),
        ("cells/gato.py", "from studies.core import trainer"),
        ("cells/gato.py", "import scipy"),
        ("cells/gato.py", "def f():\n    import triton"),
        ("cells/fused/gato.py", "import triton"),
        ("cells/gato.py", "from . import core"),
        ("properties/core/a.py", "from studies import tasks"),
        ("properties/core/a.py", "import optuna"),
        ("studies/a.py", "if True:\n    from properties import certify"),
        ("ablations/a.py", "from properties.core import engine"),
        ("ablations/a.py", "from properties import core"),
    ],
)
def test_a_wrong_import_is_found(place, source):
    """The walk finds imports of every form, at any depth."""
    assert 1 == len(violations(Path(place), ast.parse(source), {"torch", "scipy"}))


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("cells/fused/gato.py", "def f():\n    import triton"),
        (
            "cells/gato.py",
            "import math\nfrom cells.core.claims import Claim\nimport torch.nn as nn",
        ),
        ("properties/core/a.py", "import cells, scipy.optimize"),
        ("ablations/a.py", "from properties import certify\nfrom studies.core import model"),
    ],
)
def test_a_right_import_passes(place, source):
    """What the layers allow is not reported."""
    assert [] == violations(Path(place), ast.parse(source), {"torch", "scipy"})
