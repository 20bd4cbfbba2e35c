"""Streams are functions of their address; padding and stacking change nothing that is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.core.batch import Batch, padded, stacked, without_full_lengths
from studies.core.streams import stream, stream_key

addresses = st.lists(st.integers(-5, 5) | st.text(max_size=3), min_size=1, max_size=4)


@given(addresses, addresses)
def test_streams_differ_exactly_where_their_addresses_do(one, other):
    """Integer 1 and text "1" are different parts, and (1, 2) is not (12)."""
    same = [(type(p), p) for p in one] == [(type(p), p) for p in other]
    assert same == (stream_key(*one) == stream_key(*other))
    assert 0 <= stream_key(*one) < 2**63


def test_a_stream_is_pinned():
    """Recorded results depend on it: a change here is a new version of every protocol."""
    assert stream_key(0, "order", 3) == stream_key(0, "order", 3)
    assert [5, 7, 0] == [stream_key(seed, "pinned") % 10 for seed in range(3)]
    assert stream(1, "x").random() == stream(1, "x").random()


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_padding_appends_steps_of_weight_zero(steps, rows, more, last):
    """What was there stays; rows know where they end."""
    every = (steps, rows)
    batch = Batch(
        np.ones((*every, 2)), np.ones(rows if last else every), np.ones(rows if last else every)
    )
    longer = padded(batch, steps + more)
    assert longer.inputs.shape == (steps + more, rows, 2)
    assert (longer.inputs[:steps] == 1).all()
    assert (longer.inputs[steps:] == 0).all()
    assert longer.weights.sum() == batch.weights.sum()
    if more:
        assert longer.lengths.tolist() == [steps] * rows
    if not last:
        assert (longer.weights[steps:] == 0).all()


def test_replicates_of_different_lengths_are_stacked_by_padding():
    """The shorter one gets lengths, so that its decision is read at its own end."""
    short = Batch(np.ones((2, 3, 1)), np.ones(3), np.ones(3))
    long = Batch(np.ones((4, 3, 1)), np.ones(3), np.ones(3))
    both = stacked([short, long])
    assert both.inputs.shape == (2, 4, 3, 1)
    assert both.lengths.tolist() == [[2] * 3, [4] * 3]
    assert both.fresh is None


def test_carried_windows_must_agree_in_length():
    """Padding would be read as input by the state that is carried on."""
    fresh = np.ones(3, bool)
    batches = [
        Batch(np.ones((t, 3)), np.ones((t, 3)), np.ones((t, 3)), None, fresh) for t in (2, 4)
    ]
    with pytest.raises(ValueError, match="must have one length in all replicates"):
        stacked(batches)


def test_lengths_that_say_nothing_are_left_out():
    """Alone and stacked; one sequence that is shorter keeps all of them."""

    def batch(*lengths):
        inputs = np.ones((4, len(lengths), 3), np.float32)
        return Batch(inputs, np.zeros(len(lengths)), np.ones(len(lengths)), np.array(lengths))

    assert without_full_lengths(batch(4, 4)).lengths is None
    ragged = batch(4, 3)
    assert without_full_lengths(ragged) is ragged
    assert without_full_lengths(stacked([batch(4, 4), batch(4, 4)])).lengths is None
    mixed = stacked([batch(4, 4), ragged])
    assert without_full_lengths(mixed) is mixed
    plain = batch(4, 4)._replace(lengths=None)
    assert without_full_lengths(plain) is plain
