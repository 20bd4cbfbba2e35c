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


@dataclass(frozen=True)
class Published:
    """One printed number. ``cell``: the paper's system as a registry name (None: not in the catalogue).

    ``label``: the row as printed; ``column``: the task or setting of the column; ``metric``: a name of
    :mod:`studies.core.metric`; ``value``: as printed, inf and NaN included; ``table``: where; ``note``:
    footnotes.
    """

    cell: str | None
    label: str
    column: str
    metric: str
    value: float
    table: str
    note: str = ""


@dataclass(frozen=True)
class Protocol:
    """How one experiment of a paper was run. ``settings`` are the paper's; ``profiles`` replace some of them.

    ``task``: registry name; ``title``: the experiment in the paper's words; ``citation``; ``published``: its
    numbers; ``differs``: per profile, what a reader must know before comparing numbers.
    """

    name: str
    title: str
    citation: str
    task: str
    settings: Mapping[str, Setting]
    profiles: Mapping[Profile, Mapping[str, Any]]
    published: tuple[Published, ...] = ()
    differs: Mapping[Profile, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in [*self.settings, *(key for one in self.profiles.values() for key in one)]:
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
    """Every protocol by name: each module of ``studies.protocols`` gives some in ``PROTOCOLS``."""
    package = importlib.import_module("studies.protocols")
    found: dict[str, Protocol] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for protocol in importlib.import_module(f"studies.protocols.{module.name}").PROTOCOLS:
            if protocol.name in found:
                raise ValueError(f"two protocols are called {protocol.name!r}: rename one")
            found[protocol.name] = protocol
    return dict(sorted(found.items()))


def get_protocol(name: str) -> Protocol:
    """The protocol ``name``; raises :class:`StudyError` that lists the near names."""
    known = protocols()
    if name not in known:
        raise StudyError(
            f"no protocol is called {name!r}{near(name, known)}; protocols: {', '.join(known)}"
        )
    return known[name]


def protocol_of(task: str) -> Protocol:
    """The protocol that ``studies run TASK`` takes: the one named like the task's paper experiment first.

    Raises :class:`StudyError` where no protocol speaks of the task.
    """
    fitting = [one for one in protocols().values() if one.task == task]
    if not fitting:
        raise StudyError(
            f"no protocol speaks of the task {task!r}: add one in studies/protocols, or name one of "
            f"{', '.join(protocols())} with --protocol"
        )
    return fitting[0]
