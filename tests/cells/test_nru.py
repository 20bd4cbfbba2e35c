"""The NRU against a transcription of code and paper; counts; memory that multiplies."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cells
from cells.nru import NRU, NRUState


def randomize(cell, rng, scale=1.0):
    """Draw every parameter from a normal distribution."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.from_numpy(scale * rng.standard_normal(parameter.shape)))


def transcription(p, x, h, m, *, k, semantics, use_relu, layer_norm):
    """One unbatched step, head by head."""
    psi = (lambda v: np.maximum(v, 0)) if use_relu else (lambda v: v)
    a = p["hidden.weight"] @ np.concatenate((x, h, m)) + p["hidden.bias"]
    if layer_norm:
        a = (a - a.mean()) / np.sqrt(a.var() + 1e-5) * p["norm.weight"] + p["norm.bias"]
    new_h = np.maximum(a, 0)
    size = len(m)
    q = np.concatenate((new_h, m) if semantics == "code" else (x, new_h, m))
    heads = p["heads.weight"] @ q + p["heads.bias"]
    alpha, beta, rest = psi(heads[:k]), psi(heads[k : 2 * k]), heads[2 * k :]
    p_w, q_w, p_e, q_e = np.split(rest, 4)

    def direction(p_all, q_all, j):
        if semantics == "code":
            whole = np.outer(p_all, q_all).reshape(-1)
            v = whole[j * size : (j + 1) * size]
        else:
            side = math.isqrt(size)
            part = slice(j * side, (j + 1) * side)
            v = np.outer(p_all[part], q_all[part]).reshape(-1)
        v = psi(v)
        return v / max((np.abs(v) ** 5).sum() ** 0.2, 1e-12)

    new_m = m.copy()
    for j in range(k):
        change = alpha[j] * direction(p_w, q_w, j) - beta[j] * direction(p_e, q_e, j)
        new_m += change / k if semantics == "code" else change
    return new_h, new_m


@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    memory=st.sampled_from(((4, 1), (9, 1), (8, 2), (4, 4), (16, 4), (1, 1), (3, 3))),
    semantics=st.sampled_from(("code", "paper")),
    use_relu=st.booleans(),
    layer_norm=st.booleans(),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_printed_equations(sizes, memory, semantics, use_relu, layer_norm, seed):
    """Averaged heads that share one outer product (code), summed heads with their own (paper)."""
    rng = np.random.default_rng(seed)
    size, k = memory
    if semantics == "paper":
        size = math.isqrt(size) ** 2
    knobs = {"k": k, "semantics": semantics, "use_relu": use_relu, "layer_norm": layer_norm}
    cell = NRU(*sizes, memory_size=size, **knobs).double()
    randomize(cell, rng)
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    x, h, m = (rng.standard_normal(n) for n in (sizes[0], sizes[1], size))
    new_h, new_m = transcription(p, x, h, m, **knobs)
    actual = cell.step(*(torch.from_numpy(x), NRUState(torch.from_numpy(h), torch.from_numpy(m))))
    torch.testing.assert_close(torch.from_numpy(new_h), actual.hidden)
    torch.testing.assert_close(torch.from_numpy(new_m), actual.memory)
    assert torch.equal(actual.hidden, cell.readout(actual))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("semantics", ["code", "paper"])
@pytest.mark.parametrize(
    ("sizes", "size", "k"), [((1, 1), 64, 4), ((2, 5), 16, 1), ((7, 3), 9, 4), ((3, 212), 256, 4)]
)
def test_count(sizes, size, k, semantics, layer_norm):
    """H(D+H+M+1) + (4S + 2k)(H+M+1); with own vectors and x among the heads' inputs in the paper."""
    d, h = sizes
    if semantics == "code":
        heads = (4 * math.isqrt(k * size) + 2 * k) * (h + size + 1)
    else:
        heads = (4 * k * math.isqrt(size) + 2 * k) * (d + h + size + 1)
    expected = h * (d + h + size + 1) + heads + 2 * h * layer_norm
    cell = NRU(d, h, memory_size=size, k=k, semantics=semantics, layer_norm=layer_norm)
    assert expected == sum(p.numel() for p in cell.parameters())


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("use_relu", [False, True])
@pytest.mark.parametrize("semantics", ["code", "paper"])
def test_the_memory_multiplies_at_initialization(semantics, use_relu, layer_norm):
    """At the library's initialization some sequence multiplies m tenfold in steps 200 to 400."""
    growing = 0
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        cell = NRU(
            2, 4, semantics=semantics, use_relu=use_relu, layer_norm=layer_norm, generator=generator
        ).double()
        x = torch.rand(400, 16, 2, generator=generator).double() * 2 - 1
        with torch.no_grad():
            _, half = cells.unroll(cell, x[:200])
            _, last = cells.unroll(cell, x[200:], half)
        growing += bool((last.memory.abs().amax(-1) > 10 * half.memory.abs().amax(-1)).any())
    assert growing >= 2
    assert {"geometric"} == {d.growth for d in cell.denies if d.property == "bounded-state"}
    about = cells.describe(cell)
    assert layer_norm is (about.claim("bounded-decoder", "at-init") is not None)
    assert about.denial("bounded-decoder", "all-weights") is not None


def test_layer_normalization_bounds_what_is_decoded():
    """However large m is, |h| is at most √H |gain| + |shift|."""
    cell = NRU(2, 5, layer_norm=True).double()
    with torch.no_grad():
        state = cell.initial_state(7)
        huge = NRUState(state.hidden, state.memory + 1e9)
        assert cell.step(torch.ones(7, 2).double(), huge).hidden.abs().max() <= math.sqrt(5)


@pytest.mark.parametrize("use_relu", [False, True])
def test_directions_at_the_extremes(use_relu):
    """Fifth powers neither overflow nor vanish in float32, and an all-zero row stays zero, gradients too."""
    cell = NRU(1, 1, memory_size=4, k=1, use_relu=use_relu)
    for scale in (1e-15, 1e-3, 1.0, 1e15):
        p = torch.tensor([1.0, 2.0]) * scale
        rows = cell._rows(p, torch.tensor([1.0, 3.0]))
        expected = np.array([1, 3, 2, 6]) * min(1.0, scale / 1e-12)
        expected = expected / (np.array([1, 3, 2, 6]) ** 5.0).sum() ** 0.2
        if scale > 1e-12:
            torch.testing.assert_close(torch.from_numpy(expected).float()[None], rows)
    zero = torch.zeros(2, requires_grad=True)
    rows = cell._rows(zero, torch.zeros(2))
    assert not rows.any()
    assert torch.autograd.grad(rows.sum(), zero)[0].isfinite().all()


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"memory_size": 10}, r"memory_size: k · M must be a square, such as 36 or 49.*got 40"),
        ({"memory_size": 8, "k": 2, "semantics": "paper"}, r"M must be a square, such as 4 or 9"),
        ({"semantics": "mine"}, "semantics: expected one of 'code', 'paper', got 'mine'"),
        ({"k": 0}, "k: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_arguments(knobs, message):
    """Expected, got, remedy."""
    with pytest.raises(ValueError, match=message):
        NRU(**{"input_size": 3, "hidden_size": 4, **knobs})
