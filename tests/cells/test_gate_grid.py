"""The LSTM and GRU cores under every gate of the grid, against transcriptions of the printed equations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.gru import GRU
from cells.lstm import LSTM

Array = np.ndarray[Any, np.dtype[np.float64]]
PRIMARIES = ("standard", "chrono", "cumax", "ugi")
AUXILIARIES = ("none", "refine", "master")
LETTERS = {"standard": "", "chrono": "c", "cumax": "o", "ugi": "u"}
ENDINGS = {"none": "", "refine": "r", "master": "m"}
LSTMS = [p + a for a, p in itertools.product(ENDINGS.values(), LETTERS.values())]
LSTM_NAMES = ["on-lstm", *(f"{v}-lstm" if v else "lstm-tied" for v in LSTMS)]
GRU_NAMES = [f"{v}-gru" if v else "gru" for v in LSTMS]


def sigmoid(a: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def activation(primary: str, a: Array, chunk: int) -> Array:
    """The primary gate: cumsum of softmax over chunks, or the logistic function."""
    if primary != "cumax":
        return sigmoid(a).repeat(chunk, -1)
    e = np.exp(a - a.max(-1, keepdims=True))
    return np.cumsum(e / e.sum(-1, keepdims=True), -1).repeat(chunk, -1)


def effective(
    pre: dict[str, Array], beta: Array | None, knobs: dict[str, Any]
) -> tuple[Array, Array]:
    """What is kept and written, as Gu et al. and Shen et al. print it: complements are 1 minus."""
    primary, auxiliary, chunk = knobs["primary"], knobs["auxiliary"], knobs["chunk"]
    entry = sigmoid(pre["input"]) if "input" in pre else None
    if auxiliary == "master":
        f, whole = sigmoid(pre["forget"]), activation(primary, pre["extra"], chunk)
        if entry is None:
            overlap = whole * (1 - whole)
            keep = f * overlap + (whole - overlap)
            return keep, 1 - keep
        whole_entry = 1 - activation(primary, pre["extra_input"], chunk)
        overlap = whole * whole_entry
        return f * overlap + (whole - overlap), entry * overlap + (whole_entry - overlap)
    shift = np.zeros(pre["forget"].shape[-1]) if beta is None else beta
    keep = activation(primary, pre["forget"] + shift, chunk)
    if auxiliary == "refine":
        rho = sigmoid(pre["extra"] - shift.repeat(chunk))
        keep = rho * (1 - (1 - keep) ** 2) + (1 - rho) * keep**2
    return keep, 1 - keep if entry is None else entry


def randomized(cell: Any, rng: np.random.Generator) -> dict[str, Array]:
    """Normal parameters in ``cell``, and as arrays by name."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    return {name: value.detach().numpy() for name, value in cell.named_parameters()}


def blocks(
    p: dict[str, Array], x: Array, h: Array, names: list[str], rows: list[int]
) -> dict[str, Array]:
    """Every affine map of (x, h) by name, rows stacked in the order of ``names``."""
    whole = x @ p["weight_ih"].T + h @ p["weight_hh"].T + p.get("bias_ih", 0) + p.get("bias_hh", 0)
    return dict(zip(names, np.split(whole, np.cumsum(rows)[:-1], -1), strict=True))


KNOBS = st.fixed_dictionaries(
    {
        "primary": st.sampled_from(PRIMARIES),
        "auxiliary": st.sampled_from(AUXILIARIES),
        "refine_bias": st.sampled_from(("zero", "minus_forget")),
        "chunk": st.sampled_from((1, 2)),
        "n_b": st.sampled_from((1, 2)),
    }
).map(lambda k: k if k["primary"] == "cumax" or k["auxiliary"] == "master" else {**k, "chunk": 1})


