"""The number of parameters, as a robustness study crosses it."""

from __future__ import annotations

from ablations.core.axis import Axis, Level
from studies.core.protocol import Profile

_KEY = "model.parameters"
# of the profiles whose machines are small; below these RRU has no width that fits its smallest level
_UNITS: dict[Profile, int] = {"smoke": 10_000, "laptop": 20_000}


def _level(count: float) -> Level:
    return Level(
        f"{count:g}",
        {_KEY: round(count * 1_000_000)},
        scaled={profile: {_KEY: round(count * unit)} for profile, unit in _UNITS.items()},
    )


AXIS = Axis(
    "parameters",
    "parameters in millions (profile laptop: in 20,000s, smoke: in 10,000s)",
    tuple(_level(count) for count in (7.2, 1.0, 2.6, 4.1, 5.7, 8.8, 10.3, 11.9, 13.4, 15.0)),
    "RRU section 5, appendix A.2, Nottingham: ten counts from 1.0M to 15.0M; the middle of the grid first",
)
