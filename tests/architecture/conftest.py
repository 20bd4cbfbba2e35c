"""The source of the four packages, parsed once."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def packages() -> tuple[str, ...]:
    """The four packages, lowest layer first."""
    return ("cells", "properties", "studies", "ablations")


@pytest.fixture(scope="session")
def sources(root: Path, packages: tuple[str, ...]) -> dict[Path, str]:
    """The text of every module of the packages, by its path below the root."""
    return {
        path.relative_to(root): path.read_text(encoding="utf-8")
        for package in packages
        for path in sorted((root / package).rglob("*.py"))
    }


@pytest.fixture(scope="session")
def trees(sources: dict[Path, str]) -> dict[Path, ast.Module]:
    """The syntax tree of every module of the packages."""
    return {path: ast.parse(text, str(path)) for path, text in sources.items()}


@pytest.fixture(scope="session")
def cell_modules(trees: dict[Path, ast.Module]) -> dict[str, ast.Module]:
    """The modules that lie directly in ``cells``, by name: each holds one family of cells."""
    return {
        path.stem: tree
        for path, tree in trees.items()
        if path.parent == Path("cells") and path.stem != "__init__"
    }


@pytest.fixture(scope="session")
def pyproject(root: Path) -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
