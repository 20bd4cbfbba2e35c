"""What the checkout and the wheel hold: four packages of generic names, and nothing else that is one."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP_LEVEL = {
    ".ci",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "ablations",
    "cells",
    "constraints.txt",
    "docs",
    "noxfile.py",
    "properties",
    "pyproject.toml",
    "studies",
    "tests",
}


def test_the_top_level_is_the_house_plan(root):
    """A new top-level entry fails until it is placed here and in the layers."""
    listing = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip(f"needs a git checkout to tell tracked files: {listing.stderr.strip()}")
    tracked = {name.partition("/")[0] for name in listing.stdout.split("\0") if name}
    assert set() == tracked - TOP_LEVEL


def test_no_fifth_package(root, packages):
    """No other folder at the top level holds Python modules directly, tracked or not."""
    found = {
        path.parent.name for path in root.glob("*/*.py") if not path.parent.name.startswith(".")
    }
    assert set() == found - {*packages, "tests", "build"}


def test_imports_come_from_this_checkout(root, packages):
    """The names are generic: another package of one of them must not stand in for ours."""
    for package in packages:
        origin = Path(importlib.import_module(package).__file__ or "")
        assert root / package / "__init__.py" == origin.resolve()


def contents(folder, packages):
    """Every file of the packages, as the wheel should hold it; stored results stay in the repository."""
    return {
        str(path.relative_to(folder))
        for package in packages
        for path in (folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".nc"
    }


def test_the_wheel_holds_the_packages_and_nothing_else(root, packages, tmp_path):
    """Every module, template and schema is packaged; tests are not."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools 77 builds the wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path)
    for package in (*packages, "tests"):
        shutil.copytree(
            root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    build = "from setuptools import build_meta as b; b.build_wheel('wheels')"  # no network, no isolation
    run = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert 0 == run.returncode, run.stdout + run.stderr
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert contents(root, packages) == held


def test_the_distribution_says_that_its_types_are_checked(root, packages):
    """Each package carries ``py.typed``."""
    assert [] == [package for package in packages if not (root / package / "py.typed").exists()]


def test_nothing_is_published(pyproject):
    """Generic import names must not reach a shared index."""
    assert "Private :: Do Not Upload" in pyproject["project"]["classifiers"]


def test_every_dependency_is_pinned(root, pyproject):
    """constraints.txt names an exact version of everything that pyproject.toml asks for."""
    pins = {
        line.partition("==")[0].lower()
        for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    groups = [
        *pyproject["dependency-groups"].values(),
        *pyproject["project"]["optional-dependencies"].values(),
    ]
    asked = [*pyproject["project"]["dependencies"], *(one for group in groups for one in group)]
    names = {re.split(r"[\[<>=!~; ]", one)[0].lower() for one in asked}
    assert set() == names - pins
