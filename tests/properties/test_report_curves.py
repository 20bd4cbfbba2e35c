"""The numbers behind the pictures agree with what can be computed in another way."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch

from properties import certify
from properties.core.engine import SingleEngine
from properties.core.profile import Profile
from properties.report import plots
from properties.report.curves import Heat, Trace, curves, step_jacobians

BRIEF = Profile("brief", 1, 16, 2, 4, 64, 2, 2, 2)
ONLY = ("identity-block", "bounded-state")


@pytest.fixture(scope="module")
def gato():
    """Curves of a cell with an identity block."""
    return curves(certify("gato", only=ONLY, profile=BRIEF))


@pytest.fixture(scope="module")
def lstm():
    """Curves of a cell without one, whose carry grows at some weights."""
    return curves(certify("lstm", only=ONLY, profile=BRIEF))


@pytest.fixture(scope="module")
def emitting():
    """A stranger that returns (output, state), without declarations."""

    class Emits(torch.nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.input_size, self.inner = input_size, torch.nn.RNNCell(input_size, hidden_size)
            self.out = torch.nn.Linear(hidden_size, 2)

        def forward(self, x, state=None):
            state = self.inner(x, state)
            return torch.sigmoid(self.out(state)), state

    return curves(certify(Emits, name="emits", only=("well-posed",), profile=BRIEF))


def test_an_identity_block_keeps_every_gradient(gato):
    """The gradient of GATO's memory is 1 at every gap, for every scale of the weights."""
    assert 3 == len(gato.gradient)
    for band in gato.gradient:
        assert [2**k for k in range(9)] == band.at.tolist()
        assert bool((band.values == 1).all())
    assert "identity block" in gato.block


def test_an_lstm_forgets(lstm):
    """At initialization the median gradient falls steadily, by more than half per doubling of the gap."""
    median = lstm.gradient[0].values[1]
    assert bool((median[1:] < median[:-1] / 1.5).all())
    assert "the whole state" == lstm.block


def test_bands_are_ordered(lstm):
    """The lower quantile is below the median, and that below the upper one."""
    for band in lstm.gradient:
        assert bool((band.values[0] <= band.values[1]).all())
        assert bool((band.values[1] <= band.values[2]).all())


def test_products_of_steps_are_the_jacobian_of_the_rollout():
    """The chain rule: the product along a trajectory is autograd's Jacobian of the whole."""
    context = certify("lstm", only=("well-posed",), profile=BRIEF).context
    bench = context.bench((2, 4))
    draws = bench.draws_at("at-init", 3, 5, 7, context)
    states = torch.cat([draws.state.unsqueeze(0), bench.engine.trajectories(draws)[:-1]])
    product = torch.eye(bench.layout.size, dtype=torch.float64).expand(3, -1, -1)
    for jacobian in step_jacobians(bench.engine, draws, states):
        product = jacobian @ product
    whole = SingleEngine(bench.sampler.cell).jacobians(draws)
    torch.testing.assert_close(whole, product)


def test_traces_stay_below_a_claimed_bound(gato):
    """No draw of GATO's passes M, in both scopes; the bound is the claim's number."""
    assert {"at-init": pytest.approx(10 / 3), "all-weights": pytest.approx(10 / 3)} == gato.bounds
    for trace in gato.growth:
        assert float(trace.values.max()) <= gato.bounds[trace.scope] * (1 + 1e-9)


def test_the_counterexample_is_among_the_traces(lstm):
    """The carry that counts up is drawn for all weights, and not at initialization."""
    found = [t for t in lstm.growth if t.label == "counterexample"]
    assert ["all-weights"] == [t.scope for t in found]
    assert float(found[0].values[-1]) > 100
    assert {"at-init", "all-weights"} == {t.scope for t in lstm.growth}


def test_gamma_of_gato_is_a_cosine_or_sine(gato):
    """γ and γ′ along the memory, against NumPy."""
    at = gato.gamma.at.numpy()
    assert (-4 * math.pi, 4 * math.pi) == (at[0], at[-1])
    pairs = [(np.cos, lambda x: -np.sin(x)), (np.sin, np.cos)]
    close = [
        np.allclose(f(at), gato.gamma.values[0]) and np.allclose(g(at), gato.gamma.slopes[0])
        for f, g in pairs
    ]
    assert any(close)
    assert gato.gamma.scalar.startswith("memory")
    assert gato.gamma.free_of_parameters


def test_gamma_of_an_emitting_cell_goes_through_a_step(emitting):
    """The map from the old state to the emission, whose slope agrees with differences of its values."""
    gamma = emitting.gamma
    assert gamma.emitted
    assert not gamma.free_of_parameters
    assert len(gamma.values) > 1
    differences = np.gradient(gamma.values[0].numpy(), gamma.at.numpy())
    assert float(np.abs(differences - gamma.slopes[0].numpy())[1:-1].max()) < 0.01


