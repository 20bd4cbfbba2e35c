"""Whether an implementation has become slower: its ratio against the stored one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from alternating import Ratio
from result import Result

# A paired ratio moved by 2.7 % at most between a quiet and a loaded machine, and 30 % slower is 0.77.
FLOOR = 0.85


class Verdict(NamedTuple):
    """``status``: "held", "slower" (a failure), "faster" (store it), or "reported"; ``why`` in words."""

    status: str
    why: str


def judge(ratio: float, stored: Result | None, shape: str) -> Verdict:
    """What ``ratio`` on ``shape`` says beside what was stored on this key, if anything was."""
    if stored is None:
        return Verdict("reported", "nothing stored under this key")
    if stored.shape != shape:
        return Verdict("reported", f"stored for another shape, {stored.shape}")
    share = ratio / stored.ratio
    why = f"{share:.2f} of the stored ratio {stored.ratio:.3g}"
    if share < FLOOR:
        return Verdict("slower", f"{why}; expected at least {FLOOR}")
    return Verdict("faster" if share > 1 / FLOOR else "held", why)


def judge_twice(
    first: Ratio, again: Callable[[int], Ratio], stored: Result | None, shape: str
) -> tuple[Ratio, Verdict]:
    """The verdict on ``first``; below the floor, the verdict on twice its rounds, measured ``again``, once.

    What fails has been found slower in both measurements. The ratio returned is the one that was judged.
    """
    verdict = judge(first.median, stored, shape)
    if verdict.status != "slower":
        return first, verdict
    second = again(2 * first.rounds)
    verdict = judge(second.median, stored, shape)
    return second, verdict._replace(
        why=f"{verdict.why} (measured again: {first.median:.3g} at first, then {second.median:.3g})"
    )
