"""Torch's own kernels on our parameters: the same function wherever they are taken, a reason elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import cells
from cells import Choice, Layout, Recurrent, backends, unroll

torch.set_num_threads(1)

INPUTS, WIDTH = 3, 5
TAKEN = {
    "c-gru": ("c-gru", {}),
    "elman": ("elman", {}),
    "elman-1": ("elman", {"n_b": 1}),
    "elman-0": ("elman", {"n_b": 0}),
    "gru": ("gru", {}),
    "gru-1": ("gru", {"n_b": 1}),
    "gru-0": ("gru", {"n_b": 0}),
    "lstm": ("lstm", {}),
    "lstm-1": ("lstm", {"n_b": 1}),
    "lstm-0": ("lstm", {"n_b": 0}),
    "lstm-offset": ("lstm", {"forget_offset": 1.5}),
    "lstm-offset-1": ("lstm", {"forget_offset": 1.5, "n_b": 1}),
    "lstm-offset-0": ("lstm", {"forget_offset": -0.5, "n_b": 0}),
    "lstm-chrono": ("lstm", {"primary": "chrono"}),
    "u-gru": ("u-gru", {}),
}
REFUSED = {
    "lstm-diag": ("lstm", {"diagonal": True}, "diagonal=True: its recurrent weights are full"),
    "lstm-tied": ("lstm", {"tied": True}, "tied=True, primary='standard', auxiliary='none'"),
    "lstm-cumax": ("lstm", {"primary": "cumax"}, "primary='cumax'"),
    "lstm-refine": ("lstm", {"auxiliary": "refine"}, "auxiliary='refine'"),
    "lstm-dropout": ("lstm", {"dropout": 0.5}, "dropout=0.5: it does not drop units"),
    "gru-before": ("gru", {"reset": "before"}, "reset='before': it resets after"),
    "gru-diag": ("gru", {"diagonal": True}, "diagonal=True: its recurrent weights are full"),
    "gru-cumax": ("gru", {"primary": "cumax"}, "primary='cumax', auxiliary='none'"),
    "gru-master": ("gru", {"auxiliary": "master"}, "auxiliary='master'"),
    "gru-dropout": ("gru", {"dropout": 0.5}, "dropout=0.5: it does not drop units"),
    "gato": ("gato", {}, "GATO is no cell of torch"),
}
ASKED = Choice("reference", "asked for")
# torch itself warns when forward mode is first used, of the scripting that it builds its rules with
FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


def cells_of(name, layers, dtype=torch.float64, **knobs):
    """One cell, or two of them on top of one another, with weights of some size."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(INPUTS, WIDTH), (WIDTH, WIDTH + 1)][:layers]
    built = [cells.get(name)(*size, generator=generator, **knobs) for size in sizes]
    with torch.no_grad():
        for parameter in (p for cell in built for p in cell.parameters()):
            parameter.add_(0.4 * torch.randn(parameter.shape, generator=generator))
    return [cell.to(dtype) for cell in built]


def inputs(steps, batch=(3,), dtype=torch.float64):
    """``(steps, *batch, INPUTS)``."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(steps, *batch, INPUTS, generator=generator, dtype=dtype)


def start(model, batch):
    """States away from zero, one per layer."""
    generator = torch.Generator().manual_seed(2)
    return tuple(
        type(state)(*(torch.randn(f.shape, generator=generator, dtype=f.dtype) for f in state))
        for state in model.initial_state(*batch)
    )


def everything(model, xs, state):
    """Outputs, last states, and the gradients in inputs, states and parameters of a weighted sum of both."""
    xs = xs.clone().requires_grad_()
    fields = [f.clone().requires_grad_() for layer in state for f in layer]
    given = iter(fields)
    state = tuple(type(layer)(*(next(given) for _ in layer)) for layer in state)
    outputs, last = model(xs, state)
    results = [outputs, *(f for layer in last for f in layer)]
    weighted = [
        (r.flatten() * torch.linspace(0.5, 1.5, r.numel(), dtype=r.dtype)).sum() for r in results
    ]
    leaves = [xs, *fields, *model.parameters()]
    return results, torch.autograd.grad(sum(weighted), leaves)


def both(layers):
    """The two models that share the cells."""
    return Recurrent(*layers, backend="library"), Recurrent(*layers, backend="reference")


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", TAKEN)
def test_the_library_is_the_reference(case, layers, steps, batch):
    """Outputs, every field of the states, and the gradients in inputs, states and parameters."""
    name, knobs = TAKEN[case]
    library, reference = both(cells_of(name, layers, **knobs))
    state = start(reference, batch)
    ours, gradients = everything(library, inputs(steps, batch), state)
    expected, expected_gradients = everything(reference, inputs(steps, batch), state)
    for mine, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-12, rtol=1e-12)
    for mine, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("name", ["lstm", "gru", "elman"])
@pytest.mark.parametrize("training", [True, False])
def test_float32_and_eval_mode(name, training):
    """The kernels for single precision are others, and gradients flow in eval mode too."""
    layers = cells_of(name, 2, torch.float32)
    library, reference = (model.train(training) for model in both(layers))
    xs, state = inputs(9, dtype=torch.float32), start(reference, (3,))
    ours, gradients = everything(library, xs, state)
    expected, expected_gradients = everything(reference, xs, state)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(gradients, expected_gradients, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(library(xs)[0], reference(xs)[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["lstm", "gru", "elman"])
def test_finite_differences_agree(name):
    """A leg that does not rest on the reference's autograd."""
    (cell,) = cells_of(name, 1)
    model = Recurrent(cell, backend="library")
    parameters = dict(model.named_parameters())

    def outputs(xs, *values):
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(model, named, (xs,))[0]

    point = [inputs(4), *parameters.values()]
    point = [value.detach().clone().requires_grad_() for value in point]
    assert torch.autograd.gradcheck(outputs, point)


