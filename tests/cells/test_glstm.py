"""The g-LSTM against a transcription of its equations; its time gate, budget, count and growth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.glstm import GLSTM, GLSTMState


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def randomize(cell, rng, scale=1.0):
    """Draw every parameter from a normal distribution."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(scale * rng.standard_normal(parameter.shape)))


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    threshold=st.sampled_from((0.0, 0.3)),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_printed_equations(sizes, threshold, n_b, seed):
    """An LSTM step, mixed into the old state by a Gaussian of the step's number, from 1 up."""
    rng = np.random.default_rng(seed)
    cell = GLSTM(*sizes, threshold=threshold, n_b=n_b).double().eval()
    randomize(cell, rng)
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    xs = rng.standard_normal((5, 2, sizes[0]))
    h = c = np.zeros((2, sizes[1]))
    state = cell.initial_state(2)
    for t, x in enumerate(xs, start=1):
        a = x @ p["affine.weight_ih"].T + h @ p["affine.weight_hh"].T
        a = a + p.get("affine.bias_ih", 0) + p.get("affine.bias_hh", 0)
        i, f, g, o = np.split(a, 4, axis=-1)
        k = np.exp(-((t - p["center"]) ** 2) / np.exp(p["log_width"]) ** 2)
        k = np.where(k < threshold, 0, k)
        c_lstm = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h_lstm = sigmoid(o) * np.tanh(c_lstm)
        h, c = k * h_lstm + (1 - k) * h, k * c_lstm + (1 - k) * c
        state = cell.step(torch.from_numpy(x), state)
        torch.testing.assert_close(torch.from_numpy(h), state.hidden)
        torch.testing.assert_close(torch.from_numpy(c), state.cell)
        assert [[t], [t]] == state.time.tolist()
        assert torch.equal(state.hidden, cell.readout(state))


@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize("training", [False, True])
def test_the_gates_that_are_exposed_are_those_of_the_step(training, threshold):
    """i, f, o and k of the fourth step, transcribed, and the state that they make."""
    rng = np.random.default_rng(1)
    cell = GLSTM(3, 8, t_max=8, threshold=threshold).double().train(training)
    randomize(cell, rng)
    with torch.no_grad():
        cell.center.uniform_(1, 8)
        cell.log_width.fill_(0.5)
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    x, h, c = (rng.standard_normal((2, n)) for n in (3, 8, 8))
    state = GLSTMState(torch.from_numpy(h), torch.from_numpy(c), torch.full((2, 1), 3))
    a = x @ p["affine.weight_ih"].T + h @ p["affine.weight_hh"].T + p["affine.bias_ih"]
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=-1)
    distance = np.tile((4 - p["center"]) / np.exp(p["log_width"]), (2, 1))
    smooth = np.exp(-(distance**2))
    k = smooth if training else np.where(smooth < threshold, 0, smooth)
    assert bool(threshold and not training) == (0 in k)
    expected = {"input": sigmoid(a_i), "forget": sigmoid(a_f), "output": sigmoid(a_o), "time": k}
    found = cell.gate_values(torch.from_numpy(x), state)
    assert [*expected] == [*found] == [*cell.gates]
    read = {"input": a_i, "forget": a_f, "output": a_o, "time": distance}
    for name, values in expected.items():
        torch.testing.assert_close(torch.from_numpy(values), found[name])
        (block,) = cell.gates[name].blocks
        again = cell.gates[name](**{block: torch.from_numpy(read[name])})
        function = smooth if name == "time" else values
        torch.testing.assert_close(torch.from_numpy(function), again)
    i, f, o = (expected[name] for name in ("input", "forget", "output"))
    made = f * c + i * np.tanh(a_g)
    actual = cell.step(torch.from_numpy(x), state)
    torch.testing.assert_close(torch.from_numpy(k * made + (1 - k) * c), actual.cell)
    torch.testing.assert_close(torch.from_numpy(k * o * np.tanh(made) + (1 - k) * h), actual.hidden)


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (7, 3)])
def test_count(sizes, n_b):
    """4H(D + H + n_b) + 2H parameters."""
    d, h = sizes
    expected = 4 * h * (d + h + n_b) + 2 * h
    assert expected == sum(p.numel() for p in GLSTM(d, h, n_b=n_b).parameters())


def test_an_open_gate_is_the_lstm():
    """With σ_k beyond all measure k = 1, and the cell is torch's LSTM on the same weights."""
    theirs = torch.nn.LSTMCell(3, 4).double()
    ours = GLSTM(3, 4, n_b=2).double()
    ours.affine.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        ours.log_width.fill_(1e3)
    xs = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    state, expected = ours.initial_state(2), None
    for x in xs:
        state, expected = ours.step(x, state), theirs(x, expected)
    torch.testing.assert_close(expected, (state.hidden, state.cell))


