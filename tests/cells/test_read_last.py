"""Models that decode the end of a sequence alone: the same numbers, and no more work than they need."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import cells

torch.set_num_threads(1)
DIAGONAL = ["gato", "gato-2", "gru-diag", "lstm-diag", "brhn-diag", "indrnn"]


def model(name, backend, **knobs):
    """Two layers of a cell in double precision."""
    generator = torch.Generator().manual_seed(0)
    lower = cells.get(name)(3, 8, generator=generator, **knobs)
    width = lower.readout(lower.initial_state()).shape[-1]
    upper = cells.get(name)(width, 8, generator=generator, **knobs)
    return cells.Recurrent(lower, upper, backend=backend).double()


def results(stack, xs, read):
    """What is read after the last step, the last states, and the gradients of both."""
    leaf = xs.clone().requires_grad_()
    outputs, states = stack(leaf, read=read)
    end = outputs if read == "last" else outputs[-1]
    draw = torch.Generator().manual_seed(1)
    parts = [end, *(field for state in states for field in state)]
    parts = [torch.view_as_real(one) if one.is_complex() else one for one in parts]
    loss = sum((one * torch.randn(one.shape, generator=draw)).sum() for one in parts)
    wanted = [leaf, *stack.parameters()]
    found = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [*(one.detach() for one in parts), *found]


@pytest.mark.parametrize("shape", [(1, 2, 3), (6, 2, 3), (5, 2, 2, 3), (5, 3)])
@pytest.mark.parametrize("name", cells.names())
def test_it_is_the_last_of_every_readout(name, shape):
    """Whatever runs the layers, with one, several or no batch axes."""
    xs = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    backends = ["auto", "reference"] if shape == (6, 2, 3) else ["auto"]
    for backend in backends:
        stack = model(name, backend)
        last, every = (results(stack, xs, read) for read in ("last", "every"))
        torch.testing.assert_close(last, every, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(
    "knobs",
    [
        {"s_mode": "zero"},
        {"s_mode": "no_residual"},
        {"wrap_s": True},
        {"readout": "gamma_s_only"},
        {"readout": "gamma_s_raw_r", "gamma": "sin"},
        {"s_fraction": 0.25},
        {"s_fraction": 0.75, "s_mode": "no_residual"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["gato", "gato-2"])
def test_it_is_for_every_variant_of_gato(name, knobs):
    """Those whose memory lies behind the recurrence too."""
    xs = torch.randn(6, 2, 3, dtype=torch.float64)
    fused, reference = (model(name, one, **knobs) for one in ("fused", "reference"))
    fused.load_state_dict(reference.state_dict())
    wanted = results(reference, xs, "every")
    torch.testing.assert_close(results(fused, xs, "last"), wanted, atol=1e-12, rtol=1e-12)


class Elements(TorchDispatchMode):
    """How many elements torch and our operators have written."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), names=None):
        out = function(*arguments, **(names or {}))
        for one in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(one, torch.Tensor) and one._base is None:
                self.count += one.numel()
        return out


@pytest.mark.parametrize("name", DIAGONAL)
def test_no_zeros_are_made_and_no_other_step_is_read(name):
    """What is written grows less with the length of a sequence."""
    pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
    stack = cells.Recurrent(cells.get(name)(3, 64), backend="fused")
    written = {}
    for read in ("every", "last"):
        counts = []
        for steps in (20, 40):
            with Elements() as elements:
                outputs, _ = stack(torch.zeros(steps, 4, 3), read=read)
                (outputs if read == "last" else outputs[-1]).sum().backward()
            counts.append(elements.count)
        written[read] = (counts[1] - counts[0]) / (20 * 4 * 64)
    assert written["last"] <= written["every"] - 0.9, written


def test_another_word_is_refused():
    """And the two that there are, named."""
    stack = cells.Recurrent(cells.get("gru")(3, 4))
    with pytest.raises(ValueError, match="read: expected 'every' or 'last', got 'first'"):
        stack(torch.zeros(2, 1, 3), read="first")


def test_of_no_steps_it_is_the_readout_of_what_was_there():
    """As a loop that never runs would leave it."""
    cell = cells.get("gato")(3, 8)
    state = cell.initial_state(2)._replace(recurrent=torch.randn(2, 4))
    found, after = cells.unroll(cell, torch.zeros(0, 2, 3), state, read="last")
    assert torch.equal(found, cell.readout(state))
    assert after is state
