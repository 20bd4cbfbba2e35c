"""The GPU's kernels in Triton's interpreter, on the CPU: run by test_fused_triton in a process of its own."""

from __future__ import annotations

import itertools
import os

import pytest
import torch
from fused_models import plenty
from torch.func import grad, jacrev, vmap

from cells.fused import catalogue, numba_kernels, recurrence, triton_kernels
from cells.fused.step import Step
from cells.fused.triton_kernels import Launch

assert "1" == os.environ["TRITON_INTERPRET"], "triton reads it when the kernels are imported"

import triton  # noqa: E402 - after the check
import triton.language as tl  # noqa: E402

from cells.fused import triton_math  # noqa: E402

# numpy, which does the interpreter's arithmetic, says what a GPU does not
pytestmark = pytest.mark.filterwarnings(
    "ignore:(overflow|invalid value|divide by zero):RuntimeWarning"
)

STEPS = {step.name: step for step in catalogue.steps()}
BATCH, UNITS, COPIES, DEPTH = 3, 7, 2, 4  # 42 lanes: a block of 32 and part of one

# (which tensors have all replicates: projected, weights, initial states; which gradients are missing)
SHARING = [(True, True, True, ()), (False, True, True, (0,)), (True, False, False, (-1,)),
           (False, False, True, (0, -1)), (True, True, False, ())]  # fmt: skip


def randn(*shape, seed, dtype=torch.float64):
    """Drawn in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def tensors(step, steps, sharing, dtype=torch.float64):
    """Projected inputs, weights, constants and initial states; how many replicates each has."""
    counts = [COPIES if own else 1 for own in sharing[:3]]
    return (
        [randn(counts[0], steps, BATCH, step.inputs * UNITS, seed=1, dtype=dtype)],
        0.5 * randn(counts[1], step.weights, UNITS, seed=2, dtype=dtype),
        [0.7] * step.constants,
        [randn(counts[2], BATCH, UNITS, seed=3 + k, dtype=dtype) for k in range(step.states)],
    )


def reference(step, projected, weights, constants, initial):
    """The step in a loop, and what is read of its states."""
    replicates = max(one.shape[0] for one in (projected, weights, *initial))
    numbers = [projected.new_tensor(one) for one in constants]
    states, every = initial, []
    for given in projected.unbind(1):
        own = [one.unsqueeze(1) for one in weights.unbind(1)]
        states = step.function(states, given.split(initial[0].shape[-1], -1), own, numbers)
        found = [one.expand(replicates, BATCH, UNITS) for one in states]
        read = [torch.cat([*step.decode(found)], -1)] if step.readouts else []
        every.append([*found, *read])
    return [torch.stack(one, 1) for one in zip(*every, strict=True)]


def answers(step, arguments, seeds):
    """States and gradients by the reference; those seeds that are empty stand for zeros."""
    (projected,), weights, constants, initial = arguments
    leaves = [one.clone().requires_grad_() for one in (projected, weights, *initial)]
    states = reference(step, leaves[0], leaves[1], constants, leaves[2:])
    count = step.states
    results = [*states[:count], *(one[:, -1] for one in states[:count]), *states[count:]]
    loss = sum((one * seed).sum() for one, seed in zip(results, seeds, strict=True) if seed.numel())
    found = [None] * len(leaves)
    if isinstance(loss, torch.Tensor):
        found = torch.autograd.grad(loss, leaves, allow_unused=True)
    zeros = [torch.zeros_like(w) if f is None else f for w, f in zip(leaves, found, strict=True)]
    return [one.detach() for one in states], zeros


def kernels(step, arguments, seeds):
    """The same by the kernels, in tensors that nothing has been written to."""
    results = triton_kernels.forward(step, *arguments)
    found = triton_kernels.backward(step, *arguments, results[: step.states], seeds)
    given = (*arguments[0], arguments[1], *arguments[3])
    return results, [one.sum_to_size(of.shape) for one, of in zip(found, given, strict=True)]


def gradients(step, steps, missing, dtype=torch.float64):
    """Of all states but the ``missing``, of the last ones, and of the readouts, the last of all."""
    count = step.states
    shapes = [(COPIES, steps, BATCH, UNITS)] * count + [(COPIES, BATCH, UNITS)] * count
    shapes += [(COPIES, steps, BATCH, step.readouts * UNITS)] * bool(step.readouts)
    out = [randn(*shape, seed=9 + k, dtype=dtype) for k, shape in enumerate(shapes)]
    for k in missing:
        out[k] = out[k].new_empty(1, 0, 0, 0)
    return out


@pytest.fixture
def depth(monkeypatch):
    """Chunks of DEPTH steps in both kernels, whatever the launcher would choose."""
    monkeypatch.setattr(triton_kernels, "launch", lambda *_: Launch(32, DEPTH))


@pytest.mark.usefixtures("depth")
@pytest.mark.parametrize(
    ("steps", "sharing"), [*zip((1, DEPTH - 1, DEPTH, DEPTH + 1, 40), SHARING, strict=True)]
)
@pytest.mark.parametrize("name", STEPS)
def test_the_kernels_are_the_reference(name, steps, sharing):
    """States and gradients in double precision, at every remainder of a chunk."""
    step = STEPS[name]
    arguments = tensors(step, steps, sharing)
    seeds = gradients(step, steps, sharing[3])
    torch.testing.assert_close(
        kernels(step, arguments, seeds), answers(step, arguments, seeds), atol=1e-11, rtol=1e-11
    )


@pytest.mark.parametrize("name", STEPS)
def test_in_single_precision(name):
    """As near to double precision as the reference in single precision is, by the launcher's own choice."""
    step = STEPS[name]
    single = tensors(step, 9, SHARING[1], torch.float32)
    seeds = gradients(step, 9, (), torch.float32)
    ours, theirs = kernels(step, single, seeds), answers(step, single, seeds)
    double = [[one.double() for one in part] if k in (0, 3) else part
              for k, part in enumerate(single)]  # fmt: skip
    double[1] = double[1].double()
    truth = answers(step, double, [one.double() for one in seeds])
    every = [[*states, *found] for states, found in (ours, theirs, truth)]
    for mine, other, true in zip(*every, strict=True):
        assert torch.float32 == mine.dtype
        scale = float(true.norm()) + 1e-30
        assert float((mine - true).norm()) <= 2 * float((other - true).norm()) + 2e-6 * scale