def test_torch_itself_agrees():
    """Our parameters, loaded into ``nn.LSTM`` and ``nn.GRU``, are the same function there."""
    for name, module in (("lstm", nn.LSTM), ("gru", nn.GRU)):
        (cell,) = cells_of(name, 1)
        theirs = module(INPUTS, WIDTH, dtype=torch.float64)
        theirs.load_state_dict({f"{k}_l0": v for k, v in cell.state_dict().items()})
        outputs, _ = Recurrent(cell, backend="library")(inputs(6))
        assert torch.equal(theirs(inputs(6))[0], outputs)


def test_which_names_are_torchs():
    """The library is taken for these and no other name of the catalogue, and every refusal has a reason."""
    chosen = {}
    for name in cells.names():
        (chosen[name],) = backends(cells.get(name)(3, 20))
    taken = {name for name, choice in chosen.items() if choice.name == "library"}
    assert {"lstm", "gru", "c-gru", "u-gru", "elman"} == taken
    diagonal = {name for name, choice in chosen.items() if choice.name == "fused"}
    assert {"gato", "gato-2", "gru-diag", "lstm-diag", "brhn-diag", "indrnn"} == diagonal
    assert all(choice.reason for choice in chosen.values())
    assert Choice("library", "this variant is torch's gru") == chosen["u-gru"]


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_torchs_is_refused_with_the_reason(case):
    """At construction, since no input could change it; "auto" runs something else and says the same."""
    name, knobs, reason = REFUSED[case]
    cell = cells.get(name)(INPUTS, 6, **knobs)
    ((chosen, said),) = backends(Recurrent(cell))
    assert chosen in ("reference", "fused")
    assert reason in said or chosen == "fused"
    with pytest.raises(ValueError, match="backend='library' expects a cell and inputs that") as e:
        Recurrent(cell, backend="library")
    assert reason in str(e.value)
    assert "use backend='auto' or 'reference'" in str(e.value)


def test_each_layer_is_decided_by_itself():
    """A stack of three, of which the middle one is none of torch's."""
    stack = [cells.get("lstm")(3, 4), cells.get("ur-lstm")(4, 4), cells.get("gru")(4, 4)]
    assert ["library", "reference", "library"] == [c.name for c in backends(Recurrent(*stack))]
    assert (ASKED,) * 3 == backends(Recurrent(*stack, backend="reference"))


def test_an_unknown_backend_is_refused():
    """The message lists the known ones."""
    with pytest.raises(ValueError, match=r"backend: expected one of .*'auto'.*got 'cudnn'"):
        Recurrent(cells.get("lstm")(3, 4), backend="cudnn")


@pytest.mark.parametrize(
    ("xs", "reason"),
    [
        (torch.zeros(0, 2, 3), "the sequence or the batch is empty"),
        (torch.zeros(4, 0, 3), "the sequence or the batch is empty"),
        (torch.zeros(4, 2, 3).double(), "got torch.float32 on cpu, torch.float64 on cpu"),
        (torch.zeros(4, 2, 3, device="meta"), "got torch.float32 on cpu, torch.float32 on meta"),
    ],
    ids=["no steps", "no examples", "two dtypes", "two devices"],
)
def test_inputs_that_the_library_cannot_run(xs, reason):
    """The same cell and another input: refused when it is called, with the reason."""
    cell = cells.get("lstm")(3, 4)
    ((name, said),) = backends(cell, xs)
    assert name == "reference"
    assert reason in said
    with pytest.raises(ValueError, match="expects a cell and inputs that") as e:
        Recurrent(cell, backend="library")(xs)
    assert reason in str(e.value)


