"""What one step of training or evaluation reads, time first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """One batch of B sequences of T steps, for one replicate.

    ``inputs``: (T, B) integer tokens or (T, B, D) floats; ``targets``: of every step, (T, B) or (T, B, K),
    or of the whole sequence, (B,) or (B, K); ``weights``: what each prediction counts, (T, B) or (B,),
    0 on padding; ``lengths``: (B,) real steps of each sequence, None where every step is real;
    ``fresh``: (B,) which rows begin at the initial state, the others going on from the state that the batch
    before has left; None where all begin.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray | None = None
    fresh: np.ndarray | None = None


def padded(batch: Batch, steps: int) -> Batch:
    """``batch`` with zero steps appended up to ``steps``; what it says stays as it was.

    Rows get a length, so that a decision is still read after the last real step.
    """
    missing = steps - len(batch.inputs)
    if missing == 0:
        return batch
    lengths = batch.lengths
    if lengths is None:
        lengths = np.full(batch.inputs.shape[1], len(batch.inputs))

    def longer(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))

    if batch.weights.ndim == 1:
        return batch._replace(inputs=longer(batch.inputs), lengths=lengths)
    return batch._replace(
        inputs=longer(batch.inputs),
        targets=longer(batch.targets),
        weights=longer(batch.weights),
        lengths=lengths,
    )


def stacked(batches: Sequence[Batch]) -> Batch:
    """One batch with the replicates as leading axis; shorter ones are padded with steps of weight 0.

    Raises ``ValueError`` where a state is carried on and the lengths differ: padding would be read.
    """
    longest = max(len(batch.inputs) for batch in batches)
    if any(len(b.inputs) != longest and b.fresh is not None for b in batches):
        raise ValueError(
            "windows whose state is carried must have one length in all replicates: draw window "
            f"lengths from a stream without the seed; got {sorted({len(b.inputs) for b in batches})}"
        )
    ready = [padded(batch, longest) for batch in batches]
    if any(batch.lengths is not None for batch in ready):
        ready = [
            b if b.lengths is not None else b._replace(lengths=np.full(b.inputs.shape[1], longest))
            for b in ready
        ]
    return Batch(
        np.stack([b.inputs for b in ready]),
        np.stack([b.targets for b in ready]),
        np.stack([b.weights for b in ready]),
        _present([b.lengths for b in ready]),
        _present([b.fresh for b in ready]),
    )


def without_full_lengths(batch: Batch) -> Batch:
    """``batch``, alone or stacked, without its lengths where every step of every sequence is real.

    What ends where all end is read there, by kernels that then do less.
    """
    lengths = batch.lengths
    if lengths is None or (lengths != batch.inputs.shape[lengths.ndim - 1]).any():
        return batch
    return batch._replace(lengths=None)


def _present(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
    there = [value for value in values if value is not None]
    return np.stack(there) if there else None
