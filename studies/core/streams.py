"""Random streams by name: every use of chance has its own, derived from the seed and nothing else.

A generator that is advanced by use would make a resumed run, or a replicate trained beside others, see
other numbers. Here each stream is a pure function of its address, so that there is no state to save.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream_key(*address: int | str) -> int:
    """A 63-bit key for ``address``, such as ``(seed, "order", epoch)``; equal on every machine."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in address)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def stream(*address: int | str) -> np.random.Generator:
    """A NumPy generator at the beginning of the stream ``address``."""
    return np.random.default_rng(stream_key(*address))
