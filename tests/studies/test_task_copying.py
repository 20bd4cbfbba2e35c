"""The copy task against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studies.core.errors import StudyError
from studies.core.registry import get_task, task_options
from tests.studies.task_laws import SPLITS, assert_lawful, weighted_mean

sizes = st.fixed_dictionaries(
    {
        "length": st.integers(1, 5),
        "blanks": st.integers(1, 6),
        "symbols": st.integers(2, 4),
        "held_out": st.integers(1, 300),
        "loss_over": st.sampled_from(["copied", "all"]),
        "recall": st.sampled_from(["tokens", "blanks"]),
    }
)


def opened(batch_size=3, **options):
    """The task and its source."""
    task = get_task("copying", **options)
    return task, task.open(batch_size=batch_size)


@given(sizes)
def test_laws(options):
    """Purity, shapes, types."""
    assert_lawful(opened(**options)[1], opened(**options)[1])


@given(sizes, st.integers(0, 5), st.integers(0, 5))
def test_a_sequence_is_a_b_a(options, seed, step):
    """Tokens, blanks, the same tokens; each is the target of the step before it."""
    _, source = opened(**options)
    length, blanks = options["length"], options["blanks"]
    batch = source.training(seed, step)
    assert batch.inputs.shape == (2 * length + blanks - 1, 3)
    whole = np.concatenate((batch.inputs[:1], batch.targets))
    first, middle, second = np.split(whole, (length, length + blanks))
    assert (first == second).all()
    assert (middle == 0).all()
    assert (first >= 1).all()
    assert (first <= options["symbols"]).all()
    read = np.concatenate((batch.inputs, whole[-1:]))
    assert (read[: length + blanks] == whole[: length + blanks]).all()
    if options["recall"] == "tokens":
        assert (read == whole).all()
    else:
        assert (batch.inputs[length + blanks :] == 0).all()
    counted = batch.weights[-length:]
    assert (counted == 1).all()
    before = batch.weights[:-length]
    assert (before == (options["loss_over"] == "all")).all()


@given(sizes)
def test_held_out_splits_differ_and_only_copies_are_scored(options):
    """So many sequences each; the weights are 1 on the second A and 0 before."""
    _, source = opened(**options)
    for split in SPLITS:
        batches = list(source.evaluation(split))
        assert sum(b.inputs.shape[1] for b in batches) == options["held_out"]
        assert sum(b.weights.sum() for b in batches) == options["held_out"] * options["length"]
        assert all((b.weights[: -options["length"]] == 0).all() for b in batches)


def test_replicates_and_splits_read_different_sequences():
    """A draw of each seed, step and split."""
    _, source = opened(batch_size=100)
    drawn = [source.training(0, 0), source.training(1, 0), source.training(0, 1)]
    drawn += [next(iter(source.evaluation(split))) for split in SPLITS]
    firsts = {batch.inputs[:20, :100].tobytes() for batch in drawn}
    assert len(firsts) == len(drawn)


def test_the_paper_s_sizes_are_the_defaults():
    """GATO section 5.2."""
    options = task_options("copying")
    assert (20, 100, 10, 1000) == tuple(
        options[k] for k in ("length", "blanks", "symbols", "held_out")
    )
    assert opened()[1].training(0, 0).inputs.shape == (139, 3)


def test_ignorance_is_what_a_uniform_guess_among_symbols_scores():
    """Logits 0 for every symbol and none for the blank."""
    task, source = opened(symbols=4, length=3, blanks=2)
    logits = torch.tensor([-math.inf, 0, 0, 0, 0], dtype=torch.float64)

    def probability(batch):
        targets = torch.as_tensor(batch.targets)
        return task.metric.score(logits.expand(*targets.shape, 5), targets).numpy()

    assert weighted_mean(source.evaluation("test"), probability) == pytest.approx(
        task.ignorance(source)
    )
    assert task.ignorance(source) == pytest.approx(0.25)


def test_tokens_are_uniform():
    """Each symbol is as likely as the others, to 5 standard errors."""
    _, source = opened(batch_size=20_000, length=1, blanks=1)
    counts = np.bincount(source.training(0, 0).inputs[0], minlength=11)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 2000).max() < 5 * math.sqrt(2000 * 0.9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length: expected a whole number of at least 1, got 0"),
        ({"blanks": 1.5}, "blanks: expected a whole number of at least 1, got 1.5"),
        ({"symbols": 1}, "symbols: expected a whole number of at least 2, got 1"),
        ({"held_out": True}, "held_out: expected a whole number of at least 1, got True"),
        ({"loss_over": "some"}, "loss_over: expected one of copied, all, got 'some'"),
        ({"recall": "none"}, "recall: expected one of tokens, blanks, got 'none'"),
    ],
)
def test_bad_options(options, message):
    """Each is named, with what was expected."""
    with pytest.raises(StudyError, match=message):
        get_task("copying", **options)