def test_the_heat_map_holds_the_identity(gato, lstm):
    """GATO's block is outlined and is the identity in the Jacobian; an LSTM has none."""
    places = list(gato.heat.block)
    assert [0, 1, 2, 3] == places
    block = gato.heat.jacobian[places][:, places]
    assert torch.equal(torch.eye(4, dtype=torch.float64), block)
    assert () == lstm.heat.block
    assert (16, 16) == tuple(lstm.heat.jacobian.shape)
    assert 16 == len(lstm.heat.labels)


def test_what_is_emitted_is_no_part_of_the_heat_map(emitting):
    """Nothing reads an emission back: it would be a border of zeros."""
    assert not any(label.startswith("emission") for label in emitting.heat.labels)


def test_curves_need_a_run_and_a_cell_that_works():
    """Without a live run, and for a cell that is not well-posed, there is nothing to draw."""

    class Counts(torch.nn.RNNCell):
        calls = 0

        def forward(self, x, h=None):
            self.calls += 1
            return super().forward(x, h) + self.calls * 1e-3

    certificate = certify(Counts, name="counts", only=("well-posed",), profile=BRIEF)
    assert 1 == certificate.exit_status
    assert curves(certificate) is None
    object.__setattr__(certificate, "context", None)
    assert curves(certificate) is None


def test_trained_weights_give_one_curve():
    """With weights as given there is one scale and one scope."""
    weights = torch.nn.GRUCell(2, 4).state_dict()
    data = curves(
        certify(
            torch.nn.GRUCell, weights=weights, sizes=[(2, 4)], only=("well-posed",), profile=BRIEF
        )
    )
    assert ["these weights"] == [b.label for b in data.gradient]
    assert {"these-weights"} == {t.scope for t in data.growth}


def test_equal_runs_give_equal_curves(gato):
    """Everything is drawn from the certificate's seed."""
    again = curves(certify("gato", only=ONLY, profile=BRIEF))
    assert torch.equal(gato.heat.jacobian, again.heat.jacobian)
    assert all(
        torch.equal(a.values, b.values) for a, b in zip(gato.growth, again.growth, strict=True)
    )


def drawings(data):
    """Every picture of one cell."""
    return [
        plots.gradient(data),
        plots.growth(data),
        plots.gamma(data.gamma),
        plots.heat(data.heat),
    ]


@pytest.mark.parametrize("cell", ["gato", "lstm", "emitting"])
def test_pictures_are_deterministic_and_self_contained(cell, request):
    """Equal bytes for equal numbers; well-formed; no dates, comments, scripts, fonts or foreign addresses."""
    data = request.getfixturevalue(cell)
    first = drawings(data)
    assert first == drawings(data)
    for svg in first:
        ET.fromstring(svg)  # noqa: S314 - drawn just now
        assert svg.startswith("<svg ")
        for foreign in ("<script", "<text", "<!--", "date>", "<metadata"):
            assert foreign not in svg
        addresses = set(re.findall(r"https?://[^\"]*", svg))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_identifiers_differ_between_pictures(gato):
    """Side by side in one page no two elements share an id, and every reference leads within its picture."""
    seen: set[str] = set()
    for svg in drawings(gato):
        ids = set(re.findall(r'\bid="([^"]*)"', svg))
        assert not ids & seen
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg)) <= ids
        seen |= ids


def test_pictures_survive_extremes(lstm):
    """Overflow, underflow to zero, a trace of zeros, and a wide state are drawn, not raised."""
    wide = torch.zeros(40, 40, dtype=torch.float64)
    wide[0, 0], wide[1, 1], wide[2, 2] = math.inf, 1e-300, -5.0
    labels = tuple(f"{field}[{i}]" for field in ("hidden", "cell") for i in range(20))
    ET.fromstring(plots.heat(Heat(wide, labels, (0, 1, 5), 3, 1.0)))  # noqa: S314
    ET.fromstring(plots.heat(Heat(wide * 0, labels, (), 3, 1.0)))  # noqa: S314
    traces = (
        Trace("at-init", "zero", torch.zeros(64)),
        Trace("all-weights", "overflow", torch.logspace(0, 300, 64, dtype=torch.float64)),
        Trace("all-weights", "counterexample", torch.full((32,), math.inf)),
    )
    data = type(lstm)(**{**vars(lstm), "growth": traces})
    ET.fromstring(plots.growth(data))  # noqa: S314


def test_lines_differ_in_more_than_color():
    """Three weight scales are told apart by dashes as well as by color."""
    assert 3 == len(plots.STYLES) == len({str(dashes) for _, dashes in plots.STYLES})
