"""The three properties of the decoder, proved together: γ taken apart once for all of them."""

from __future__ import annotations

import math
from typing import Any, Literal

from properties.core.context import Context
from properties.core.proof import Proof

DEFAULT_WINDOW = (2 * math.pi, 0.1)
KEYS = ("bounded-decoder", "non-saturating", "bounded-decoder-gradient")


def decoder_proof(context: Context, scope: str, which: str) -> Proof | None:
    """The proof of ``which`` ("bounded_decoder", "non_saturating", "bounded_gradient").

    The numbers are the ones claimed for ``scope``; a window nobody claims is the default one.
    """
    from properties.proofs.trace import TraceRefused

    description = context.subject.description
    slot = ("decoder proofs", context.doubt, *(description.claim(key, scope) for key in KEYS))
    if slot not in context.notes:
        try:
            context.notes[slot] = _prove(context, scope)
        except TraceRefused as refused:
            context.notes[slot] = refused.reason
    found = context.notes[slot]
    if isinstance(found, str):
        return Proof("inconclusive", (), f"not traced: {found}")
    proof = getattr(found, which)
    status: Literal["proved", "refuted", "inconclusive"] = "refuted"
    if proof.status != "refuted-abstract":
        status = proof.status
    evidence = {
        k: v for k, v in proof.evidence().items() if k not in ("status", "semantics", "reason")
    }
    evidence["at_sizes"] = [list(context.doubt or context.subject.standard_size)]
    reason = proof.reason or f"{proof.method}: bound {proof.bound}"
    return Proof(status, (proof.semantics,), reason, evidence)


def _prove(context: Context, scope: str) -> Any:
    from properties.proofs.decoder import prove_decoder

    description = context.subject.description
    claims = {key: description.claim(key, scope) for key in KEYS}
    bounds = {key: claim.bound if claim else None for key, claim in claims.items()}
    tails = claims["non-saturating"]
    window = tails.window if tails and tails.window else DEFAULT_WINDOW
    size = context.doubt or context.subject.standard_size
    return prove_decoder(
        context.bench(size).sampler.cell,
        bounds["bounded-decoder"],
        window,
        bounds["bounded-decoder-gradient"],
        step=context.traced(size),
    )
