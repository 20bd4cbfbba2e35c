"""What is not recorded, and the reasons in words."""

from __future__ import annotations

import copy
import functools
import logging
import random
import re
import warnings

import pytest
import torch
from eager_graphs import recording
from graph_calls import Plain, assert_same, branching, call_of, cell_of, refusal_of
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.flop_counter import FlopCounterMode

import cells
from cells import unroll
from cells.graphs import eligibility

torch.set_num_threads(1)

FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


FOREIGN = torch.full((4,), 0.5, dtype=torch.float64)


def counting(cell, h):
    """A count of steps on the cell."""
    cell.count.add_(1)
    return h


def own_state(_, h):
    """The given state is changed."""
    return h.mul_(0.5) if not h.requires_grad else h


def selecting(_, h):
    """A shape that depends on numbers."""
    return h + h[h > 0].sum()


def python_random(_, h):
    """A number that is drawn by Python, where no operator sees it."""
    return h + random.random()


def normalized(cell, h):
    """Batch normalization in training mode."""
    return nn.functional.batch_norm(
        h, cell.norm.running_mean, cell.norm.running_var, training=cell.training
    )


REFUSED = {
    "dropout": (lambda _, h: nn.functional.dropout(h, 0.5), r"draws random numbers \(aten::"),
    "noise": (lambda _, h: h + torch.randn_like(h), r"draws random numbers \(aten::randn_like"),
    "branch": (branching, r"reads a number back from the device \(aten::_local_scalar_dense"),
    "shape": (selecting, r"shapes in its step depend on numbers \(aten::"),
    "count": (counting, r"changes a tensor that it was given \(aten::add_"),
    "statistics": (normalized, r"changes a tensor that it was given \(aten::.*batch_norm"),
    "device": (lambda _, h: (h.to("meta"), h)[1], r"copies between devices \(aten::_to_copy"),
    "foreign": (
        lambda _, h: h + FOREIGN,
        r"reads a tensor that is no parameter, buffer or attribute",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_recording_would_get_wrong_is_refused(case, caplog):
    """Before anything is recorded, so that random numbers and side effects are those of one loop, always."""
    change, reason = REFUSED[case]
    cell, graphs = Plain(change), recording()
    other = copy.deepcopy(cell)
    xs, state = torch.randn(5, 2, 3, dtype=torch.float64), cell.initial_state(2)
    for seed in range(3):
        torch.manual_seed(seed)
        expected, _ = unroll(other, xs, state)
        drawn = torch.rand(1)
        torch.manual_seed(seed)
        outputs, _ = graphs.run(cell, xs, state)
        assert torch.equal(drawn, torch.rand(1))
        assert torch.equal(expected, outputs)
        assert all(map(torch.equal, other.state_dict().values(), cell.state_dict().values()))
    assert re.search(reason, refusal_of(graphs, cell, xs, state))
    assert 0 == graphs.recorder.rehearsed
    (line,) = (one for one in caplog.records if one.levelno == logging.WARNING)
    assert "the loop runs it" in line.message


def test_what_no_operator_shows_is_found_by_comparison():
    """A number that Python draws is another one when the recording is compared with the loop."""
    cell, graphs = Plain(python_random), recording()
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    graphs.run(cell, xs, cell.initial_state(2))
    reason = refusal_of(graphs, cell, xs, cell.initial_state(2))
    assert re.search("step as it is .* it is not the loop's function: output 0 is off by", reason)


def test_a_step_that_raises_raises():
    """What the loop raises, not what was met on the way."""
    cell, graphs = Plain(lambda cell, h: h + cell.missing), recording()
    for _ in range(2):
        with pytest.raises(AttributeError, match="has no attribute 'missing'"):
            graphs.run(cell, torch.zeros(5, 2, 3, dtype=torch.float64), cell.initial_state(2))


def test_a_state_that_is_changed_in_place_is_refused():
    """Only where it has no gradient, which torch itself refuses."""
    cell, graphs = Plain(own_state), recording()
    xs = torch.randn(5, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        for _ in range(2):
            outputs, _ = graphs.run(cell, xs, cell.initial_state(2))
            assert torch.equal(unroll(cell, xs)[0], outputs)
        assert "changes a tensor" in refusal_of(graphs, cell, xs, cell.initial_state(2))


@pytest.mark.parametrize(
    ("name", "knobs"),
    [("rru", {"dropout": 0.5}), ("lstm", {"dropout": 0.5}), ("li-gru", {"batch_norm": True})],
    ids=str,
)
def test_our_cells_with_dropout_or_batch_statistics_are_refused_in_training_only(name, knobs):
    """In eval mode they are functions of their arguments, and recorded."""
    cell, graphs = cells.get(name)(3, 8, **knobs).double(), recording()
    call = call_of(cell, 4, (3,))
    graphs.run(cell, *call)
    assert "its step" in refusal_of(graphs, cell, *call)
    cell.eval()
    assert_same(graphs, cell, *call)
    assert 1 == len(graphs)


def test_a_mask_in_the_state_is_recorded():
    """Drawn where the state begins, it is an input like others."""
    cell = cells.get("lstm")(3, 8, dropout=0.5, mask_scope="sequence").double()
    graphs = recording()
    for seed in range(3):
        assert_same(graphs, cell, *call_of(cell, 4, (3,), seed))
    assert 1 == len(graphs)


def hooked():
    """A cell with a hook on a part."""
    cell = cells.get("rhn")(3, 4, depth=2)
    cell.deeper[0].register_forward_hook(lambda *_: None)
    return cell


def mixed():
    """A cell of two dtypes."""
    cell = cells.get("rhn")(3, 4)
    cell.first.weight_hh.data = cell.first.weight_hh.data.double()
    return cell


def buffered():
    """A cell with a buffer that asks for a gradient."""
    cell = cells.get("rhn")(3, 4)
    cell.register_buffer("extra", torch.zeros(1, requires_grad=True))
    return cell


def inferred():
    """A cell that was made in inference mode."""
    with torch.inference_mode():
        return cells.get("rhn")(3, 4)


class Subclass(Tensor):
    """Of its own."""


RHN = functools.partial(cells.get("rhn"), 3, 4)


ZEROS = torch.zeros(4, 2, 3)


MISFITS = {
    "function": (lambda: cells.adapt(nn.GRUCell(3, 4)).step, ZEROS, "is no torch module"),
    "hooks": (hooked, ZEROS, "a module in it has hooks"),
    "buffer": (buffered, ZEROS, "one of its buffers asks for a gradient"),
    "inference": (inferred, ZEROS, "made in inference mode"),
    "subclass": (RHN, ZEROS.as_subclass(Subclass), "of a class of its own"),
    "dtypes": (mixed, ZEROS, "got cpu, torch.float32, torch.float64"),
    "half": (lambda: RHN().half(), ZEROS.half(), "takes float32 or float64, one of them"),
    "devices": (RHN, ZEROS.to("meta"), "on one device: got cpu, meta"),
    "no steps": (RHN, ZEROS[:0], "the sequence or the batch is empty"),
    "no examples": (RHN, ZEROS[:, :0], "the sequence or the batch is empty"),
    "long": (RHN, torch.zeros(eligibility.LONGEST + 1, 1, 3), "steps are too long for a recording"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_no_recording_is_for(case):
    """The reason is in words."""
    build, xs, reason = MISFITS[case]
    cell = build()
    state = cell.initial_state(*xs.shape[1:-1]) if isinstance(cell, nn.Module) else ()
    assert reason in eligibility.misfit(cell, xs, state)
    if case not in ("no steps", "no examples", "long"):
        return
    assert eligibility.misfit(cell, torch.zeros(1, 1, 3), cell.initial_state(1)) is None


def test_a_state_that_is_no_tuple_of_tensors():
    """A stranger's, perhaps."""
    assert "no tuple of tensors" in eligibility.misfit(RHN(), ZEROS, [torch.zeros(2, 4)])
    assert "no tuple of tensors" in eligibility.misfit(RHN(), ZEROS, (1,))


def test_parameters_that_are_computed():
    """As in a functional call with weights that a network made."""
    cell, seen = RHN(), []
    weight = (2 * cell.first.weight_hh).detach().requires_grad_() * 1
    cell.register_forward_pre_hook(lambda *_: None)

    class Ask(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = RHN()

        def forward(self):
            seen.append(eligibility.misfit(self.cell, ZEROS, self.cell.initial_state(2)))

    torch.func.functional_call(Ask(), {"cell.first.weight_hh": weight}, ())
    assert ["its parameters are computed from others"] == seen


@FORWARD_MODE
def test_moments_that_no_recording_is_for():
    """Transforms, modes, hooks on saved tensors, forward mode and autocast."""
    cell = RHN()

    def ask(xs=ZEROS):
        return eligibility.misfit(cell, xs, cell.initial_state(*xs.shape[1:-1]))

    answers = []
    torch.vmap(lambda one: answers.append(ask()) or one)(torch.zeros(2))
    assert "under a torch.func transform" in answers[0]
    with FlopCounterMode(display=False):
        assert "a mode of torch watches" in ask()
    with torch.autograd.graph.saved_tensors_hooks(lambda one: one, lambda one: one):
        assert "hooks on saved tensors are active" in ask()
    with warnings.catch_warnings(action="ignore"), torch.autograd.detect_anomaly():
        assert "anomaly detection looks" in ask()
    hook = nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert "every module has hooks" in ask()
    hook.remove()
    with torch.autocast("cpu"):
        assert "autocast is on" in ask()
    with forward_ad.dual_level():
        assert "no forward-mode derivative" in ask(forward_ad.make_dual(ZEROS, ZEROS))
    assert ask() is None


def test_a_cell_that_cannot_be_copied_is_refused():
    """Such as one that holds what a network computed, or a parameter that is none."""
    cell, graphs = cell_of("rhn"), recording()
    call = call_of(cell, 4, (2,))
    cell.computed = [2 * cell.first.weight_hh]
    graphs.run(cell, *call)
    assert "asks for a gradient and is no parameter" in refusal_of(graphs, cell, *call)
    cell.computed = iter([1])
    cell.open = open  # a function: copied as it is
    cell.computed = (one for one in ())
    graphs.run(cell, *call)
    assert "it cannot be copied: TypeError" in refusal_of(graphs, cell, *call)
