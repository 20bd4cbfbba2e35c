"""The Mogrifier LSTM against a transcription of its equations, its counts, and what the cap decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.mogrifier import MogrifierLSTM, MogrifierState
from cells.parts.gates import Coefficients


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def randomize(cell, rng, scale=1.0):
    """Draw every parameter from a normal distribution."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(scale * rng.standard_normal(parameter.shape)))


@given(
    sizes=st.tuples(st.integers(2, 4), st.integers(2, 5)),
    rounds=st.integers(0, 6),
    rank=st.integers(0, 2),
    cap_input=st.booleans(),
    tie=st.booleans(),
    n_b=st.sampled_from((0, 1, 2)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_printed_equations(sizes, rounds, rank, cap_input, tie, n_b, seed):
    """R rounds of mutual modulation on the newest versions, then an LSTM; c is not modulated."""
    rng = np.random.default_rng(seed)
    width = sizes[1]
    cell = MogrifierLSTM(*sizes, rounds=rounds, rank=rank, cap_input=cap_input, tie=tie, n_b=n_b)
    cell = cell.double()
    randomize(cell, rng)
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    x, h, c = (rng.standard_normal((2, n)) for n in (sizes[0], width, width))
    x_in, h_in = x, h
    for i in range(1, rounds + 1):
        prefix = f"rounds.{i - 1}."
        matrix = p[prefix + "left"] @ p[prefix + "right"] if rank else p[prefix + "weight"]
        if i % 2:
            x_in = 2 * sigmoid(h_in @ matrix.T + p[prefix + "bias"]) * x_in
        else:
            h_in = 2 * sigmoid(x_in @ matrix.T + p[prefix + "bias"]) * h_in
    a = x_in @ p["affine.weight_ih"].T + h_in @ p["affine.weight_hh"].T
    a = a + p.get("affine.bias_ih", 0) + p.get("affine.bias_hh", 0)
    blocks = np.split(a, 3 if tie else 4, axis=-1)
    f, g, o = sigmoid(blocks[-3]), np.tanh(blocks[-2]), sigmoid(blocks[-1])
    i = sigmoid(blocks[0])
    if tie:
        i = 1 - f
    elif cap_input:
        i = np.minimum(i, 1 - f)
    cell_state = f * c + i * g
    hidden = o * np.tanh(cell_state)
    actual = cell.step(
        torch.from_numpy(x), MogrifierState(torch.from_numpy(h), torch.from_numpy(c))
    )
    torch.testing.assert_close(torch.from_numpy(cell_state), actual.cell)
    torch.testing.assert_close(torch.from_numpy(hidden), actual.hidden)
    assert torch.equal(actual.hidden, cell.readout(actual))


@pytest.mark.parametrize(
    ("knobs", "names"),
    [
        ({}, ["forget", "input", "output"]),
        ({"cap_input": False}, ["forget", "input", "output"]),
        ({"tie": True, "rounds": 3}, ["forget", "output"]),
        ({"rank": 2, "n_b": 2}, ["forget", "input", "output"]),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_gates_that_are_exposed_are_those_of_the_step(knobs, names, seed):
    """f, i and o of the modulated x and h, transcribed, and the state that they make."""
    rng = np.random.default_rng(seed)
    cell = MogrifierLSTM(3, 4, **knobs).double()
    randomize(cell, rng)
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    x, h, c = (rng.standard_normal((6, n)) for n in (3, 4, 4))
    x_in, h_in = x, h
    for i in range(len(cell.rounds)):
        prefix = f"rounds.{i}."
        matrix = (
            p[prefix + "left"] @ p[prefix + "right"]
            if cell.rounds[i].rank
            else p[prefix + "weight"]
        )
        if i % 2:
            h_in = 2 * sigmoid(x_in @ matrix.T + p[prefix + "bias"]) * h_in
        else:
            x_in = 2 * sigmoid(h_in @ matrix.T + p[prefix + "bias"]) * x_in
    a = x_in @ p["affine.weight_ih"].T + h_in @ p["affine.weight_hh"].T
    a = a + p["affine.bias_ih"] + p.get("affine.bias_hh", 0)
    *entry, a_f, a_g, a_o = np.split(a, cell.affine.blocks, axis=-1)
    f, g, o = sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    i = sigmoid(entry[0]) if entry else 1 - f
    if entry and cell.cap_input:
        i = np.minimum(i, 1 - f)
        assert (i < sigmoid(entry[0])).any()  # the cap is met, and it is not all there is
        assert (i < 1 - f).any()
    state = MogrifierState(torch.from_numpy(h), torch.from_numpy(c))
    found = cell.gate_values(torch.from_numpy(x), state)
    assert names == [*found] == [*cell.gates]
    read = {
        "forget": {"forget": a_f} if cell.tie else {"preactivation": a_f},
        "input": {"input": entry[0], "forget": a_f} if entry else {},
        "output": {"preactivation": a_o},
    }
    if not cell.cap_input:
        read["input"] = {"preactivation": entry[0]}
    for name, gate in cell.gates.items():
        again = gate(**{block: torch.from_numpy(at) for block, at in read[name].items()})
        for values in (found[name], again):
            pair = isinstance(values, Coefficients)
            assert pair == (cell.tie and name == "forget")
            expected = (f, i) if pair else ({"forget": f, "input": i, "output": o}[name],)
            for one, other in zip(expected, values if pair else (values,), strict=True):
                torch.testing.assert_close(torch.from_numpy(one), other)
    made = f * c + i * g
    actual = cell.step(torch.from_numpy(x), state)
    torch.testing.assert_close(torch.from_numpy(made), actual.cell)
    torch.testing.assert_close(torch.from_numpy(o * np.tanh(made)), actual.hidden)


@pytest.mark.parametrize("n_b", [0, 1, 2])
@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("rounds", [0, 1, 4, 5])
@pytest.mark.parametrize(("sizes", "rank"), [((1, 1), 0), ((2, 5), 0), ((7, 3), 2), ((4, 6), 4)])
def test_count(sizes, rank, rounds, tie, n_b):
    """The LSTM's blocks, and per round ρ(D + H) or DH weights and D (odd) or H (even) biases."""
    d, h = sizes
    odd, even = (rounds + 1) // 2, rounds // 2
    weights = rank * (d + h) if rank else d * h
    expected = (3 if tie else 4) * h * (d + h + n_b) + rounds * weights + odd * d + even * h
    cell = MogrifierLSTM(d, h, rounds=rounds, rank=rank, tie=tie, n_b=n_b)
    assert expected == sum(p.numel() for p in cell.parameters())


def test_no_rounds_is_the_lstm():
    """R = 0 without the cap is torch's LSTM cell on the same weights."""
    theirs = torch.nn.LSTMCell(3, 4).double()
    ours = MogrifierLSTM(3, 4, rounds=0, cap_input=False, n_b=2).double()
    ours.affine.load_state_dict(theirs.state_dict())
    xs = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    state, expected = ours.initial_state(2), None
    for x in xs:
        state, expected = ours.step(x, state), theirs(x, expected)
    torch.testing.assert_close(expected, (state.hidden, state.cell))


@pytest.mark.parametrize("knobs", [{}, {"tie": True}, {"rank": 2}])
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_a_capped_cell_stays_within_one(knobs, scale):
    """No weights take |c| or |h| beyond 1."""
    rng = np.random.default_rng(0)
    cell = MogrifierLSTM(2, 4, **knobs).double()
    assert {1.0} == {c.bound for c in cell.claims if c.property == "bounded-state"}
    randomize(cell, rng, scale)
    state = cell.initial_state(16)
    with torch.no_grad():
        for x in torch.from_numpy(1e3 * rng.uniform(-1, 1, (100, 16, 2))):
            state = cell.step(x, state)
            assert state.cell.abs().max() <= 1 + 1e-12
            assert state.hidden.abs().max() <= 1


def test_an_uncapped_cell_counts():
    """With every gate open, c grows by 1 a step; with the cap on the same weights it does not."""
    last = {}
    for cap in (False, True):
        cell = MogrifierLSTM(1, 1, cap_input=cap).double()
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.fill_(20.0)
            last[cap] = cells.unroll(cell, torch.ones(100, 1).double())[1].cell.item()
    assert 99 < last[False] <= 100
    assert 0 <= last[True] <= 1
    denied = {d.property: d.growth for d in MogrifierLSTM(1, 1, cap_input=False).denies}
    assert denied["bounded-state"] == "linear"


def test_initialization():
    """Modulation starts at 1 for zero inputs; the forget bias alone is not zero; weights are cut at 2σ."""
    cell = MogrifierLSTM(300, 300, rank=5, rounds=2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.ones(300), cell.rounds[0](torch.zeros(300)))
    forget = cell.affine.bias_ih.unflatten(0, (4, 300))
    assert [0, 300, 0, 0] == forget.sum(-1).tolist()
    for weight, std in (
        (cell.affine.weight_ih, 300**-0.5),
        (cell.rounds[0].left, (5 * 5) ** -0.25),
        (cell.rounds[0].right, (300 * 5) ** -0.25),
    ):
        assert weight.abs().max() <= 2 * std
        # a normal cut at two deviations keeps 0.88 of its deviation
        assert 0.84 * std < weight.std() < 0.92 * std
    tied = MogrifierLSTM(3, 2, tie=True, forget_bias=0.5)
    assert [0.5, 0.5, 0, 0, 0, 0] == tied.affine.bias_ih.tolist()


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"rank": 4}, r"rank: expected 0 \(full matrices\) to 3, the smaller of.*got 4"),
        ({"rank": -1}, r"rank: expected 0 \(full matrices\) to 3"),
        ({"rounds": -1}, r"rounds: expected an integer of at least 0 \(a plain LSTM\), got -1"),
        ({"rounds": 1.5}, "rounds: expected an integer of at least 0"),
        ({"forget_bias": 1.0, "n_b": 0}, "forget_bias: needs a stored bias; pass n_b=1"),
        ({"n_b": 3}, "n_b: expected 0, 1 or 2"),
        ({"hidden_size": 0}, "hidden_size: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        MogrifierLSTM(**{"input_size": 3, "hidden_size": 4, **knobs})
