"""A user's plan as a TOML file: the fields of :class:`Plan`, with axes as tables of levels."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablations.core.axis import Axis, knob
from ablations.core.errors import AblationError
from ablations.core.expect import Expect
from ablations.core.plan import Plan
from ablations.core.registry import axes as known_axes
from ablations.core.registry import get_axis
from ablations.core.tuning import Searched, Tuning
from studies.core.protocol import PROFILES, Profile, Range
from studies.core.registry import near

# key → the types of its value
_KEYS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "title": (str,),
    "source": (str,),
    "cell": (str,),
    "design": (str,),
    "tasks": (list,),
    "axes": (dict,),
    "variants": (list,),
    "protocols": (dict,),
    "overrides": (dict,),
    "scaled": (dict,),
    "seeds": (int, dict),
    "block": (int,),
    "protocol_version": (int,),
    "expect": (list,),
    "tuning": (dict,),
}
_NEEDED = ("cell", "tasks", "axes")
_TUNING = tuple(field.name for field in dataclasses.fields(Tuning))
_RANGE = Range._fields
_EXPECT = ("claim", "source", "relation", "variant", "other", "tasks")


def read(path: Path) -> Plan:
    """The plan that ``path`` declares.

    ``axes.NAME = ["level", …]`` takes levels of a known axis (an empty list: all of them), ``axes.KEY =
    [value, …]`` makes an axis of a setting or of a knob of the cell; the first level is the baseline. Raises
    :class:`AblationError` with file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AblationError(f"{path}: expected a plan in TOML that can be read: {error}") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AblationError(f"{path}: expected TOML: {error}: mend that line") from error
    return _Reader(path, text).plan(table)


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self.path, self.lines = path, text.splitlines()

    def plan(self, table: Mapping[str, Any]) -> Plan:
        for key, value in table.items():
            if key not in _KEYS:
                raise self.wrong(key, f"no such key{near(key, _KEYS)}; keys are {', '.join(_KEYS)}")
            if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
                expected = " or ".join(kind.__name__ for kind in _KEYS[key])
                raise self.wrong(key, f"expected {expected}, got {value!r}")
        for key in _NEEDED:
            if key not in table:
                raise AblationError(f"{self.path}: the key {key!r} is missing: add it")
        fields: dict[str, Any] = {"name": self.path.stem, "source": "the user's plan", **table}
        fields.setdefault("title", fields["name"])
        fields["tasks"] = tuple(table["tasks"])
        fields["axes"] = tuple(self.axis(*entry) for entry in table["axes"].items())
        fields["variants"] = tuple(table.get("variants", ()))
        fields["expect"] = tuple(self.expect(one) for one in table.get("expect", ()))
        if "tuning" in table:
            fields["tuning"] = self.tuning(table["tuning"])
        if isinstance(table.get("seeds"), int):
            fields["seeds"] = dict.fromkeys(PROFILES, table["seeds"])
        try:
            return Plan(**fields)
        except AblationError as error:
            raise AblationError(f"{self.path}: {error}") from error

    def axis(self, name: str, levels: Any) -> Axis:
        if not isinstance(levels, list):
            raise self.wrong(name, f"expected a list of levels, the baseline first, got {levels!r}")
        if ":" in name or name in known_axes():
            known = get_axis(name)
            return known.keeping(tuple(map(str, levels))) if levels else known
        # a hyphen is in no setting's name, so that this was meant to be an axis of ours
        if "-" in name or not levels:
            raise self.wrong(
                name,
                f"no axis is called so{near(name, known_axes())}; a setting of yours needs levels",
            )
        values = {_spelled(value): value for value in levels}
        return knob(name.replace(".", "-"), name, values, "the user's plan", key=name)

    def expect(self, table: Any) -> Expect:
        if not isinstance(table, dict):
            raise self.wrong("expect", f"expected tables [[expect]], got {table!r}")
        for key in table:
            if key not in _EXPECT:
                raise self.wrong(key, f"no such key of an expectation{near(key, _EXPECT)}")
        fields = {"source": "the user's plan", **table, "tasks": tuple(table.get("tasks", ()))}
        try:
            return Expect(**fields)
        except (TypeError, AblationError) as error:
            raise self.wrong("expect", str(error)) from error

    def tuning(self, table: dict[str, Any]) -> dict[Profile, Tuning]:
        """Of every profile; where ``trials`` is a table, of the profiles that it names."""
        for key in table:
            if key not in _TUNING:
                told = f"no such key of a tuning{near(key, _TUNING)}; keys are {', '.join(_TUNING)}"
                raise self.wrong(key, told, "tuning")
        for key in ("space", "trials"):
            if key not in table:
                raise self.wrong("tuning", f"the key {key!r} is missing: add it")
        if not isinstance(table["space"], dict):
            raise self.wrong("space", f"expected a table, got {table['space']!r}", "tuning")
        fields = {**table, "space": {k: self.searched(k, v) for k, v in table["space"].items()}}
        if "seeds" in table:
            seeds = table["seeds"]
            fields["seeds"] = tuple(seeds) if isinstance(seeds, list) else (seeds,)
        trials = table["trials"]
        trials = trials if isinstance(trials, dict) else dict.fromkeys(PROFILES, trials)
        for profile in trials:
            if profile not in PROFILES:
                told = f"expected profiles, {', '.join(PROFILES)}{near(profile, PROFILES)}"
                raise self.wrong(profile, told, "tuning")
        try:
            return {
                profile: Tuning(**{**fields, "trials": trials[profile]})
                for profile in PROFILES
                if profile in trials
            }
        except AblationError as error:  # "tuning: key: what"
            _, key, what = str(error).split(": ", 2)
            raise self.wrong(key, what, "tuning") from error

    def searched(self, name: str, value: Any) -> Searched:
        if isinstance(value, list):
            return tuple(value)
        if not isinstance(value, dict):
            told = f"expected {{low = …, high = …}} or a list of levels, got {value!r}"
            raise self.wrong(name, told, "tuning")
        for key in value:
            if key not in _RANGE:
                raise self.wrong(key, f"no such key of a range{near(key, _RANGE)}", "tuning")
        try:
            return Range(**value)
        except TypeError as error:
            raise self.wrong(name, f"expected low and high, got {value!r}", "tuning") from error

    def wrong(self, key: str, what: str, below: str = "") -> AblationError:
        """An error with the first line on which ``key`` stands, at or after one with ``below``."""
        begin = next((n for n, line in enumerate(self.lines, 1) if below in line), 1)
        places = [
            n
            for n, line in enumerate(self.lines, 1)
            if n >= begin and key in line.partition("#")[0]
        ]
        line = f", line {places[0]}" if places else ""
        return AblationError(f"{self.path}{line}: {key}: {what}")


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
