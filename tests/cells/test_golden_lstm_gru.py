"""Golden trajectories: what each name computed when it was written, at fixed weights and inputs.

The transcriptions of the other files say what is right; these numbers say that it has not moved. Weights
and inputs are sines of their index, so that no random generator takes part.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

import cells

# the readout of four units after five steps
GOLDEN: dict[str, list[float]] = {
    "elman": [0.9925443740016788, 0.06607614034736066, 0.9487349246671603, -0.9710361106828919],
    "lstm": [0.4149038076136312, -0.2872813913999158, -0.6820490589226477, -0.30094365411126933],
    "lstm-diag": [
        0.3496675898000877,
        -0.3087961536994286,
        -0.7173099372788712,
        -0.34022654535498487,
    ],
    "lstm-tied": [
        -0.48618058487109034,
        -0.194720381262507,
        -0.0012133275923196182,
        0.2074241128801728,
    ],
    "c-lstm": [
        -0.48618058487109034,
        -0.194720381262507,
        -0.0012133275923196182,
        0.2074241128801728,
    ],
    "o-lstm": [-0.5839452275276025, -0.2921038366712581, 0.002753722595502703, 0.0],
    "u-lstm": [
        -0.48618058487109034,
        -0.194720381262507,
        -0.0012133275923196182,
        0.2074241128801728,
    ],
    "r-lstm": [
        -0.3962407328266993,
        -0.11926039506041182,
        0.007832597244938951,
        0.18974840109297583,
    ],
    "cr-lstm": [
        -0.3962407328266993,
        -0.11926039506041182,
        0.007832597244938951,
        0.18974840109297583,
    ],
    "or-lstm": [-0.5923213296036781, -0.157010275959519, 0.0011907561815563397, 0.0],
    "ur-lstm": [
        -0.3962407328266993,
        -0.11926039506041182,
        0.007832597244938951,
        0.18974840109297583,
    ],
    "m-lstm": [
        -0.5727498294816371,
        -0.2293339039815058,
        -0.005600114384500787,
        0.20023854288797205,
    ],
    "cm-lstm": [
        -0.5727498294816371,
        -0.2293339039815058,
        -0.005600114384500787,
        0.20023854288797205,
    ],
    "om-lstm": [-0.5799309703407598, -0.32242244428051037, 0.010726500771303518, 0.0],
    "um-lstm": [
        -0.5727498294816371,
        -0.2293339039815058,
        -0.005600114384500787,
        0.20023854288797205,
    ],
    "on-lstm": [0.35822608283644064, -0.05815921795662513, -0.09100519334971266, 0.0],
    "gru": [0.9676255029738947, -0.550887819573187, -0.4142022150593111, -0.6444314404944989],
    "gru-diag": [0.9827665511187595, -0.5016556239836567, -0.6189323081039546, -0.6025149129794461],
    "c-gru": [0.9676255029738947, -0.550887819573187, -0.4142022150593111, -0.6444314404944989],
    "o-gru": [0.9476758872697801, -0.26775525162527664, -0.8019046144883872, 0.0],
    "u-gru": [0.9676255029738947, -0.550887819573187, -0.4142022150593111, -0.6444314404944989],
    "r-gru": [-0.27688428073371346, 0.7696478067368397, 0.42136702935055736, 0.6155081053801003],
    "cr-gru": [-0.27688428073371346, 0.7696478067368397, 0.42136702935055736, 0.6155081053801003],
    "or-gru": [0.10354009395043197, 0.6847085701805807, 0.5560739518220862, 0.0],
    "ur-gru": [-0.27688428073371346, 0.7696478067368397, 0.42136702935055736, 0.6155081053801003],
    "m-gru": [-0.49574236538036937, 0.8028011247502124, 0.3076245801205156, 0.6697769790190584],
    "cm-gru": [-0.49574236538036937, 0.8028011247502124, 0.3076245801205156, 0.6697769790190584],
    "om-gru": [-0.3622328860442128, 0.4734280002520048, 0.01435634123897593, 0.0],
    "um-gru": [-0.49574236538036937, 0.8028011247502124, 0.3076245801205156, 0.6697769790190584],
}


def wave(count: int, pace: float) -> torch.Tensor:
    """sin(pace·1), sin(pace·2), …, in float64."""
    return torch.sin(pace * torch.arange(1, count + 1, dtype=torch.float64))


def trajectory(name: str) -> list[float]:
    """The readout after five steps of two inputs, every parameter a wave of its own pace."""
    cell: Any = cells.get(name)(2, 4).double()
    with torch.no_grad():
        for k, parameter in enumerate(cell.parameters()):
            parameter.copy_(wave(parameter.numel(), 0.7 + 0.1 * k).reshape(parameter.shape))
    readouts, _ = cells.unroll(cell, wave(10, 1.3).reshape(5, 2))
    out: list[float] = readouts[-1].detach().tolist()
    return out


@pytest.mark.parametrize("name", GOLDEN)
def test_trajectory_has_not_moved(name: str) -> None:
    """Five float64 steps end where they did, to twelve digits."""
    assert GOLDEN[name] == pytest.approx(trajectory(name), rel=1e-12, abs=1e-14)


def test_different_gates_give_different_trajectories() -> None:
    """Names with the same parameters differ in the initial draw alone; all others compute apart."""
    alike = {
        "lstm-tied": {"c-lstm", "u-lstm"},
        "r-lstm": {"cr-lstm", "ur-lstm"},
        "m-lstm": {"cm-lstm", "um-lstm"},
        "gru": {"c-gru", "u-gru"},
        "r-gru": {"cr-gru", "ur-gru"},
        "m-gru": {"cm-gru", "um-gru"},
    }
    for first, others in alike.items():
        assert all(GOLDEN[first] == GOLDEN[other] for other in others)
    representatives = set(GOLDEN) - set().union(*alike.values())
    assert len(representatives) == len({tuple(GOLDEN[n]) for n in representatives})
