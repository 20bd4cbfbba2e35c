"""Whether an implementation has become slower: three witnesses against what was stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from alternating import Ratio
from environment import LEAST_SHARE
from result import Result

# Of what was stored; 30 % slower is 0.77.
FLOOR = 0.85
WITNESSES = 2  # that agree
ACQUITTED = 0.88
PAUSE = 15.0  # seconds: what a neighbor compiles, or reads at its start, is over by then


class Measured(NamedTuple):
    """``ratio`` to the reference, ``stream`` to the elementwise pass, ``seconds`` of one call."""

    ratio: Ratio
    stream: float
    seconds: float


class Verdict(NamedTuple):
    """``status``: "held", "slower" (a failure), "faster" (store it), "busy" (not to be judged), "reported".

    ``why`` in words.
    """

    status: str
    why: str


def judge(
    found: Measured,
    stored: Result | None,
    shape: str,
    *,
    kernel: bool = True,
    floor: float = FLOOR,
) -> Verdict:
    """What ``found`` on ``shape`` says beside what was stored on this key, if anything was.

    One witness may err: an ``nn.LSTM`` takes 18 % longer where processes take turns on a processor, which
    hardly touches a kernel that streams; memory that a neighbor fills slows the kernel and the stream;
    seconds belong to the machine. So a ``kernel`` is slower where two of the three shares are below the
    floor. Other work, that of an interpreter or of large products, suffers from neighbors more than a stream
    does: of that the seconds are not heard, and both ratios must agree.
    """
    if stored is None:
        return Verdict("reported", "nothing stored under this key")
    if stored.shape != shape:
        return Verdict("reported", f"stored for another shape, {stored.shape}")
    shares = (
        found.ratio.median / stored.ratio,
        found.stream / stored.stream,
        stored.seconds / found.seconds,
    )
    by_ratio, *others = (f"{share:.2f}" for share in shares)
    why = f"{by_ratio} of the stored ratio {stored.ratio:.3g}, {' and '.join(others)} by stream and seconds"
    heard = shares if kernel else shares[:WITNESSES]
    if sum(share < floor for share in heard) >= WITNESSES:
        wanted = "two of the three" if kernel else "one of the first two"
        return Verdict("slower", f"{why}; expected {wanted} at {floor} at least")
    faster = sum(share > 1 / FLOOR for share in heard) >= WITNESSES
    return Verdict("faster" if faster else "held", why)


def judge_again(
    first: Measured,
    again: Callable[[int, float], Measured],
    stored: Result | None,
    shape: str,
    *,
    kernel: bool = True,
    share: Callable[[], float] = lambda: 1.0,
) -> tuple[Measured, Verdict]:
    """The verdict on ``first``; while that is slower, on what is measured ``again``, at most twice more.

    ``again`` is asked for twice the rounds after a pause of so many seconds: none at first, then PAUSE, since
    a neighbor comes and goes, and code that has become slower stays so. After two verdicts the third has to
    be clearer, ACQUITTED. What is returned is the measurement that was judged. ``share``: how much of a
    processor this process gets; where that is less than LEAST_SHARE, processes take turns on it, caches are
    cold after each, and nothing that is slow can be told from what has become slower.
    """
    verdict = judge(first, stored, shape, kernel=kernel)
    found, ratios = first, [first.ratio.median]
    for pause, floor in ((0.0, FLOOR), (PAUSE, ACQUITTED)):
        if verdict.status != "slower":
            break
        found = again(2 * first.ratio.rounds, pause)
        ratios.append(found.ratio.median)
        verdict = judge(found, stored, shape, kernel=kernel, floor=floor)
    if len(ratios) > 1:
        course = ", then ".join(f"{one:.3g}" for one in ratios)
        verdict = verdict._replace(why=f"{verdict.why} (measured again: {course})")
    if verdict.status == "slower" and (got := share()) < LEAST_SHARE:
        why = f"this process gets {got:.0%} of a processor, too little to judge by: {verdict.why}"
        verdict = Verdict("busy", why)
    return found, verdict
