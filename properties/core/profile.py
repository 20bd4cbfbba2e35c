"""How much is searched: ``dev`` (seconds), ``ci`` (a minute), ``nightly`` (as long as it takes)."""

from __future__ import annotations

from dataclasses import dataclass

from properties.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Profile:
    """The budget of a certificate.

    ``regimes``: Hypothesis examples per property and scope; ``draws``: parameter draws evaluated together
    in each; ``single_draws``: the same for a cell that cannot be vmapped; ``gap``: longest T − t of the
    identity block; ``horizon``: steps of a rollout; ``confirm``: how many times longer a rollout that
    seems to grow is repeated; ``initializations``: fresh constructions per size; ``shrinks``: regimes
    tried to make a counterexample smaller. The seed alone decides every draw in all of them.
    """

    name: str
    regimes: int
    draws: int
    single_draws: int
    gap: int
    horizon: int
    confirm: int
    initializations: int
    shrinks: int


PROFILES = {
    p.name: p
    for p in (
        Profile("dev", 3, 144, 6, 48, 128, 4, 12, 8),
        Profile("ci", 8, 288, 12, 256, 384, 6, 32, 24),
        Profile("nightly", 120, 512, 48, 2048, 4096, 16, 128, 200),
    )
}


def profile(name: str) -> Profile:
    """The profile called ``name``. Raises :class:`UsageError` that lists the known ones."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UsageError(f"profile: expected one of {', '.join(PROFILES)}, got {name!r}") from None
