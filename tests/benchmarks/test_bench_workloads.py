"""Forward and backward of one-layer GATO by each backend, against torch's layers, on every workload."""

from __future__ import annotations

import contextlib

import pytest
import torch
from clock import CLOCK, TIMER
from correctness import check, computed, error, exact
from implementations import (
    NO_GRAPHS,
    MissingError,
    equal_parameters,
    gato,
    of_cell,
    of_torch,
    sequences,
    training,
)
from torch import nn
from workloads import ROWS, WORKLOADS, Shape, dispatched

from cells.graphs.graphs import USES

# seconds of rounds: most for what is held to goals, least for what is not ours
# one or several products per step, a norm, a memory, a kernel per gate, complex numbers
GRAPHED = ("rhn", "janet", "mogrifier-lstm", "sru", "nru", "kaf-gru", "eurnn")
BUDGETS = {"fused": 3, "hoisted": 1.5, "naive": 1.5, "graphed": 1.5, "lstm": 1.5}


def rows():
    """Every workload and implementation as a parameter, in the group of its workload."""
    return [
        pytest.param(
            workload,
            name,
            marks=pytest.mark.benchmark(group=workload, timer=TIMER),
            id=f"{workload}-{name}",
        )
        for workload, names in ROWS.items()
        for name in names
    ]


@contextlib.contextmanager
def products(*, tf32):
    """Whether matrix products may round to TF32 in here."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def built(name, shape, device):
    """The subject of that name."""
    if name in ("fused", "hoisted", "naive", "graphed"):
        return gato(shape, device, name)
    if name == "lstm-equal":
        return of_torch(nn.LSTM, equal_parameters(nn.LSTM, shape), shape, device)
    return of_torch(nn.GRU if name == "gru" else nn.LSTM, 2 * shape.units, shape, device)


class Oracles:
    """Float64 answers, each computed once: the hoisted and the naive loop of a workload share theirs."""

    def __init__(self):
        self.kept = {}

    def __call__(self, key, subject, xs, upstream):
        """The answers for ``key``; the last ones only are kept."""
        if key not in self.kept:
            self.kept = {key: exact(subject, xs, upstream)}
        return self.kept[key]


@pytest.fixture(scope="module")
def oracles():
    """One for the module."""
    return Oracles()


@pytest.mark.parametrize(("workload", "name"), rows())
def test_workload(benchmark, speed, device, oracles, workload, name):
    """The ratio of nn.LSTM(2J) to ``name``, both trained a step in turn; right before it is timed."""
    chosen = WORKLOADS[workload]
    if chosen.tf32 and not CLOCK.cuda:
        pytest.skip("only GPUs round products to TF32")
    shape, label = chosen.shape(cuda=CLOCK.cuda), chosen.label(cuda=CLOCK.cuda)
    with products(tf32=chosen.tf32):
        try:
            subject = built(name, shape, device)
        except MissingError as missing:
            speed.absent[f"{workload}/{name}"] = str(missing)
            pytest.skip(str(missing))
        width = subject.run(torch.zeros(1, 1, shape.inputs, device=device)).shape[-1]
        data = sequences(shape, width, device)
        xs, upstream = next(data)
        family = "gato" if subject.backend else name
        expected = oracles((workload, family), subject, xs, upstream)
        found = computed(subject, xs, upstream)
        off = check(found, expected, tf32=chosen.tf32)
        figures = {"error": off}
        if name == "fused":
            again = computed(subject, xs, upstream)
            assert all(map(torch.equal, found, again)), "a rerun must give the same bits"
            eager = computed(gato(shape, device, "hoisted"), xs, upstream)
            figures["error_over_eager"] = off / error(eager, expected)
        control = of_torch(nn.LSTM, 2 * shape.units, shape, device)
        speed.measure(
            benchmark,
            (workload, name),
            training(subject, data),
            (
                f"nn.LSTM({2 * shape.units})",
                training(control, sequences(shape, 2 * shape.units, device)),
            ),
            shape=label,
            gated=bool(subject.backend),
            backend=subject.backend,
            dispatched=dispatched(name, shape),
            budget=BUDGETS.get(name, 1),
            figures=figures,
        )


DENSE = Shape(100, 32, 64, 256)


def measure_dense(benchmark, speed, device, name):
    """The ratio of nn.LSTM of its width to a cell with a recurrent product, by whichever backend runs it."""
    subject = of_cell(name, {}, DENSE.units, DENSE, device, "auto")
    width = subject.run(torch.zeros(1, 1, DENSE.inputs, device=device)).shape[-1]
    data = sequences(DENSE, width, device)
    xs, upstream = next(data)
    expected = exact(subject, xs, upstream)
    off = check(computed(subject, xs, upstream), expected)
    if subject.backend == "graphed":
        # made when a shape comes back, for the switches of torch under which it is timed
        for _ in range(USES):
            off = max(off, check(computed(subject, xs, upstream, poison=False), expected))
    control = of_torch(nn.LSTM, DENSE.units, DENSE, device)
    speed.measure(
        benchmark,
        ("dense", name),
        training(subject, data),
        (f"nn.LSTM({DENSE.units})", training(control, sequences(DENSE, DENSE.units, device))),
        shape=f"T {DENSE.steps}, B {DENSE.batch}, D {DENSE.inputs}, H {DENSE.units}",
        backend=subject.backend,
        figures=lambda _, seconds: {"error": off, "step_us": seconds / DENSE.steps * 1e6},
    )


@pytest.mark.benchmark(group="dense", timer=TIMER)
@pytest.mark.parametrize("name", ["rru", "ur-lstm", "lstm", "gru"])
def test_dense(benchmark, speed, device, name):
    """One of each family, on every device, and torch's own."""
    measure_dense(benchmark, speed, device, name)


@pytest.mark.benchmark(group="dense", timer=TIMER)
@pytest.mark.parametrize("name", GRAPHED)
def test_dense_in_graphs(benchmark, speed, device, name):
    """The other dense cells, where queueing their kernels takes longer than running them: on CUDA."""
    if not CLOCK.cuda:
        speed.absent[f"dense/{name}"] = NO_GRAPHS
        pytest.skip(NO_GRAPHS)
    measure_dense(benchmark, speed, device, name)
