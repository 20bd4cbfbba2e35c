"""What a model decodes of a sequence, and how little it asks of its layers for it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cells
from studies.model.sequence_model import SequenceModel


def model(recurrent, width, decode="last"):
    """The raw input, ``recurrent``, and a linear decoder; in double precision."""
    return SequenceModel(nn.Identity(), recurrent, nn.Linear(width, 2), decode).double()


@pytest.mark.parametrize("name", ["gato", "gato-2", "gru", "rru", "mogrifier-lstm"])
def test_the_end_of_every_sequence_is_what_its_length_says(name):
    """Asked for alone, or read at equal lengths out of all: one function, and one gradient."""
    cell = cells.get(name)(3, 8)
    width = cell.readout(cell.initial_state()).shape[-1]
    whole = model(cells.Recurrent(cell), width)
    xs = torch.randn(6, 4, 3, dtype=torch.float64)
    found = []
    for lengths in (None, torch.full((4,), 6)):
        outputs, (state,) = whole(xs, None, lengths)
        gradients = torch.autograd.grad(outputs.square().sum(), list(whole.parameters()))
        found.append([outputs.detach(), *(one.detach() for one in state), *gradients])
    torch.testing.assert_close(*found, atol=1e-12, rtol=1e-12)


def test_the_layers_are_asked_for_the_end_alone():
    """Where all sequences end together, and nothing else is decoded."""
    asked = []
    recurrent = cells.Recurrent(cells.get("gato")(3, 8))
    recurrent.register_forward_pre_hook(
        lambda *given: asked.append(given[-1].get("read", "every")), with_kwargs=True
    )
    xs, lengths = torch.randn(6, 4, 3, dtype=torch.float64), torch.tensor([6, 2, 3, 6])
    for decode, given in (("last", None), ("last", lengths), ("every", None)):
        model(recurrent, 8, decode)(xs, None, given)
    assert ["last", "every", "every"] == asked


def test_torchs_own_layers_are_taken_as_they_are():
    """They know no such word."""
    outputs, _ = model(nn.LSTM(3, 8), 8)(torch.randn(6, 4, 3, dtype=torch.float64), None, None)
    assert outputs.shape == (4, 2)
