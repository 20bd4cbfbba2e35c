"""The elementwise step of a diagonal cell: what one unit does, of which kernels are generated."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

Function = Callable[
    [Sequence[Tensor], Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]
]
Decode = Callable[[Sequence[Tensor]], Sequence[Tensor]]
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Step:
    r"""One unit's step: ``function(states, inputs, weights, constants) -> new states``.

    Every argument is a sequence of tensors of one shape (\*batch, units), but for ``constants``, which are
    scalars; the function applies elementwise operations of torch to them and nothing else, so that units
    cannot interact. ``states``, ``inputs``, ``weights``, ``constants``: how many of each there are;
    ``inputs`` are what a unit gets of W x + b, ``weights`` its own parameters.

    ``decode``: what is read of a unit's new states, ``readouts`` values, elementwise as well; kernels then
    write what a decoder sees, readout by readout, while the states are at hand, where that is wanted. Without
    it the states are all that comes out.

    ``name`` is the identity of the kernel: two steps of one name are the same function. Raises
    ``ValueError`` for a name that is no word of lower-case letters, digits and underscores, for no
    state or no input, for negative counts, and for a decoding without readouts or readouts without it.
    """

    name: str
    function: Function
    states: int
    inputs: int
    weights: int = 0
    constants: int = 0
    readouts: int = 0
    decode: Decode | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"name: expected lower-case words joined by underscores, got {self.name!r}; it becomes "
                "the name of a module"
            )
        least = {"states": 1, "inputs": 1, "weights": 0, "constants": 0, "readouts": 0}
        for what, lowest in least.items():
            if getattr(self, what) < lowest:
                raise ValueError(
                    f"{what}: expected at least {lowest}, got {getattr(self, what)}; a step advances a "
                    "state by what it reads of the input"
                )
        if (self.readouts > 0) != (self.decode is not None):
            raise ValueError(
                f"readouts: expected how many values decode returns, and 0 without decode: got "
                f"{self.readouts} with decode={self.decode!r}"
            )
