"""Run one configuration: data, models, training, result."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import torch
import xarray

import cells
from cells.fused.threads import thread_limit
from studies.core.errors import StudyError
from studies.core.registry import get_task
from studies.core.task import Source, Task
from studies.model.settings import build
from studies.run.configuration import Configuration
from studies.run.dataset import dataset
from studies.training import shares
from studies.training.checkpoint import fingerprint
from studies.training.replicates import Replicates
from studies.training.trainer import Monitor, Trainer


@dataclass
class Study:
    """A configuration made ready: data read and verified, one model per seed drawn."""

    configuration: Configuration
    task: Task
    source: Source
    trainer: Trainer

    @classmethod
    def prepare(
        cls,
        configuration: Configuration,
        *,
        folder: Path | None = None,
        device: str = "auto",
        checkpoint: Path | None = None,
    ) -> Study:
        """Read the data and draw the models. ``folder``: where corpora lie; ``checkpoint``: to go on from.

        Raises :class:`StudyError` for data that are missing or wrong, a value that the cell refuses, a device
        that is not there.
        """
        task = get_task(configuration.task, **configuration.options)
        source = task.open(batch_size=configuration.training.batch_size, folder=folder)
        models = [build(configuration.model, source, seed) for seed in configuration.seeds]
        trainer = Trainer(
            task,
            source,
            models,
            configuration.seeds,
            configuration.training,
            device=chosen_device(device),
            together=stacks(models[0]),
            checkpoint_path=checkpoint,
            mark=fingerprint(configuration.plain()),
        )
        return cls(configuration, task, source, trainer)

    def run(self, monitor: Monitor | None = None, *, processes: int = 1) -> xarray.Dataset:
        """Train, test at the best validation, and return the result; see :mod:`studies.run.dataset`.

        ``processes``: in how many shares, see :mod:`studies.training.shares`.
        """
        state = (
            shares.train(self.trainer, processes, monitor)
            if processes > 1
            else self.trainer.run(monitor)
        )
        return dataset(
            self.configuration,
            self.task,
            state,
            ignorance=self.task.ignorance(self.source),
            parameters=sum(p.numel() for p in self.trainer.models[0].parameters()),
            cell_parameters=sum(
                p.numel() for p in self.trainer.models[0].get_submodule("recurrent").parameters()
            ),
            surroundings={
                "device": _device_name(self.trainer.device),
                "torch": str(torch.__version__),
                "python": platform.python_version(),
                "threads": torch.get_num_threads(),
                "kernel_threads": thread_limit(),
                "processes": processes,
                "replicates": _manner(self.trainer.replicates),
            },
        )


def chosen_device(device: str) -> str:
    """``auto``: CUDA where there is one. Raises :class:`StudyError` for a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise StudyError(f"device: expected auto, cpu or cuda, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise StudyError("device: cuda was asked for, but torch sees no GPU; use --device cpu")
    return device


def stacks(model: torch.nn.Module) -> bool:
    """Whether replicates of ``model`` are best trained as stacked parameters.

    Not where forward passes change buffers (batch normalization's statistics), and not where a library kernel
    runs the whole sequence, which vmap would replace by the step-by-step loop.
    """
    if any(True for _ in model.get_submodule("recurrent").buffers()):
        return False
    return all(one.name != "library" for one in cells.backends(model.get_submodule("recurrent")))


def _manner(replicates: Replicates) -> str:
    if replicates.together:
        return "stacked"
    return f"one by one: {replicates.obstacle}" if replicates.obstacle else "one by one"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
