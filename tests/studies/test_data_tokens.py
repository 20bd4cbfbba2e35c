"""Tokens become numbers and come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data.tokens import SPLITS, by_appearance, flat, unflat

streams = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=30)


def decoded(tokens):
    """The three lists of symbols."""
    return [[tokens.vocabulary[i] for i in getattr(tokens, split)] for split in SPLITS]


@given(train=streams, valid=streams, test=streams)
def test_numbers_stand_for_tokens(train, valid, test):
    """Decoding gives the streams; ids appear in ascending order; the cache's form loses nothing."""
    if not train + valid + test:
        return
    tokens = by_appearance(train, valid, test)
    assert [train, valid, test] == decoded(tokens)
    joined = np.concatenate([tokens.train, tokens.valid, tokens.test])
    _, firsts = np.unique(joined, return_index=True)
    assert sorted(firsts.tolist()) == firsts.tolist()
    back = unflat("x_", flat("x_", tokens))
    assert tokens.vocabulary == back.vocabulary
    assert [train, valid, test] == decoded(back)


@given(train=streams, test=streams, gone=st.integers(0, 29))
def test_a_symbol_is_left_out(train, test, gone):
    """What stays is what filtering the lists leaves."""
    if not train:
        return
    symbol = train[gone % len(train)]
    tokens = by_appearance(train, [], test).without(symbol)
    assert [[t for t in s if t != symbol] for s in (train, [], test)] == decoded(tokens)
    assert symbol not in tokens.vocabulary


def test_only_a_known_symbol_is_left_out():
    """Nothing is left out by mistake."""
    with pytest.raises(ValueError, match="expected a symbol of the vocabulary, got 'c'"):
        by_appearance(["a"], ["b"], []).without("c")


@pytest.mark.parametrize(
    ("types", "dtype"), [(256, np.uint8), (257, np.uint16), (70_000, np.uint32)]
)
def test_the_smallest_type_that_holds_the_ids(types, dtype):
    """Streams are long."""
    assert dtype == by_appearance([str(i) for i in range(types)], [], []).train.dtype
