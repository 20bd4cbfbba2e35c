"""The kill matrix: each mutant is killed by its own property and by no other; good cells raise no alarm.

The exhibits stand in ``museum/``: plain modules that are loaded under the package name ``museum``, one per
property, and one of good cells.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.machinery
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from properties import Status, certify, registered
from properties.core.profile import profile

FOLDER = Path(__file__).parent / "museum"


def load_museum():
    """Import every module of the folder as ``museum.<name>``; returns the catalogue."""
    if "museum" not in sys.modules:
        spec = importlib.machinery.ModuleSpec("museum", None, is_package=True)
        spec.submodule_search_locations = [str(FOLDER)]
        sys.modules["museum"] = importlib.util.module_from_spec(spec)
    for path in sorted(FOLDER.glob("*.py")):
        importlib.import_module(f"museum.{path.stem}")
    return importlib.import_module("museum.exhibit")


CATALOGUE = load_museum()
MUTANTS, GOOD = CATALOGUE.MUTANTS, CATALOGUE.GOOD
ASKED = {p.key for p in registered() if not p.advisory}
ADVISORY = sorted(n for n, m in MUTANTS.items() if m.breaks not in ASKED)
# enough to kill every mutant, at a fraction of what `dev` costs
PROFILE = dataclasses.replace(
    profile("dev"),
    name="museum",
    regimes=1,
    draws=36,
    single_draws=4,
    gap=48,
    horizon=64,
    initializations=4,
    shrinks=4,
)
SIZES = ((1, 2), (3, 8))
# Evaluated one by one, since vmap cannot follow them.
ONE_BY_ONE = {"branches-on-data", "branches-in-readout", "checkpointed", "harmless-function"}


def certificate(name, factory, **options):
    """The certificate of one exhibit within the museum's budget."""
    return certify(factory, name=name, **{"profile": PROFILE, "sizes": SIZES, **options})


def told(cert, lines):
    """Lines of a certificate, in words, for the report of a failing test."""
    return [f"{r.property} ({r.scope}): {r.status}, {r.reason}" for r in cert.results if lines(r)]


@pytest.mark.parametrize("name", sorted(MUTANTS.keys() - {*ADVISORY}))
def test_a_mutant_is_killed_by_its_own_property_alone(name):
    """Its property fails in the scopes named, with the reason expected, and no other line fails."""
    exhibit = MUTANTS[name]
    cert = certificate(name, exhibit.factory)
    failing = {r.property for r in cert.results if r.fails}
    assert {exhibit.breaks} == failing, told(
        cert, lambda r: r.fails or r.property == exhibit.breaks
    )
    killed = [cert.verdict(exhibit.breaks, scope) for scope in exhibit.scopes]
    assert {Status.FALSIFIED} == {r.status for r in killed}, told(cert, lambda r: r in killed)
    assert all(re.search(exhibit.reads, r.reason) for r in killed), [r.reason for r in killed]
    open_ = told(cert, lambda r: r.required and r.status is Status.INCONCLUSIVE)
    assert [] == open_ or exhibit.breaks == "well-posed"
    assert 1 == cert.exit_status


@pytest.mark.parametrize("name", ADVISORY)
def test_an_advisory_mutant_is_reported_and_forgiven(name):
    """The advisory line is falsified, and nothing counts against the cell."""
    exhibit = MUTANTS[name]
    cert = certificate(name, exhibit.factory)
    assert Status.FALSIFIED == cert.verdict(exhibit.breaks, "at-init").status
    assert [] == told(cert, lambda r: r.fails or (r.required and r.status is Status.INCONCLUSIVE))
    assert 0 == cert.exit_status


@pytest.mark.parametrize("name", GOOD)
def test_a_good_cell_raises_no_alarm(name):
    """No line fails, none that is asked for stays open, and it is evaluated as it can be."""
    cert = certificate(name, GOOD[name])
    assert [] == told(cert, lambda r: r.fails or (r.required and r.status is Status.INCONCLUSIVE))
    assert 0 == cert.exit_status
    assert (name in ONE_BY_ONE) == cert.evaluation.startswith("one by one"), cert.evaluation


def test_every_property_kills_a_mutant_and_every_mutant_names_one():
    """Set equation: a property that nothing breaks checks nothing, and no mutant breaks thin air."""
    assert {p.key for p in registered()} == {exhibit.breaks for exhibit in MUTANTS.values()}


def test_the_museum_is_large_enough():
    """Three mutants per property at least, and good cells to alarm."""
    per_property = {key: sum(m.breaks == key for m in MUTANTS.values()) for key in ASKED}
    assert {} == {key: n for key, n in per_property.items() if n < 3}
    assert 34 <= len(MUTANTS)
    assert 6 <= len(GOOD)


def test_every_mutant_says_what_it_defeats():
    """The catalogue explains itself: which kind of check would let the mutant pass."""
    assert [] == [name for name, m in MUTANTS.items() if not m.defeats.strip()]
