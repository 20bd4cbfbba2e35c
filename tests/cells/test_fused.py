"""Generated kernels: equal to the reference under all transforms, reproducible, clear where refused."""

from __future__ import annotations

import pytest
import torch
from fused_models import VARIANTS, both, everything, gap, make, rounded, stacked, start
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, jacrev, vmap

import cells
from cells.fused import numba_kernels, operators, recurrence, unit_networks

pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
torch.set_num_threads(1)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("steps", "batch"), [(1, ()), (2, (3,)), (9, (2, 1))])
def test_the_kernels_are_the_reference(variant, steps, batch):
    """Outputs, states and every gradient, in double precision."""
    cell = make(variant)
    xs = torch.randn(steps, *batch, 3, dtype=torch.float64)
    state = start(cell, *batch)
    ours = everything(cell, "fused", xs, state)
    theirs = everything(cell, "reference", xs, state)
    torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-11)


@settings(max_examples=25, deadline=None)
@given(
    variant=st.sampled_from(["gato", "gato-2", "gru-after", "lstm", "brhn", "indrnn-tanh"]),
    units=st.sampled_from([1, 2, 15, 63, 64, 65, 130]),
    steps=st.integers(1, 40),
    batch=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
def test_single_precision_at_ragged_sizes(variant, units, steps, batch, seed):
    """As near to double precision as the reference in single precision is, twice over."""
    exact = make(variant, 2 * units, seed=seed)
    cell = make(variant, 2 * units, torch.float32, seed)
    generator = torch.Generator().manual_seed(seed)
    # every other step of a longer sequence: no tensor that the kernel gets is contiguous
    xs = torch.randn(2 * steps, batch, 3, generator=generator)[::2]
    state = start(exact, batch)
    single = type(state)(*(field.float() for field in state))
    truth = everything(exact, "reference", xs.double(), state)
    ours = everything(cell, "fused", xs, single)
    # one unit in thousands may be chaotic: what a last digit grows to there, the reference shows as well
    # where the last digits of its parameters are others
    theirs = [everything(rounded(cell, way), "reference", xs, single) for way in (0.0, 1.0, -1.0)]
    for mine, true, *others in zip(ours, truth, *theirs, strict=True):
        scale = gap(true, torch.zeros_like(true))
        reached = max(gap(other, true) for other in others)
        assert gap(mine, true) <= 4 * reached + 2e-5 * scale + 1e-30


@pytest.mark.parametrize("variant", ["gato", "gato-2", "lstm", "gru-after"])
def test_under_the_transforms_of_torch(variant):
    """Mapped over parameters, over inputs, over both; gradients within, without; Jacobians."""
    cell = make(variant, 4)
    several = stacked(cell, 5)
    xs = torch.randn(5, 6, 2, 3, dtype=torch.float64)
    own = dict(cells.Recurrent(cell).named_parameters())
    answers = []
    for model in both(cell):

        def outputs(weights, x, model=model):
            return functional_call(model, weights, (x,))[0]

        def loss(weights, x, outputs=outputs):
            return outputs(weights, x).square().sum()

        leaves = {name: value.clone().requires_grad_() for name, value in several.items()}
        total = vmap(loss)(leaves, xs).sum()
        answers.append(
            [
                vmap(outputs, (0, None))(several, xs[0]),
                vmap(outputs, (None, 0))(own, xs),
                vmap(outputs, (0, 2), 1)(several, xs.movedim(0, 2)),
                *vmap(grad(loss))(several, xs).values(),
                vmap(jacrev(lambda x, outputs=outputs: outputs(own, x)[-1]))(xs),
                vmap(lambda w: vmap(lambda x: outputs(w, x))(xs))(several),
                *torch.autograd.grad(total, list(leaves.values())),
            ]
        )
    torch.testing.assert_close(*answers, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("variant", ["gato", "gato-2"])
def test_one_vmap_and_nothing_else_asks_no_rules(variant, monkeypatch):
    """A trainer's replicates are passed to the kernels directly; any other transform goes by the rules."""
    cell = make(variant, 4)
    several, xs = stacked(cell, 3), torch.randn(6, 2, 3, dtype=torch.float64)
    model, asked = cells.Recurrent(cell, backend="fused"), []
    for function in (recurrence._Recurrence, unit_networks._Networks):

        def seen(*arguments, real=function.apply):
            asked.append(real)
            return real(*arguments)

        monkeypatch.setattr(function, "apply", seen)

    def outputs(weights, x=xs):
        return functional_call(model, weights, (x,))[0]

    expected = vmap(outputs)(several)
    assert not asked
    nested = vmap(lambda x: vmap(lambda w: outputs(w, x))(several))(xs.unsqueeze(0))
    assert asked, "mapped twice"
    torch.testing.assert_close(nested[0], expected, atol=1e-12, rtol=0)
    asked.clear()
    grad(lambda w: outputs(w).sum())({name: value[0] for name, value in several.items()})
    assert asked, "differentiated by a transform"


@pytest.mark.parametrize("variant", ["gato", "gato-2"])
def test_outputs_may_be_written_into(variant):
    """As those of the reference: they are nobody's view, and the backward does not read them."""
    cell, found = make(variant, 8), []
    for model in both(cell):
        xs = torch.linspace(-1, 1, 30, dtype=torch.float64).view(5, 2, 3).requires_grad_()
        outputs, _ = model(xs)
        outputs.mul_(2)
        found.append([outputs.detach(), *torch.autograd.grad(outputs.sum(), xs)])
    torch.testing.assert_close(*found, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("variant", ["gato", "gato-2", "lstm"])
def test_a_batch_of_gradients_is_refused(variant):
    """With what to use instead, which works."""
    model, reference = both(make(variant, 4))
    xs = torch.randn(3, 2, 3, dtype=torch.float64).requires_grad_()
    outputs, _ = model(xs)
    seeds = torch.eye(outputs.numel(), dtype=torch.float64).view(-1, *outputs.shape)
    with pytest.raises(
        RuntimeError, match=r"one gradient at a time.*torch\.func\.vmap.*'reference'"
    ):
        torch.autograd.grad(outputs, xs, seeds, is_grads_batched=True)
    pulled = torch.func.vmap(torch.func.vjp(lambda x: model(x)[0], xs)[1])(seeds)[0]
    wanted = torch.autograd.grad(reference(xs)[0], xs, seeds, is_grads_batched=True)[0]
    torch.testing.assert_close(pulled, wanted, atol=1e-11, rtol=1e-11)


def test_finite_differences_agree():
    """A leg that rests on the kernel's own forward."""
    model, _ = both(make("gato", 4))
    parameters = dict(model.named_parameters())
    point = [torch.randn(4, 2, 3, dtype=torch.float64), *parameters.values()]
    point = [value.detach().clone().requires_grad_() for value in point]

    def outputs(xs, *values):
        named = dict(zip(parameters, values, strict=True))
        return functional_call(model, named, (xs,))[0]

    assert torch.autograd.gradcheck(outputs, point)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("variant", ["lstm", "gato"])
def test_the_operators_pass_torchs_own_checks(variant, mapped):
    """Schemas, fake tensors and dispatch; of a step that decodes as well, read or not."""
    cell = make(variant, 16 if variant == "gato" else 8)
    form = cell.lanes()
    operators.announce(form.step)
    xs = torch.randn(4, 2, 3, dtype=torch.float64)
    initial = [torch.randn(1, 2, 8, dtype=torch.float64) for _ in form.fields]
    inputs, weights = [form.project(xs).detach()[None]], form.weights.detach()[None]
    if mapped:
        inputs = [one.detach()[None] for one in (xs, form.project.weight, form.project.bias)]
    for read in (True, False):
        forward = (form.step.name, inputs, weights, list(form.constants), initial, read)
        results = operators.recurrence(*forward)
        states = results[: form.step.states]
        assert all(map(torch.equal, results[len(states) :], (one[:, -1] for one in states)))
        assert len(results) == 2 * len(states) + (read and form.step.readouts > 0)
        seeds = [torch.randn_like(one) for one in results]
        backward = (*forward[:-1], states, seeds, True)
        for operator, arguments in (
            (operators.recurrence, forward),
            (operators.recurrence_backward, backward),
        ):
            found = torch.library.opcheck(operator.default, arguments)
            assert {"SUCCESS"} == set(found.values())


@pytest.mark.parametrize(
    ("said", "change"),
    [
        (r"expected an initial state \(1 or 1, 2, 8\), got \(1, 2, 4\)", {3: (1, 2, 4)}),
        (r"expected weights \(1 or 1, 4, 8\), got \(1, 3, 8\)", {1: (1, 3, 8)}),
        (
            r"expected projected inputs \(R, T, B, 4·J\), or x .*, got \(5, 2, 32\)",
            {0: [(5, 2, 32)]},
        ),
        (r"projected inputs \(R, T, B, 4·J\).*, got \(1, 5, 2, 33\)", {0: [(1, 5, 2, 33)]}),
        ("expected 1 constants, got 0", {2: None}),
        ("expected weights in torch.float64 on cpu, got torch.float32", {1: torch.float32}),
        (
            r"expected weight_ih \(1 or 1, 32, 3\), got \(1, 32, 2\)",
            {0: [(1, 5, 2, 3), (1, 32, 2), (1, 32)]},
        ),
        (
            r"expected bias_ih \(1 or 1, 32\), got \(1, 31\)",
            {0: [(1, 5, 2, 3), (1, 32, 3), (1, 31)]},
        ),
        (
            r"or x \(R, T, B, D\), .*got \(1, 5, 2, 3\), \(1, 32, 3\)",
            {0: [(1, 5, 2, 3), (1, 32, 3)]},
        ),
        (r"got \(1, 5, 2, 0\), \(1, 32, 0\)", {0: [(1, 5, 2, 0), (1, 32, 0), (1, 32)]}),
    ],
)
def test_a_kernel_is_not_let_loose_on_other_shapes(said, change):
    """It would write beyond the end of its arrays."""
    form = make("lstm").lanes()
    operators.announce(form.step)
    shapes = [[(1, 5, 2, 32)], (1, 4, 8), None, (1, 2, 8)]
    ((place, value),) = change.items()
    if isinstance(value, (list, tuple)):
        shapes[place] = value

    def zeros(shape):
        if isinstance(shape, list):
            return [zeros(one) for one in shape]
        return torch.zeros(shape, dtype=torch.float64)

    tensors = [zeros(shape) if shape else [0.0] for shape in shapes]
    if value is None:
        tensors[place] = []
    elif isinstance(value, torch.dtype):
        tensors[place] = tensors[place].to(value)
    inputs, weights, constants, initial = tensors
    with pytest.raises(ValueError, match=said):
        operators.recurrence(form.step.name, inputs, weights, constants, [initial] * 2, True)  # noqa: FBT003


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by torch
@pytest.mark.parametrize("variant", ["gato", "gato-2"])
def test_torch_compile_takes_it_whole(variant):
    """No break in the graph, and the same gradients."""
    fused, reference = both(make(variant))
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    compiled = torch.compile(
        lambda x: fused(x)[0].square().sum(), fullgraph=True, backend="aot_eager"
    )
    parameters = list(fused.parameters())
    ours = torch.autograd.grad(compiled(xs), parameters)
    theirs = torch.autograd.grad(reference(xs)[0].square().sum(), parameters)
    torch.testing.assert_close(ours, theirs)


def test_equal_runs_have_equal_bits_on_any_number_of_threads(monkeypatch):
    """Sums are taken in one order."""
    monkeypatch.setattr(numba_kernels, "_WORTH_A_THREAD", 1)
    cell, xs = make("gato", 70, torch.float32), torch.randn(6, 5, 3)
    state = start(cell, 5, dtype=torch.float32)
    first = everything(cell, "fused", xs, state)
    threads = []
    monkeypatch.setattr(numba_kernels.torch, "get_num_threads", lambda: threads.append(1) or 3)
    again = everything(cell, "fused", xs, state)
    assert threads
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("sizes", [(5, 3, 0), (5, 0, 4), (0, 3, 4), (4, 19, 3)])
def test_kernels_end_whatever_is_missing(sizes):
    """No unit, no row, no step; and more rows than are walked through together, of several replicates."""
    steps, batch, units = sizes
    form = make("gru-after").lanes()
    operators.announce(form.step)
    given = [torch.randn(2, steps, batch, form.step.inputs * units, dtype=torch.float64)]
    weights = torch.randn(2, form.step.weights, units, dtype=torch.float64)
    initial = [torch.randn(2, batch, units, dtype=torch.float64)]
    whole = operators.recurrence(form.step.name, given, weights, [], initial, True)  # noqa: FBT003
    for row in range(batch):
        own = [
            [one[..., row : row + 1, :].contiguous() for one in some] for some in (given, initial)
        ]
        alone = operators.recurrence(form.step.name, own[0], weights, [], own[1], True)  # noqa: FBT003
        for one, two in zip(whole, alone, strict=True):
            assert torch.equal(one[..., row : row + 1, :], two)


def test_a_nan_comes_out():
    """In states and gradients of its own unit, and of no other."""
    cell = make("gato")
    with torch.no_grad():
        cell.recurrence.weight_hh[0] = torch.nan
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    outputs, (state,) = cells.Recurrent(cell, backend="fused")(xs)
    assert state.recurrent[:, 0].isnan().all()
    assert state.recurrent[:, 1:].isfinite().all()
    assert outputs.sum().isnan()


def test_a_second_derivative_is_refused_with_the_remedy():
    """The kernels have one."""
    model, _ = both(make("gato"))
    xs = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(model(xs)[0].sum(), xs, create_graph=True)
    with pytest.raises(RuntimeError, match=r"first derivative only.*use backend='reference'"):
        first.sum().backward()


@pytest.mark.parametrize(
    ("why", "call"),
    [
        ("float32 or float64, one dtype", lambda m: m.half()(torch.randn(3, 2, 3).half())),
        ("the sequence or the batch is empty", lambda m: m(torch.randn(0, 2, 3).double())),
        (
            "no forward-mode derivative",
            lambda m: torch.func.jvp(lambda x: m(x)[0], *[(torch.randn(3, 2, 3).double(),)] * 2),
        ),
    ],
)
@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.script. is deprecated:DeprecationWarning"
)  # by torch
def test_what_the_kernels_cannot_run_is_refused(why, call):
    """With "fused" an error, with "auto" the reference."""
    cell = make("gato")
    with pytest.raises(ValueError, match=f"backend='fused' expects.*{why}.*use backend='auto'"):
        call(cells.Recurrent(cell, backend="fused"))
    call(cells.Recurrent(cell))


def test_a_dense_cell_has_no_kernels():
    """Refused at construction, with the reason."""
    with pytest.raises(ValueError, match=r"backend='fused' expects.*matrices, which mix units"):
        cells.Recurrent(cells.get("gru")(3, 4), backend="fused")
    with pytest.raises(ValueError, match=r"backend='fused' expects.*declares no elementwise step"):
        cells.Recurrent(cells.get("rru")(3, 4), backend="fused")


def test_without_numba_the_reference_runs(monkeypatch):
    """And says what to install."""
    monkeypatch.setattr(numba_kernels, "_INSTALLED", False)
    cell, xs = make("gato"), torch.randn(3, 2, 3, dtype=torch.float64)
    ((name, reason),) = cells.backends(cell, xs)
    assert name == "reference"
    assert "pip install 'desiderata[fused]'" in reason
    cells.Recurrent(cell)(xs)
