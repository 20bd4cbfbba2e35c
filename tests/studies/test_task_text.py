"""Language models on tiny texts: streams and windows against oracles that walk token by token."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.baselines import unigram_nll
from studies.core.errors import StudyError
from studies.core.registry import get_task
from studies.data.corpora.ptb import PennTreebank
from studies.data.tokens import TokenSplits
from studies.tasks import characters, words
from studies.tasks.parts.parallel_streams import merity_lengths
from tests.studies.task_laws import (
    SPLITS,
    assert_lawful,
    assert_replicates_agree_in_length,
    weighted_mean,
)

STREAMS = [("ptb-words", {}), ("ptb-words", {"window_lengths": "fixed"})]
STREAMS += [("ptb-characters", {"reading": "stream"}), ("text8", {"reading": "stream"})]
WINDOWS = [("ptb-words-rru", {}), ("ptb-characters", {"reading": "rru"}), ("enwik8-part", {})]


def splits(seed, sizes=(400, 90, 130), symbols=7):
    """Random text of three splits, in which every symbol occurs."""
    generator = np.random.default_rng(seed)
    parts = [generator.integers(0, symbols, size).astype(np.uint8) for size in sizes]
    parts[0][:symbols] = np.arange(symbols)
    return TokenSplits(*parts, ("<eos>", *"abcdefghij"[: symbols - 1]))


def opened(text, name, batch_size=3, **options):
    """The task and its source, with ``text`` in place of every corpus."""
    corpus = PennTreebank(text, text, text) if "ptb" in name else text
    task = get_task(name, **options)
    with pytest.MonkeyPatch.context() as patch:
        for module in (words, characters):
            patch.setattr(module, "read", lambda *_: corpus)
        return task, task.open(batch_size=batch_size)


def read_text(text, name, options):
    """What a task reads of ``text``: RRU reads the characters of Penn Treebank without sentence ends."""
    if name == "ptb-characters" and options.get("reading") != "stream":
        return text.without("<eos>")
    return text


seeds, sizes, window_sizes = st.integers(0, 1000), st.integers(1, 4), st.integers(2, 12)


@given(seeds, sizes, window_sizes, st.sampled_from(STREAMS + WINDOWS))
def test_laws(seed, size, window, case):
    """Purity, shapes, types; replicates read batches of one shape."""
    name, options = case
    sources = [opened(splits(seed), name, size, window=window, **options)[1] for _ in range(2)]
    assert_lawful(*sources)
    assert_replicates_agree_in_length(sources[0])


@given(seeds, sizes, window_sizes, st.sampled_from(STREAMS), st.integers(0, 2))
def test_streams_are_the_text_in_order(seed, size, window, case, epoch):
    """Each row goes through its own stretch of the text once an epoch, fresh at the start only."""
    name, options = case
    text = splits(seed)
    _, source = opened(text, name, size, window=window, **options)
    count = source.steps_per_epoch
    batches = [source.training(seed, epoch * count + step) for step in range(count)]
    assert [[step == 0] * size for step in range(count)] == [b.fresh.tolist() for b in batches]
    inputs = np.concatenate([b.inputs for b in batches])
    targets = np.concatenate([b.targets for b in batches])
    long = (len(text.train) - 1) // size
    for row in range(size):
        start = row * long
        assert text.train[start : start + long].tolist() == inputs[:, row].tolist()
        assert text.train[start + 1 : start + long + 1].tolist() == targets[:, row].tolist()
    assert all((b.weights == 1).all() for b in batches)


@given(seeds, window_sizes, st.integers(1, 200))
def test_every_held_out_token_is_scored_once(seed, window, streams):
    """By the token before it, the first by the last token of the split before; also in short streams."""
    text = splits(seed)
    limits = {"validation_streams": streams, "test_streams": streams, "window": window}
    _, source = opened(text, "ptb-words", **limits)
    before = {"validation": text.train[-1], "test": text.valid[-1]}
    for split, ids in zip(SPLITS, (text.valid, text.test), strict=True):
        batches = list(source.evaluation(split))
        counted = np.concatenate([b.weights for b in batches]).T.astype(bool)
        inputs = np.concatenate([b.inputs for b in batches]).T[counted]
        targets = np.concatenate([b.targets for b in batches]).T[counted]
        assert ids.tolist() == targets.tolist()
        assert [before[split], *ids[:-1]] == inputs.tolist()
        assert all((b.fresh == (k == 0)).all() for k, b in enumerate(batches))
        assert {b.inputs.shape[1] for b in batches} == {min(streams, len(ids))}


@given(st.integers(1, 5000), st.integers(1, 100))
def test_drawn_lengths_fill_the_stream(total, window):
    """Their sum is the stream's, none is under 5 but a stream that is shorter itself."""
    lengths = merity_lengths(total, window)
    assert lengths.sum() == total
    assert lengths.min() >= min(5, total)


