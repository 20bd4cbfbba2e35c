"""Every registered cell speaks about every property: it claims it, or it denies it."""

from __future__ import annotations

import pytest

import cells
from properties.core.desideratum import properties

# what counts for or against a cell; advisory lines are reported whatever a cell says of itself
ASKED = {p.key for p in properties() if not p.advisory}
SIZES = {"input_size": 3, "hidden_size": 8}


@pytest.mark.parametrize("name", cells.names())
def test_no_silence(name):
    """A silent cell would be reported and never contradicted."""
    cell = cells.get(name)(**SIZES)
    about = cells.describe(cell)
    spoken = {statement.property for statement in (*about.claims, *about.denies)}
    asked = set(ASKED)
    # about the code beside a cell, which is asked for wherever there is some
    asked.discard("fused-equals-reference")
    # without an identity block there is no memory to ask about, and without gates no gradient of theirs
    if any(one.property == "identity-block" for one in about.denies):
        asked.discard("writable-memory")
    if not hasattr(cell, "gates"):
        asked.discard("gate-gradient")
    assert set() == asked - spoken


@pytest.mark.parametrize("name", cells.names())
def test_every_declaration_is_about_a_known_property(name):
    """A misspelled key would be a claim that nothing measures."""
    about = cells.describe(cells.get(name)(**SIZES))
    spoken = {statement.property for statement in (*about.claims, *about.denies)}
    assert set() == spoken - ASKED


@pytest.mark.parametrize("name", cells.names())
def test_sizes_are_kept(name):
    """Widths compare across cells: ``hidden_size`` is what was asked for, the whole state."""
    cell = cells.get(name)(**SIZES)
    assert (3, 8) == (cell.input_size, cell.hidden_size)
