"""Results and keys that tests make up."""

from __future__ import annotations

import dataclasses

from environment import Environment
from result import Result

CPU = Environment("Some CPU, family 1, model 2, AVX2", "2.13.0", "numba 0.68.1", "none", 1)
GPU = Environment("NVIDIA H200", "2.11.0", "triton 3.6.0", "91002", 1)


def result(implementation="fused", ratio=10.0, **changes):
    """A result of the copy task."""
    made = Result(
        "copy", implementation, "T 1, B 1, D 1, J 1", "nn.LSTM(2)", ratio, 9.5, 10.5, 9, 2.0, 1.5e-3,
        "fused", figures={"error": 1e-7},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)