def test_narrow_floats_go_to_the_reference():
    """Rounding to float16 inside a step is what the reference does and the kernels do not."""
    cell = cells.get("gru")(3, 4).half()
    ((name, said),) = backends(cell, torch.zeros(4, 2, 3).half())
    assert name == "reference"
    assert "it takes float32 or float64" in said


def test_autocast_goes_to_the_reference():
    """So that both backends round at the same places."""
    cell = cells.get("lstm")(3, 4)
    with torch.autocast("cpu"):
        ((name, said),) = backends(cell, torch.zeros(4, 2, 3))
    assert name == "reference"
    assert "autocast is on" in said


def test_empty_sequences_run():
    """Nothing is read out of no steps, and the state stays."""
    for shape in [(0, 2, 3), (4, 0, 3)]:
        outputs, (state,) = Recurrent(cells.get("lstm")(3, 4))(torch.zeros(shape))
        assert (*shape[:-1], 4) == outputs.shape
        assert (*shape[1:-1], 4) == state.hidden.shape


@FORWARD_MODE
@pytest.mark.parametrize("name", ["lstm", "gru", "elman"])
def test_transforms_take_the_reference(name):
    """Mapped inputs, mapped parameters, gradients and Jacobians of torch.func, forward mode: all right."""
    (cell,) = cells_of(name, 1)
    model, xs = Recurrent(cell), inputs(4)
    expected = unroll(cell, xs)[0]
    mapped = torch.vmap(lambda one: model(one)[0], in_dims=1, out_dims=1)(xs)
    torch.testing.assert_close(mapped, expected)

    parameters = {n: p.detach() for n, p in model.named_parameters()}
    stacked = {n: torch.stack((p, 2 * p)) for n, p in parameters.items()}
    call = torch.func.functional_call
    lanes = torch.vmap(lambda p: call(model, p, (xs,))[0])(stacked)
    torch.testing.assert_close(lanes[0], expected)
    doubled = {n: 2 * p for n, p in parameters.items()}
    torch.testing.assert_close(lanes[1], call(model, doubled, (xs,))[0])

    jacobian = torch.func.jacrev(lambda one: model(one)[0])(xs)
    tangent = torch.ones_like(xs)
    moved = jacobian.flatten(3) @ tangent.flatten()
    _, pushed = torch.func.jvp(lambda one: model(one)[0], (xs,), (tangent,))
    torch.testing.assert_close(pushed, moved)
    with forward_ad.dual_level():
        outputs, _ = model(forward_ad.make_dual(xs, tangent))
        torch.testing.assert_close(forward_ad.unpack_dual(outputs).tangent, moved)


@FORWARD_MODE
def test_a_forced_library_refuses_transforms_with_the_reason():
    """It does not fall back behind the user's back."""
    model = Recurrent(cells.get("lstm")(3, 4).double(), backend="library")
    with pytest.raises(ValueError, match=r"under a torch\.func transform such as vmap"):
        torch.vmap(lambda one: model(one)[0], in_dims=1)(inputs(4))
    with (
        forward_ad.dual_level(),
        pytest.raises(ValueError, match="the library's call has no forward-mode derivative"),
    ):
        model(forward_ad.make_dual(inputs(4), inputs(4)))


def test_a_compiled_model_is_one_graph():
    """The library's call would break it, so that the reference is traced."""
    (cell,) = cells_of("gru", 1)
    model = Recurrent(cell)
    torch.compiler.reset()
    compiled = torch.compile(lambda xs: model(xs)[0], backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(inputs(3)), model(inputs(3))[0])


def test_states_keep_their_type_and_the_flat_layout():
    """What the library returns is a state of the cell, from which either backend goes on."""
    (cell,) = cells_of("lstm", 1)
    library, reference = both([cell])
    xs = inputs(6, (2, 3))
    _, middle = library(xs[:3])
    assert type(cell.initial_state()) is type(middle[0])
    assert Layout.of(cell.initial_state()).ravel(middle[0]).shape == (2, 3, 2 * WIDTH)
    outputs, _ = reference(xs[3:], middle)
    torch.testing.assert_close(outputs, library(xs)[0][3:])


def test_sizes_are_checked_before_the_library_sees_them():
    """With the message of ``unroll``."""
    with pytest.raises(ValueError, match=r"xs must be \(T, \*batch, input_size\)"):
        Recurrent(cells.get("lstm")(3, 4))(torch.zeros(5, 2, 4))
