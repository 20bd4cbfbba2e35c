"""What the sessions say of themselves, and how their arguments are taken apart."""

from __future__ import annotations

import nox
import pytest

import noxfile


def test_every_session_says_what_it_does():
    """The docstrings are what ``nox -l`` prints."""
    sessions = {
        name: value for name, value in vars(noxfile).items() if isinstance(value, nox.registry.Func)
    }
    assert set(nox.options.sessions) <= set(sessions)
    assert [] == [name for name, session in sessions.items() if not session.__doc__]


@pytest.mark.parametrize(
    ("given", "wanted", "rest"),
    [
        ([], [], []),
        (["gato", "--profile", "dev"], [], ["gato", "--profile", "dev"]),
        (["--install", "../a", "a.b:C"], ["../a"], ["a.b:C"]),
        (["a.b:C", "--install=../a", "--install", "b==1"], ["../a", "b==1"], ["a.b:C"]),
    ],
)
def test_install_is_taken_out(given, wanted, rest):
    """``--install X`` and ``--install=X`` are ours; everything else goes through in order."""
    assert (wanted, rest) == noxfile.split_install(given)


@pytest.mark.parametrize("given", [["--install"], ["a:B", "--install="]])
def test_install_needs_a_value(given):
    """An ``--install`` at the end would swallow nothing and install nothing."""
    with pytest.raises(
        ValueError, match="expected a folder or a requirement after it, got nothing"
    ):
        noxfile.split_install(given)


def test_groups_are_read_from_pyproject():
    """The sessions install what pyproject.toml says, and say it nowhere else."""
    assert ["ruff"] == noxfile.group("lint")


def test_generators_exist(root):
    """The docs session runs modules of the packages, and scripts that are there."""
    for word, *_ in noxfile.GENERATORS:
        script = word.endswith(".py")
        place = root / (word if script else f"{word.replace('.', '/')}/__main__.py")
        assert place.is_file()
