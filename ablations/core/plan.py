"""A plan: which axes are crossed how, on which tasks, with how many seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ablations.core.axis import Axis
from ablations.core.errors import AblationError
from ablations.core.expect import Expect
from ablations.core.tuning import Tuning, full
from studies.core.protocol import PROFILES, Profile, get_protocol
from studies.core.registry import near, task_options

Design = Literal["ofat", "factorial", "list"]
SEEDS: Mapping[Profile, int] = {"smoke": 2, "laptop": 6, "paper": 10}


@dataclass(frozen=True)
class Plan:
    """One ablation study.

    ``cell``: a name of the catalogue or ``package.module:attribute``, with a place in braces for every axis
    whose levels name a part of it; ``aliases``: names so composed → what they are called; ``tasks``: their
    names, and ``protocols``: task → protocol where it is not the task's own; ``design``: "ofat" (the
    baseline, and one
    change at a time), "factorial" (all combinations) or "list" (``variants``, each by the levels in which it
    leaves the baseline); ``overrides``: settings of every run, ``scaled``: the same for one profile;
    ``seeds``: per profile; ``block``: seeds that train together as one job (None: all of them);
    ``protocol_version``: raised when the meaning of the numbers changes; ``tuning``: what is searched
    inside each cell, for the profiles in which anything is.
    Raises :class:`AblationError` (or ``StudyError`` of tasks and protocols) with near names for what is
    not there.
    """

    name: str
    title: str
    cell: str
    tasks: tuple[str, ...]
    axes: tuple[Axis, ...]
    source: str
    design: Design = "ofat"
    variants: tuple[Mapping[str, str], ...] = ()
    protocols: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    scaled: Mapping[Profile, Mapping[str, Any]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[Profile, int] = field(default_factory=lambda: SEEDS)
    block: int | None = None
    protocol_version: int = 1
    expect: tuple[Expect, ...] = ()
    tuning: Mapping[Profile, Tuning] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.design not in get_args(Design):
            raise AblationError(
                f"plan {self.name}: design: expected {', '.join(get_args(Design))}, got {self.design!r}"
                f"{near(str(self.design), get_args(Design))}"
            )
        if (self.design == "list") != bool(self.variants):
            raise AblationError(
                f"plan {self.name}: variants: expected with design 'list' and with no other, got "
                f"{len(self.variants)} with {self.design!r}"
            )
        if not self.tasks or not self.axes:
            raise AblationError(f"plan {self.name}: expected at least one task and one axis")
        if self.block is not None and self.block < 1:
            raise AblationError(
                f"plan {self.name}: block: expected at least 1 seed, got {self.block}"
            )
        names = [axis.name for axis in self.axes]
        if len(set(names)) != len(names):
            raise AblationError(f"plan {self.name}: an axis stands twice: {', '.join(names)}")
        for task in self.tasks:
            task_options(task)
        for task, protocol in self.protocols.items():
            if task not in self.tasks:
                raise AblationError(
                    f"plan {self.name}: protocols: {task!r} is no task of it{near(task, self.tasks)}"
                )
            get_protocol(protocol)
        for levels in [*self.variants, *(e.variant for e in self.expect)]:
            self.complete(levels)
        for expect in self.expect:
            self.complete(expect.other or {})
        self._check_tuning()

    def _check_tuning(self) -> None:
        varied = {full(k): a.name for a in self.axes for lv in a.levels for k in lv.overrides}
        for profile, tuning in self.tuning.items():
            if profile not in PROFILES:
                raise AblationError(
                    f"plan {self.name}: tuning: expected the profiles {', '.join(PROFILES)}, got "
                    f"{profile!r}{near(profile, PROFILES)}"
                )
            for key in tuning.searched:
                if key in varied:
                    raise AblationError(
                        f"plan {self.name}: tuning: {key}: is what the axis {varied[key]} changes: a "
                        "nuisance is no factor; leave it to one of them"
                    )

    def axis(self, name: str) -> Axis:
        """The axis called ``name``; raises :class:`AblationError` with the near names."""
        for axis in self.axes:
            if axis.name == name:
                return axis
        known = [axis.name for axis in self.axes]
        raise AblationError(
            f"plan {self.name} has no axis {name!r}{near(name, known)}; its axes are {', '.join(known)}"
        )

    def complete(self, levels: Mapping[str, str]) -> dict[str, str]:
        """A level for every axis, the baseline where ``levels`` says nothing."""
        for name, level in levels.items():
            self.axis(name).level(level)
        return {axis.name: levels.get(axis.name, axis.baseline.name) for axis in self.axes}

    def replicates(self, profile: Profile) -> int:
        """How many seeds it asks for."""
        return self.seeds.get(profile, SEEDS[profile])