def test_no_gradient_at_all_is_zero_everywhere():
    """And not what was in memory."""
    step = STEPS["lstm"]
    arguments = tensors(step, 3, SHARING[0])
    _, found = kernels(step, arguments, gradients(step, 3, range(4)))
    assert all(0 == one.abs().max() for one in found)


def test_a_nan_stays_in_its_unit_and_leaves_by_every_way():
    """As in the reference, forwards and backwards; infinities too."""
    for step, value in itertools.product(STEPS.values(), (torch.nan, torch.inf, -1e4)):
        arguments = tensors(step, 6, SHARING[0])
        arguments[0][0][0, 2, 1, ::UNITS] = value
        seeds = gradients(step, 6, ())
        ours, theirs = kernels(step, arguments, seeds), answers(step, arguments, seeds)
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10, equal_nan=True)


def everything(states, inputs, weights, constants):
    """A step of many operations."""
    (h,) = states
    a, b = inputs
    (w,) = weights
    small, more = constants[0] * torch.tanh(a), torch.sigmoid(b)
    x = torch.sin(a) + torch.cos(w * h) + torch.floor(b) + torch.sqrt(1 + a * a)
    x = x + torch.reciprocal(2 + more) + torch.log(1.5 + more)
    x = x + torch.log1p(more) + torch.log1p(small * 0.1) + torch.exp(-more) + torch.abs(h - a)
    x = x + torch.relu(b) * torch.sign(a)
    x = (
        x
        + torch.where((a > h) & (b <= 0.25), a, 0.3)
        + torch.where((a < 0.1) | (b >= h), 0.125, 0.5)
    )
    x = x + torch.where(torch.logical_not(a == b), -h, h) + torch.where(a != 1 / 3, b / 1.7, a)
    x = x + torch.nn.functional.softplus(b - h)
    return (0.1 * x + 0.5 * h,)


@pytest.mark.parametrize("function", [everything, plenty])
def test_a_step_of_many_operations(function):
    """Whatever a stranger's step may hold is printed, and means what it means in torch."""
    step = Step(function.__name__, function, states=1, inputs=2, weights=1, constants=1)
    arguments, seeds = tensors(step, 3, SHARING[0]), gradients(step, 3, ())
    torch.testing.assert_close(
        kernels(step, arguments, seeds), answers(step, arguments, seeds), atol=1e-11, rtol=1e-11
    )


@pytest.mark.parametrize("name", ["gato_sigmoid_cos", "lstm"])
def test_under_the_transforms_of_torch(name, monkeypatch):
    """Through the operator and its rules: replicates that some tensors share."""
    called = []
    for kernel in ("forward", "backward"):
        function = getattr(triton_kernels, kernel)
        monkeypatch.setattr(
            numba_kernels, kernel,
            lambda *a, f=function, k=kernel, **n: called.append(k) or f(*a, **n),
        )  # fmt: skip
    step = STEPS[name]
    (projected,), weights, constants, initial = tensors(step, 3, (False, True, False))

    def ours(projected, weights):
        begin = [one[0] for one in initial]
        found = recurrence.run(step, [projected], weights, constants, begin)
        return found.states[-1] if found.readouts is None else found.readouts

    def theirs(projected, weights):
        return reference(step, projected[None], weights[None], constants, initial)[-1][0]

    found = []
    for function in (ours, theirs):
        one = torch.func.vmap(function, (None, 0))(projected[0], weights)
        two = vmap(grad(lambda p, w, f=function: f(p, w).square().sum(), (0, 1)), (None, 0))
        three = jacrev(lambda p, f=function: f(p, weights[0])[-1, 0])(projected[0])
        found.append([one, *two(projected[0], weights), three])
    assert {"forward", "backward"} == set(called), "Triton's kernels ran, in place of the CPU's"
    torch.testing.assert_close(*found, atol=1e-11, rtol=1e-11)


