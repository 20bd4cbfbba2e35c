"""A paper's settings as frozen data: every value with its source, and profiles that scale it down.

Settings are flat: ``task.length``, ``model.hidden_size``, ``training.learning_rate``, ``cell.lam``,
``seeds``. A key with a cell's name before a slash, ``gato-2/cell.k``, holds for that cell only and goes
before the plain one.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from studies.core.errors import StudyError
from studies.core.registry import near

Profile = Literal["smoke", "laptop", "paper"]
PROFILES: tuple[Profile, ...] = ("smoke", "laptop", "paper")


class Setting(NamedTuple):
    """``value`` and ``source``: a section of the paper, or "assumed: why"."""

    value: Any
    source: str


class Range(NamedTuple):
    """What a search drew from: ``low`` to ``high``, uniform or logarithmic; ``whole``: integers only."""

    low: float
    high: float
    scale: Literal["uniform", "log"] = "uniform"
    whole: bool = False


@dataclass(frozen=True)
class Published:
    """One printed number. ``cell``: the paper's system as a registry name (None: not in the catalogue).

    ``label``: the row as printed; ``column``: the task or setting of the column; ``metric``: a name of
    :mod:`studies.core.metric`, or "n_cell_parameters" for a printed count; ``value``: as printed, inf and
    NaN included, in the metric's unit (0.693 of all is 69.3 percent, and the note says so); ``table``:
    where; ``note``: footnotes; ``departs``: the settings in which the row or column is not the protocol's
    own, by key, such as ``cell.s_fraction``.
    """

    cell: str | None
    label: str
    column: str
    metric: str
    value: float
    table: str
    note: str = ""
    departs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """How one experiment of a paper was run. ``settings`` are the paper's; ``profiles`` replace some of them.

    ``task``: registry name; ``title``: the experiment in the paper's words; ``citation``; ``published``: its
    numbers; ``differs``: per profile, what a reader must know before comparing numbers; ``main``: whether
    ``studies run TASK`` takes it, one protocol per task; ``varied``: what the experiment crossed or searched,
    a tuple of levels or a :class:`Range` per key; ``lacks``: settings of the paper that have no counterpart
    here yet, so that nobody takes them for kept.
    """

    name: str
    title: str
    citation: str
    task: str
    settings: Mapping[str, Setting]
    profiles: Mapping[Profile, Mapping[str, Any]]
    published: tuple[Published, ...] = ()
    differs: Mapping[Profile, str] = field(default_factory=dict)
    main: bool = True
    varied: Mapping[str, Setting] = field(default_factory=dict)
    lacks: Mapping[str, Setting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        profiled = [key for one in self.profiles.values() for key in one]
        for key in [*self.settings, *profiled, *self.varied, *self.lacks]:
            group = key.rpartition("/")[2].partition(".")[0]
            if group not in {"task", "model", "training", "cell", "seeds"}:
                raise ValueError(
                    f"protocol {self.name}: {key!r}: expected task.…, model.…, training.…, cell.… or seeds"
                )

    def values(self, profile: Profile, cell: str) -> dict[str, Any]:
        """The settings for one cell: the paper's, then the profile's, each with the cell's own last."""
        layers = [{key: setting.value for key, setting in self.settings.items()}]
        layers.append(dict(self.profiles.get(profile, {})))
        merged: dict[str, Any] = {}
        for layer in layers:
            merged |= {key: value for key, value in layer.items() if "/" not in key}
            prefix = f"{cell}/"
            merged |= {k.removeprefix(prefix): v for k, v in layer.items() if k.startswith(prefix)}
        return merged


@functools.cache
def protocols() -> dict[str, Protocol]:
    """Every protocol by name: each module of ``studies.protocols`` that has ``PROTOCOLS`` gives those.

    Raises ``ValueError`` for two of one name, or two main ones of one task.
    """
    package = importlib.import_module("studies.protocols")
    found: dict[str, Protocol] = {}
    for module in pkgutil.iter_modules(package.__path__):
        entries = importlib.import_module(f"studies.protocols.{module.name}")
        for protocol in getattr(entries, "PROTOCOLS", ()):
            enter(protocol, found)
    return dict(sorted(found.items()))


def enter(protocol: Protocol, found: dict[str, Protocol]) -> None:
    """Add ``protocol`` to ``found``; raises ``ValueError`` for a name or a main task that is taken."""
    if protocol.name in found:
        raise ValueError(f"two protocols are called {protocol.name!r}: rename one")
    rivals = [one.name for one in found.values() if one.main and one.task == protocol.task]
    if protocol.main and rivals:
        raise ValueError(
            f"the task {protocol.task} has two main protocols, {rivals[0]} and {protocol.name}: give one of "
            "them main=False"
        )
    found[protocol.name] = protocol


def get_protocol(name: str) -> Protocol:
    """The protocol ``name``; raises :class:`StudyError` that lists the near names."""
    known = protocols()
    if name not in known:
        raise StudyError(
            f"no protocol is called {name!r}{near(name, known)}; protocols: {', '.join(known)}"
        )
    return known[name]


def protocol_of(task: str) -> Protocol:
    """The protocol that ``studies run TASK`` takes: the task's main one, else the first by name.

    Raises :class:`StudyError` where no protocol speaks of the task.
    """
    fitting = [one for one in protocols().values() if one.task == task]
    if not fitting:
        raise StudyError(
            f"no protocol speaks of the task {task!r}: add one in studies/protocols, or name one of "
            f"{', '.join(protocols())} with --protocol"
        )
    return next((one for one in fitting if one.main), fitting[0])
