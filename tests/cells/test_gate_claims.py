"""Which factor of a sigmoid's gradient a gate claims."""

from __future__ import annotations

import pytest

from cells.parts.gate_claims import gate_gradient
from cells.parts.gates import Gate


@pytest.mark.parametrize(
    ("knobs", "bound"),
    [
        ({}, 1.0),
        ({"primary": "chrono"}, 1.0),
        ({"primary": "cumax"}, 1.4),
        ({"auxiliary": "refine"}, 1.9),
        ({"primary": "ugi", "auxiliary": "refine"}, 1.9),
        ({"primary": "cumax", "auxiliary": "refine"}, 2.7),
        ({"auxiliary": "master"}, 1.0),
        ({"primary": "cumax", "auxiliary": "master"}, 1.4),
        ({"primary": "cumax", "auxiliary": "master", "tied": False}, 1.4),
    ],
)
def test_the_factor_follows_the_letters(knobs, bound):
    """√2 for a cumax, times 2/(1 + √ε) for a refine gate at ε = 1e-3; near open a master gains nothing."""
    (claim,) = gate_gradient(Gate(8, **knobs))
    assert ("gate-gradient", bound, None) == (claim.property, claim.bound, claim.scope)


def test_a_constant_gate_claims_nothing():
    """A cumax of one chunk is 1 whatever its pre-activations are."""
    assert () == gate_gradient(Gate(8, primary="cumax", chunk=8))