def test_tensors_need_not_be_dense():
    """Strided and expanded ones give what their copies give."""
    step = STEPS["gru_reset_after"]
    ((projected,), weights, constants, initial) = given = tensors(step, 4, SHARING[0])
    seeds = gradients(step, 4, ())
    wanted = kernels(step, given, seeds)
    strange = [torch.stack((one, one), -1)[..., 0] for one in (projected, weights, *initial)]
    assert not strange[0].is_contiguous()
    other = ([strange[0]], strange[1], constants, strange[2:])
    assert all(
        map(torch.equal, itertools.chain(*kernels(step, other, seeds)), itertools.chain(*wanted))
    )


def test_what_does_not_fit_is_refused():
    """Before anything is written."""
    step = STEPS["brhn"]
    big = torch.zeros(1, 1, 1, 1).expand(1, 2**16, 2**10, 2 * 2**5)
    state = torch.zeros(1, 1, 1).expand(1, 2**10, 2**5)
    with pytest.raises(ValueError, match=r"fewer than 2\*\*31 of them.*got 4294967296; split the"):
        triton_kernels.fits(big, 0)
    with pytest.raises(ValueError, match=r"expected weights \(1 or 1, 2, 32\)"):
        triton_kernels.forward(step, [big], torch.zeros(1, 3, 2**5), [], [state])


@pytest.mark.usefixtures("depth")
def test_readouts_are_left_out_where_nobody_wants_them():
    """The states are the same to the bit, and so are their gradients."""
    step = STEPS["gato_sigmoid_cos"]
    arguments = tensors(step, 9, SHARING[0])
    *states, _ = triton_kernels.forward(step, *arguments)
    alone = triton_kernels.forward(step, *arguments, read=False)
    assert all(map(torch.equal, alone, states))
    assert len(alone) == step.states


@triton.jit
def over(xs, out, function: tl.constexpr, size: tl.constexpr):
    """``function`` of ``size`` numbers."""
    place = tl.arange(0, size)
    tl.store(out + place, function(tl.load(xs + place)))


@triton.jit
def size(x):
    """|x|, as the larger of two."""
    return triton_math.larger(x, -x)


@triton.jit
def minus_size(x):
    """-|x|, as the smaller of two."""
    return triton_math.smaller(x, -x)


FUNCTIONS = {
    "larger": (size, torch.abs),
    "smaller": (minus_size, lambda x: -x.abs()),
    "tanh": (triton_math.tanh, torch.tanh),
    "sigmoid": (triton_math.sigmoid, torch.sigmoid),
    "softlog": (triton_math.softlog, lambda x: torch.log1p(torch.exp(-x))),
    "log1p": (triton_math.log1p, torch.log1p),
    "sin": (triton_math.sin, torch.sin),
    "cos": (triton_math.cos, torch.cos),
    # torch's is 0 of NaN; ours, on any device, lets it through
    "sign": (triton_math.sign, lambda x: torch.where(x.isnan(), x, torch.sgn(x))),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_exact_to_a_few_units_in_the_last_place(name, dtype):
    """Near zero, far out, at infinities and for NaN."""
    ours, theirs = FUNCTIONS[name]
    small = torch.logspace(-30, 2, 1019, dtype=torch.float64)
    special = torch.tensor([0.0, torch.inf, -torch.inf, torch.nan, -0.0], dtype=torch.float64)
    xs = torch.cat((small, -small, torch.linspace(-3, 3, 2**12 - 2 * 1019 - 5), special)).to(dtype)
    xs = xs.abs() if name == "softlog" else xs.clamp(min=-0.95) if name == "log1p" else xs
    out = torch.full_like(xs, torch.nan)
    over[(1,)](xs, out, ours, xs.numel())
    wanted = theirs(xs.double())
    units = {"sigmoid": 40}.get(name, 4)  # the tail of e^-x, relative to itself
    close = {"rtol": units * torch.finfo(dtype).eps, "atol": 4 * torch.finfo(dtype).tiny}
    if name in ("sin", "cos"):  # the interpreter's fused multiply-add rounds twice, at 100 radians
        close["atol"] = 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(out.double(), wanted, equal_nan=True, **close)
