"""The catalogue against torchrecurrent on copied weights, and where the two are known to part."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch

import cells

torchrecurrent = pytest.importorskip(
    "torchrecurrent", reason="the oracle of these tests is the torchrecurrent distribution"
)
SIZES = (3, 4)
SEEDS = (0, 1, 2)


def draw(module, seed):
    """Every parameter of a module from a standard normal distribution, in float64."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def sequence(seed):
    """Five steps of two sequences."""
    return torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(100 + seed)).double()


def rollout(module, xs, *starts):
    """What a torchrecurrent cell returns after the last input."""
    state = starts[0] if len(starts) == 1 else starts
    for x in xs:
        state = module(x, state)
    return state


def rows(source, names, order):
    """Row blocks of the named tensors in another order, as a dict of tensors."""
    return {
        name: torch.cat([getattr(source, name).detach().chunk(len(order))[k] for k in order])
        for name in names
    }


FOUR = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.mark.parametrize("seed", SEEDS)
def test_janet(seed):
    """The same step at the same β; their trained scalar is our constant."""
    theirs = draw(torchrecurrent.JANETCell(*SIZES), seed)
    ours = cells.get("janet")(*SIZES, beta=theirs.beta.item(), n_b=2).double()
    ours.affine.load_state_dict({name: getattr(theirs, name) for name in FOUR})
    h = torch.zeros(2, 4).double()
    expected, repeated = rollout(theirs, sequence(seed), h, h)
    torch.testing.assert_close(expected, cells.unroll(ours, sequence(seed))[0][-1])
    assert torch.equal(expected, repeated)


def test_janet_divergences():
    """Theirs trains β, carries the state twice, starts b_f at 0, and loses small writes to rounding."""
    theirs = torchrecurrent.JANETCell(*SIZES)
    ours = cells.get("janet")(*SIZES, n_b=2)
    assert 1 == _count(theirs) - _count(ours)
    assert not theirs.bias_ih.any()
    assert 1 == ours.affine.bias_ih[0]
    # 1 − σ(a − β) is 0 in float32 at a = 30, σ(β − a) is not
    with torch.no_grad():
        for cell in (theirs, ours.affine):
            for name in FOUR:
                getattr(cell, name).zero_()
            cell.bias_ih.copy_(torch.tensor([30.0] * 4 + [9.0] * 4))
        h = torch.zeros(4)
        assert not theirs(torch.zeros(3), (h, h))[0].any()
        assert (ours.step(torch.zeros(3), ours.initial_state()).hidden > 0).all()
        # the halves of their state need not agree: the gates read h, the carry multiplies c
        apart = theirs(torch.zeros(3), (h, h + 1))[0]
    assert not torch.equal(theirs(torch.zeros(3), (h, h))[0], apart)


@pytest.mark.parametrize("seed", SEEDS)
def test_mgu(seed):
    """The same step; their two blocks are our two affine maps."""
    theirs = draw(torchrecurrent.MGUCell(*SIZES), seed)
    ours = cells.get("mgu")(*SIZES, n_b=2).double()
    for k, part in enumerate((ours.gate, ours.candidate)):
        part.load_state_dict(rows(theirs, FOUR, (0, 1)) | _block(theirs, k))
    expected = rollout(theirs, sequence(seed), torch.zeros(2, 4).double())
    torch.testing.assert_close(expected, cells.unroll(ours, sequence(seed))[0][-1])
    assert _count(theirs) == _count(ours)


@pytest.mark.parametrize("seed", SEEDS)
def test_ligru(seed):
    """The same step, without batch normalization."""
    theirs = draw(torchrecurrent.LiGRUCell(*SIZES), seed)
    ours = cells.get("li-gru")(*SIZES, n_b=2).double()
    ours.affine.load_state_dict({name: getattr(theirs, name) for name in FOUR})
    expected = rollout(theirs, sequence(seed), torch.zeros(2, 4).double())
    torch.testing.assert_close(expected, cells.unroll(ours, sequence(seed))[0][-1])
    assert _count(theirs) == _count(ours)


def test_ligru_divergences():
    """Theirs has no batch normalization, which the paper has, and draws U Glorot-uniform, not orthogonal."""
    theirs = torchrecurrent.LiGRUCell(*SIZES)
    assert not [m for m in theirs.modules() if "norm" in type(m).__name__.lower()]
    ours = cells.get("li-gru")(*SIZES)
    for cell, orthogonal in ((theirs, False), (ours.affine, True)):
        u = cell.weight_hh[:4].detach()
        assert orthogonal is torch.allclose(u @ u.T, torch.eye(4), atol=1e-5)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("seed", SEEDS)
def test_indrnn(seed, nonlinearity):
    """The same step."""
    theirs = draw(torchrecurrent.IndRNNCell(*SIZES, nonlinearity=nonlinearity), seed)
    ours = cells.get("indrnn")(*SIZES, nonlinearity=nonlinearity, n_b=2).double()
    names = {"weight_hh": "vector_u"}
    ours.affine.load_state_dict({name: getattr(theirs, names.get(name, name)) for name in FOUR})
    expected = rollout(theirs, sequence(seed), torch.zeros(2, 4).double())
    torch.testing.assert_close(expected, cells.unroll(ours, sequence(seed))[0][-1])
    assert _count(theirs) == _count(ours)


