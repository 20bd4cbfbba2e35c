"""Jobs: a variant on a task with a block of seeds, which train side by side and are one Optuna trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ablations.core.canonical import digest
from ablations.core.design import Impossible, Variant, enumerate_variants
from ablations.core.errors import AblationError
from ablations.core.plan import Plan
from ablations.core.tuning import Tuning
from studies.core.errors import StudyError
from studies.core.protocol import PROFILES, Profile
from studies.core.registry import near
from studies.run.configuration import Configuration, resolve

# Of a configuration, what decides a replicate's numbers; the rest names or counts.
_DECIDING = ("task", "options", "model", "training")


@dataclass(frozen=True)
class Cell:
    """One cell of the design: a variant on a task, with all its seeds in ``configuration``.

    ``key``: SHA-256 of everything that decides a run's numbers but its seed, independent of the plan's name.
    ``tuning``: what is searched before its runs; it is part of the key, and what it finds is not.
    """

    variant: Variant
    task: str
    configuration: Configuration
    key: str
    tuning: Tuning | None = None


@dataclass(frozen=True)
class Job:
    """A cell and the seeds that train together; ``key``: of both.

    ``settings``: of a cell that is tuned, what its search chose, or what this trial of it tries;
    ``tune_trial``: the number of that trial, from 0, None for a run of the result.
    """

    cell: Cell
    seeds: tuple[int, ...]
    key: str
    settings: Mapping[str, Any] | None = None
    tune_trial: int | None = None

    @property
    def configuration(self) -> Configuration:
        """The cell's, with these seeds and settings."""
        found = self.cell.configuration
        if self.settings is not None:
            found = with_settings(found, self.settings)
        return dataclasses.replace(found, seeds=self.seeds)

    @property
    def title(self) -> str:
        """For people: variant, task, seeds."""
        if self.tune_trial is not None:
            return f"{self.cell.variant.name} on {self.cell.task}, tuning trial {self.tune_trial}"
        span = f"{self.seeds[0]}" + (f"–{self.seeds[-1]}" if len(self.seeds) > 1 else "")
        return f"{self.cell.variant.name} on {self.cell.task}, seeds {span}"


@dataclass(frozen=True)
class Layout:
    """Everything that a plan comes to under a profile."""

    plan: Plan
    profile: Profile
    variants: tuple[Variant, ...]
    impossible: tuple[Impossible, ...]
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]

    @property
    def tuning(self) -> Tuning | None:
        """What is searched inside each cell under this profile."""
        return self.plan.tuning.get(self.profile)

    @property
    def tuned(self) -> list[Cell]:
        """The cells that are searched, each key once."""
        return list({cell.key: cell for cell in self.cells if cell.tuning is not None}.values())

    @property
    def key(self) -> str:
        """Of the design: which cells, whatever their number of seeds."""
        return digest({"plan": self.plan.name, "cells": sorted(cell.key for cell in self.cells)})

    def jobs(self, done: Iterable[tuple[str, int]] = ()) -> list[Job]:
        """What remains to be run, ``done`` being (cell key, seed) of the runs there are; each cell once.

        Round by round over the blocks, so that every variant has its first block before any has its second.
        """
        there = set(done)
        size = self.plan.block or len(self.seeds)
        found: dict[str, list[tuple[int, Job]]] = {}
        for cell in self.cells:
            if cell.key in found:
                continue
            found[cell.key] = []
            for start in range(0, len(self.seeds), size):
                block = self.seeds[start : start + size]
                seeds = tuple(seed for seed in block if (cell.key, seed) not in there)
                if seeds:
                    found[cell.key].append((start, Job(cell, seeds, job_key(cell.key, seeds))))
        ordered = [one for entries in found.values() for one in entries]
        return [job for _, job in sorted(ordered, key=lambda one: one[0])]


def job_key(cell: str, seeds: Iterable[int]) -> str:
    """SHA-256 of a cell and its seeds."""
    return digest({"cell": cell, "seeds": list(seeds)})


def cell_key(
    configuration: Configuration, protocol_version: int, tuning: Tuning | None = None
) -> str:
    """The identity of a cell of the design, by what is declared: never by what its tuning finds.

    Settings that are None are left out, so that a new one, off by default, does not orphan what was run
    before; so is the tuning of a cell that is not tuned.
    """
    plain: dict[str, Any] = configuration.plain()
    deciding = {part: _set(plain[part]) for part in _DECIDING}
    searched = {} if tuning is None else {"tuning": tuning.plain()}
    return digest({"protocol_version": protocol_version, **deciding, **searched})


def with_settings(configuration: Configuration, settings: Mapping[str, Any]) -> Configuration:
    """The same with some settings replaced; raises ``StudyError`` for one that it refuses."""
    return resolve(
        configuration.task,
        configuration.model.cell,
        profile=configuration.profile,
        protocol=configuration.protocol,
        overrides={**configuration.asked, **settings},
        seeds=len(configuration.seeds),
    )


def _set(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _set(one) for key, one in value.items() if one is not None}
    return value


def lay_out(plan: Plan, profile: str = "laptop", seeds: int | None = None) -> Layout:
    """Resolve every cell of ``plan``; ``seeds``: in place of the plan's number.

    Raises ``StudyError`` that names the variant for a level that its cell or task refuses.
    """
    chosen = _profile(profile)
    count = plan.replicates(chosen) if seeds is None else seeds
    if count < 1:
        raise AblationError(f"seeds: expected at least 1, got {count}")
    _apart(plan, chosen, count)
    variants, impossible = enumerate_variants(plan, chosen)
    cells = [
        _resolved(plan, variant, task, chosen, count) for variant in variants for task in plan.tasks
    ]
    return Layout(
        plan,
        chosen,
        tuple(variants),
        tuple(impossible),
        tuple(cells),
        tuple(range(count)),
    )


def _apart(plan: Plan, profile: Profile, count: int) -> None:
    tuning = plan.tuning.get(profile)
    shared = [] if tuning is None else [seed for seed in tuning.seeds if seed < count]
    if shared:
        raise AblationError(
            f"plan {plan.name}: tuning: seeds: expected others than those of the result, 0 to {count - 1}, "
            f"got {', '.join(map(str, shared))}: what was searched on a seed must not be measured on it"
        )


def _profile(name: str) -> Profile:
    for one in PROFILES:
        if one == name:
            return one
    raise AblationError(
        f"profile: expected one of {', '.join(PROFILES)}, got {name!r}{near(name, PROFILES)}"
    )


def _resolved(plan: Plan, variant: Variant, task: str, profile: Profile, seeds: int) -> Cell:
    scaled = plan.scaled.get(profile, {})
    try:
        configuration = resolve(
            task,
            variant.cell,
            profile=profile,
            protocol=plan.protocols.get(task),
            overrides={**plan.overrides, **scaled, **variant.overrides},
            seeds=seeds,
        )
        tuning = plan.tuning.get(profile)
        for ends in tuning.ends() if tuning is not None else ():
            with_settings(configuration, ends)
        if tuning is not None and tuning.share < 1 and configuration.training.examples is None:
            raise AblationError(
                f"tuning: share: expected 1, got {tuning.share}: training.examples is not set, so that there "
                "is nothing to take a share of"
            )
    except StudyError as error:
        raise AblationError(f"plan {plan.name}, {variant.name} on {task}: {error}") from error
    key = cell_key(configuration, plan.protocol_version, tuning)
    return Cell(variant, task, configuration, key, tuning)
