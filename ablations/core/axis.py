"""An axis: one thing that a study changes, its levels, and where the question comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ablations.core.errors import AblationError
from studies.core.protocol import Profile
from studies.core.registry import near


@dataclass(frozen=True)
class Level:
    """One level of an axis.

    ``overrides``: settings of :func:`studies.run.configuration.resolve` that it changes; ``cell``: what it
    puts into the plan's cell, under the axis's name (``"{gate-auxiliary}-lstm"``), None for nothing;
    ``scaled``: in place of ``overrides`` under one profile, for a level that a small machine cannot take.
    """

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    cell: str | None = None
    scaled: Mapping[Profile, Mapping[str, Any]] = field(default_factory=dict)

    def changes(self, profile: Profile) -> Mapping[str, Any]:
        """The settings under ``profile``."""
        return self.scaled.get(profile, self.overrides)


@dataclass(frozen=True)
class Requires:
    """A rule: ``level`` of this axis is possible only with one of ``levels`` of another ``axis``."""

    level: str
    axis: str
    levels: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class Axis:
    """What is changed. ``levels``: the baseline first; ``source``: paper and section.

    Raises :class:`AblationError` for a level that stands twice, none at all, or a rule about one that
    is not there.
    """

    name: str
    title: str
    levels: tuple[Level, ...]
    source: str
    requires: tuple[Requires, ...] = ()

    def __post_init__(self) -> None:
        names = [level.name for level in self.levels]
        if not names or len(set(names)) != len(names):
            raise AblationError(
                f"axis {self.name}: expected at least one level and each once, got "
                f"{', '.join(names) or 'none'}"
            )
        for rule in self.requires:
            self.level(rule.level)

    @property
    def baseline(self) -> Level:
        """The first level."""
        return self.levels[0]

    def level(self, name: str) -> Level:
        """The level called ``name``; raises :class:`AblationError` with the near names."""
        for level in self.levels:
            if level.name == name:
                return level
        known = [level.name for level in self.levels]
        raise AblationError(
            f"axis {self.name} has no level {name!r}{near(name, known)}; its levels are {', '.join(known)}"
        )

    def keeping(self, names: tuple[str, ...]) -> Axis:
        """The same axis with these levels only, the first of them its baseline."""
        levels = tuple(self.level(name) for name in names)
        rules = tuple(rule for rule in self.requires if rule.level in names)
        return replace(self, levels=levels, requires=rules)


def knob(name: str, title: str, values: Mapping[str, Any], source: str, key: str = "") -> Axis:
    """The axis of one setting: level name → value of ``key`` (default: the cell's knob ``name``)."""
    levels = tuple(Level(level, {key or name: value}) for level, value in values.items())
    return Axis(name, title, levels, source)
