"""Recorded unrolls are the loop: on every cell, in any order of calls, without a device to record on."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from dataclasses import dataclass

import pytest
import torch
from eager_graphs import EagerRecorder, recording
from graph_calls import assert_same, call_of, cell_of, gradients_of, leaves_of, loss_of
from hypothesis import given
from hypothesis import strategies as st

import cells
from cells import unroll
from cells.graphs import dispatch
from cells.graphs.graphs import MOST, USES, Graphs

torch.set_num_threads(1)

SOME = ("rru", "nru", "g-lstm", "mogrifier-lstm", "eurnn", "rhn", "ur-lstm", "sru")


@pytest.mark.parametrize("batch", [(), (3,), (2, 2)], ids=str)
@pytest.mark.parametrize("name", cells.names())
def test_every_cell_is_the_loop(name, batch):
    """Recorded at the second use; then replayed on other numbers, one step and several."""
    cell, graphs = cell_of(name), recording(uses=2)
    for steps in (4, 1):
        for seed in range(4):
            assert_same(graphs, cell, *call_of(cell, steps, batch, seed))
    assert 2 == len(graphs)
    assert 4 == graphs.recorder.recorded
    # the check of each, and three calls of each
    assert 2 * (2 + 3 * 2) == graphs.recorder.replayed


@pytest.mark.parametrize("name", SOME)
def test_without_gradients(name):
    """Evaluation has recordings of its own, without a backward."""
    cell, graphs = cell_of(name).eval(), recording()
    xs, state = call_of(cell, 5, (2,))
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            ours, theirs = graphs.run(cell, xs, state), unroll(cell, xs, state)
            assert torch.equal(ours[0], theirs[0])
            assert not ours[0].requires_grad
    assert 1 == graphs.recorder.recorded
    assert_same(graphs, cell, xs, state)
    assert 2 == len(graphs)


def test_only_inputs_or_only_parameters():
    """What needs a gradient is part of the key; what needs none gets none."""
    cell, graphs = cell_of("rru"), recording()
    xs, state = call_of(cell, 4, (2,), graded=False)
    assert_same(graphs, cell, xs, state)
    for one in cell.parameters():
        one.requires_grad_(False)  # noqa: FBT003
    cell.weight_ih.requires_grad_()
    assert_same(graphs, cell, xs, state)
    cell.weight_ih.requires_grad_(False)  # noqa: FBT003
    assert_same(graphs, cell, *call_of(cell, 4, (2,)))
    assert not graphs.run(cell, xs, state)[0].requires_grad
    assert 0 == len(graphs._refused)


ACTIONS = st.one_of(
    st.tuples(st.just("forward"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("backward"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("drop"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("step"), st.just(0), st.just(0)),
    st.tuples(st.just("attribute"), st.integers(0, 1), st.just(0)),
)


@given(st.sampled_from(SOME), st.lists(ACTIONS, min_size=4, max_size=14), st.integers(1, 2))
def test_any_order_of_calls_is_the_loop(name, actions, uses):
    """Forwards and backwards of several shapes interleaved, kept, dropped, and parameters moved between."""
    cell, graphs = cell_of(name), recording(uses=uses)
    awaited = []
    for number, (what, which, flag) in enumerate(actions):
        if what == "forward":
            xs, state = call_of(cell, (3, 4, 3)[which], [(2,), (2,), ()][which], number)
            with torch.set_grad_enabled(flag):
                ours, theirs = graphs.run(cell, xs, state), unroll(cell, xs, state)
            assert torch.equal(ours[0], theirs[0])
            assert all(map(torch.equal, ours[1], theirs[1]))
            if flag:
                awaited.append((xs, state, ours, theirs))
        elif what == "backward" and awaited:
            xs, state, ours, theirs = awaited[which % len(awaited)]
            mine, other = (
                gradients_of(cell, xs, state, one, retain_graph=flag) for one in (ours, theirs)
            )
            assert all(map(torch.equal, mine, other))
            if not flag:
                awaited.pop(which % len(awaited))
            del xs, state, ours, theirs
        elif what == "drop" and awaited:
            awaited.pop(which % len(awaited))
        elif what == "step":  # what is awaited would be refused by torch itself
            awaited.clear()
            with torch.no_grad():
                for one in cell.parameters():
                    one.add_(0.01 * torch.sin(7 * one + number))
        elif what == "attribute":
            cell.train(bool(which))
    assert 0 == len(graphs._refused)


def test_what_is_handed_out_stays():
    """Outputs, states and gradients are no memory of the recording: the next call does not change them."""
    cell, graphs = cell_of("nru"), recording()
    first, second = (call_of(cell, 4, (2,), seed) for seed in (0, 1))
    outputs, state = graphs.run(cell, *first)
    gradients = gradients_of(cell, *first, (outputs, state))
    held = [one.detach().clone() for one in (outputs, *state, *gradients)]
    outputs_of_second = graphs.run(cell, *second)
    gradients_of(cell, *second, outputs_of_second)
    assert all(map(torch.equal, held, (outputs, *state, *gradients)))
    with torch.no_grad():
        for one in (*outputs_of_second[0], *gradients):
            one.zero_()  # theirs to do with as they like
    assert_same(graphs, cell, *first)


def test_a_second_forward_before_the_backward_of_the_first_runs_the_loop():
    """Their memory is one: both gradients are right, and the recording serves again after them."""
    cell, graphs = cell_of("rru"), recording()
    assert_same(graphs, cell, *call_of(cell, 4, (2,)))
    first, second = (call_of(cell, 4, (2,), seed) for seed in (1, 2))
    before = graphs.recorder.replayed
    results = [graphs.run(cell, *one) for one in (first, second)]
    assert before + 1 == graphs.recorder.replayed
    with torch.no_grad():
        graphs.run(cell, *first)
    assert before + 1 == graphs.recorder.replayed
    for call, result in zip((second, first), results[::-1], strict=True):
        mine, other = (gradients_of(cell, *call, one) for one in (result, unroll(cell, *call)))
        assert all(map(torch.equal, mine, other))
    assert before + 2 == graphs.recorder.replayed
    assert_same(graphs, cell, *first)
    assert before + 4 == graphs.recorder.replayed


@pytest.mark.parametrize("name", ["rru", "nru", "lstm", "g-lstm"])
def test_what_nothing_depends_on_has_no_gradient(name):
    """None, and no zeros, whichever outputs are differentiated; also where the loop computes it anew."""
    cell, graphs = cell_of(name), recording()
    for steps in (1, 3):
        call = call_of(cell, steps, (2,))
        graphs.run(cell, *call)
        leaves = leaves_of(cell, *call)
        count = sum(one.requires_grad for one in (graphs.run(cell, *call)[0], *call[1]))
        for chosen in range(count):
            ours, theirs = (
                [one for one in (outputs, *state) if one.requires_grad][chosen]
                for outputs, state in (graphs.run(cell, *call), unroll(cell, *call))
            )
            for _ in range(2):
                mine, other = (
                    torch.autograd.grad(one.sum(), leaves, retain_graph=True, allow_unused=True)
                    for one in (ours, theirs)
                )
                assert [one is None for one in other] == [one is None for one in mine]
                assert all(a is None or torch.equal(a, b) for a, b in zip(mine, other, strict=True))
            del ours, theirs


def test_an_answer_that_is_dropped_frees_the_memory():
    """A forward whose backward can no longer come holds nothing up."""
    cell, graphs = cell_of("rru"), recording()
    for seed in range(3):
        before = graphs.recorder.replayed
        graphs.run(cell, *call_of(cell, 4, (2,), seed))
    assert before + 1 == graphs.recorder.replayed


def test_backward_twice():
    """Where the graph is retained, the second is computed by the loop, on the inputs as they were."""
    cell, graphs = cell_of("ur-lstm"), recording()
    xs, state = call_of(cell, 4, (2,))
    result = graphs.run(cell, xs, state)
    expected = gradients_of(cell, xs, state, unroll(cell, xs, state))
    for _ in range(3):
        found = gradients_of(cell, xs, state, result, retain_graph=True)
        assert all(map(torch.equal, found, expected))
    with torch.no_grad():
        xs.mul_(2)
    with pytest.raises(RuntimeError, match=r"expected to stay as it was until the last backward.*"
                       "backend='reference'"):  # fmt: skip
        gradients_of(cell, xs, state, result)


def test_many_gradients_at_once():
    """A Jacobian by one backward with batched gradients, as torch.autograd.functional takes it."""
    cell, graphs = cell_of("ur-lstm"), recording()
    xs, state = call_of(cell, 3, (2,))
    leaves, answers = leaves_of(cell, xs, state), []
    for run in (graphs.run, unroll):
        outputs, _ = run(cell, xs, state)
        seeds = torch.eye(outputs.numel(), dtype=outputs.dtype).reshape(-1, *outputs.shape)[:7]
        answers.append(torch.autograd.grad(outputs, leaves, seeds, is_grads_batched=True))
    torch.testing.assert_close(*answers, atol=1e-12, rtol=1e-12)
    outputs, _ = graphs.run(cell, xs, state)
    with pytest.raises(RuntimeError, match=r"request for a second; use backend='reference'"):
        torch.autograd.grad(outputs, leaves, seeds, is_grads_batched=True, create_graph=True)


def test_parameters_that_changed_before_the_backward_are_refused():
    """By torch itself, as for the loop."""
    cell, graphs = cell_of("ur-lstm"), recording()
    xs, state = call_of(cell, 4, (2,))
    result = graphs.run(cell, xs, state)
    with torch.no_grad():
        next(cell.parameters()).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gradients_of(cell, xs, state, result)


def test_there_is_no_second_derivative():
    """It raises and names the remedy, for inputs and for parameters; it is not silently zero."""
    cell, graphs = cell_of("rru"), recording()
    xs, state = call_of(cell, 3, (2,))
    for leaf in (xs, cell.weight_hh):
        outputs, _ = graphs.run(cell, xs, state)
        (first,) = torch.autograd.grad(outputs.square().sum(), leaf, create_graph=True)
        with pytest.raises(RuntimeError, match=r"request for a second; use backend='reference'"):
            torch.autograd.grad(first.square().sum(), leaf)


def test_an_optimizer_is_seen():
    """Parameters are read where they lie, at every call; training goes as with the loop."""
    ours, theirs = cell_of("rru"), cell_of("rru")
    graphs = recording(uses=2)
    optimizers = [torch.optim.Adam(cell.parameters(), 1e-2) for cell in (ours, theirs)]
    for seed in range(6):
        for cell, optimizer, run in zip(
            (ours, theirs), optimizers, (graphs.run, unroll), strict=True
        ):
            optimizer.zero_grad()
            loss_of(*run(cell, *call_of(cell, 4, (2,), seed))).backward()
            optimizer.step()
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))
    assert 2 == graphs.recorder.recorded


def test_other_parameters_are_another_recording():
    """Two sets may take turns; those of tensors before them are forgotten."""
    cell, graphs = cell_of("rru"), recording()
    call = call_of(cell, 4, (2,))
    sets = [cell.weight_hh, *(torch.nn.Parameter(k * cell.weight_hh.detach()) for k in (2, 3))]
    for which in (0, 1, 0, 1):
        cell.weight_hh = sets[which]
        assert_same(graphs, cell, *call)
        assert_same(graphs, cell, *call)
    assert 2 == len(graphs)
    assert 4 == graphs.recorder.recorded
    oldest = graphs._kept.keys()[0]
    cell.weight_hh = sets[2]
    assert_same(graphs, cell, *call)
    assert 2 == len(graphs)
    assert oldest not in graphs._kept


class Settings:
    """An object among the attributes of a cell."""

    def __init__(self):
        self.scale, self.more = 2.0, [1]


@dataclass(slots=True)
class Slots:
    """One without a table of attributes."""

    scale: float = 2.0


def test_attributes_are_part_of_the_key():
    """Whatever the step may read from the cell is recorded, so that another value is another recording."""
    cell, graphs = cell_of("rru"), recording()
    call, count = call_of(cell, 4, (2,)), 0

    def changed():
        nonlocal count
        count += 1
        for _ in range(2):
            assert_same(graphs, cell, *call)
        assert count == graphs.recorder.recorded / 2

    changed()
    cell.kappa = 3.0
    changed()
    cell.extra = [1, {"two": torch.zeros(2)}]
    changed()
    cell.extra[1]["two"] = torch.zeros(2)
    changed()
    cell.extra[0] = True
    changed()
    cell.extra = Settings()
    changed()
    cell.extra.scale = 2.5
    changed()
    cell.extra.more[0] = 2
    changed()
    cell.extra = Slots()
    changed()
    cell.extra.scale = 2.5
    changed()
    cell.extra = len
    changed()
    cell.extra = [[[[[Settings()], {"a": Slots()}]]]]
    changed()
    cell.extra[0][0][0][0] = Settings()  # as deep as values are told
    changed()


def test_torchs_switches_are_part_of_the_key():
    """A recording holds the kernels that were chosen under them."""
    cell, graphs = cell_of("rru"), recording()
    call = call_of(cell, 4, (2,))
    assert_same(graphs, cell, *call)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        assert_same(graphs, cell, *call)
        torch.use_deterministic_algorithms(True)  # noqa: FBT003
        assert_same(graphs, cell, *call)
    finally:
        torch.use_deterministic_algorithms(False)  # noqa: FBT003
        torch.set_float32_matmul_precision(before)
    assert 3 == len(graphs)


def test_lengths_that_do_not_come_back_are_not_recorded():
    """Nor are more kept than the bound, of those that do."""
    cell, graphs = cell_of("rhn"), Graphs(EagerRecorder())
    for steps in range(1, 40):
        graphs.run(cell, *call_of(cell, steps, ()))
    assert 0 == graphs.recorder.recorded
    for steps in range(1, MOST + 3):
        for seed in range(USES):
            assert_same(graphs, cell, *call_of(cell, steps, (), seed))
    assert MOST == len(graphs)


def test_numbers_that_are_not_finite_decide_nothing():
    """Nothing is believed on such a call, nor refused."""
    cell, graphs = cell_of("rru"), recording()
    xs, state = call_of(cell, 4, (2,))
    with torch.no_grad():
        xs[1, 1] = torch.nan
    outputs, _ = graphs.run(cell, xs, state)
    assert outputs.isnan().any()
    assert 0 == graphs.recorder.recorded
    assert 0 == len(graphs._refused)
    assert_same(graphs, cell, *call_of(cell, 4, (2,)))
    assert 1 == len(graphs)


def test_a_cell_that_goes_takes_its_recordings_along(monkeypatch):
    """At once, without a collector; copies, pickles and state dicts know nothing of them."""
    monkeypatch.setattr(dispatch, "RECORDER", EagerRecorder())
    cell = cell_of("rru")
    graphs = dispatch.of(cell)
    graphs.uses, graphs.compiler = 1, None
    assert_same(graphs, cell, *call_of(cell, 4, (2,)))
    assert dispatch.of(cell) is graphs
    assert dispatch.of(copy.deepcopy(cell)) is not graphs
    assert b"graphs" not in pickle.dumps(cell)
    assert set(cell.state_dict()) == set(cell_of("rru").state_dict())
    gone, freed, place = weakref.ref(cell), weakref.ref(graphs), id(cell)
    gc.disable()
    try:
        del cell, graphs
        assert gone() is None
        assert freed() is None
    finally:
        gc.enable()
    assert place not in dispatch._held


def test_another_thread_does_not_wait():
    """While one records or replays, others run the loop."""
    cell, graphs = cell_of("rru"), recording()
    call = call_of(cell, 4, (2,))
    with graphs._lock:
        assert torch.equal(graphs.run(cell, *call)[0], unroll(cell, *call)[0])
    assert 0 == graphs.recorder.recorded
