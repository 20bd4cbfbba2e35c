"""Generated kernels: equal to the reference under all transforms, reproducible, clear where refused."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, jacrev, vmap

import cells
from cells.fused import numba_kernels, operators, store, unit_networks
from cells.fused.step import Step
from cells.fused.trace import trace

pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
torch.set_num_threads(1)

VARIANTS = {
    "gato": ("gato", {}),
    "gato-tanh": ("gato", {"reg": "tanh", "lam": 0.5}),
    "gato-zero": ("gato", {"s_mode": "zero"}),
    "gato-overwritten": ("gato", {"s_mode": "no_residual", "gamma": "sin"}),
    "gato-wrapped": ("gato", {"wrap_s": True}),
    "gato-quarter": ("gato", {"s_fraction": 0.25}),
    "gato-all-recurrent": ("gato", {"s_fraction": 0.0}),
    "gato-2": ("gato-2", {"k": 3}),
    "gru-after": ("gru-diag", {}),
    "gru-before": ("gru-diag", {"reset": "before", "n_b": 1}),
    "gru-no-bias": ("gru-diag", {"n_b": 0}),
    "lstm": ("lstm-diag", {"forget_offset": 1.0}),
    "lstm-tied": ("lstm-diag", {"tied": True}),
    "brhn": ("brhn-diag", {}),
    "rhn": ("rhn", {"diagonal": True}),
    "indrnn": ("indrnn", {}),
    "indrnn-tanh": ("indrnn", {"nonlinearity": "tanh"}),
}


def make(variant, hidden_size=8, dtype=torch.float64, seed=0):
    """One cell of three inputs with weights large enough to matter."""
    name, knobs = VARIANTS[variant]
    generator = torch.Generator().manual_seed(seed)
    cell = cells.get(name)(3, hidden_size, generator=generator, **knobs).to(dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return cell


def everything(cell, backend, xs, state, seed=1):
    """Outputs, the last state, and the gradients of all inputs, initial states and parameters."""
    begin = [field.detach().clone().requires_grad_() for field in state]
    xs = xs.detach().requires_grad_()
    model = cells.Recurrent(cell, backend=backend)
    outputs, (last,) = model(xs, (type(state)(*begin),))
    generator = torch.Generator().manual_seed(seed)
    loss = sum(
        (one * torch.randn(one.shape, generator=generator, dtype=one.dtype)).sum()
        for one in (outputs, *last)
    )
    wanted = [xs, *begin, *cell.parameters()]
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    zeros = (torch.zeros_like(w) if f is None else f for w, f in zip(wanted, found, strict=True))
    return [outputs, *last, *zeros]


def start(cell, *batch, dtype=torch.float64):
    """An initial state that is not zero."""
    generator = torch.Generator().manual_seed(2)
    like = cell.initial_state(*batch)
    return type(like)(*(torch.randn(f.shape, generator=generator).to(dtype) for f in like))


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
    theirs = everything(cell, "reference", xs, single)
    for mine, other, true in zip(ours, theirs, truth, strict=True):
        scale = gap(true, torch.zeros_like(true))
        assert gap(mine, true) <= 4 * gap(other, true) + 2e-5 * scale + 1e-30


def gap(a, b):
    """The largest difference."""
    return float((a - b).detach().abs().max()) if a.numel() else 0.0


def stacked(cell, count):
    """The parameters of ``count`` models like ``Recurrent(cell)``, by name."""
    generator = torch.Generator().manual_seed(5)
    named = cells.Recurrent(cell).named_parameters()
    return {
        name: torch.randn(count, *p.shape, generator=generator, dtype=p.dtype) for name, p in named
    }


def both(cell):
    """A model of it by the kernels, and one by the reference."""
    return [cells.Recurrent(cell, backend=name) for name in ("fused", "reference")]


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


def test_the_operators_pass_torchs_own_checks():
    """Schemas, fake tensors and dispatch."""
    cell = make("lstm")
    form = cell.lanes()
    operators.announce(form.step)
    xs = torch.randn(4, 2, 3, dtype=torch.float64)
    initial = [torch.randn(1, 2, 8, dtype=torch.float64) for _ in form.fields]
    projected, weights = form.project(xs).detach()[None], form.weights.detach()[None]
    forward = (form.step.name, projected, weights, list(form.constants), initial)
    states = operators.recurrence(*forward)
    backward = (*forward, states, [torch.randn_like(one) for one in states])
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
        (r"expected projected inputs \(R, T, B, 4·J\), got \(5, 2, 32\)", {0: (5, 2, 32)}),
        ("expected 1 constants, got 0", {2: None}),
        ("expected weights in torch.float64 on cpu, got torch.float32", {1: torch.float32}),
    ],
)
def test_a_kernel_is_not_let_loose_on_other_shapes(said, change):
    """It would write beyond the end of its arrays."""
    form = make("lstm").lanes()
    operators.announce(form.step)
    shapes = [(1, 5, 2, 32), (1, 4, 8), None, (1, 2, 8)]
    ((place, value),) = change.items()
    tensors = [torch.zeros(s, dtype=torch.float64) if s else [0.0] for s in shapes]
    if value is None:
        tensors[place] = []
    elif isinstance(value, torch.dtype):
        tensors[place] = tensors[place].to(value)
    else:
        tensors[place] = torch.zeros(value, dtype=torch.float64)
    projected, weights, constants, initial = tensors
    with pytest.raises(ValueError, match=said):
        operators.recurrence(form.step.name, projected, weights, constants, [initial] * 2)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by torch
def test_torch_compile_takes_it_whole():
    """No break in the graph, and the same gradients."""
    fused, reference = both(make("gato"))
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


ONE = {"states": 1, "inputs": 1}
FOUR = torch.arange(4, dtype=torch.float64)


@pytest.mark.parametrize(
    ("said", "build"),
    [
        ("name: expected lower-case words", lambda f: Step("My-Cell", f, **ONE)),
        ("inputs: expected at least 1, got 0", lambda f: Step("a", f, states=1, inputs=0)),
        (
            "cumsum.* is no elementwise operation",
            lambda _: trace(Step("a", lambda s, p, *_: (s[0].cumsum(-1) + p[0],), **ONE)),
        ),
        (
            "expected 1 new states of shape .4,., got",
            lambda _: trace(Step("a", lambda *a: (a[0][0], a[1][0]), **ONE)),
        ),
        (
            "holds a tensor of its own",
            lambda _: trace(Step("a", lambda s, *_: (s[0] * FOUR,), **ONE)),
        ),
    ],
)
def test_a_step_that_cannot_be_is_refused(said, build):
    """With what was expected."""
    with pytest.raises(ValueError, match=said):
        build(lambda s, p, *_: (s[0] + p[0],))


def test_two_steps_of_one_name_are_refused():
    """The operators know a step by its name alone."""
    first = Step("twin_step", lambda s, p, *_: (s[0] + p[0],), **ONE)
    second = Step("twin_step", lambda s, p, *_: (s[0] - p[0],), **ONE)
    operators.announce(first)
    operators.announce(first)
    with pytest.raises(ValueError, match=r"two different steps are called 'twin_step'.*rename"):
        operators.announce(second)


def test_the_checked_in_sources_are_what_is_generated():
    """`python -m cells.fused` would change nothing."""
    from cells.fused.catalogue import sources

    wanted = sources()
    found = {
        path.name: path.read_text(encoding="utf-8")
        for path in store.GENERATED.glob("*_*.py")
        if path.name != "__init__.py"
    }
    assert found.keys() == wanted.keys()
    stale = [name for name, text in wanted.items() if found[name] != text]
    assert not stale, "run `python -m cells.fused` and commit what it writes"


def test_a_cell_of_one_function(tmp_path, monkeypatch):
    """A stranger's step gets a cell and kernels, whose source goes to the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    @cells.diagonal(
        state=("total", "leak"), inputs=2, weights=1, constants={"rate": 0.5}, memory=("total",)
    )
    def leaky_sum(states, inputs, weights, constants):
        total, leak = states
        new = constants[0] * leak + torch.tanh(inputs[0] + weights[0] * leak)
        return total + torch.sigmoid(inputs[1]) * new, new

    cell = leaky_sum(3, 8, rate=0.25).double()
    xs = torch.randn(6, 2, 3, dtype=torch.float64)
    state = start(cell, 2)
    ours, theirs = (everything(cell, name, xs, state) for name in ("fused", "reference"))
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    (written,) = (tmp_path / "desiderata" / "kernels").glob("leaky_sum_numba_*.py")
    assert "Generated from the step 'leaky_sum'" in written.read_text(encoding="utf-8")
    assert ("total",) == cell.channels.memory
    other = leaky_sum(3, 8, rate=0.5).double()
    other.load_state_dict(cell.state_dict())
    assert not torch.equal(cells.Recurrent(other)(xs)[0], cells.Recurrent(cell)(xs)[0])


