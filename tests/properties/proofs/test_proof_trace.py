"""Tracing: the graph computes the step, knows its lines, hashes alike everywhere, refuses with a reason."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cells
from properties.proofs.trace import TraceRefused, trace_readout, trace_step


class State(NamedTuple):
    s: Tensor
    r: Tensor


class Small(nn.Module):
    """A cell whose step is ``change(self, x, state)``."""

    input_size = 3

    def __init__(self, change=None):
        super().__init__()
        self.f = nn.Linear(3, 4)
        self.a = nn.Parameter(torch.rand(4))
        self.register_buffer("count", torch.zeros(4))
        self.plain = torch.zeros(4)
        self.kept = None
        self.change = change

    def initial_state(self, *batch):
        return State(*(self.a.new_zeros(*batch, 4) for _ in range(2)))

    def readout(self, state):
        return torch.cos(state.s)

    def step(self, x, state):
        new = State(state.s + F.softplus(self.f(x) + self.a * state.r), torch.tanh(self.f(x)))
        return new if self.change is None else self.change(self, x, state, new)


def roles(ports):
    """Role and name of every port."""
    return [(p.role, p.name) for p in ports]


def test_the_graph_has_a_port_for_everything_the_step_reads():
    """Parameters and buffers are inputs, then x, the flat state, and for the gradient its cotangent."""
    trace = trace_step(Small())
    own = [
        ("parameter", "a"),
        ("buffer", "count"),
        ("buffer", "plain"),
        ("parameter", "f.weight"),
        ("parameter", "f.bias"),
    ]
    expected = [*own, ("input", "x"), ("state", "state")]
    assert expected == roles(trace.forward.inputs)
    assert [("state", "state")] == roles(trace.forward.outputs)
    assert [*expected, ("cotangent", "state")] == roles(trace.backward.inputs)
    assert [("gradient", "state")] == roles(trace.backward.outputs)
    assert 8 == trace.layout.size


def test_the_graph_computes_step_and_gradient():
    """Forward: the new flat state. Backward: the product of a cotangent with the step's Jacobian."""
    cell = Small().double()
    trace = trace_step(cell)
    x, flat = torch.randn(3).double(), torch.randn(8).double()
    cotangent = torch.randn(8).double()

    def step(vector):
        return trace.layout.ravel(cell.step(x, trace.layout.unravel(vector, cell.initial_state())))

    (new,) = trace.forward.run(*trace.weights, x, flat)
    assert torch.equal(step(flat), new)
    jacobian = torch.autograd.functional.jacobian(step, flat)
    (gradient,) = trace.backward.run(*trace.weights, x, flat, cotangent)
    torch.testing.assert_close(cotangent @ jacobian, gradient)


def test_weights_are_inputs_and_not_constants():
    """The same graph with other weights is the cell with other weights."""
    cell = Small()
    trace = trace_step(cell)
    x, flat = torch.randn(3), torch.randn(8)
    (before,) = trace.forward.run(*trace.weights, x, flat)
    with torch.no_grad():
        cell.a.add_(1)
    (after,) = trace.forward.run(*trace.weights, x, flat)
    assert not torch.equal(before, after)
    state = trace.layout.unravel(flat, cell.initial_state())
    assert torch.equal(trace.layout.ravel(cell.step(x, state)), after)


def test_tied_weights_are_one_input():
    """A weight that stands in two places is lifted once and replaced in both."""
    cell = Small(lambda c, x, _s, n: State(n.s + c.twin(x), n.r))
    cell.twin = cell.f
    cell.extra = nn.ParameterList([cell.a])
    names = [p.name for p in trace_step(cell).forward.inputs]
    assert 7 == len(names)
    assert 1 == names.count("f.weight")


