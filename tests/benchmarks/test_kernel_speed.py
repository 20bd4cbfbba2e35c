"""The generated kernels alone: nanoseconds per update of one unit, forward and backward, cell by cell."""

from __future__ import annotations

import pytest
import torch
from bandwidth import copy_rate
from clock import CLOCK, TIMER
from correctness import check, computed, exact
from implementations import MissingError, of_cell, of_torch, sequences, training
from kernel_calls import kernels
from torch import nn
from workloads import KERNEL_SHAPES, WORKLOADS

import cells

SHAPE = WORKLOADS["training"].printed
# name -> width of the state per unit: the diagonal cells, with whatever of them is registered
DIAGONAL = {"gato": 2, "gru-diag": 1, "lstm-diag": 1, "indrnn": 1, "brhn-diag": 1}


def size(tensors):
    """Bytes of every tensor in a nest of arguments or results."""
    if isinstance(tensors, torch.Tensor):
        return tensors.nbytes
    if isinstance(tensors, list | tuple):
        return sum(map(size, tensors))
    return 0


def bytes_moved(call):
    """What a kernel has to read and write at least: its arguments and its results, once."""
    return size(call.arguments) + size(call())


def best(work, rounds=15):
    """Seconds of one call, the least of several: what interrupts only adds."""
    work()
    once = max(CLOCK.seconds(work), 1e-6)
    calls = max(1, int(2e-3 / once) + 1)

    def many():
        for _ in range(calls):
            work()

    found = []
    for _ in range(rounds):
        CLOCK.hold(calls * 1e-4)
        found.append(CLOCK.seconds(many) / calls)
    return min(found)


def measured(benchmark, speed, device, name, label, shape):
    """The ratio of a training step of the layer, and the figures of its two kernels alone."""
    if name not in cells.names():
        pytest.skip(f"no cell is registered as {name!r}")
    width = DIAGONAL[name] * shape.units
    try:
        subject = of_cell(name, {}, width, shape, device, "fused")
    except MissingError as missing:
        speed.absent[f"kernels/{label}"] = str(missing)
        pytest.skip(str(missing))
    readout = subject.run(torch.zeros(1, 1, shape.inputs, device=device)).shape[-1]
    data = sequences(shape, readout, device)
    xs, upstream = next(data)
    off = check(computed(subject, xs, upstream), exact(subject, xs, upstream))
    step = training(subject, data)
    forward, backward = kernels(step)
    rate = copy_rate(device)
    seconds = {"forward": best(forward), "backward": best(backward)}
    moved = bytes_moved(forward) + bytes_moved(backward)
    control = of_torch(nn.LSTM, width, shape, device)
    speed.measure(
        benchmark,
        ("kernels", label),
        step,
        (f"nn.LSTM({width})", training(control, sequences(shape, width, device))),
        shape=str(shape),
        backend=subject.backend,
        figures={
            "error": off,
            **{f"{way}_ns": taken / shape.elements * 1e9 for way, taken in seconds.items()},
            "gigabytes_per_second": moved / sum(seconds.values()) / 1e9,
            "share_of_copy": moved / sum(seconds.values()) / rate,
        },
    )


@pytest.mark.benchmark(group="kernels", timer=TIMER)
@pytest.mark.parametrize("name", DIAGONAL)
def test_kernels(benchmark, speed, device, name):
    """Every diagonal cell at one shape; the ratio is of whole layers, to nn.LSTM of as wide a state."""
    measured(benchmark, speed, device, name, name, SHAPE)


@pytest.mark.benchmark(group="kernels", timer=TIMER)
@pytest.mark.parametrize("label", KERNEL_SHAPES)
def test_bandwidth(benchmark, speed, device, label):
    """GATO's kernels where a GPU has enough to do: as many lanes as the copy task, and eight times those."""
    if not CLOCK.cuda:
        pytest.skip("a CPU's kernels are bound by arithmetic")
    measured(benchmark, speed, device, "gato", label, KERNEL_SHAPES[label])
