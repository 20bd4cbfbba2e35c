"""One concept per module, named after it and short."""

from __future__ import annotations

import ast
import statistics

LONGEST = 400
MEDIAN = 150
NAMELESS = {"common", "helper", "helpers", "misc", "shared", "util", "utilities", "utils"}


def lengths(sources):
    """Lines per module; the ``__init__`` files, which are short by nature, would flatter the median."""
    return {
        str(path): text.count("\n") for path, text in sources.items() if path.stem != "__init__"
    }


def test_no_module_is_longer_than_the_cap(sources):
    """Past 400 lines a module holds more than one concept."""
    assert {} == {path: n for path, n in lengths(sources).items() if n > LONGEST}


def test_most_modules_are_short(sources):
    """Half of the modules have 150 lines or fewer."""
    assert statistics.median(lengths(sources).values()) <= MEDIAN


def test_modules_are_named_after_what_they_hold(root, sources):
    """Nothing is called utils, in the packages or under tests/."""
    paths = [*sources, *(path.relative_to(root) for path in (root / "tests").rglob("*.py"))]
    assert [] == [str(path) for path in paths if NAMELESS & {*path.with_suffix("").parts}]


def test_every_module_and_package_says_what_it_is(trees):
    """Each module begins with a docstring; a package's is its chapter."""
    assert [] == [str(path) for path, tree in trees.items() if not ast.get_docstring(tree)]


def test_every_folder_of_a_package_is_a_package(root, sources):
    """A folder of modules without ``__init__.py`` would be missing from the distribution."""
    folders = {path.parent for path in sources}
    assert [] == [str(f) for f in sorted(folders) if not (root / f / "__init__.py").exists()]


def test_no_init_under_tests(root):
    """An ``__init__.py`` in tests/cells would make pytest import it as the package ``cells``."""
    assert [] == list((root / "tests").rglob("__init__.py"))


def test_names_of_test_files_are_unique(root):
    """Without packages under tests/, two files of one name would be one module to a type checker."""
    names = [path.name for path in (root / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