def test_drawn_lengths_follow_the_rule():
    """Nineteen of twenty near 70, the others near 35, each with deviation 5."""
    lengths = merity_lengths(2_000_000, 70)[:-1]
    short = lengths < 52
    assert short.mean() == pytest.approx(0.05, abs=0.01)
    for part, mean in ((lengths[~short], 70), (lengths[short], 35)):
        assert part.mean() == pytest.approx(mean, abs=0.5)
        assert part.std() == pytest.approx(5, abs=0.4)


def test_drawn_lengths_differ_between_epochs_not_seeds():
    """An order of each epoch, the same for replicates side by side."""
    _, source = opened(splits(0, (4000, 90, 90)), "ptb-words", window=20)
    count = source.steps_per_epoch

    def epoch(seed, number):
        return [len(source.training(seed, number * count + k).inputs) for k in range(count)]

    assert epoch(0, 0) == epoch(1, 0) != epoch(0, 1)
    assert sorted(epoch(0, 0)) == sorted(epoch(0, 1))


@given(seeds, sizes, window_sizes)
def test_shuffled_windows_are_seen_once(seed, size, window):
    """Half a window apart, each from the initial state."""
    text = splits(seed, (60, 40, 40))
    _, source = opened(text, "ptb-words-rru", size, window=window)
    ids = text.train.tolist()
    wanted = sorted(ids[k : k + window + 1] for k in range(0, 60 - window, window // 2))
    seen = []
    for step in range(source.steps_per_epoch):
        batch = source.training(seed, source.steps_per_epoch + step)
        assert batch.fresh is None
        assert (batch.weights == 1).all()
        seen += np.concatenate((batch.inputs, batch.targets[-1:])).T.tolist()
    assert wanted == sorted(seen)


@given(seeds, sizes, window_sizes)
def test_stateful_windows_follow_each_other(seed, size, window):
    """A row's windows are side by side in the text; all rows begin afresh at the start and now and then."""
    text = splits(seed)
    _, source = opened(text, "text8", size, window=window)
    count = source.steps_per_epoch
    assert count == len(range(0, 400 - window, window)) // size
    for step in range(count):
        batch = source.training(seed, count + step)
        for row in range(size):
            start = (step + row * count) * window
            assert text.train[start : start + window].tolist() == batch.inputs[:, row].tolist()
            after = text.train[start + 1 : start + window + 1]
            assert after.tolist() == batch.targets[:, row].tolist()
        assert len(set(batch.fresh.tolist())) == 1
        assert batch.fresh[0] or step > 0


def test_a_tenth_of_the_steps_begins_afresh():
    """To 5 standard errors, at other steps for other seeds."""
    _, source = opened(splits(0, (8001, 40, 40)), "text8", 1, window=2)
    assert source.steps_per_epoch > 3000
    drawn = [[source.training(seed, k).fresh[0] for k in range(1, 3000)] for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    assert np.mean(drawn) == pytest.approx(0.1, abs=5 * math.sqrt(0.09 / 6000))


def window_score(ids, window, together, stateful, table):
    """The score as RRU's code reckons it, token by token; ``table``: position, input and target to nats."""
    half = window // 2
    starts = list(range(0, len(ids) - window, half))
    count = max(len(starts) // together, 1)
    batches = []
    for k in range(count):
        if stateful:
            rows = starts[k : count * together : count]
        else:
            rows = starts[k * together : None if k == count - 1 else (k + 1) * together]
        positions = range(window) if k == 0 else range(half, window)
        nats = [table[t, ids[s + t], ids[s + t + 1]] for s in rows for t in positions]
        batches += [np.mean(nats)] * (2 if k == 0 else 1)
    return np.mean(batches)


@given(seeds, window_sizes, st.integers(1, 60), st.sampled_from(WINDOWS))
def test_windows_are_scored_as_the_paper_s_code(seed, window, together, case):
    """Second halves, the first batch whole and twice; the rest joins the last batch or is dropped."""
    name, options = case
    text = splits(seed)
    ids = read_text(text, name, options).test
    table = np.random.default_rng(seed).random((window, 7, 7))
    with pytest.MonkeyPatch.context() as patch:
        for module in (words, characters):
            patch.setattr(module, "_SCORED_TOGETHER", together)
        _, source = opened(text, name, 1, window=window, **options)

    def values(batch):
        return table[np.arange(window)[:, None], batch.inputs, batch.targets]

    wanted = window_score(ids.tolist(), window, together, name != "ptb-words-rru", table)
    batches = list(source.evaluation("test"))
    assert all(b.fresh is None for b in batches)
    assert weighted_mean(batches, values) == pytest.approx(wanted)


def test_large_batches_are_evaluated_in_parts(monkeypatch):
    """What fits in memory changes no score."""
    text, table = splits(1), np.random.default_rng(1).random((7, 7))

    def score():
        _, source = opened(text, "ptb-words-rru", window=8)
        batches = list(source.evaluation("test"))
        return len(batches), weighted_mean(batches, lambda b: table[b.inputs, b.targets])

    whole = score()
    monkeypatch.setattr("studies.tasks.parts.text_windows._MOST_ROWS", 4)
    parts = score()
    assert parts[0] > whole[0]
    assert parts[1] == pytest.approx(whole[1])


@given(seeds, st.sampled_from(STREAMS + WINDOWS))
def test_ignorance_is_the_score_of_token_counts(seed, case):
    """Computed from the text: streams count every token, windows by their own rule."""
    name, options = case
    text = splits(seed)
    task, source = opened(text, name, window=6, **options)
    read = read_text(text, name, options)
    symbols = len(read.vocabulary)
    counts = np.bincount(read.train, minlength=symbols) + 1
    table = -np.log(counts / counts.sum())
    if case in STREAMS:
        nats = unigram_nll(read.train, read.test, symbols)
    else:
        by_target = np.broadcast_to(table, (6, symbols, symbols))
        nats = window_score(
            read.test.tolist(), 6, 128 if "rru" in name else 64, name != "ptb-words-rru", by_target
        )
    unit = math.exp if "words" in name else lambda value: value / math.log(2)
    assert task.ignorance(source) == pytest.approx(unit(nats))


@pytest.mark.parametrize(("name", "options"), STREAMS + WINDOWS)
def test_limits_keep_the_first_tokens(name, options):
    """Of training, and of both held-out splits; the token before the test split stays the same."""
    text = splits(2)
    read = read_text(text, name, options)
    limits = {"train_limit": 50, "evaluation_limit": 31}
    _, source = opened(text, name, window=6, **options, **limits)
    assert read.train[:50].tolist() == source.text.train.tolist()
    assert [read.train[-1], *read.valid[:31]] == source.text.validation.tolist()
    assert [read.valid[-1], *read.test[:31]] == source.text.test.tolist()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ptb-words", {"window": 0}, "window: expected a whole number of at least 1, got 0"),
        (
            "ptb-words",
            {"window_lengths": "x"},
            "window_lengths: expected one of fixed, merity, got",
        ),
        ("ptb-words", {"test_streams": 0}, "test_streams: expected a whole number of at least 1"),
        ("ptb-words-rru", {"window": 1}, "window: expected a whole number of at least 2, got 1"),
        ("ptb-words-rru", {"train_limit": 1}, "train_limit: expected a whole number of at least 2"),
        ("text8", {"reading": "x"}, "reading: expected one of rru, stream, got 'x'"),
        ("text8", {"evaluation_streams": 0}, "evaluation_streams: expected a whole number of at"),
        (
            "enwik8",
            {"evaluation_limit": 0},
            "evaluation_limit: expected a whole number of at least 2",
        ),
    ],
)
def test_bad_options(name, options, message):
    """Each is named, with what was expected."""
    with pytest.raises(StudyError, match=message):
        get_task(name, **options)


@pytest.mark.parametrize(
    ("name", "size", "options", "message"),
    [
        ("ptb-words", 400, {}, "expected at least 401 training tokens for 400 streams, got 400"),
        (
            "text8",
            40,
            {"window": 10},
            "expected at least 40 training windows of 10 tokens for a batch",
        ),
        (
            "ptb-words-rru",
            1,
            {"window": 400},
            "expected more than 400 tokens for a window, got 400",
        ),
    ],
)
def test_too_little_text(name, size, options, message):
    """What is missing, and what to change."""
    with pytest.raises(StudyError, match=message):
        opened(splits(0), name, size, **options)


REAL = {
    # symbols, ids of the test split, ignorance
    "ptb-words": (10_000, 82_430, 639.79),
    "ptb-words-rru": (9_650, 78_808, 710.51),
    "ptb-characters": (49, 438_662, 4.312),
    "text8-part": (27, 343_891, 4.120),
    "enwik8-part": (200, 207_703, 5.116),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_texts(name, real):
    """Vocabularies and lengths as published; ignorance as recorded."""
    corpus = real("ptb" if "ptb" in name else name)
    task = get_task(name)
    with pytest.MonkeyPatch.context() as patch:
        for module in (words, characters):
            patch.setattr(module, "read", lambda *_: corpus)
        source = task.open(batch_size=20)
    symbols, count, ignorance = REAL[name]
    assert (symbols, count) == (source.input.count, len(source.text.test) - 1)
    assert task.ignorance(source) == pytest.approx(ignorance, rel=2e-4)