def test_the_readout_is_traced_alike():
    """γ as a function of the flat state, and its gradient."""
    trace = trace_readout(Small())
    assert [("readout", "readout")] == roles(trace.forward.outputs)
    assert ("cotangent", "readout") == roles(trace.backward.inputs)[-1]
    flat = torch.randn(8)
    (seen,) = trace.forward.run(*trace.weights, flat)
    assert torch.equal(torch.cos(flat[:4]), seen)


def test_kernels_with_known_ranges_stay_single_operators():
    """Softplus, logaddexp, gelu, silu, sigmoid and tanh are not decomposed."""

    def change(_cell, _x, state, new):
        zero = torch.zeros_like(state.r)
        gates = F.gelu(state.r) + F.silu(state.r) + torch.sigmoid(state.r)
        return State(new.s, new.r + gates + torch.logaddexp(state.r, zero))

    ops = trace_step(Small(change)).forward.ops
    kernels = {"softplus", "logaddexp", "gelu", "silu", "sigmoid", "tanh"}
    assert {f"aten.{k}.default" for k in kernels} <= set(ops)


def test_graphs_are_functional():
    """A step written in place becomes a graph in which nothing is changed, with the same lines."""

    def change(_cell, x, state, new):
        memory = state.s.clone()
        memory[..., :2] += x[..., :2]
        memory[..., 1:].mul_(2)
        return State(memory, new.r)

    trace = trace_step(Small(change))
    for graph in (trace.forward, trace.backward):
        for node in graph.nodes:
            if node.op == "call_function" and hasattr(node.target, "_schema"):
                assert not node.target._schema.is_mutable
    doubled = [n for n in trace.forward.nodes if "mul.Tensor" in str(n.target)]
    assert any("memory[..., 1:].mul_(2)" in str(trace.forward.source(n)) for n in doubled)


def test_every_operation_knows_its_line():
    """The line is the cell's own, in the forward graph and for gradients too."""
    trace = trace_step(Small())
    for graph, op in ((trace.forward, "softplus"), (trace.backward, "softplus_backward")):
        (node,) = (n for n in graph.nodes if f"aten.{op}.default" == str(n.target))
        source = graph.source(node)
        assert source.path.endswith("test_proof_trace.py")
        assert "F.softplus(self.f(x) + self.a * state.r)" in source.text
        assert "step" == source.function
        assert f":{source.line} in step: " in str(source)
    (tensor, *_) = trace.forward.nodes
    assert None is trace.forward.source(tensor)


HASH = """
import torch, cells
from properties.proofs.trace import trace_step
torch.manual_seed(0)
print(trace_step(cells.get("gato")(3, 8)).graph_hashes())
"""