def simple(**knobs):
    """The same as a cell, with the decorator's arguments ``knobs``."""
    return cells.diagonal(inputs=1, **knobs)(lambda s, p, *_: tuple(one + p[0] for one in s))


@pytest.mark.parametrize(
    ("error", "said", "build"),
    [
        (ValueError, "memory: expected names of the state's fields", lambda: simple(memory=("x",))),
        (
            ValueError,
            "hidden_size counts all 2 fields",
            lambda: cells.diagonal(state=("a", "b"), inputs=1)(named)(3, 5),
        ),
        (
            TypeError,
            "expects the constants none, got rate",
            lambda: cells.diagonal(inputs=1)(named)(3, 5, rate=1.0),
        ),
    ],
)
def test_a_cell_of_one_function_that_cannot_be(error, said, build):
    """With what was expected."""
    with pytest.raises(error, match=said):
        build()


def named(states, inputs, *_):
    """A step that adds its input to every field."""
    return tuple(one + inputs[0] for one in states)


def test_a_folder_that_cannot_be_written_costs_a_compilation(tmp_path, monkeypatch):
    """The source goes to a temporary folder instead."""
    (tmp_path / "desiderata").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    step = Step("homeless", lambda s, p, *_: (torch.tanh(s[0] + p[0]),), **ONE)
    module = store.load(step, "numba", lambda *_: "NUMBERS = ()\n")
    assert not str(module.__file__).startswith(str(tmp_path))
    assert list(itertools.chain(module.NUMBERS)) == []


