"""What every task obeys, as functions of an opened source; the tests of each family call them."""

from __future__ import annotations

import numpy as np

from studies.core.task import Tokens

SPLITS = ("validation", "test")


def same(one, other):
    """Whether two batches are equal, field by field."""
    return all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
        for a, b in zip(one, other, strict=True)
    )


def assert_well_formed(source, batch):
    """Shapes, types and values of one batch fit what the source says of itself."""
    steps, rows = batch.inputs.shape[:2]
    assert steps > 0
    assert rows > 0
    if isinstance(source.input, Tokens):
        assert batch.inputs.shape == (steps, rows)
        assert batch.inputs.dtype.kind in "iu"
        assert 0 <= batch.inputs.min() <= batch.inputs.max() < source.input.count
    else:
        assert batch.inputs.shape == (steps, rows, source.input.size)
        assert batch.inputs.dtype.kind == "f"
        assert np.isfinite(batch.inputs).all()
    places = (rows,) if source.decode == "last" else (steps, rows)
    assert batch.weights.shape == places
    assert batch.targets.shape[: len(places)] == places
    assert batch.weights.dtype.kind == "f"
    assert (batch.weights >= 0).all()
    assert batch.weights.sum() > 0
    if batch.targets.dtype.kind in "iu":
        assert batch.targets.shape == places
        assert 0 <= batch.targets.min() <= batch.targets.max() < source.output_size
    if batch.lengths is not None:
        assert batch.lengths.shape == (rows,)
        assert batch.lengths.dtype.kind in "iu"
        assert (batch.lengths >= 1).all()
        assert (batch.lengths <= steps).all()
        padding = np.arange(steps)[:, None] >= batch.lengths
        assert not batch.inputs[padding].any()
        if source.decode == "every":
            assert not batch.weights[padding].any()
            assert not batch.targets[padding].any()
    if batch.fresh is not None:
        assert batch.fresh.shape == (rows,)
        assert batch.fresh.dtype == bool


def assert_pure(source, again, *, steps=6, seeds=(0, 1)):
    """Two openings of one task give equal batches, in whatever order they are asked for."""
    calls = [(seed, step) for seed in seeds for step in range(steps)]
    forward = {call: source.training(*call) for call in calls}
    for call in reversed(calls):
        assert same(forward[call], again.training(*call)), call
        assert same(forward[call], source.training(*call)), call
    for split in SPLITS:
        for one, other in zip(source.evaluation(split), again.evaluation(split), strict=True):
            assert same(one, other)


def assert_lawful(source, again):
    """All of it: purity, and every batch well formed, over two epochs and both held-out splits."""
    assert_pure(source, again)
    most = 2 * (source.steps_per_epoch or 4)
    for step in range(min(most, 60)):
        for seed in (0, 7):
            batch = source.training(seed, step)
            assert_well_formed(source, batch)
            assert batch.inputs.shape[1] <= source.examples_per_step
    for split in SPLITS:
        for batch in source.evaluation(split):
            assert_well_formed(source, batch)


def assert_replicates_agree_in_length(source, *, steps=12):
    """Side by side, replicates read batches of one shape: nothing is padded on a neighbor's account."""
    for step in range(steps):
        shapes = {source.training(seed, step).inputs.shape for seed in range(3)}
        assert len(shapes) == 1


def weighted_mean(batches, values):
    """The mean that the trainer makes: Σ w·value / Σ w over all batches."""
    total = weight = 0.0
    for batch in batches:
        total += float((values(batch) * batch.weights).sum())
        weight += float(batch.weights.sum())
    return total / weight
