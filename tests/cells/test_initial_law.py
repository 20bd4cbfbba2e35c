"""The stated laws of gates at the initialization, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cells.parts.chrono import chrono_bias
from cells.parts.gates import Gate
from cells.parts.initial_law import chrono_law, refined, uniform_law
from cells.parts.ugi import ugi_bias


@settings(max_examples=60, deadline=None)
@given(v=st.floats(1 / 8, 7 / 8))
def test_refining_moves_probabilities_along(v):
    """P(2V − 3V² + 2V³ ≤ 2v − 3v² + 2v³) = P(V ≤ v), since the map increases."""
    law = uniform_law(8)
    g = torch.tensor(2 * v - 3 * v**2 + 2 * v**3, dtype=torch.float64)
    expected = (v - 1 / 8) / (6 / 8)
    assert pytest.approx(expected, abs=1e-12) == refined(law).cdf(g).item()


@pytest.mark.parametrize("t_max", [5.0, 100.0])
def test_chrono_time_scales_are_uniform(t_max):
    """1/(1 − f) is uniform between 2 and T_max: so the quartiles of f lie."""
    scales = torch.tensor([2, 2 + (t_max - 2) / 4, t_max], dtype=torch.float64)
    actual = chrono_law(t_max).cdf(1 - 1 / scales)
    assert pytest.approx([0, 0.25, 1], abs=1e-12) == actual.tolist()


@pytest.mark.parametrize(
    ("bias", "law"),
    [
        (lambda g: ugi_bias(4000, g), uniform_law(4000)),
        (lambda g: chrono_bias(4000, t_max=60, generator=g), chrono_law(60)),
    ],
    ids=["ugi", "chrono"],
)
def test_biases_follow_their_law(bias, law):
    """Kolmogorov–Smirnov, with and without the refine gate that starts at 1 − f."""
    f = torch.sigmoid(bias(torch.Generator().manual_seed(0)).double()).numpy()
    rho = 1 - f
    refined_f = rho * (1 - (1 - f) ** 2) + (1 - rho) * f**2
    for values, stated in ((f, law), (refined_f, refined(law))):
        result = stats.kstest(values, lambda g, s=stated: s.cdf(torch.as_tensor(g)).numpy())
        assert result.pvalue > 0.01
    assert stats.kstest(np.sqrt(f), lambda g: law.cdf(torch.as_tensor(g)).numpy()).pvalue < 1e-9


@pytest.mark.parametrize(
    ("knobs", "stated"),
    [
        ({"primary": "ugi"}, "uniform on [1/8, 1 − 1/8]"),
        ({"primary": "chrono", "t_max": 50}, "time scale 1/(1−g) uniform on [2, 50]"),
        ({"primary": "ugi", "auxiliary": "refine", "refine_bias": "zero"}, "uniform on [1/8, 1 − 1/8]"),
        ({"primary": "ugi", "auxiliary": "refine"}, "2v − 3v² + 2v³ with v: uniform on [1/8, 1 − 1/8]"),
        ({}, None),
        ({"primary": "cumax"}, None),
        ({"primary": "ugi", "auxiliary": "master"}, None),
    ],
)  # fmt: skip
def test_which_gates_state_a_law(knobs, stated):
    """Those whose bias is prescribed; a refine gate that starts at 1/2 leaves the law as it is."""
    law = Gate(8, **knobs).initial_law
    assert stated == (None if law is None else law.name)


def test_two_units_have_no_law():
    """For H ≤ 2 the interval [1/H, 1 − 1/H] is a point or empty."""
    assert Gate(2, primary="ugi").initial_law is None
