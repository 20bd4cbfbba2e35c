"""One battery for every registered name: it trains, its gradients are right, and torch's tools keep it.

Gradients are checked at the smallest size that a name accepts, where off-by-one errors live. The rest uses
the smallest of at least four units, since a cumulative softmax leaves a single unit dead, and training one
of at least twelve, since a lone ReLU often is.
"""

from __future__ import annotations

import copy
import io
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import cells
from cells import Layout, Recurrent, unroll

torch.set_num_threads(1)

INPUTS = 2
EVERY = pytest.mark.parametrize("name", cells.names())


def smallest(name, least=1):
    """The smallest hidden size from ``least`` on that the factory does not refuse."""
    generator = torch.Generator()
    for size in range(least, 65):
        try:
            cells.get(name)(INPUTS, size, generator=generator)
        except ValueError:
            continue
        return size
    pytest.fail(f"{name}: no hidden size from {least} to 64 is accepted")


def build(name, *, least=1, seed=0, input_size=INPUTS):
    """A cell whose parameters follow ``seed``."""
    size = smallest(name, least)
    return cells.get(name)(input_size, size, generator=torch.Generator().manual_seed(seed))


def stack(name, layers):
    """A cell of at least twelve units, or two of them: the upper one reads the lower one's readout."""
    lower = build(name, least=12, seed=1)
    if layers == 1:
        return Recurrent(lower)
    width = lower.readout(lower.initial_state()).shape[-1]
    return Recurrent(lower, build(name, least=12, seed=2, input_size=width))


def width_of(model):
    """How many features the top layer reads out."""
    top = model.layers[-1]
    return top.readout(top.initial_state()).shape[-1]


def adding(steps, batch, generator, dtype):
    """The adding problem: (T, batch, 2) of uniform values and two marks, and the marked values' sum."""
    values = torch.rand(steps, batch, generator=generator)
    marks = torch.zeros(steps, batch)
    half = steps // 2
    for example in range(batch):
        first = torch.randint(half, (), generator=generator)
        second = half + torch.randint(steps - half, (), generator=generator)
        marks[first, example] = marks[second, example] = 1
    xs = torch.stack((values, marks), -1).to(dtype)
    return xs, (xs[..., 0] * xs[..., 1]).sum(0)


def drive(cell, xs):
    """Readouts and the last state, as one flat vector each: what two cells of one function share."""
    ys, state = unroll(cell, xs)
    return torch.cat((ys.flatten(), Layout.of(cell.initial_state()).ravel(state).flatten()))


def inputs(dtype=torch.float32, batch=()):
    """Five inputs."""
    g = torch.Generator().manual_seed(3)
    return torch.randn(5, *batch, INPUTS, generator=g, dtype=dtype)


def warm_state(cell):
    """A state away from where the cell starts, without a history."""
    _, state = unroll(cell, inputs(torch.float64))
    return type(state)(*(field.detach() for field in state))


