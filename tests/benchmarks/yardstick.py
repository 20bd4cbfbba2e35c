"""What work without a counterpart in torch alternates with: the same layer on every machine."""

from __future__ import annotations

from collections.abc import Callable

import torch
from implementations import of_torch, sequences, training
from torch import nn
from workloads import Shape

SHAPE = Shape(100, 8, 32, 32)
LABEL = "yardstick"
ABOUT = f"nn.LSTM({2 * SHAPE.units}) at T {SHAPE.steps}, B {SHAPE.batch}, D {SHAPE.inputs}"


def yardstick() -> tuple[str, Callable[[], object]]:
    """Its name and a training step of it, on the CPU."""
    cpu = torch.device("cpu")
    layer = of_torch(nn.LSTM, 2 * SHAPE.units, SHAPE, cpu)
    return LABEL, training(layer, sequences(SHAPE, 2 * SHAPE.units, cpu))