def test_finite_differences_agree_on_networks_of_units():
    """Inputs, states, weights and what was held, of the kernel behind two-layer GATO."""
    torch.manual_seed(0)
    sizes = [(4, 2, 3), (4, 2, 5), (2 * 6 + 1, 5), (2, 5)]
    point = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    for accumulate in (True, False):
        assert torch.autograd.gradcheck(
            lambda *a, accumulate=accumulate: unit_networks.run(*a, accumulate=accumulate), point
        )


@pytest.mark.parametrize(
    ("said", "place", "size"),
    [
        (r"expected \(1 or 1, 4, 2, 3\) in torch.float64, got \(1, 3, 2, 3\)", 0, (1, 3, 2, 3)),
        (r"expected \(1 or 1, 2, 5\) in torch.float64, got \(1, 3, 5\)", 3, (1, 3, 5)),
        (r"expected weights of k·\(3 \+ 3\) \+ 1 rows, got 12; use pack", 2, (1, 12, 5)),
    ],
)
def test_networks_of_units_are_not_let_loose_on_other_shapes(said, place, size):
    """They would write beyond the end of their arrays."""
    sizes = [(1, 4, 2, 3), (1, 4, 2, 5), (1, 13, 5), (1, 2, 5)]
    sizes[place] = size
    tensors = [torch.zeros(one, dtype=torch.float64) for one in sizes]
    with pytest.raises(ValueError, match=said):
        unit_networks.networks(*tensors, True)  # noqa: FBT003


def test_where_nothing_can_be_cached_kernels_are_compiled_all_the_same(monkeypatch):
    """The second attempt has a temporary folder; any other error is passed on."""
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    folders = []

    def module():
        folders.append(numba.config.CACHE_DIR)
        if not numba.config.CACHE_DIR:
            raise RuntimeError("cannot cache function 'forward': no locator available")
        return "compiled"

    assert numba_kernels.compiled(module) == "compiled"
    assert folders[0] != folders[1]
    with pytest.raises(RuntimeError, match="another error"):
        numba_kernels.compiled(lambda: (_ for _ in ()).throw(RuntimeError("another error")))


def motley(states, inputs, weights, _):
    """What people write in steps, all of it at once."""
    (h,), (x,) = states, (inputs[0] + weights[0] * states[0],)
    parts = [
        torch.maximum(x, h), torch.minimum(x, 0.3 * h), torch.rsqrt(1 + x * x), x.clamp(-0.5, 0.5),
        x.clamp_min(0.1), x.clamp(max=0.2), x**2, 0.1 * x**3, (1 + x.abs()) ** -1.5, (0.1 + x.abs()) ** 0.5,
        F.silu(x), F.elu(x), F.leaky_relu(x), F.hardtanh(x), F.mish(x), F.relu6(x),
        F.logsigmoid(x), F.softplus(x), F.softsign(x), torch.expm1(0.5 * x), torch.lerp(x, h, 0.3),
        torch.add(x, h, alpha=0.5), torch.sub(x, h, alpha=2.0), torch.where(x > h, x, h * x),
        torch.sign(x), torch.floor(x), torch.sin(x) + torch.cos(h), torch.log(1 + x.abs()),
        torch.addcmul(x, x, h, value=0.5), x / (1 + h.abs()), torch.square(h), F.threshold(x, 0.1, 0.2),
    ]  # fmt: skip
    return (0.05 * sum(parts),)


def test_the_operations_that_people_use():
    """All have a kernel, by torch's decompositions or by ours."""
    cell = cells.diagonal(inputs=1, weights=1)(motley)(3, 8).double()
    xs, state = torch.randn(5, 3, 3, dtype=torch.float64), start(cell, 3)
    ours, theirs = (everything(cell, name, xs, state) for name in ("fused", "reference"))
    torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("name", ["erf", "atan", "round"])
def test_what_has_no_kernel_is_named(name):
    """With what there is."""
    step = Step("rare", lambda s, p, *_: (getattr(torch, name)(s[0] + p[0]),), **ONE)
    with pytest.raises(ValueError, match=rf"aten.{name}.default is no elementwise operation that"):
        trace(step)
