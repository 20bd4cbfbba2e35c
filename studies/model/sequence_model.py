"""An input layer, recurrent layers and a decoder, in the shape in which the papers compare cells."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from cells import Recurrent
from studies.core.task import Features, Tokens


class SequenceModel(nn.Module):
    """``embed`` → ``recurrent`` → ``decode``, time first.

    ``embed``: tokens (T, B) or features (T, B, D) to what the lowest layer reads; ``recurrent``: a
    :class:`cells.Recurrent` or anything that maps ``(xs, state)`` to ``(outputs, state)``, such as
    ``nn.LSTM``; ``decoder``: readouts to outputs; ``decode``: "every" step or the "last" real one of each
    sequence.
    """

    def __init__(
        self,
        embed: nn.Module,
        recurrent: nn.Module,
        decoder: nn.Module,
        decode: Literal["every", "last"],
    ) -> None:
        super().__init__()
        self.embed, self.recurrent, self.decoder = embed, recurrent, decoder
        self.decode = decode

    def forward(
        self, inputs: Tensor, state: Any, lengths: Tensor | None, fresh: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Outputs (T, B, K), or (B, K) for ``decode="last"``, and the last state.

        ``state``: None to begin at the initial state; ``lengths``: (B,) real steps, None for all; ``fresh``:
        (B,) rows that begin at the initial state although a state is carried on.
        """
        if state is not None and fresh is not None:
            start = self.recurrent.initial_state(*fresh.shape)  # type: ignore[operator]
            state = where(fresh, start, state)
        if self.decode == "last" and lengths is None and isinstance(self.recurrent, Recurrent):
            # our own kernels then neither decode nor differentiate the steps before
            readouts, state = self.recurrent(self.embed(inputs), state, read="last")
            return self.decoder(readouts), state
        readouts, state = self.recurrent(self.embed(inputs), state)
        if self.decode == "last":
            readouts = readouts[-1] if lengths is None else _at(readouts, lengths - 1)
        return self.decoder(readouts), state


def where(rows: Tensor, new: Any, old: Any) -> Any:
    """State ``new`` in the ``rows`` (B,) named, ``old`` in the others; both trees of (B, …) tensors."""
    if isinstance(old, Tensor):
        return torch.where(rows.reshape(-1, *[1] * (old.dim() - 1)), new, old)
    parts = [where(rows, n, o) for n, o in zip(new, old, strict=True)]
    return type(old)(*parts) if hasattr(old, "_fields") else type(old)(parts)


def _at(readouts: Tensor, steps: Tensor) -> Tensor:
    """``readouts`` (T, B, R) at one step per row."""
    index = steps.reshape(1, -1, 1).expand(1, -1, readouts.shape[-1])
    return readouts.gather(0, index).squeeze(0)


def embedding(source: Tokens | Features, size: int | None) -> tuple[nn.Module, int]:
    """The input layer and its width.

    Tokens: an embedding of ``size`` (None: one-hot as wide as the vocabulary). Features: a linear map to
    ``size`` and tanh, as GATO does for vital signs (appendix C.1), or None for the features themselves.
    """
    if isinstance(source, Tokens):
        if size is None:
            return OneHot(source.count), source.count
        return nn.Embedding(source.count, size), size
    if size is None:
        return nn.Identity(), source.size
    return nn.Sequential(nn.Linear(source.size, size), nn.Tanh()), size


class OneHot(nn.Module):
    """Tokens (…) to indicator vectors (…, ``count``)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.eye(count), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Rows of the identity matrix."""
        return self.get_buffer("rows")[tokens]


def decoder(readout_size: int, output_size: int, hidden: int | None) -> nn.Module:
    """A linear map, or one ReLU layer of ``hidden`` units before it (GATO section 5: "one hidden layer")."""
    if hidden is None:
        return nn.Linear(readout_size, output_size)
    return nn.Sequential(nn.Linear(readout_size, hidden), nn.ReLU(), nn.Linear(hidden, output_size))
