"""Piano-roll tasks on tiny pieces against a frame-by-frame oracle, and on the real corpora."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.baselines import note_frequencies, pooled_nll, windowed_nll
from studies.core.errors import StudyError
from studies.core.metric import bernoulli_nll
from studies.core.registry import get_task, task_names
from studies.data.corpora.piano_rolls import PianoRolls
from studies.tasks import piano_rolls
from tests.studies.task_laws import (
    SPLITS,
    assert_lawful,
    assert_replicates_agree_in_length,
    weighted_mean,
)

NAMES = ("jsb-chorales", "musedata", "nottingham", "piano-midi")


def rolls(seed, counts=(9, 3, 4), longest=12):
    """Random pieces of 3 frames or more, some of them empty; every frame is told apart by its notes."""
    generator = np.random.default_rng(seed)

    def piece():
        frames = generator.random((generator.integers(3, longest + 1), 88)) < 0.2
        frames[:2, generator.integers(0, 88)] = True
        frames[2:] &= generator.random((len(frames) - 2, 1)) < 0.8
        return frames.astype(np.uint8)

    return PianoRolls(*(tuple(piece() for _ in range(count)) for count in counts))


def opened(corpus, batch_size=3, name="jsb-chorales", **options):
    """The task and its source, with ``corpus`` in place of the files."""
    task = get_task(name, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piano_rolls, "read", lambda *_: corpus)
        return task, task.open(batch_size=batch_size)


def expected(piece, averaging, window, stride):
    """(inputs, targets) of every stretch of a piece, frame by frame."""
    frames = [tuple(frame) for frame in piece]
    if averaging == "windows":
        frames = [frame for frame in frames if any(frame)]
    elif averaging == "pooled":
        frames = [(0,) * 88, *frames]
    pairs = list(itertools.pairwise(frames))
    if window is None:
        return [pairs]
    return [pairs[start : start + window] for start in range(0, len(pairs), stride)]


def stretches_of(batch):
    """The same, as read from a batch."""
    return [
        [
            (tuple(batch.inputs[t, row]), tuple(batch.targets[t, row]))
            for t in range(batch.lengths[row])
        ]
        for row in range(len(batch.lengths))
    ]


cases = st.tuples(
    st.integers(0, 1000),
    st.sampled_from(piano_rolls.AVERAGING),
    st.none() | st.integers(2, 6),
    st.integers(1, 5),
)


@given(cases)
def test_laws(case):
    """Purity, shapes, types, padding; replicates read batches of one length."""
    seed, averaging, window, size = case
    sources = [opened(rolls(seed), size, averaging=averaging, window=window)[1] for _ in range(2)]
    assert_lawful(*sources)
    assert_replicates_agree_in_length(sources[0])


@given(cases)
def test_every_stretch_is_seen_once_an_epoch(case):
    """Input frame t, target frame t + 1, of each stretch of the training split, in an order of the seed."""
    seed, averaging, window, size = case
    corpus = rolls(seed)
    _, source = opened(corpus, size, averaging=averaging, window=window)
    length = window or (200 if averaging == "windows" else None)
    stride = length // 2 if averaging == "windows" else length
    wanted = sorted(one for p in corpus.train for one in expected(p, averaging, length, stride))
    for epoch in range(2):
        seen = []
        for step in range(source.steps_per_epoch):
            seen += stretches_of(source.training(seed, epoch * source.steps_per_epoch + step))
        assert wanted == sorted(seen)


@given(cases)
def test_held_out_pieces_are_seen_once(case):
    """Whole, or in windows beside each other; never one of training."""
    seed, averaging, window, size = case
    corpus = rolls(seed)
    _, source = opened(corpus, size, averaging=averaging, window=window)
    length = (window or 200) if averaging == "windows" else None
    for split, pieces in zip(SPLITS, (corpus.valid, corpus.test), strict=True):
        wanted = sorted(one for p in pieces for one in expected(p, averaging, length, length))
        assert wanted == sorted(
            one for batch in source.evaluation(split) for one in stretches_of(batch)
        )


@given(st.integers(0, 1000), st.integers(1, 5))
def test_pooled_scores_are_means_over_all_frames(seed, size):
    """For any predictor, here one that sees the input: pooled over the frames of all pieces alike."""
    corpus = rolls(seed)
    wanted = {"pooled": [], "targets": []}
    for piece in corpus.test:
        before = np.concatenate((np.zeros((1, 88)), piece[:-1]))
        nll = bernoulli_nll(torch.as_tensor(3 * before - 2), torch.as_tensor(piece).double())
        wanted["pooled"] += nll.tolist()
        wanted["targets"] += nll.tolist()[1:]

    def values(batch):
        logits = torch.as_tensor(batch.inputs).double() * 3 - 2
        return bernoulli_nll(logits, torch.as_tensor(batch.targets).double()).numpy()

    for averaging, nlls in wanted.items():
        _, source = opened(corpus, size, averaging=averaging)
        assert weighted_mean(source.evaluation("test"), values) == pytest.approx(np.mean(nlls))


@given(st.integers(0, 1000), st.integers(1, 40))
def test_windows_score_as_the_paper_s_code(seed, count):
    """Means of windows, then of batches of 16, the last with the remainder."""
    corpus = rolls(seed, (3, 1, count), longest=9)
    _, source = opened(corpus, averaging="windows", window=3)
    means = []
    for piece in corpus.test:
        for pairs in expected(piece, "windows", 3, 3):
            before, after = (torch.tensor([pair[k] for pair in pairs]).double() for k in (0, 1))
            means.append(float(bernoulli_nll(3 * before - 2, after).mean()))
    groups = []
    while means:
        size = len(means) if len(means) < 32 else 16
        groups.append(np.mean(means[:size]))
        means = means[size:]

    def values(batch):
        logits = torch.as_tensor(batch.inputs).double() * 3 - 2
        return bernoulli_nll(logits, torch.as_tensor(batch.targets).double()).numpy()

    found = weighted_mean(source.evaluation("test"), values)
    assert found == pytest.approx(np.mean(groups))


@given(st.integers(0, 1000))
def test_ignorance_is_the_score_of_note_frequencies(seed):
    """Computed another way, from the pieces."""
    corpus = rolls(seed)
    frequencies = note_frequencies(corpus.train)
    wanted = {
        "pooled": pooled_nll(frequencies, corpus.test),
        "targets": pooled_nll(frequencies, corpus.test, first=False),
        "windows": windowed_nll(frequencies, corpus.test),
    }
    for averaging, value in wanted.items():
        task, source = opened(corpus, averaging=averaging)
        assert task.ignorance(source) == pytest.approx(value)


def test_a_limit_keeps_the_first_pieces():
    """Of training; evaluation is whole."""
    corpus = rolls(0)
    _, source = opened(corpus, 2, train_limit=2)
    seen = [one for step in range(1) for one in stretches_of(source.training(0, step))]
    assert sorted(s for p in corpus.train[:2] for s in expected(p, "pooled", None, None)) == sorted(
        seen
    )
    assert source.steps_per_epoch == 1
    assert sum(b.inputs.shape[1] for b in source.evaluation("test")) == len(corpus.test)


def test_the_order_differs_between_seeds_and_epochs():
    """Though not the lengths of the batches."""
    _, source = opened(rolls(0, (40, 1, 1), longest=3), 4)
    steps = source.steps_per_epoch
    orders = [
        tuple(
            source.training(seed, epoch * steps + step).targets.tobytes() for step in range(steps)
        )
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    assert len(set(orders)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"averaging": "all"}, "averaging: expected one of pooled, targets, windows, got 'all'"),
        ({"window": 1}, "window: expected a whole number of at least 2, got 1"),
        ({"train_limit": 0}, "train_limit: expected a whole number of at least 1, got 0"),
    ],
)
def test_bad_options(options, message):
    """Each is named, with what was expected."""
    with pytest.raises(StudyError, match=message):
        get_task("nottingham", **options)


def test_missing_data_say_what_is_needed(tmp_path):
    """The folder is read, not the environment."""
    with pytest.raises(StudyError, match=r"JSB_Chorales\.mat"):
        get_task("jsb-chorales").open(batch_size=1, folder=Path(tmp_path))


def test_the_four_corpora_are_tasks():
    """Under the names of their corpora."""
    assert set(NAMES) <= set(task_names())
    assert all(get_task(name).name == get_task(name).corpus == name for name in NAMES)


IGNORANCE = {
    # the note 1-gram of Boulanger-Lewandowski et al., and the same as the other two average
    ("jsb-chorales", "pooled"): 11.061,
    ("jsb-chorales", "targets"): 11.093,
    ("jsb-chorales", "windows"): 11.003,
    ("nottingham", "pooled"): 10.252,
    ("nottingham", "targets"): 10.261,
    ("nottingham", "windows"): 10.245,
    ("musedata", "pooled"): 11.510,
    ("musedata", "targets"): 11.514,
    ("musedata", "windows"): 12.029,
    ("piano-midi", "pooled"): 11.046,
    ("piano-midi", "targets"): 11.052,
    ("piano-midi", "windows"): 11.286,
}


@pytest.mark.parametrize(("name", "averaging"), IGNORANCE)
def test_ignorance_on_the_real_corpora(name, averaging, real):
    """The published baselines, to the last digit."""
    task, source = opened(real(name), 16, name, averaging=averaging)
    assert task.ignorance(source) == pytest.approx(IGNORANCE[name, averaging], abs=6e-4)


@settings(max_examples=5)
@given(st.integers(0, 100))
def test_real_epochs_are_whole(real, seed):
    """229 chorales with 13,807 frames, each once; little of it is padding."""
    _, source = opened(real("jsb-chorales"), 16)
    batches = [source.training(seed, step) for step in range(source.steps_per_epoch)]
    assert sum(batch.inputs.shape[1] for batch in batches) == 229
    assert sum(batch.weights.sum() for batch in batches) == 13_807
    assert sum(batch.weights.size for batch in batches) < 1.35 * 13_807
    assert math.ceil(229 / 16) == len(batches)
