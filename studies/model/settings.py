"""The model of a study as data, and its construction from a seed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

import cells
from studies.core.errors import StudyError
from studies.core.streams import stream_key
from studies.core.task import Source, Tokens
from studies.model.sequence_model import SequenceModel, decoder, embedding


@dataclass(frozen=True)
class ModelSettings:
    """A cell by name (or ``package.module:attribute``), its width and knobs, and what stands around it.

    ``hidden_size``: the width of the whole state (GATO: both channels); ``layers``: how many cells are
    stacked; ``embedding``: width of the input layer, None for the raw input (one-hot for tokens);
    ``decoder_hidden``: units of the decoder's hidden layer, None for a linear decoder; ``parameters``: in
    place of ``hidden_size``, a budget for all layers together, from which the width follows.
    """

    cell: str
    hidden_size: int | None = None
    knobs: Mapping[str, Any] = field(default_factory=dict)
    layers: int = 1
    embedding: int | None = None
    decoder_hidden: int | None = None
    parameters: int | None = None

    def __post_init__(self) -> None:
        for name in ("hidden_size", "layers", "embedding", "decoder_hidden", "parameters"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise StudyError(f"{name}: expected a whole number of at least 1, got {value!r}")
        if (self.hidden_size is None) == (self.parameters is None):
            raise StudyError(
                "model.hidden_size or model.parameters: expected one of them, a width or a budget that it "
                f"follows from; got {self.hidden_size!r} and {self.parameters!r}"
            )


def cell_factory(name: str) -> Callable[..., Any]:
    """The factory ``(input_size, hidden_size, **knobs)`` of a registered or a user's own cell.

    Raises :class:`StudyError` for a name that is not registered (near ones listed) and not importable.
    """
    if ":" not in name:
        try:
            return cells.get(name)
        except cells.UnknownNameError as error:
            raise StudyError(str(error)) from None
    module, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise StudyError(
            f"cell {name}: expected package.module:attribute that can be imported; {error}: put its "
            "folder on PYTHONPATH or mend the name"
        ) from error
    if not callable(factory):
        raise StudyError(f"cell {name}: expected a class or function, got {factory!r}")
    return factory  # type: ignore[no-any-return]


def width_of(settings: ModelSettings, source: Source) -> int:
    """``hidden_size``, or the one at which the layers have about ``parameters`` parameters.

    All layers are counted as reading what the lowest reads. Raises :class:`StudyError` where no width fits.
    """
    if settings.hidden_size is not None:
        return settings.hidden_size
    given = source.input.count if isinstance(source.input, Tokens) else source.input.size
    try:
        return cells.size_for_parameters(
            cell_factory(settings.cell),
            (settings.parameters or 0) // settings.layers,
            input_size=settings.embedding or given,
            **settings.knobs,
        )
    except (TypeError, ValueError) as error:
        raise StudyError(f"model.parameters: {error}") from error


def build(settings: ModelSettings, source: Source, seed: int) -> SequenceModel:
    """The model for ``source``, its parameters drawn from the initialization stream of ``seed``.

    The global generator is left as it was. Raises :class:`StudyError` for a knob that the cell does not have
    or a value out of its range.
    """
    factory = cell_factory(settings.cell)
    size = width_of(settings, source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(seed, "initialization"))
        embed, width = embedding(source.input, settings.embedding)
        layers = []
        for _ in range(settings.layers):
            try:
                cell = factory(width, size, **settings.knobs)
                if not hasattr(cell, "step"):  # such as torch.nn.LSTMCell
                    cell = cells.adapt(cell)
            except (TypeError, ValueError, cells.AdaptError) as error:
                raise StudyError(f"cell {settings.cell}: {error}") from error
            layers.append(cell)
            width = _readout_size(settings.cell, cell, width)
        head = decoder(width, source.output_size, settings.decoder_hidden)
    return SequenceModel(embed, _recurrent(layers), head, source.decode)


def _readout_size(name: str, cell: Any, input_size: int) -> int:
    """The width of what a decoder sees, found by taking one step; a cell that cannot take it is named."""
    try:
        with torch.no_grad():
            state = cell.step(torch.zeros(2, input_size), cell.initial_state(2))
            return int(cell.readout(state).shape[-1])
    except Exception as error:
        raise StudyError(
            f"cell {name}: expected initial_state, step and readout to work on a batch of 2, got "
            f"{type(error).__name__}: {error}; `python -m properties {name}` says more"
        ) from error


def _recurrent(layers: list[Any]) -> nn.Module:
    try:
        return cells.Recurrent(*layers)
    except (TypeError, ValueError) as error:
        raise StudyError(f"the layers do not stack: {error}") from error
