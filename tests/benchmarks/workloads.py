"""What is run: the papers' shapes on a GPU, and on a CPU the same with less of what only takes longer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Shape(NamedTuple):
    """``steps`` T, ``batch`` B, ``inputs`` D and ``units`` J: a GATO of J units has a state of 2 J."""

    steps: int
    batch: int
    inputs: int
    units: int

    def __str__(self) -> str:
        return f"T {self.steps}, B {self.batch}, D {self.inputs}, J {self.units}"

    @property
    def elements(self) -> int:
        """The updates of one unit in one example in one call."""
        return self.steps * self.batch * self.units


@dataclass(frozen=True, slots=True)
class Workload:
    """``printed``: the shape as published; ``cpu``: the shape on a CPU, the same where that is affordable.

    ``tf32``: whether matrix products may round to TF32, which only GPUs do; such a workload is a GPU's.
    """

    name: str
    printed: Shape
    cpu: Shape
    tf32: bool = False

    def shape(self, *, cuda: bool) -> Shape:
        """What is run on such a device."""
        return self.printed if cuda else self.cpu

    def label(self, *, cuda: bool) -> str:
        """The shape in words, and whether it is a smaller one than printed."""
        shape = self.shape(cuda=cuda)
        return str(shape) if shape == self.printed else f"{shape} (printed: {self.printed})"


def _unscaled(name: str, *shape: int) -> Workload:
    return Workload(name, Shape(*shape), Shape(*shape))


# A batch and a width less on a CPU: LSTM(1024) over 220 steps takes seconds there, and teaches nothing.
WORKLOADS = {
    one.name: one
    for one in (
        _unscaled("training", 100, 32, 64, 256),
        _unscaled("training-400", 400, 32, 64, 256),
        Workload("copy", Shape(220, 32, 5, 512), Shape(220, 8, 5, 128)),
        Workload("adding-750", Shape(750, 64, 2, 256), Shape(750, 8, 2, 64)),
        Workload("icu", Shape(48, 256, 25, 256), Shape(48, 64, 25, 128)),
        Workload("ptb", Shape(70, 20, 650, 650), Shape(70, 20, 256, 256)),
        Workload("ptb-tf32", Shape(70, 20, 650, 650), Shape(70, 20, 256, 256), tf32=True),
        _unscaled("cert-small", 400, 4, 4, 32),
        _unscaled("cert-tiny", 100, 1, 4, 16),
        _unscaled("cert-long", 1000, 8, 4, 64),
    )
}

# where bandwidth is asked for: 16,384 lanes as in the copy task, and eight times as many
KERNEL_SHAPES = {"gato-copy": Shape(220, 32, 5, 512), "gato-wide": Shape(220, 256, 5, 512)}

EVERY = ("fused", "hoisted", "naive", "lstm-equal", "gru", "lstm")
# which of them run where; the naive loop only where its backward ends, "lstm" twice as a control
ROWS = {
    "training": EVERY,
    "training-400": ("fused", "hoisted"),
    "copy": ("fused", "hoisted", "graphed", "lstm-equal", "gru"),
    "adding-750": ("fused", "hoisted", "lstm-equal", "gru"),
    "icu": ("fused", "hoisted", "lstm-equal", "gru"),
    "ptb": ("fused", "hoisted", "lstm-equal", "gru"),
    "ptb-tf32": ("fused",),
    "cert-small": EVERY,
    "cert-tiny": ("fused", "hoisted", "naive"),
    "cert-long": ("fused", "hoisted"),
}

LOOPS = ("hoisted", "naive")
FEW = 1024  # numbers per step: of a loop over such steps calls are nine tenths
SHORT = 51_200  # unit steps in all: of so many by a kernel, calls from Python are half, or more


def dispatched(name: str, shape: Shape) -> bool:
    """Whether most of the work is torch's dispatch and Python, and to be judged beside such work."""
    if name in LOOPS:
        return shape.batch * shape.units <= FEW
    return name == "fused" and shape.elements <= SHORT