@EVERY
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_ten_steps_of_the_adding_problem(name, dtype, layers, batch):
    """Loss, states and parameters stay finite, keep their dtype, and every parameter is moved."""
    g = torch.Generator().manual_seed(4)
    model = stack(name, layers).to(dtype)
    decoder = nn.Linear(width_of(model), 1, device="meta").to_empty(device="cpu").to(dtype)
    nn.init.normal_(decoder.weight, generator=g)
    nn.init.zeros_(decoder.bias)
    parameters = [*model.parameters(), *decoder.parameters()]
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(10):
        xs, target = adding(12, batch, g, dtype)
        outputs, states = model(xs)
        loss = F.mse_loss(decoder(outputs[-1]).squeeze(-1), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert math.isfinite(loss.item())
        assert {dtype} == {loss.dtype, outputs.dtype}
        for state, layer in zip(states, model.layers, strict=True):
            assert Layout.of(layer.initial_state()).ravel(state).isfinite().all()
    assert all(p.isfinite().all() for p in parameters)
    assert [] == [n for n, p in model.named_parameters() if torch.equal(before[n], p)]


def prefixed(values):
    """Names of a cell's parameters as ``Recurrent(cell)`` has them, so that one step is a forward."""
    return {f"layers.0.{name}": value for name, value in values.items()}


@EVERY
def test_gradients_of_a_step_are_right(name):
    """Autograd agrees with finite differences in the input, every state scalar and every parameter."""
    cell = build(name).double()
    model, state = Recurrent(cell), warm_state(cell)
    layout, parameters = Layout.of(state), dict(cell.named_parameters())

    def step(x, flat, *values):
        replaced = prefixed(dict(zip(parameters, values, strict=True)))
        start = (layout.unravel(flat, state),)
        outputs, (new,) = torch.func.functional_call(model, replaced, (x.unsqueeze(0), start))
        return outputs, layout.ravel(new)

    point = [inputs(torch.float64)[0], layout.ravel(state), *parameters.values()]
    point = [value.detach().clone().requires_grad_() for value in point]
    # beyond a thousand scalars along random directions: the full table is quadratic in them
    fast = sum(value.numel() for value in point) > 1000
    assert torch.autograd.gradcheck(step, point, fast_mode=fast)


@EVERY
def test_vmap_keeps_the_function(name):
    """Sequences mapped over are sequences run one by one."""
    cell = build(name, least=4).double()
    xs = inputs(torch.float64, (3,))
    mapped = torch.func.vmap(lambda sequence: drive(cell, sequence), in_dims=1)(xs)
    alone = torch.stack([drive(cell, sequence) for sequence in xs.unbind(1)])
    torch.testing.assert_close(mapped, alone)


@EVERY
def test_functional_call_keeps_the_function(name):
    """With another cell's parameters put in its place, a cell is the other cell, and then itself again."""
    cell, other = build(name, least=4), build(name, least=4, seed=1)
    xs = inputs()
    before = drive(cell, xs)
    replaced = prefixed(dict(other.named_parameters()))
    for backend in ("auto", "reference"):
        model, expected = (Recurrent(one, backend=backend) for one in (cell, other))
        outputs, _ = torch.func.functional_call(model, replaced, (xs,))
        assert torch.equal(expected(xs)[0], outputs)
    assert torch.equal(before, drive(cell, xs))


@EVERY
def test_compile_keeps_the_function(name):
    """Three steps are one graph without breaks, and it computes what the steps do."""
    cell = build(name, least=4).double()
    xs = inputs(torch.float64, (2,))[:3]
    torch.compiler.reset()
    compiled = torch.compile(drive, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(cell, xs), drive(cell, xs))


@EVERY
def test_state_dict_and_file_carry_the_function(name):
    """Loaded strictly, directly or through a file of weights alone, the weights are the function."""
    cell = build(name, least=4)
    xs = inputs()
    file = io.BytesIO()
    torch.save(cell.state_dict(), file)
    file.seek(0)
    for weights in (cell.state_dict(), torch.load(file, weights_only=True)):
        other = build(name, least=4, seed=1)
        assert not torch.equal(drive(cell, xs), drive(other, xs))
        other.load_state_dict(weights, strict=True)
        assert torch.equal(drive(cell, xs), drive(other, xs))


@EVERY
def test_a_deep_copy_is_the_same_function_of_its_own_weights(name):
    """The copy agrees, and goes on agreeing with what the original was when the original changes."""
    cell = build(name, least=4)
    xs = inputs()
    before = drive(cell, xs)
    twin = copy.deepcopy(cell)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(0.5)
    assert torch.equal(before, drive(twin, xs))
    assert not torch.equal(before, drive(cell, xs))
    assert cells.describe(cell) == cells.describe(twin)


@EVERY
def test_the_generator_alone_decides_the_draw(name):
    """One seed, one cell: whatever torch's own generator did before, which building leaves alone."""
    torch.manual_seed(5)
    first = build(name, least=4)
    torch.manual_seed(6)
    untouched = torch.get_rng_state()
    again, other = build(name, least=4), build(name, least=4, seed=1)
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)
    assert torch.equal(untouched, torch.get_rng_state())
    assert torch.equal(drive(first, inputs()), drive(again, inputs()))


@EVERY
@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.parametrize("which", ["input_size", "hidden_size"])
def test_sizes_below_one_are_refused(name, which, size):
    """The message names the argument, what it expects and what it got."""
    sizes = {"input_size": INPUTS, "hidden_size": smallest(name), which: size}
    message = f"{which}: expected an integer of at least 1, got {size}"
    with pytest.raises(ValueError, match=message):
        cells.get(name)(**sizes)
