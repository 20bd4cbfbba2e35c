"""What the trainer costs beside the mathematics, and what replicates cost beside one another."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from studies.core.registry import get_task
from studies.model.settings import ModelSettings, build
from studies.training.settings import TrainingSettings
from studies.training.trainer import Trainer

LENGTH, BATCH = 100, 64
STEPS = 50  # a run ends with an evaluation and a test, which are no part of a step
ROUNDS = 9


def trained(cell, hidden_size, seeds, *, knobs=None, together=True, length=LENGTH):
    """A function that trains ``STEPS`` more steps on one stored batch of adding, and its seconds."""
    task = get_task("adding", length=length)
    source = task.open(batch_size=BATCH)
    stored = source.training(0, 0)
    source.training = lambda *_: stored  # making data is not what is measured
    settings = ModelSettings(cell, hidden_size, knobs or {}, decoder_hidden=256)
    trainer = Trainer(
        task, source, [build(settings, source, seed) for seed in seeds], seeds,
        TrainingSettings(4e-3, BATCH, examples=BATCH, evaluate_every=10**9), together=together,
    )  # fmt: skip
    trainer.score = lambda _, places: [0.0 for _ in places]

    def steps():
        trainer.total = trainer.run_state.step + STEPS
        for replicate in trainer.run_state.replicates:
            replicate.status = "training"
        started = time.perf_counter()
        trainer.run()
        return time.perf_counter() - started

    return steps, stored


def bare(hidden_size, stored):
    """The loop that people write by hand over ``torch.nn.LSTM``, with the same work in it."""
    rnn = nn.LSTM(2, hidden_size)
    decoder = nn.Sequential(nn.Linear(hidden_size, 256), nn.ReLU(), nn.Linear(256, 1))
    optimizer = torch.optim.Adam([*rnn.parameters(), *decoder.parameters()], lr=4e-3)

    def steps():
        started = time.perf_counter()
        for _ in range(STEPS):
            inputs = torch.as_tensor(stored.inputs, dtype=torch.float32)
            targets = torch.as_tensor(stored.targets, dtype=torch.float32)
            optimizer.zero_grad()
            outputs, _ = rnn(inputs)
            loss = ((decoder(outputs[-1]).squeeze(-1) - targets) ** 2).mean()
            loss.backward()
            optimizer.step()
            loss.item()
        return time.perf_counter() - started

    return steps


@pytest.mark.benchmark(group="trainer")
@pytest.mark.parametrize("hidden_size", [64, 128])
def test_overhead_of_the_harness(benchmark, hidden_size):
    """Ours over bare, in alternating rounds of one process; the goal is a median below 1.05."""
    ours, stored = trained("lstm", hidden_size, [0])
    theirs = bare(hidden_size, stored)
    ours(), theirs()
    ratios = []

    def both():
        own, other = ours(), theirs()
        ratios.append(own / other)

    benchmark.pedantic(both, rounds=ROUNDS)
    ratios.sort()
    benchmark.extra_info["ours over bare, median"] = ratios[len(ratios) // 2]
    benchmark.extra_info["ours over bare, lowest and highest"] = (ratios[0], ratios[-1])


@pytest.mark.benchmark(group="replicates")
@pytest.mark.parametrize("count", [1, 4, 16])
def test_time_per_replicate(benchmark, count):
    """Seconds per step and replicate of two-layer GATO, together; beside one replicate alone."""
    together, _ = trained("gato-2", 64, list(range(count)), knobs={"k": 8}, length=50)
    alone, _ = trained("gato-2", 64, [0], knobs={"k": 8}, length=50)
    together(), alone()
    ratios, seconds = [], []

    def both():
        many, one = together(), alone()
        seconds.append(many / STEPS / count)
        ratios.append(many / one)

    benchmark.pedantic(both, rounds=3)
    benchmark.extra_info["seconds per step and replicate"] = min(seconds)
    benchmark.extra_info["together over one, median"] = sorted(ratios)[1]
