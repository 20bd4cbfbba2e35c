"""What ignorance scores: predictors that know only frequencies, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pieces = Sequence[NDArray[np.uint8]]
Probabilities = NDArray[np.float64]

RRU_WINDOW = 200
RRU_BATCH = 16


def note_frequencies(pieces: Pieces) -> Probabilities:
    """How often each note sounds, over all frames of all ``pieces`` (T, notes).

    One frame with every note and one with none are counted besides, so that no frame is impossible.
    """
    frames = np.concatenate(pieces)
    frequencies: Probabilities = (frames.sum(axis=0, dtype=np.float64) + 1) / (len(frames) + 2)
    return frequencies


def frame_nll(probabilities: Probabilities, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The negative log-likelihood of each frame in nats, summed over its notes."""
    on, off = np.log(probabilities), np.log1p(-probabilities)
    nll: NDArray[np.float64] = -(frames @ (on - off) + off.sum())
    return nll


def pooled_nll(probabilities: Probabilities, pieces: Pieces, *, first: bool = True) -> float:
    """Nats per frame over the frames of all ``pieces`` alike, as in Boulanger-Lewandowski et al. (2012).

    Without ``first``, a piece's first frame does not count: nothing predicts it (``locuslab/TCN``).
    """
    counted = np.concatenate([piece[0 if first else 1 :] for piece in pieces])
    return float(frame_nll(probabilities, counted).mean())


def windowed_nll(probabilities: Probabilities, pieces: Pieces) -> float:
    """Nats per frame as the RRU paper's code averages them.

    Empty frames are dropped, each piece is cut into windows of 200 frames of which all but the first
    are predicted from the one before, every window counts by its own mean, and every batch of 16 windows
    counts the same (the last takes the remainder).
    """
    means = []
    for piece in pieces:
        sounding = piece[piece.any(axis=1)]
        for start in range(0, len(sounding), RRU_WINDOW):
            targets = sounding[start + 1 : start + 1 + RRU_WINDOW]
            if len(targets):
                means.append(frame_nll(probabilities, targets).mean())
    batches = max(len(means) // RRU_BATCH, 1)
    ends = [*range(RRU_BATCH, batches * RRU_BATCH, RRU_BATCH), len(means)]
    starts = [0, *ends[:-1]]
    return float(np.mean([np.mean(means[s:e]) for s, e in zip(starts, ends, strict=True)]))


def uniform_nll(classes: int) -> float:
    """Nats per symbol of a model for which ``classes`` symbols are equally likely: ln(classes).

    Its perplexity is ``classes``; divided by ln 2 it is in bits. Raises ``ValueError`` below one class.
    """
    if classes < 1:
        raise ValueError(f"expected at least one class, got {classes}")
    return float(np.log(classes))


def unigram_nll(train: NDArray[Any], evaluated: NDArray[Any], classes: int) -> float:
    """Nats per symbol of the training set's symbol frequencies, each count raised by one."""
    counts = np.bincount(train, minlength=classes) + 1.0
    return float(-np.log(counts / counts.sum())[evaluated].mean())


def majority_class_accuracy(train: ArrayLike, evaluated: ArrayLike) -> float:
    """The share of ``evaluated`` labels that are the training set's most frequent one, the least on a tie."""
    labels, counts = np.unique(np.asarray(train), return_counts=True)
    return float(np.mean(np.asarray(evaluated) == labels[counts.argmax()]))


def mean_predictor_error(train: ArrayLike, evaluated: ArrayLike) -> float:
    """The mean squared error of always answering the training targets' mean."""
    return float(np.mean((np.asarray(evaluated) - np.mean(np.asarray(train), axis=0)) ** 2))
