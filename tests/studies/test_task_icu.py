"""Length of stay on tiny stays, and the real ones' counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.core.errors import StudyError
from studies.core.registry import get_task
from studies.data.corpora.mimic3 import LabelledStays, Mimic3
from studies.data.corpora.physionet2012 import PhysioNet2012, Stays
from studies.tasks import icu
from tests.studies.task_laws import SPLITS, assert_lawful, assert_replicates_agree_in_length


def challenge_set(generator, count, first):
    """Random stays of the challenge; some without a measurement, some of unknown length."""
    lengths = generator.integers(0, 6, count)
    rows = lengths.sum()
    values = generator.normal(80, 30, (rows, 11)).astype(np.float32)
    values[generator.random((rows, 11)) < 0.5] = np.nan
    times = [np.sort(generator.random(n) * 48) for n in lengths]
    days = generator.choice([-1, 0, 3, 7, 8, 20], count)
    ids = np.arange(first, first + count)
    return Stays(
        np.concatenate(times).astype(np.float32),
        values,
        np.cumsum([0, *lengths]),
        ids,
        days,
        np.zeros(count, np.uint8),
    )


def physionet(seed, counts=(40, 35, 35)):
    """Three sets."""
    generator = np.random.default_rng(seed)
    return PhysioNet2012(*(challenge_set(generator, n, 100 * k) for k, n in enumerate(counts)))


def mimic(seed, counts=(13, 5, 6), longest=5):
    """Three splits in the layout that users make."""
    generator = np.random.default_rng(seed)

    def part(count):
        lengths = generator.integers(1, longest + 1, count)
        there = generator.random((count, longest, 12)) < 0.5
        values = np.where(there, generator.normal(80, 30, there.shape), 0)
        times = np.sort(generator.random((count, longest, 1)) * 48, axis=1)
        vitals = np.concatenate((values, there, times), axis=2).astype(np.float32)
        vitals[np.arange(longest) >= lengths[:, None]] = 0
        return LabelledStays(vitals, lengths, generator.integers(0, 2, count).astype(np.uint8))

    return Mimic3(*map(part, counts))


def opened(data, name, batch_size=3, **options):
    """The task and its source, with ``data`` in place of the files."""
    task = get_task(name, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(icu, "read", lambda *_: data)
        return task, task.open(batch_size=batch_size)


def stay_of(data, which, k):
    """(rows of 23 features, label) of one stay of the challenge, None where it is left out."""
    one = getattr(data, which)
    times, values = one.series(k)
    if one.length_of_stay[k] < 0 or not len(times):
        return None
    there = ~np.isnan(values)
    rows = np.concatenate((np.nan_to_num(values), there, times[:, None]), axis=1)
    return rows, int(one.length_of_stay[k] > 7)


def all_stays(data):
    """Of the three sets in a row."""
    return [stay_of(data, which, k) for which in "abc" for k in range(len(getattr(data, which)))]


def read_off(batches):
    """Rows and label of each stay in batches."""
    return [
        (b.inputs[: b.lengths[k], k], int(b.targets[k]))
        for b in batches
        for k in range(len(b.targets))
    ]


def like(one, other):
    """Whether two lists hold the same stays, in any order, to rounding."""

    def key(stay):
        return (len(stay[0]), *np.round(stay[0].astype(float), 3).ravel().tolist(), stay[1])

    one, other = sorted(one, key=key), sorted(other, key=key)
    return len(one) == len(other) and all(
        a.shape == b.shape and np.allclose(a, b, atol=1e-4) and x == y
        for (a, x), (b, y) in zip(one, other, strict=True)
    )


def epoch_of(source, seed):
    """All stays of one epoch."""
    return read_off(source.training(seed, k) for k in range(source.steps_per_epoch))


CASES = [
    ("icu-mimic3", mimic, {}),
    ("icu-mimic3", mimic, {"standardize": False}),
    ("icu-physionet2012", physionet, {}),
    ("icu-physionet2012", physionet, {"split": "sets"}),
]
seeds, batch_sizes = st.integers(0, 1000), st.integers(1, 6)


@given(seeds, batch_sizes, st.sampled_from(CASES))
def test_laws(seed, size, case):
    """Purity, shapes, types, zeros after the last time; replicates read batches of one length."""
    name, make, options = case
    sources = [opened(make(seed), name, size, **options)[1] for _ in range(2)]
    assert_lawful(*sources)
    assert_replicates_agree_in_length(sources[0])


@given(seeds, batch_sizes)
def test_mimic_is_read_as_it_is(seed, size):
    """Every stay of each split once, cut at its length."""
    data = mimic(seed)
    _, source = opened(data, "icu-mimic3", size, standardize=False)

    def wanted(part):
        return [
            (part.vitals[k, :n], int(part.labels[k])) for k, n in enumerate(part.lengths.tolist())
        ]

    assert like(wanted(data.train), epoch_of(source, seed))
    for split, part in zip(SPLITS, (data.valid, data.test), strict=True):
        assert like(wanted(part), read_off(source.evaluation(split)))


@given(seeds, batch_sizes)
def test_the_challenge_s_sets_are_the_splits(seed, size):
    """Known stays with a measurement, each once; more than seven days is long, seven is not."""
    data = physionet(seed)
    _, source = opened(data, "icu-physionet2012", size, split="sets", standardize=False)
    a, b, c = (
        [one for k in range(len(part)) if (one := stay_of(data, which, k)) is not None]
        for which, part in (("a", data.a), ("b", data.b), ("c", data.c))
    )
    assert like(a, epoch_of(source, seed))
    assert like(b, read_off(source.evaluation("validation")))
    assert like(c, read_off(source.evaluation("test")))


@given(seeds)
def test_the_drawn_split_is_a_partition(seed):
    """80, 10 and 10 percent of all stays, before the unknown ones are left out; the same on every call."""
    data = physionet(seed)
    _, source = opened(data, "icu-physionet2012", standardize=False)
    parts = [epoch_of(source, seed), *(read_off(source.evaluation(split)) for split in SPLITS)]
    known = [stay for stay in all_stays(data) if stay is not None]
    assert like(known, [stay for part in parts for stay in part])
    left_out = 110 - len(known)
    for size, part in zip((88, 11, 11), parts, strict=True):
        assert size - left_out <= len(part) <= size


def standardized(stays, train):
    """Stays by the training stays' means and deviations, column by column, in float64."""
    rows = np.concatenate([rows for rows, _ in train]).astype(np.float64)
    vitals = rows.shape[1] // 2
    result = []
    for one, label in stays:
        scaled = one.astype(np.float64).copy()
        for column in range(vitals):
            there = rows[:, vitals + column] == 1
            if there.any():
                measured = rows[there, column]
                scaled[:, column] = (scaled[:, column] - measured.mean()) / (measured.std() or 1)
            scaled[one[:, vitals + column] == 0, column] = 0
        scaled[:, -1] = (scaled[:, -1] - rows[:, -1].mean()) / (rows[:, -1].std() or 1)
        result.append((scaled, label))
    return result