def test_a_shut_gate_freezes_the_state():
    """Far from its center a unit keeps h and c exactly, in float32 too, and its gradient is zero, not NaN."""
    cell = GLSTM(1, 2)
    with torch.no_grad():
        cell.center.copy_(torch.tensor([1.0, 500.0]))
        cell.log_width.copy_(torch.tensor([-1e4, 0.0]))
    readouts, state = cells.unroll(cell, torch.ones(20, 1))
    assert torch.equal(readouts[0].expand_as(readouts), readouts)
    assert 0 != readouts[0, 0]
    assert 0 == readouts[0, 1]
    gradients = torch.autograd.grad(state.cell.sum(), list(cell.parameters()))
    assert all(g.isfinite().all() for g in gradients)


def test_persistence_of_the_direct_path():
    """Π(1 − k_t(1 − f)) over a window is about exp(−(1 − f) σ_k √π): 0.41 for f = 0.9, σ_k = 5."""
    cell = GLSTM(1, 1, t_max=1000, width=0.005).double()
    with torch.no_grad():
        cell.center.fill_(500)
        k = cell.time_gate(torch.arange(1, 1001).unsqueeze(-1))
    assert 0.399 == round((1 - 0.1 * k).prod().item(), 3)
    assert 0.41 == round(math.exp(-0.1 * 5 * math.sqrt(math.pi)), 2)


def test_the_budget_is_the_mean_of_the_gates():
    """The mean of k over times and units; it pulls the widths together."""
    cell = GLSTM(2, 3, t_max=10).double()
    times = torch.arange(1, 11)
    expected = torch.stack([cell.time_gate(torch.tensor([t])) for t in range(1, 11)]).mean()
    actual = cell.budget(times)
    torch.testing.assert_close(expected, actual)
    assert () == actual.shape
    assert (torch.autograd.grad(actual, cell.log_width)[0] > 0).all()
    torch.testing.assert_close(actual, cell.budget(times.reshape(2, 5)))


def test_the_threshold_acts_in_eval_mode_alone():
    """In training every gate passes its gradient; in eval mode a gate below the threshold is shut."""
    cell = GLSTM(1, 1, threshold=0.5)
    with torch.no_grad():
        cell.center.fill_(3)
        cell.log_width.fill_(0.5)
    trained, _ = cells.unroll(cell, torch.ones(1, 1))
    evaluated, _ = cells.unroll(cell.eval(), torch.ones(1, 1))
    assert 0 != trained.item()
    assert 0 == evaluated.item()


def test_it_grows_like_an_lstm_where_the_gate_stays_open():
    """At wide gates and saturated weights c counts the steps; at its start it settles."""
    cell = GLSTM(1, 1).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.fill_(20.0)
        _, state = cells.unroll(cell, torch.ones(200, 1).double())
    assert 199 < state.cell.item() <= 200
    assert {"linear"} == {d.growth for d in cell.denies if d.property == "bounded-state"}
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        cell = GLSTM(2, 4, generator=generator).double()
        xs = torch.rand(300, 4, 2, generator=generator).double() * 2 - 1
        with torch.no_grad():
            _, state = cells.unroll(cell, xs)
        assert state.cell.abs().max() < 5


def test_what_is_decoded_stays_within_one_from_there():
    """|h_t| ≤ max(|h_0|, 1) at any weights; a shut gate keeps an h_0 beyond 1."""
    rng = np.random.default_rng(0)
    for scale in (1.0, 10.0, 100.0):
        cell = GLSTM(2, 4).double()
        randomize(cell, rng, scale)
        start = cell.initial_state(16)
        xs = torch.from_numpy(1e3 * rng.uniform(-1, 1, (50, 16, 2)))
        for h in (rng.uniform(-1, 1, (16, 4)), rng.uniform(-3, 3, (16, 4))):
            with torch.no_grad():
                readouts, _ = cells.unroll(cell, xs, start._replace(hidden=torch.from_numpy(h)))
            assert readouts.abs().max() <= max(1.0, np.abs(h).max()) * (1 + 1e-12)


def test_initialization():
    """Centers spread over (0, t_max), widths a share of it."""
    cell = GLSTM(2, 500, t_max=40, width=0.5)
    assert 0 <= cell.center.min() < 2
    assert 38 < cell.center.max() <= 40
    torch.testing.assert_close(torch.full((500,), math.log(20.0)), cell.log_width.detach())


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"t_max": 0}, "t_max: expected a positive finite number, got 0; it is a duration"),
        ({"width": float("inf")}, "width: expected a positive finite number, got inf"),
        ({"threshold": 1.5}, "threshold: expected a number from 0 to 1, got 1.5"),
        ({"n_b": 3}, "n_b: expected 0, 1 or 2"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        GLSTM(**{"input_size": 3, "hidden_size": 4, **knobs})