def test_hashes_do_not_depend_on_the_process():
    """A certificate can be checked elsewhere: same cell, same graphs, whatever the hash seed."""
    seen = {
        subprocess.run(
            [sys.executable, "-c", HASH],
            env={"PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": "1", "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert {str(trace_step(cells.get("gato")(3, 8)).graph_hashes()) + "\n"} == seen


def test_hashes_tell_graphs_apart():
    """Another size, another constant or another operator is another hash; other weights are not."""
    variants = [{}, {"lam": 0.5}, {"gamma": "sin"}, {"reg": "tanh"}]
    hashes = [trace_step(cells.get("gato")(3, 8, **k)).forward.graph_hash() for k in variants]
    assert 3 == len(set(hashes))
    assert hashes[0] == hashes[2]
    assert hashes[0] == trace_step(cells.get("gato")(3, 8)).forward.graph_hash()
    assert hashes[0] != trace_step(cells.get("gato")(3, 10)).forward.graph_hash()
    constants = [
        Small(lambda _c, _x, _s, n, k=k: State(n.s + torch.full((4,), k), n.r)) for k in (1.0, 2.0)
    ]
    assert 2 == len({trace_step(c).forward.graph_hash() for c in constants})


def set_attribute(cell, name, value):
    """Rebind an attribute inside an expression; adds nothing."""
    setattr(cell, name, value)
    return 0.0


REFUSED = {
    "branch": (lambda _c, x, s, n: n if x.sum() > 0 else s, "data-dependent.*x.sum"),
    "float": (lambda _c, x, _s, n: State(n.s + float(x.mean()), n.r), "data-dependent.*float"),
    "list": (lambda _c, x, _s, n: State(n.s + x.tolist()[0], n.r), "data-dependent.*tolist"),
    "mask": (lambda _c, x, _s, n: State(n.s + x[x > 0].sum(), n.r), "data-dependent.*aten.index"),
    "numpy": (
        lambda _c, x, _s, n: State(n.s + x.detach().numpy().sum(), n.r),
        "unsupported.*numpy",
    ),
    "dropout": (lambda _c, _x, _s, n: State(n.s, F.dropout(n.r, 0.1)), "random: aten.bernoulli"),
    "noise": (
        lambda _c, _x, _s, n: State(n.s, n.r + torch.randn(4)),
        "random: aten.randn.*cell.eval",
    ),
    "buffer": (
        lambda c, _x, _s, n: State(n.s + 0 * c.count.add_(1), n.r),
        "hidden state: the step changes 'count'; expected .*aten.add_",
    ),
    "buffer-rebound": (
        lambda c, _x, _s, n: State(n.s + set_attribute(c, "count", c.count + 1), n.r),
        "hidden state: the step changes 'count'",
    ),
    "attribute": (
        lambda c, _x, _s, n: State(n.s + 0 * c.plain.add_(1), n.r),
        "hidden state: the step changes 'plain'",
    ),
    "attribute-rebound": (
        lambda c, _x, _s, n: State(n.s + set_attribute(c, "plain", c.plain + 1), n.r),
        "hidden state: the step changes 'plain'",
    ),
    "parameter": (
        lambda c, _x, _s, n: State(n.s + 0 * c.a.data.add_(1), n.r),
        "hidden state: the step changes 'a'|writes into its arguments or parameters",
    ),
    "own-state": (
        lambda _c, _x, s, n: State(s.s.add_(n.s), n.r),
        "writes into its arguments.*clone",
    ),
    "own-input": (
        lambda _c, x, _s, n: State(n.s + x.mul_(2)[..., :1], n.r),
        "writes into its argument 'x'",
    ),
    "tuple": (lambda _c, _x, _s, n: tuple(n), "the step must return a State, got tuple"),
    "shapes": (
        lambda _c, _x, _s, n: State(n.s @ torch.ones(3, 3), n.r),
        "unsupported: RuntimeError",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_graph_describes_is_refused_with_the_reason(name):
    """Branches on values, randomness, hidden state and impure steps are refused; the cell is unharmed."""
    change, message = REFUSED[name]
    cell = Small(change)
    before = {k: id(v) for k, v in vars(cell).items()}
    with pytest.raises(TraceRefused, match=message) as refusal:
        trace_step(cell)
    assert before == {k: id(v) for k, v in vars(cell).items()}
    assert all(bool(t.isfinite().all()) for t in (cell.count, cell.plain, cell.a.detach()))
    assert 0.0 == float(cell.count.sum() + cell.plain.sum())
    assert refusal.value.reason == str(refusal.value)


def test_a_dropout_that_is_off_is_no_randomness():
    """In evaluation mode there is nothing to refuse."""
    cell = Small(lambda c, _x, _s, n: State(n.s, c.drop(n.r)))
    cell.drop = nn.Dropout(0.5)
    with pytest.raises(TraceRefused, match=r"random: .*cell.eval\(\)"):
        trace_step(cell)
    assert trace_step(cell.eval()).forward.ops


def test_a_tensor_kept_for_later_is_no_hidden_state_in_itself():
    """A cache that starts empty is allowed, and tracing leaves it empty; replay judges what it does."""

    def change(cell, _x, _state, new):
        if cell.kept is None:
            cell.kept = torch.arange(4)
        return State(new.s[..., cell.kept], new.r)

    cell = Small(change)
    assert trace_step(cell).forward.ops
    assert None is cell.kept


class Counting(NamedTuple):
    s: Tensor
    ticks: Tensor


class Ticking(Small):
    """A cell with an integer field."""

    def initial_state(self, *batch):
        return Counting(self.a.new_zeros(*batch, 4), torch.zeros(*batch, 1, dtype=torch.int64))

    def step(self, x, state):
        keep = (state.ticks % 2 == 0).to(x.dtype)
        return Counting(state.s + keep * self.f(x), state.ticks + 1)


def test_integer_fields_are_inputs_and_outputs_of_their_own():
    """A step counter in the state is no constant of the graph."""
    trace = trace_step(Ticking())
    assert ("discrete", "ticks") == roles(trace.forward.inputs)[-1]
    assert ("discrete", "ticks") == roles(trace.forward.outputs)[-1]
    values = [*trace.weights, torch.ones(3), torch.zeros(4), torch.tensor([7])]
    new, ticks = trace.forward.run(*values)
    assert 0.0 == float(new.abs().sum())
    assert 8 == int(ticks)


class Untyped(Small):
    def initial_state(self, *batch):
        return tuple(super().initial_state(*batch))


class Mixed(Small):
    def initial_state(self, *batch):
        return State(torch.zeros(*batch, 4), torch.zeros(*batch, 4, dtype=torch.float64))


class Empty(Small):
    def initial_state(self, *batch):
        return State(*(torch.zeros(*batch, 4, dtype=torch.int64) for _ in range(2)))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            Untyped,
            "expected initial_state.. to return a NamedTuple of tensors, got tuple: .*cells.adapt",
        ),
        (Mixed, "fields of different precisions; give them one dtype"),
        (Empty, "expected at least one floating-point scalar, got none"),
    ],
)
def test_states_outside_the_protocol_are_refused(cell, message):
    """The refusal says what a state must be."""
    with pytest.raises(TraceRefused, match=f"unsupported state: {message}"):
        trace_step(cell())


class Plain:
    """A cell that is no module and holds one, a parameter, and a trainable tensor."""

    input_size = 3

    def __init__(self):
        self.inner = Small()
        self.scale = nn.Parameter(torch.ones(4))
        self.shift = torch.zeros(4, requires_grad=True)

    def initial_state(self, *batch):
        return self.inner.initial_state(*batch)

    def readout(self, state):
        return state.s

    def step(self, x, state):
        new = self.inner.step(x, state)
        return State(new.s, new.r * self.scale + self.shift)


def test_a_cell_need_not_be_a_module():
    """Modules and tensors held as attributes are lifted; what trains is a parameter."""
    ports = {p.name: p.role for p in trace_step(Plain()).forward.inputs}
    assert {"inner.f.weight", "inner.a", "scale", "shift"} < set(ports)
    assert ["parameter", "parameter", "buffer"] == [
        ports[k] for k in ("scale", "shift", "inner.plain")
    ]


def test_a_tensor_from_outside_the_cell_is_a_constant_of_the_graph():
    """It must not be changed either."""
    outside = torch.ones(4)
    trace = trace_step(Small(lambda _c, _x, _s, n: State(n.s + outside, n.r)))
    (constant,) = (n for n in trace.forward.nodes if n.op == "get_attr")
    assert torch.equal(outside, trace.forward.constant(constant))
    with pytest.raises(TraceRefused, match="hidden state: the step changes 'a tensor from outside"):
        trace_step(Small(lambda _c, x, _s, n: State(n.s + 0 * outside.add_(x.sum()), n.r)))


def test_running_needs_one_tensor_per_port():
    """The message counts the ports."""
    with pytest.raises(ValueError, match="one tensor per input port, 7: got 0"):
        trace_step(Small()).forward.run()
