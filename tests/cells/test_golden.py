"""Golden trajectories: four steps of every registered cell, so that a refactoring cannot change one unseen.

They say nothing about what is right; the transcriptions beside this file do. Parameters and inputs come
from a formula, not from a generator: an initialization may change without touching these numbers.
"""

from __future__ import annotations

import math
import zlib

import pytest
import torch

import cells

STEPS = 4
# Of the last readout, at input_size 3 and hidden_size 8: first feature, last feature, sum.
GOLDEN: dict[str, tuple[float, float, float]] = {
    "brhn": (0.135965577125, 0.050437363960, -0.016074661250),
    "brhn-diag": (-0.085144281953, -0.042087776324, 0.078164728388),
    "c-gru": (0.540286883786, 0.088237140967, 0.552268381284),
    "c-lstm": (0.011475780955, 0.291964016748, -0.069876804580),
    "cm-gru": (0.171077935868, -0.724837241004, -1.224876912967),
    "cm-lstm": (0.136062018094, 0.277268788351, 0.126842241908),
    "cr-gru": (0.270693232133, -0.581360101668, -0.213952141971),
    "cr-lstm": (0.017736556013, 0.280817069770, -0.004359797154),
    "elman": (-0.514748992956, 0.599165776734, -0.797184121203),
    "eurnn": (-0.330880810852, -1.048779194278, 0.843889216475),
    "g-lstm": (0.004235939980, 0.068332880044, 0.093447654860),
    "gato": (0.988709711689, -0.997029940028, -0.198433641379),
    "gato-2": (0.988709711689, 0.326382131582, 4.114337459278),
    "gru": (0.540286883786, 0.088237140967, 0.552268381284),
    "gru-diag": (0.517451859471, 0.086985387397, 0.678848796902),
    "indrnn": (0.000000000000, 0.289517712766, 2.012643919623),
    "janet": (-0.421394717903, 0.055679258009, -1.093114683975),
    "kaf-gru": (-0.242505936288, 0.004242323968, 0.229156330599),
    "li-gru": (0.034460911618, 0.000000000000, 0.954160731393),
    "lstm": (0.169545524266, 0.041323512511, -0.233249722985),
    "lstm-diag": (0.166889458815, 0.025219365434, -0.211756159569),
    "lstm-tied": (0.011475780955, 0.291964016748, -0.069876804580),
    "m-gru": (0.171077935868, -0.724837241004, -1.224876912967),
    "m-lstm": (0.136062018094, 0.277268788351, 0.126842241908),
    "mgu": (-0.174932955723, -0.002097538365, 0.313051142705),
    "mogrifier-lstm": (0.053526829380, 0.020199868588, 0.064091428737),
    "nru": (0.245762035522, 0.000000000000, 3.397861849582),
    "o-gru": (0.611641837771, 0.000000000000, 0.274823239536),
    "o-lstm": (-0.177236974932, 0.000000000000, -0.021913624874),
    "om-gru": (0.458222860528, 0.000000000000, 0.219787108357),
    "om-lstm": (-0.126151926805, 0.000000000000, -0.149223232300),
    "on-lstm": (0.406631268416, 0.000000000000, 0.193863567397),
    "or-gru": (0.458594991216, 0.000000000000, 0.065472273874),
    "or-lstm": (-0.192818169250, 0.000000000000, 0.057653027907),
    "r-gru": (0.270693232133, -0.581360101668, -0.213952141971),
    "r-lstm": (0.017736556013, 0.280817069770, -0.004359797154),
    "rhn": (-0.065603325156, 0.266837278588, 0.603428366702),
    "rru": (-0.610660178741, 0.436787113513, -0.108601219817),
    "sru": (0.000000000000, 0.009858620241, 0.340548329465),
    "u-gru": (0.540286883786, 0.088237140967, 0.552268381284),
    "u-lstm": (0.011475780955, 0.291964016748, -0.069876804580),
    "um-gru": (0.171077935868, -0.724837241004, -1.224876912967),
    "um-lstm": (0.136062018094, 0.277268788351, 0.126842241908),
    "ur-gru": (0.270693232133, -0.581360101668, -0.213952141971),
    "ur-lstm": (0.017736556013, 0.280817069770, -0.004359797154),
}


def wave(shape, phase):
    """0.4 sin(phase + k) for k = 0, 1, …, in float64: every entry differs from its neighbors."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (0.4 * torch.sin(phase + k)).reshape(shape)


def last_readout(name):
    """The readout after four steps of the cell registered as ``name``."""
    cell = cells.get(name)(input_size=3, hidden_size=8).double().eval()
    with torch.no_grad():
        for parameter_name, parameter in cell.named_parameters():
            parameter.copy_(wave(parameter.shape, zlib.crc32(parameter_name.encode()) % 97))
        return cells.unroll(cell, 2.5 * wave((STEPS, 3), 1.0))[0][-1]


@pytest.mark.parametrize("name", cells.names())
def test_golden(name):
    """The trajectory is the one that was recorded; a new cell records its own."""
    readout = last_readout(name)
    actual = [readout[0].item(), readout[-1].item(), readout.sum().item()]
    listed = ", ".join(f"{value:.12f}" for value in actual)
    assert name in GOLDEN, (
        f'no trajectory is recorded; check the cell, then add "{name}": ({listed}),'
    )
    assert pytest.approx(GOLDEN[name], rel=1e-9, abs=1e-11) == actual


def test_nothing_golden_is_gone():
    """Every recorded name is registered."""
    assert set() == set(GOLDEN) - set(cells.names())
