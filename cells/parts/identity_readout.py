"""What follows from a decoder that reads one field of the state as it is."""

from __future__ import annotations

from cells.core.claims import Claim


def identity_readout(symbol: str) -> tuple[Claim, Claim]:
    """The claims on γ′ of a cell whose readout is the state field called ``symbol`` in its paper."""
    because = f"the decoder sees {symbol} itself, so γ is the identity and γ′ = 1 everywhere"
    return (
        Claim("non-saturating", because, window=(1.0, 0.5)),
        Claim("bounded-decoder-gradient", because, bound=1.0),
    )
