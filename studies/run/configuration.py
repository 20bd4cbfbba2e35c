"""What a run is: a task, a model, a training, seeds; resolved from a protocol, a profile and overrides."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from studies.core.errors import StudyError
from studies.core.protocol import PROFILES, Profile, Protocol, get_protocol, protocol_of
from studies.core.registry import get_task, near, task_options
from studies.model.settings import ModelSettings, cell_factory
from studies.training.settings import TrainingSettings

_GROUPS = ("task", "model", "training", "cell")


@dataclass(frozen=True)
class Configuration:
    """Everything that decides the numbers of a run, as plain data.

    ``options``: of the task; ``asked``: the settings that the user replaced; ``differs``: in which settings,
    named, the run departs from its protocol.
    """

    task: str
    options: Mapping[str, Any]
    model: ModelSettings
    training: TrainingSettings
    seeds: tuple[int, ...]
    protocol: str
    profile: Profile
    differs: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As nested dictionaries and lists, for a checkpoint's fingerprint and a result's attributes."""
        return dataclasses.asdict(self)


def resolve(
    task: str,
    cell: str,
    *,
    profile: Profile = "laptop",
    protocol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    seeds: int | None = None,
) -> Configuration:
    """The configuration of ``task`` with ``cell`` by a protocol (default: the task's), scaled by ``profile``.

    ``overrides``: settings by key; a bare name is a knob of the cell, ``task.``, ``model.`` and ``training.``
    lead to the rest; ``seeds``: how many replicates, numbered from 0. Raises :class:`StudyError` for any
    unknown name, near ones listed, or a value out of range.
    """
    task_options(task)
    factory = cell_factory(cell)
    if profile not in PROFILES:
        raise StudyError(f"profile: expected one of {', '.join(PROFILES)}, got {profile!r}")
    source = protocol_of(task) if protocol is None else get_protocol(protocol)
    if source.task != task:
        raise StudyError(
            f"protocol {source.name} speaks of the task {source.task}, not of {task}: drop --protocol"
        )
    asked = {_full(key): value for key, value in (overrides or {}).items()}
    values = source.values(profile, cell) | asked
    groups: dict[str, dict[str, Any]] = {group: {} for group in _GROUPS}
    for key, value in values.items():
        group, _, name = key.partition(".")
        if group in groups:
            groups[group][name] = value
    _known(cell, groups["cell"], _knobs(factory), "knob")
    _known("training", groups["training"], _fields(TrainingSettings), "setting")
    _known("model", groups["model"], _fields(ModelSettings), "setting")
    count = values.get("seeds", 3) if seeds is None else seeds
    if not isinstance(count, int) or count < 1:
        raise StudyError(f"seeds: expected a number of replicates of at least 1, got {count!r}")
    opened = get_task(task, **groups["task"])  # checks the options
    try:
        training = TrainingSettings(**groups["training"])
    except TypeError as error:
        raise StudyError(f"protocol {source.name}: training settings: {error}") from error
    return Configuration(
        task=opened.name,
        options=task_options(task) | groups["task"],
        model=ModelSettings(cell=cell, knobs=groups["cell"], **_sized(groups["model"], asked)),
        training=training,
        seeds=tuple(range(count)),
        protocol=source.name,
        profile=profile,
        differs=_differences(source, profile, asked, cell),
        asked=asked,
    )


def parse(assignments: Iterable[str]) -> dict[str, Any]:
    """``["lam=0.5", "training.clip_norm=1"]`` as a mapping; values are JSON, or else text.

    Raises :class:`StudyError` for a text without ``=``.
    """
    values: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise StudyError(f"--set: expected knob=value, got {text!r}")
        words = {"none": None, "true": True, "false": False}
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError:
            parsed = words.get(value.strip().lower(), value.strip())
        values[key.strip()] = parsed
    return values


def _full(key: str) -> str:
    if key == "seeds" or key.partition(".")[0] in _GROUPS:
        return key
    if "." in key:
        raise StudyError(
            f"--set {key}: expected a knob of the cell, or task.…, model.… or training.…; got another group"
        )
    return f"cell.{key}"


def _fields(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.name not in ("cell", "knobs")]


def _knobs(factory: Any) -> list[str] | None:
    """What a factory takes beside its sizes; None where its signature does not say."""
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters[2:]]


def _known(owner: str, given: Mapping[str, Any], known: Iterable[str] | None, what: str) -> None:
    if known is None:
        return
    known = list(known)
    for name in given:
        if name not in known:
            raise StudyError(
                f"{owner} has no {what} {name!r}{near(name, known)}; it has {', '.join(known) or 'none'}"
            )


def _sized(values: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A width in place of a budget, or the other way round: the one that was asked for or scaled last."""
    if values.get("hidden_size") is not None and values.get("parameters") is not None:
        loser = "hidden_size" if asked.get("model.parameters") is not None else "parameters"
        return values | {loser: None}
    return values


def _differences(protocol: Protocol, profile: Profile, asked: Mapping[str, Any], cell: str) -> str:
    parts = [protocol.differs.get(profile, "")]
    paper = protocol.values("paper", cell)
    parts += [
        f"{key} = {value} (protocol: {paper.get(key, 'the default')})"
        for key, value in asked.items()
    ]
    return "; ".join(part for part in parts if part)
