"""Steps, a stranger's among them, from one function to a kernel: what is generated, and what is refused."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from fused_models import everything, start
from torch import nn

import cells
import cells.indrnn
from cells.fused import numba_kernels, operators, store
from cells.fused.fingerprint import stamped
from cells.fused.step import Step
from cells.fused.trace import trace

pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
torch.set_num_threads(1)

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
        ("readouts: expected how many values decode", lambda f: Step("a", f, **ONE, readouts=1)),
        ("readouts: expected how many values decode", lambda f: Step("a", f, **ONE, decode=list)),
        (
            "expected 2 readouts of shape .4,., got .*decode returns one tensor per readout",
            lambda f: trace(Step("a", f, **ONE, readouts=2, decode=lambda s: (s[0].cos(),))),
        ),
        (
            "sum.* is no elementwise operation",
            lambda f: trace(Step("a", f, **ONE, readouts=1, decode=lambda s: (s[0] / s[0].sum(),))),
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
    from cells.fused.__main__ import NETWORKS
    from cells.fused.catalogue import sources

    wanted = sources()
    found = {
        path.name: path.read_text(encoding="utf-8")
        for path in store.GENERATED.glob("*_*.py")
        if path.name != "__init__.py"
    }
    assert found.keys() == wanted.keys()
    stale = [name for name, text in wanted.items() if found[name] != text]
    networks = NETWORKS.read_text(encoding="utf-8")
    assert "as of" in networks
    stale += [NETWORKS.name] * (stamped(networks) != networks)
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


@pytest.mark.parametrize("name", ["erfinv", "lgamma", "i0"])
def test_what_has_no_kernel_is_named(name):
    """With what there is."""
    step = Step("rare", lambda s, p, *_: (getattr(torch, name)(s[0] + p[0]),), **ONE)
    with pytest.raises(ValueError, match=rf"aten.{name}.default is no elementwise operation that"):
        trace(step)


def test_a_function_may_be_defined_again():
    """As in a notebook: each cell runs its own step, although both have one name."""

    def define(sign):
        def again(states, inputs, *_):
            return (torch.tanh(states[0] + sign * inputs[0]),)

        return cells.diagonal(inputs=1)(again)

    first, second = (define(sign)(3, 4).double() for sign in (1, -1))
    second.load_state_dict(first.state_dict())
    xs = torch.randn(4, 2, 3, dtype=torch.float64)
    (plus, _), (minus, _) = (cells.Recurrent(c, backend="fused")(xs) for c in (first, second))
    torch.testing.assert_close(plus, -minus)
    torch.testing.assert_close(cells.Recurrent(first, backend="reference")(xs)[0], plus)


class Namesake(nn.Module):
    """A stranger's cell that uses the names of ours for something else."""

    input_size, lanes = 3, 8

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(3, 4)

    def initial_state(self, *batch):
        return cells.indrnn.IndRNNState(torch.zeros(*batch, 4))

    def step(self, x, state):
        return state._replace(hidden=torch.tanh(self.project(x) + state.hidden))

    def readout(self, state):
        return state.hidden

    def library(self):
        return 5


def test_a_strangers_names_are_not_taken_for_ours():
    """Neither an attribute nor a method that returns another thing."""
    ((name, reason),) = cells.backends(Namesake())
    assert name == "reference"
    assert reason == "Namesake is no cell of torch; Namesake declares no elementwise step"
    cells.Recurrent(Namesake())(torch.zeros(2, 1, 3))


def test_slopes_of_states_alone_and_results_where_they_are_wanted():
    """What the certifier asks of a kernel: the same numbers, in memory of its own."""
    step = cells.get("lstm-diag")(3, 8).lanes().step
    draw = torch.Generator().manual_seed(0)
    p, w = torch.randn(1, 5, 2, 16, generator=draw), torch.randn(1, 4, 4, generator=draw)
    begin = [torch.randn(1, 2, 4, generator=draw) for _ in range(2)]
    p = [p]
    states = numba_kernels.forward(step, p, w, [0.0], begin)
    own = [torch.full_like(one, torch.nan) for one in states]
    assert numba_kernels.forward(step, p, w, [0.0], begin, out=own)[0] is own[0]
    assert all(map(torch.equal, own, states))
    seeds = [torch.randn(one.shape, generator=draw) for one in states]
    none = [torch.empty(1, 0, 0)] * 2
    *_, h, c = numba_kernels.backward(step, p, w, [0.0], begin, states, [*seeds, *none])
    there = [torch.full_like(one, torch.nan) for one in begin]
    for found in (
        numba_kernels.slopes(step, p, w, [0.0], begin, states, seeds),
        numba_kernels.slopes(step, p, w, [0.0], begin, states, seeds, there),
    ):
        assert all(map(torch.equal, found, (h, c)))
    for wrong in (there[:1], [there[0], there[1].expand(2, 2, 4)], [one.mT for one in there]):
        with pytest.raises(
            ValueError, match=r"out: expected dense tensors of shapes .*leave it out"
        ):
            numba_kernels.slopes(step, p, w, [0.0], begin, states, seeds, wrong)