def gate_rows(knobs: dict[str, Any], *, tied: bool, width: int) -> list[tuple[str, int]]:
    """Names and widths of the gate's blocks, forget first."""
    coarse = width // knobs["chunk"]
    if knobs["auxiliary"] == "master":
        extra = [("extra", coarse)] + ([] if tied else [("extra_input", coarse)])
        return [("forget", width), *extra]
    extra = [("extra", width)] if knobs["auxiliary"] == "refine" else []
    return [("forget", coarse), *extra]


@given(knobs=KNOBS, tied=st.booleans(), width=st.sampled_from((2, 4)), seed=st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_lstm_core_equals_the_printed_equations(
    knobs: dict[str, Any], tied: bool, width: int, seed: int
) -> None:
    """The step is c' = keep c + write tanh(L_c) and h' = σ(L_o) tanh(c'), under every gate, tied or not."""
    rng = np.random.default_rng(seed)
    cell = LSTM(3, width, tied=tied, **knobs).double()
    p = randomized(cell, rng)
    forget, *extra = gate_rows(knobs, tied=tied, width=width)
    order = [] if tied else [("input", width)]
    order += [forget, ("candidate", width), ("output", width), *extra]
    x, h, c = (rng.standard_normal((2, n)) for n in (3, width, width))
    pre = blocks(p, x, h, [n for n, _ in order], [r for _, r in order])
    keep, write = effective(pre, p.get("gate.beta"), knobs)
    expected_c = keep * c + write * np.tanh(pre["candidate"])
    expected_h = sigmoid(pre["output"]) * np.tanh(expected_c)
    state = cell.initial_state(2)._replace(hidden=torch.from_numpy(h), cell=torch.from_numpy(c))
    actual = cell.step(torch.from_numpy(x), state)
    np.testing.assert_allclose(expected_c, actual.cell.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(expected_h, actual.hidden.detach().numpy(), atol=1e-12)
    values = cell.gate_values(torch.from_numpy(x), state)
    np.testing.assert_allclose(keep, values.keep.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(write, values.write.detach().numpy(), atol=1e-12)


@given(
    knobs=KNOBS,
    reset=st.sampled_from(("after", "before")),
    width=st.sampled_from((2, 4)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=80, deadline=None)
def test_gru_core_equals_the_printed_equations(
    knobs: dict[str, Any], reset: str, width: int, seed: int
) -> None:
    """The step is h' = g h + (1 − g) n: the grid's gate in place of z, the reset gate plain."""
    rng = np.random.default_rng(seed)
    cell = GRU(3, width, reset=reset, **knobs).double()
    p = randomized(cell, rng)
    order = [("reset", width), *gate_rows(knobs, tied=True, width=width), ("candidate", width)]
    x, h = (rng.standard_normal((2, n)) for n in (3, width))
    pre = blocks(p, x, h, [n for n, _ in order], [r for _, r in order])
    keep, write = effective(pre, p.get("gate.beta"), knobs)
    r, last = sigmoid(pre["reset"]), slice(-width, None)
    inputs = x @ p["weight_ih"][last].T + p["bias_ih"][last]
    bias, u = p.get("bias_hh", np.zeros(width))[last], p["weight_hh"][last]
    inner = r * (h @ u.T + bias) if reset == "after" else (r * h) @ u.T + bias
    expected = keep * h + write * np.tanh(inputs + inner)
    state = cell.initial_state(2)._replace(hidden=torch.from_numpy(h))
    actual = cell.step(torch.from_numpy(x), state)
    np.testing.assert_allclose(expected, actual.hidden.detach().numpy(), atol=1e-12)
    values = cell.gate_values(torch.from_numpy(x), state)
    np.testing.assert_allclose(keep, values.keep.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("n_b", [1, 2])
@pytest.mark.parametrize(("d", "h", "chunk"), [(1, 2, 1), (3, 6, 1), (2, 6, 3), (5, 8, 2)])
def test_parameter_counts_are_the_formulas(n_b: int, d: int, h: int, chunk: int) -> None:
    """With Q = D + H + n_b: tied core 3HQ, untied and GRU as plain, R +HQ +H, M +nQ per master."""
    q, n = d + h + n_b, h // chunk

    def count(name: str, **knobs: Any) -> int:
        cell = cells.get(name)(d, h, n_b=n_b, **knobs)
        return sum(p.numel() for p in cell.parameters())

    assert 3 * h * q == count("lstm-tied") == count("c-lstm") == count("u-lstm")
    assert 4 * h * q + h == count("ur-lstm") == count("cr-lstm") == count("r-lstm")
    assert 4 * h * q == count("ur-lstm", refine_bias="zero")
    assert (2 * h + n) * q == count("o-lstm", chunk=chunk)
    assert (3 * h + n) * q + n == count("or-lstm", chunk=chunk)
    assert (3 * h + n) * q == count("om-lstm", chunk=chunk) == count("um-lstm", chunk=chunk)
    assert (4 * h + 2 * n) * q == count("on-lstm", chunk=chunk)
    assert 5 * h * q + h == count("ur-lstm", tied=False)
    assert 3 * h * q == count("gru") == count("c-gru") == count("o-gru") == count("u-gru")
    assert 4 * h * q + h == count("ur-gru") == count("or-gru")
    assert (3 * h + n) * q == count("om-gru", chunk=chunk)


@pytest.mark.parametrize("name", [*LSTM_NAMES, *GRU_NAMES])
def test_names_build_what_their_letters_say(name: str) -> None:
    """Each registered name carries its primary and auxiliary; LSTM names are tied but for on-lstm."""
    cell = cells.get(name)(2, 4)
    letters = "om" if name == "on-lstm" else name.partition("-")[0]
    letters = "" if name in {"gru", "lstm-tied"} else letters
    assert LETTERS[cell.gate.primary] + ENDINGS[cell.gate.auxiliary] == letters
    assert cell.gate.tied == (name != "on-lstm")
    assert {"keep", "write"} == set(cell.gate_values(torch.zeros(2), cell.initial_state())._fields)


@pytest.mark.parametrize("name", [*LSTM_NAMES, *GRU_NAMES, "lstm", "lstm-diag", "gru-diag"])
def test_identity_block_is_claimed_exactly_where_a_unit_is_dead(name: str) -> None:
    """The last unit of every O variant is carried unchanged by 30 random steps, and no other unit is."""
    torch.manual_seed(0)
    cell = cells.get(name)(2, 4).double()
    description = cells.describe(cell)
    spoken = [c.property for c in (*description.claims, *description.denies)]
    dead = "o" in name.partition("-")[0]
    assert dead == (description.claim("identity-block", "at-init") is not None)
    assert dead == (description.denial("writable-memory", "all-weights") is not None)
    assert {"well-posed", "bounded-decoder", "non-saturating", "bounded-state"} <= set(spoken)
    field = "cell" if "lstm" in name else "hidden"
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.randn_like(parameter))
    start = cell.initial_state()._replace(**{field: torch.randn(4).double()})
    xs = torch.randn(30, 2).double()

    def end(value: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = getattr(
            cells.unroll(cell, xs, start._replace(**{field: value}))[1], field
        )
        return out

    before = getattr(start, field)
    unchanged = end(before) == before
    assert [False, False, False, dead] == unchanged.tolist()
    jacobian = torch.func.jacrev(end)(before).detach()
    assert dead == (float(jacobian[3, 3]) == 1.0)
    assert not dead or not bool(jacobian[3, :3].any())


def test_untied_cumax_without_a_master_sums_up_at_its_last_unit() -> None:
    """The last unit keeps 1 and is written by its own gate: c grows along a line, from the start on."""
    cell = LSTM(1, 3, primary="cumax", generator=torch.Generator().manual_seed(0)).double()
    description = cells.describe(cell)
    for scope in ("at-init", "all-weights"):
        denial = description.denial("bounded-state", scope)
        assert denial is not None
        assert denial.growth == "linear"
    xs = torch.ones(2000, 1).double()
    middle, last = (cells.unroll(cell, xs[:n])[1].cell[-1].item() for n in (1000, 2000))
    assert 2 == pytest.approx(last / middle, rel=0.02)
    assert abs(last) > 10


@pytest.mark.parametrize("name", [n for n in (*LSTM_NAMES, *GRU_NAMES) if n != "on-lstm"])
def test_tied_states_stay_in_the_unit_ball(name: str) -> None:
    """From |state| ≤ 1 no parameter or input leads out of it, up to rounding."""
    torch.manual_seed(0)
    for scale in (1.0, 10.0, 100.0):
        cell = cells.get(name)(2, 4).double()
        assert 1.0 == cells.describe(cell).claim("bounded-state", "all-weights").bound
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.copy_(scale * torch.randn_like(parameter))
        state = cell.initial_state(8)
        state = state._replace(**{f: 2 * torch.rand(8, 4).double() - 1 for f in state._fields})
        for x in scale * torch.randn(40, 8, 2).double():
            state = cell.step(x, state)
            assert all(float(v.detach().abs().max()) <= 1 + 1e-12 for v in state)


def test_prescribed_biases_reach_the_cell() -> None:
    """Chrono zeroes every other bias and gives the input gate the negative; UGI leaves them drawn."""
    chrono = cells.get("lstm")(2, 3, primary="chrono", t_max=20)
    i, f, g, o = (chrono.bias_ih + chrono.bias_hh).detach().chunk(4)
    assert torch.equal(-f, i)
    assert bool((f >= 0).all())
    assert float(f.max()) <= np.log(19) + 1e-6
    assert not bool(torch.cat((g, o)).any())
    assert not bool(chrono.bias_hh.any())
    gru = cells.get("c-gru")(2, 3, t_max=20)
    r, z, n = gru.bias_ih.detach().chunk(3)
    assert bool((z >= 0).all())
    assert not bool(torch.cat((r, n)).any())
    uniform = cells.get("u-lstm")(2, 3)
    f, g, o = uniform.bias_hh.detach().chunk(3)
    assert not bool(f.any())
    assert bool(torch.cat((g, o)).all())
    started = cells.get("lstm")(2, 3, forget_bias=1.0)
    assert [1.0, 1.0, 1.0] == (started.bias_ih + started.bias_hh).detach()[3:6].tolist()


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("lstm", {"primary": "soft"}, "primary: expected one of"),
        ("gru", {"auxiliary": "soft"}, "auxiliary: expected one of"),
        ("c-lstm", {"t_max": 2}, "t_max: expected a longest dependency above 2 steps"),
        (
            "o-gru",
            {"chunk": 3},
            "chunk: expected a divisor of the 4 units, got 3; use one of 1, 2, 4",
        ),
        ("om-lstm", {"chunk": 2, "diagonal": True}, "as many rows as the state"),
        ("o-lstm", {"forget_offset": 1.0}, "forget_offset: a softmax ignores a constant"),
        ("u-lstm", {"n_b": 0}, "primary='ugi' starts from a prescribed bias: expected n_b"),
    ],
)
def test_bad_knobs_are_refused(name: str, knobs: dict[str, Any], message: str) -> None:
    """Each wrong knob is named with what was expected."""
    with pytest.raises(ValueError, match=message):
        cells.get(name)(2, 4, **knobs)


@pytest.mark.parametrize("name", ["lstm", "c-lstm", "ur-lstm", "om-gru", "cm-gru"])
def test_initial_draw_follows_the_generator_alone(name: str) -> None:
    """Equal seeds give equal parameters, whatever torch's global generator holds."""
    first, again, other = (
        cells.get(name)(2, 4, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    pairs = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.weight_ih, other.weight_ih)
