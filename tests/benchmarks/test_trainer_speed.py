"""What the trainer costs beside the mathematics, and what replicates cost beside one another."""

from __future__ import annotations

import pytest
import torch
from clock import TIMER
from torch import nn

from studies.core.registry import get_task
from studies.model.settings import ModelSettings, build
from studies.training.memory import keep_freed_memory
from studies.training.settings import TrainingSettings
from studies.training.trainer import Trainer

LENGTH, BATCH = 100, 64
STEPS = 50  # a run ends with an evaluation and a test, which are no part of a step
TOGETHER = 5  # steps of sixteen replicates are long enough


@pytest.fixture(autouse=True)
def memory():
    """As the command that trains has it."""
    keep_freed_memory()


def trained(cell, hidden_size, seeds, steps, *, knobs=None, length=LENGTH, backend="auto"):
    """A function that trains ``steps`` more steps on one stored batch of adding."""
    task = get_task("adding", length=length)
    source = task.open(batch_size=BATCH)
    stored = source.training(0, 0)
    source.training = lambda *_: stored  # making data is not what is measured
    settings = ModelSettings(cell, hidden_size, knobs or {}, decoder_hidden=256)
    models = [build(settings, source, seed) for seed in seeds]
    for model in models:
        model.recurrent.backend = backend
    trainer = Trainer(
        task, source, models, seeds,
        TrainingSettings(4e-3, BATCH, examples=BATCH, evaluate_every=10**9), together=True,
    )  # fmt: skip
    trainer.score = lambda _, places: [0.0 for _ in places]

    def train():
        trainer.total = trainer.run_state.step + steps
        for replicate in trainer.run_state.replicates:
            replicate.status = "training"
        trainer.run()

    return train, stored


def bare(hidden_size, stored):
    """The loop that people write by hand over ``torch.nn.LSTM``, with the same work in it."""
    rnn = nn.LSTM(2, hidden_size)
    decoder = nn.Sequential(nn.Linear(hidden_size, 256), nn.ReLU(), nn.Linear(256, 1))
    optimizer = torch.optim.Adam([*rnn.parameters(), *decoder.parameters()], lr=4e-3)

    def train():
        for _ in range(STEPS):
            inputs = torch.as_tensor(stored.inputs, dtype=torch.float32)
            targets = torch.as_tensor(stored.targets, dtype=torch.float32)
            optimizer.zero_grad()
            outputs, _ = rnn(inputs)
            loss = ((decoder(outputs[-1]).squeeze(-1) - targets) ** 2).mean()
            loss.backward()
            optimizer.step()
            loss.item()

    return train


@pytest.mark.benchmark(group="trainer", timer=TIMER)
@pytest.mark.parametrize("hidden_size", [64, 128])
def test_overhead_of_the_harness(benchmark, speed, hidden_size):
    """A loop over nn.LSTM written by hand against the same by the trainer; the goal is 1.05 at most."""
    ours, stored = trained("lstm", hidden_size, [0], STEPS)
    speed.measure(
        benchmark, ("trainer", f"lstm-{hidden_size}"), ours,
        ("a loop written by hand", bare(hidden_size, stored)),
        shape=f"{STEPS} steps of adding, T {LENGTH}, B {BATCH}, H {hidden_size}", fewest=2,
        figures=lambda ratio, _: {"ours_over_bare": 1 / ratio},
    )  # fmt: skip


@pytest.mark.benchmark(group="replicates", timer=TIMER)
@pytest.mark.parametrize("count", [1, 4, 16])
def test_time_per_replicate(benchmark, speed, count):
    """Two-layer GATO: replicates trained together against one alone."""
    settings = {"knobs": {"k": 8}, "length": 50}
    together, _ = trained("gato-2", 64, list(range(count)), TOGETHER, **settings)
    alone, _ = trained("gato-2", 64, [0], TOGETHER, **settings)
    speed.measure(
        benchmark, ("replicates", str(count)), together, ("one replicate", alone),
        shape=f"{TOGETHER} steps of adding, T 50, B {BATCH}, H 64, k 8", fewest=3,
        figures=lambda ratio, seconds: {
            "together_over_one": 1 / ratio,
            "seconds_per_step_and_replicate": seconds / TOGETHER / count,
        },
    )  # fmt: skip


@pytest.mark.benchmark(group="replicates", timer=TIMER)
def test_sixteen_replicates_beside_one_without_kernels(benchmark, speed):
    """The README's run: sixteen seeds by the kernels against one by the loop over time."""
    settings = {"knobs": {"k": 16}, "length": 50}
    together, _ = trained("gato-2", 128, list(range(16)), TOGETHER, **settings)
    alone, _ = trained("gato-2", 128, [0], TOGETHER, **settings, backend="reference")
    speed.measure(
        benchmark, ("replicates", "16-kernels"), together, ("one replicate by the loop", alone),
        shape=f"{TOGETHER} steps of adding, T 50, B {BATCH}, H 128, k 16", fewest=3,
        figures=lambda ratio, seconds: {
            "together_over_one_by_the_loop": 1 / ratio,
            "seconds_per_step_and_replicate": seconds / TOGETHER / 16,
        },
    )  # fmt: skip