def test_indrnn_divergences():
    """Theirs defaults to tanh where the paper has ReLU, and draws u normal: beyond 1 for a third of units."""
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    theirs = torchrecurrent.IndRNNCell(3, 1000)
    torch.set_rng_state(generator_state)
    assert isinstance(theirs.act, torch.nn.Tanh)
    assert 0.28 < (theirs.vector_u.abs() > 1).double().mean() < 0.36
    assert "relu" == cells.get("indrnn")(*SIZES).nonlinearity
    assert (cells.get("indrnn")(3, 1000).affine.weight_hh.abs() <= 1).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_ugrnn_is_the_bounded_highway_cell(seed):
    """Collins et al.'s update gate cell is BRHN under another name, its two blocks in the other order."""
    theirs = draw(torchrecurrent.UGRNNCell(*SIZES), seed)
    ours = cells.get("brhn")(*SIZES, n_b=2).double()
    ours.first.load_state_dict(rows(theirs, FOUR, (1, 0)))
    expected = rollout(theirs, sequence(seed), torch.zeros(2, 4).double())
    torch.testing.assert_close(expected, cells.unroll(ours, sequence(seed))[0][-1])
    assert _count(theirs) == _count(ours)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_peephole_lstm_without_peepholes_is_the_lstm(seed):
    """With zero peephole weights the blocks i, f, c, o are ours."""
    theirs = draw(torchrecurrent.PeepholeLSTMCell(*SIZES), seed)
    with torch.no_grad():
        theirs.weight_ph.zero_()
    ours = cells.get("lstm")(*SIZES).double()
    ours.load_state_dict({name: getattr(theirs, name) for name in FOUR})
    zeros = torch.zeros(2, 4).double()
    expected = rollout(theirs, sequence(seed), zeros, zeros)
    _, state = cells.unroll(ours, sequence(seed))
    torch.testing.assert_close(expected, (state.hidden, state.cell))


@pytest.fixture
def rhn_cell(monkeypatch):
    """Their highway cell's step, freed of what keeps it from being imported and constructed.

    Its module asks for a base class that the distribution no longer has, and its initialization for
    attributes (``init_weights_fn``, ``init_bias``) that nothing sets.
    """
    name = "torchrecurrent.cells.rhn_cell"
    base = importlib.import_module("torchrecurrent.base")
    monkeypatch.setattr(base, "BaseRecurrentLayer", torch.nn.Module, raising=False)
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.setattr(module.RHNCellUnit, "init_weights", lambda _: None)
    yield module.RHNCell
    sys.modules.pop(name, None)


def test_their_highway_cell_is_not_importable():
    """Recorded, so that the detour of the fixture goes when the distribution mends it."""
    with pytest.raises(ImportError, match="BaseRecurrentLayer"):
        importlib.import_module("torchrecurrent.cells.rhn_cell")


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("couple", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_rhn(rhn_cell, seed, couple, depth):
    """The same step: they store candidate, transform, carry; coupled, our carry is minus their transform."""
    theirs = draw(rhn_cell(*SIZES, depth=depth, couple_carry=couple), seed)
    ours = cells.get("rhn")(*SIZES, depth=depth, couple=couple, n_b=1).double()
    for unit, layer in zip(theirs.units, (ours.first, *ours.deeper), strict=True):
        (h, t, c), (b_h, b_t, b_c) = unit.weight.detach().chunk(3), unit.bias.detach().chunk(3)
        weight = torch.cat((-t, h) if couple else (c, t, h))
        bias = torch.cat((-b_t, b_h) if couple else (b_c, b_t, b_h))
        values = {"weight_hh": weight[:, -4:], "bias_ih": bias}
        if layer is ours.first:
            values["weight_ih"] = weight[:, :-4]
        layer.load_state_dict(values)
    expected = rollout(theirs, sequence(seed), torch.zeros(2, 4).double())
    torch.testing.assert_close(expected, cells.unroll(ours, sequence(seed))[0][-1])


@pytest.mark.parametrize("depth", [1, 3])
def test_rhn_divergences(rhn_cell, depth):
    """Coupled, theirs still stores the carry gate's weights: half as many again, and no gradient for them."""
    theirs = rhn_cell(*SIZES, depth=depth, couple_carry=True)
    ours = cells.get("rhn")(*SIZES, depth=depth, couple=True, n_b=1)
    assert 2 * _count(theirs) == 3 * _count(ours)
    theirs(torch.ones(3), torch.zeros(4)).sum().backward()
    for unit in theirs.units:
        assert not unit.weight.grad[-4:].any()


def _block(source, k):
    return {name: getattr(source, name).detach().chunk(2)[k] for name in FOUR}


def _count(module):
    return sum(parameter.numel() for parameter in module.parameters())