@given(seeds, st.sampled_from(CASES))
def test_standardizing_uses_the_training_stays_alone(seed, case):
    """Measured values and times; what is missing stays 0 and indicators stay."""
    name, make, options = case
    options = {**options, "standardize": False}
    _, plain = opened(make(seed), name, 4, **options)
    _, scaled = opened(make(seed), name, 4, **{**options, "standardize": True})
    train = epoch_of(plain, 0)
    assert like(standardized(train, train), epoch_of(scaled, 0))
    for split in SPLITS:
        wanted = standardized(read_off(plain.evaluation(split)), train)
        assert like(wanted, read_off(scaled.evaluation(split)))


@given(seeds, st.sampled_from(CASES))
def test_ignorance_is_the_majority(seed, case):
    """Of the training stays, in percent of the test stays."""
    name, make, options = case
    task, source = opened(make(seed), name, **options)
    most = np.bincount([label for _, label in epoch_of(source, 0)]).argmax()
    wanted = np.mean([label == most for _, label in read_off(source.evaluation("test"))])
    assert task.ignorance(source) == pytest.approx(100 * wanted)


def test_a_limit_keeps_the_first_stays_and_their_statistics():
    """Those left out do not count in means and deviations either."""
    data = mimic(3)
    _, source = opened(data, "icu-mimic3", train_limit=4)
    first = [
        (data.train.vitals[k, : data.train.lengths[k]], int(data.train.labels[k])) for k in range(4)
    ]
    assert like(standardized(first, first), epoch_of(source, 0))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("icu-mimic3", {"standardize": 1}, "standardize: expected true or false, got 1"),
        ("icu-mimic3", {"train_limit": 0}, "train_limit: expected a whole number of at least 1"),
        ("icu-physionet2012", {"split": "x"}, "split: expected one of 80-10-10, sets, got 'x'"),
    ],
)
def test_bad_options(name, options, message):
    """Each is named, with what was expected."""
    with pytest.raises(StudyError, match=message):
        get_task(name, **options)


def test_the_real_stays(real):
    """Of the 12,000, 167 are of unknown length; two in three of the others stay long."""
    task, source = opened(real("physionet2012"), "icu-physionet2012", 64)
    sizes = [len(part.labels) for part in (source.train, *source.held_out.values())]
    assert sizes == [9458, 1185, 1186]
    assert source.input.size == 23
    assert task.ignorance(source) == pytest.approx(65.60, abs=0.005)
    _, source = opened(real("physionet2012"), "icu-physionet2012", 64, split="sets")
    shares = [part.labels.mean() for part in (source.train, *source.held_out.values())]
    assert shares == pytest.approx([0.653, 0.660, 0.649], abs=0.001)
