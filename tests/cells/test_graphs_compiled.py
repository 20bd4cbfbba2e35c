"""Steps that were compiled are recorded, and done without where the compiler fails or errs."""

from __future__ import annotations

import functools
import re
import shutil

import pytest
import torch
from eager_graphs import recording
from graph_calls import assert_same, call_of, cell_of

from cells import unroll

torch.set_num_threads(1)

AOT = functools.partial(torch.compile, backend="aot_eager", fullgraph=True, dynamic=False)


@pytest.mark.parametrize("name", ["rru", "nru", "g-lstm", "mogrifier-lstm", "rhn", "kaf-gru"])
def test_a_compiled_step_is_recorded(name):
    """Of cells that defer, project or only step; the next length compiles nothing."""
    cell, calls = cell_of(name), []

    def compiler(function):
        calls.append(function)
        return AOT(function)

    graphs = recording(compiler)
    for steps, seed in ((4, 0), (4, 1), (6, 2), (1, 3)):
        call = call_of(cell, steps, (2,), seed)
        ours, theirs = graphs.run(cell, *call), unroll(cell, *call)
        torch.testing.assert_close(ours[0], theirs[0], atol=1e-10, rtol=1e-10)
        mine, other = (
            torch.autograd.grad(one[0].sum(), list(cell.parameters()), allow_unused=True)
            for one in (ours, theirs)
        )
        torch.testing.assert_close(mine, other, atol=1e-9, rtol=1e-9)
        assert "with the compiled step" in graphs.status(cell, *call).reason
    assert 1 == len(calls)


@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor compiles for a CPU by g++")
def test_a_step_that_inductor_compiled_is_recorded():
    """The compiler that is used on CUDA."""
    compiler = functools.partial(torch.compile, fullgraph=True, dynamic=False)
    cell, graphs = cell_of("rhn"), recording(compiler)
    call = call_of(cell, 4, (2,))
    outputs, _ = graphs.run(cell, *call)
    torch.testing.assert_close(outputs, unroll(cell, *call)[0], atol=1e-10, rtol=1e-10)
    assert "with the compiled step" in graphs.status(cell, *call).reason


def refusing(_):
    """A compiler that fails."""
    raise NotImplementedError("no such operator")


def miscompiling(function):
    """A compiler that is wrong in the last place that somebody looks at."""

    def wrong(projected, state):
        new = function(projected, state)
        return new._replace(hidden=new.hidden + 0.01 * (new.hidden - new.hidden.detach()))

    return wrong


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        (refusing, r"step as it is \(NotImplementedError: no such operator\)"),
        (miscompiling, r"step as it is \(with the compiled step it is not .*: gradient"),
    ],
    ids=["fails", "wrong gradients"],
)
def test_a_compiler_that_fails_or_errs_is_done_without(compiler, reason):
    """The step is recorded as it is, and the compiler is not asked again for another length."""
    cell, calls = cell_of("rhn"), []

    def counted(function):
        calls.append(function)
        return compiler(function)

    graphs = recording(counted)
    for steps in (4, 5):
        for seed in range(2):
            call = call_of(cell, steps, (2,), seed)
            assert_same(graphs, cell, *call)
        assert re.search(reason, graphs.status(cell, *call).reason)
    assert 1 == len(calls)


def test_a_compiled_step_that_errs_later_is_done_without():
    """Once the parameters have changed: the step as it is takes its place, and is right."""
    cell = cell_of("rhn")
    weight = cell.first.weight_hh
    then = weight.detach().clone()

    def baking(function):
        return lambda projected, state: function(
            projected if torch.equal(weight, then) else projected + 0.1, state
        )

    graphs = recording(baking)
    for seed in range(2):
        assert_same(graphs, cell, *call_of(cell, 4, (2,), seed))
    assert "with the compiled step" in graphs.status(cell, *call_of(cell, 4, (2,))).reason
    for seed in range(3):
        with torch.no_grad():
            weight.mul_(1.1)
        assert_same(graphs, cell, *call_of(cell, 4, (2,), seed))
        assert "step as it is (with the" in graphs.status(cell, *call_of(cell, 4, (2,))).reason
    assert 4 == graphs.recorder.recorded


def test_complex_states_are_not_compiled():
    """Compilers pass their operators on, one by one."""
    cell, graphs = cell_of("eurnn"), recording(refusing)
    call = call_of(cell, 4, (2,))
    assert_same(graphs, cell, *call)
    assert "leave complex numbers alone" in graphs.status(cell, *call).reason
