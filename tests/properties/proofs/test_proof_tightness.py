"""No looser than it has to be: ends that are exact, corners up to the limit, points on both sides."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from properties.proofs.gamma import prove_gamma, scalar_map
from properties.proofs.polynomial import Polynomial, enclosure
from properties.proofs.rounding import Rounding


def number(value):
    """A scalar in float64."""
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_exact_tie_is_rounded_as_the_dtype_rounds_it(dtype):
    """1 plus half its last place is exact in float64 and rounds to even: neither end moves."""
    half = number(torch.finfo(dtype).eps / 2)
    one = number(1.0)
    low, high = Rounding(dtype).sum(one, half, one, half)
    assert (1.0, 1.0) == (float(low), float(high))
    assert 1.0 == float(torch.tensor(1.0, dtype=dtype) + half.to(dtype))


def test_the_limit_of_corners_is_inclusive():
    """Over the unit square x − xy lies in [0, 1]; monomial by monomial it is [−1, 1]."""
    polynomial = Polynomial({(0,): Fraction(1), (0, 1): Fraction(-1)})
    box = dict.fromkeys((0, 1), (Fraction(0), Fraction(1)))
    assert (0, 1) == enclosure(polynomial, box, limit=4)
    assert (-1, 1) == enclosure(polynomial, box, limit=3)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_bound_is_refuted_on_either_side(sign):
    """A γ that grows on one side alone is refuted there."""
    proofs = prove_gamma(scalar_map(lambda h: torch.relu(sign * h)), bound=1.0)
    assert "refuted-abstract" == proofs.bounded.status
    assert sign * proofs.bounded.witness > 1
