"""Nuisance tuning: which settings are searched inside each cell of the design, and how.

A nuisance (a learning rate, a dropout rate) is nothing that a plan asks about, but one value for all
variants favors some of them. It is therefore searched inside each cell of the design, with an equal number of
trials, on seeds of its own, by the validation metric alone; the value found is then a fixed part of the cell,
which is measured on the seeds of the plan. What was tried never enters the result.

Trials are proposed one after the other, each from the records of those before it and from nothing else. So a
search comes out the same however many workers are on it and whatever died on the way, and no variant is
searched better because more machines happened to be free; what runs at the same time are the searches of
different cells, and the first ``STARTUP`` trials of each, which are drawn blindly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ablations.core.errors import AblationError
from studies.core.protocol import Range, get_protocol
from studies.core.registry import near

Sampler = Literal["tpe", "random"]
Pruner = Literal["none", "median"]
Searched = Range | tuple[Any, ...]
STARTUP = 10  # trials that are drawn blindly, and that nothing is pruned among
_GROUPS = ("cell", "model", "training")


@dataclass(frozen=True)
class Tuning:
    """What is searched inside each cell of a plan, and how.

    ``space``: setting → :class:`Range` or a tuple of levels, keys as in a plan's ``overrides``; ``trials``:
    of every cell; ``seeds``: those that a trial trains, none of which may be a seed of the result;
    ``sampler``: "tpe" or "random", begun anew for each trial from ``sampler_seed`` and the trial's number,
    the same for every variant; ``pruner``: "none", or "median", which ends a trial whose best validation
    value is worse than the median of the earlier ones at the same evaluation, but not in its first
    ``warmup`` evaluations; ``at_once``: trials that are proposed from the same knowledge, so that they can
    run at the same time; ``share``: of the training examples of a run, for cheaper trials.
    Raises :class:`AblationError` that names the key for what cannot be.
    """

    space: Mapping[str, Searched]
    trials: int
    seeds: tuple[int, ...] = (100,)
    sampler: Sampler = "tpe"
    sampler_seed: int = 0
    pruner: Pruner = "none"
    warmup: int = 5
    at_once: int = 1
    share: float = 1.0

    def __post_init__(self) -> None:
        for key, kinds in (("sampler", Sampler), ("pruner", Pruner)):
            known, got = get_args(kinds), getattr(self, key)
            if got not in known:
                raise _wrong(
                    key, f"expected {' or '.join(known)}, got {got!r}{near(str(got), known)}"
                )
        for key, least in (("trials", 1), ("sampler_seed", 0), ("warmup", 0), ("at_once", 1)):
            if not _whole(getattr(self, key)) or getattr(self, key) < least:
                got = getattr(self, key)
                raise _wrong(key, f"expected a whole number of at least {least}, got {got!r}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or not _seeds(self.seeds):
            raise _wrong("seeds", f"expected whole numbers, each once, got {list(self.seeds)}")
        if not _number(self.share) or not 0 < self.share <= 1:
            raise _wrong("share", f"expected a number above 0 and up to 1, got {self.share!r}")
        if not self.space:
            raise _wrong("space", "expected at least one setting that is searched, got none")
        for key, one in self.space.items():
            _check_key(key, self)
            (_check_range if isinstance(one, Range) else _check_levels)(key, one)

    @property
    def searched(self) -> dict[str, Searched]:
        """``space`` with full keys: a bare name is a knob of the cell."""
        return {full(key): one for key, one in self.space.items()}

    def known(self, trial: int) -> int:
        """How many trials must have ended before ``trial`` (from 0) is proposed: the first so many."""
        if trial < STARTUP or (self.sampler == "random" and self.pruner == "none"):
            return 0
        return STARTUP + (trial - STARTUP) // self.at_once * self.at_once

    def ends(self) -> list[dict[str, Any]]:
        """The lower and the upper end of everything, to see whether a cell takes them."""
        return [
            {k: (one.low, one.high)[end] if isinstance(one, Range) else one[-end]
             for k, one in self.searched.items()}
            for end in (0, 1)
        ]  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """As plain data: part of the identity of a cell that is tuned."""
        space = {
            key: one._asdict() if isinstance(one, Range) else {"levels": list(one)}
            for key, one in self.searched.items()
        }
        names = ("trials", "seeds", "sampler", "sampler_seed", "pruner", "at_once", "share")
        found = {"space": space, **{name: getattr(self, name) for name in names}}
        return found | ({} if self.pruner == "none" else {"warmup": self.warmup})


def space_of(protocol: str, cell: str) -> dict[str, Searched]:
    """What the paper searched for ``cell`` by a protocol: the ranges and levels of its ``varied``.

    Raises ``StudyError`` for an unknown protocol.
    """
    found: dict[str, Searched] = {}
    for key, setting in get_protocol(protocol).varied.items():
        owner, _, name = key.rpartition("/")
        if owner in ("", cell):
            found[name] = setting.value
    return found


def full(key: str) -> str:
    """``cell.q`` for the bare name of a knob."""
    return key if "." in key else f"cell.{key}"


def spelled(one: Searched) -> str:
    """For people: ``0.0001 to 0.01, logarithmic``, or the levels."""
    if not isinstance(one, Range):
        return "one of " + ", ".join(map(str, one))
    if one.whole:
        low, high = f"{one.low:,}", f"{one.high:,}, whole"
    else:
        low, high = f"{one.low:g}", f"{one.high:g}"
    return f"{low} to {high}" + (", logarithmic" if one.scale == "log" else "")


def _check_key(key: str, tuning: Tuning) -> None:
    group = full(key).partition(".")[0]
    if group not in _GROUPS:
        raise _wrong(key, f"expected a knob of the cell, or model.… or training.…, got {group}.…")
    if [full(one) for one in tuning.space].count(full(key)) > 1:
        raise _wrong(key, "stands twice, with its group and without")
    if full(key) == "training.examples" and tuning.share != 1:
        raise _wrong(key, "is searched and shared out: leave it to one of space and share")


def _check_range(key: str, one: Any) -> None:
    if not (_number(one.low) and _number(one.high)) or not one.low < one.high:
        raise _wrong(key, f"expected low below high, both finite, got {one.low!r} and {one.high!r}")
    if one.scale not in ("uniform", "log"):
        raise _wrong(key, f"expected the scale uniform or log, got {one.scale!r}")
    if one.scale == "log" and one.low <= 0:
        raise _wrong(key, f"expected low above 0 on a logarithmic scale, got {one.low!r}")
    if one.whole and not (_whole(one.low) and _whole(one.high)):
        raise _wrong(key, f"expected whole ends, got {one.low!r} and {one.high!r}")


def _check_levels(key: str, levels: Any) -> None:
    plain = isinstance(levels, tuple) and all(
        isinstance(one, str | bool | int) or _number(one) for one in levels
    )
    if not plain or len(levels) < 2 or len(set(map(str, levels))) != len(levels):
        raise _wrong(
            key,
            f"expected a range or at least two levels, each once, that are text or numbers, got {levels!r}",
        )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _seeds(values: Any) -> bool:
    return all(_whole(one) and one >= 0 for one in values)


def _wrong(key: str, what: str) -> AblationError:
    return AblationError(f"tuning: {key}: {what}")
