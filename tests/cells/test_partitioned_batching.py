"""Leading axes are batch axes: unbatched, batched and vmapped calls of every knob setting agree."""

from __future__ import annotations

import pytest
import torch

from cells import Layout, get, unroll

torch.set_num_threads(1)

CASES = {
    "gato": ("gato", {}),
    "gato-quarter-sin-wrapped": ("gato", {"s_fraction": 0.25, "gamma": "sin", "wrap_s": True}),
    "gato-without-memory": ("gato", {"s_fraction": 0.0}),
    "gato-two-layers": ("gato-2", {"k": 3, "readout": "gamma_s_only"}),
    "gato-zero": ("gato", {"s_mode": "zero"}),
    "gato-no-residual": ("gato", {"s_mode": "no_residual", "readout": "gamma_s_raw_r"}),
    "rhn": ("rhn", {}),
    "rhn-deep": ("rhn", {"depth": 3, "n_b": 1}),
    "brhn": ("brhn", {}),
    "brhn-deep": ("brhn", {"depth": 2, "n_b": 0}),
    "sru": ("sru", {}),
    "sru-frozen-decoded": (
        "sru",
        {"alphas": (0.5, 1.0), "allow_frozen": True, "output_size": 3, "summary_size": 4},
    ),
    "eurnn": ("eurnn", {}),
    "eurnn-odd-phases": ("eurnn", {"capacity": 3, "spend": "diagonal", "readout": "concat"}),
    "eurnn-uniform-abs": ("eurnn", {"modrelu_init": "uniform", "readout": "abs"}),
    "rru": ("rru", {"output_size": 4}),
    "rru-deep-bare": ("rru", {"relu_layers": 3, "norm": "none", "s_mode": "one"}),
    "rru-scalar-relu": ("rru", {"z_shape": "scalar", "relu_out": True, "h0": "zero"}),
}


@pytest.fixture(params=CASES, ids=str)
def cell(request):
    """A float64 cell with parameters away from zero."""
    name, knobs = CASES[request.param]
    g = torch.Generator().manual_seed(0)
    built = get(name)(3, 8, generator=g, **knobs).double()
    with torch.no_grad():
        for p in built.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=g, dtype=p.dtype))
    return built


@pytest.fixture
def xs():
    """(T, 2, 3, input_size): two batch axes."""
    g = torch.Generator().manual_seed(1)
    return torch.randn(5, 2, 3, 3, generator=g, dtype=torch.float64)


def test_unbatched_batched_and_vmapped_calls_agree(cell, xs):
    """Outputs and last state of each sequence are those of the same sequence run alone."""
    outputs, state = unroll(cell, xs)
    layout = Layout.of(cell.initial_state())
    flat = layout.ravel(state)
    assert flat.shape == (2, 3, layout.size)

    def alone(sequence):
        y, last = unroll(cell, sequence)
        return y, layout.ravel(last)

    mapped = torch.vmap(torch.vmap(alone, in_dims=1, out_dims=(1, 0)), in_dims=1, out_dims=(1, 0))
    mapped_outputs, mapped_flat = mapped(xs)
    torch.testing.assert_close(mapped_outputs, outputs)
    torch.testing.assert_close(mapped_flat, flat)
    for i in range(2):
        for j in range(3):
            y, last = alone(xs[:, i, j])
            torch.testing.assert_close(y, outputs[:, i, j])
            torch.testing.assert_close(last, flat[i, j])


def test_parameters_can_be_a_batch_axis(cell, xs):
    """Two parameter draws at once through functional_call and vmap equal two separate runs."""
    draws = [{n: p.detach() * s for n, p in cell.named_parameters()} for s in (1.0, 0.5)]
    stacked = {n: torch.stack([d[n] for d in draws]) for n in draws[0]}
    state, layout = cell.initial_state(3), Layout.of(cell.initial_state())

    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell

        def forward(self):
            return layout.ravel(cell.step(xs[0, 0], state))

    def step(parameters):
        named = {f"cell.{name}": value for name, value in parameters.items()}
        return torch.func.functional_call(Step(), named, ())

    together = torch.vmap(step)(stacked)
    for k, parameters in enumerate(draws):
        torch.testing.assert_close(together[k], step(parameters))


def test_gradients_pass_the_check_of_finite_differences(cell, xs):
    """The step's derivative in the state is that of its values (in float64)."""
    g = torch.Generator().manual_seed(2)
    layout = Layout.of(cell.initial_state())
    start = torch.randn(layout.size, generator=g, dtype=torch.float64, requires_grad=True)
    like = cell.initial_state()

    def readout(vector):
        state = cell.step(xs[0, 0, 0], layout.unravel(vector, like))
        return torch.cat((layout.ravel(state), cell.readout(state)))

    assert torch.autograd.gradcheck(readout, start)


def test_cell_can_be_built_on_the_meta_device(cell):
    """Shapes without memory: a configuration can be checked in milliseconds."""
    meta = cell.to("meta")
    state = meta.step(torch.empty(2, 3, device="meta"), meta.initial_state(2))
    assert meta.readout(state).shape[0] == 2
