r"""EURNN: efficient unitary recurrent network of tunable capacity.

.. math::

    z_t = W x_t + b + U h_{t-1} \qquad h_t = \mathrm{modReLU}(z_t) \qquad
    \mathrm{modReLU}(z)_i = \frac{z_i}{|z_i|}\,\mathrm{ReLU}(|z_i| + m_i)

with a complex state and a unitary :math:`U = D F_L \cdots F_1`. Each :math:`F_\ell` turns disjoint
pairs of coordinates by

.. math::

    (a, b) \mapsto \bigl(e^{i\varphi}(\cos\theta\,a - \sin\theta\,b),\ \sin\theta\,a + \cos\theta\,b\bigr)

Symbols:    h -> state.hidden (complex); W -> weight_ih, b -> bias_ih, φ -> phi, θ -> theta (row ℓ − 1
            of each belongs to F_ℓ), D = diag(e^{iω}), ω -> diagonal, m -> modrelu_bias, L -> capacity
Shapes:     x (\*batch, D), hidden (\*batch, H) complex, readout (\*batch, H), or (\*batch, 2H) for
            readout="concat" (real parts first)
Convention: odd ℓ pairs coordinates (0,1), (2,3), …; even ℓ pairs (1,2), (3,4), …, (H−1,0). F_1 acts
            first (GATO prints U = D F_1…F_L; numbering the factors the other way is no change of
            the family). A complex coordinate counts once in hidden_size, as the published counts do.
Paper and code: the published counts H(D + L + 2) leave room for H parameters that are either the input
            bias b (default, as in one public implementation) or the phases ω: ``spend``. The
            initial modReLU bias is unstated; 0 is the default, since a positive one makes ‖h‖
            grow by at least that much per step without any input ("uniform" draws it from (0, 1), as
            that implementation does). At z = 0 modReLU is 0 with slope 1 for m ≥ 0, 0 for m < 0.
Reference:  Jing et al.: Tunable Efficient Unitary Neural Networks (EUNN) and their application to
            RNNs, ICML 2017; GATO: Gates Are Not the Only Option, submission to ICLR 2020, appendix H.
Example:
    >>> from cells.eurnn import EURNN
    >>> cell = EURNN(input_size=3, hidden_size=8)
    >>> cell.initial_state(5).hidden.dtype
    torch.complex64
"""

from __future__ import annotations

from typing import Literal, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.parts.initializers import library_linear
from cells.parts.input_map import input_map
from cells.parts.sizes import one_of, positive


class EURNNState(NamedTuple):
    r"""``hidden`` h: (\*batch, H), complex."""

    hidden: Tensor


class Angles(NamedTuple):
    """Cosines and sines of every layer of U, (L, H/2): e^{iφ} ``turn``, ``cos`` and ``sin`` of θ; e^{iω}."""

    turn: tuple[Tensor, ...]
    cos: tuple[Tensor, ...]
    sin: tuple[Tensor, ...]
    diagonal: Tensor | None


class EURNNInputs(NamedTuple):
    r"""``maps`` W x + b: (\*batch, H), real; ``angles``: for every step."""

    maps: Tensor
    angles: Angles


def modrelu(z: Tensor, bias: Tensor) -> Tensor:
    """z/|z| · ReLU(|z| + bias), with finite gradients everywhere, z = 0 included."""
    magnitude = z.abs()
    zero = magnitude == 0
    phase = z / torch.where(zero, torch.ones_like(magnitude), magnitude)
    # at 0 the slope is that of the limit: the identity for bias 0, none below; a positive bias has no
    # limit there, and its direction is as arbitrary as its slope
    at_zero = z * (bias >= 0)
    return torch.where(zero, at_zero, phase * F.relu(magnitude + bias))


@register("eurnn")
@final
class EURNN(Projected[EURNNState], nn.Module):
    """The efficient unitary recurrent network; ``hidden_size`` counts complex coordinates.

    ``capacity``: L, the number of rotation layers; ``readout``: "re", "im", "abs" or "concat" of h;
    ``spend``: what the H parameters are that the counts leave open, "input_bias" or "diagonal";
    ``modrelu_init``: start the modReLU biases at "zero" or draw them "uniform" from (0, 1). Raises
    ``ValueError`` for an odd ``hidden_size``, a size below 1 or an unknown name. Source: GATO
    appendices C.2, H.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        capacity: int = 2,
        readout: Literal["re", "im", "abs", "concat"] = "re",
        spend: Literal["input_bias", "diagonal"] = "input_bias",
        modrelu_init: Literal["zero", "uniform"] = "zero",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size, capacity=capacity)
        one_of("readout", readout, ("re", "im", "abs", "concat"))
        one_of("spend", spend, ("input_bias", "diagonal"))
        one_of("modrelu_init", modrelu_init, ("zero", "uniform"))
        if hidden_size % 2:
            raise ValueError(
                "hidden_size: expected an even number, since coordinates are rotated in pairs, "
                f"got {hidden_size!r}; use {hidden_size + 1}"
            )
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.capacity, self.readout_mode = capacity, readout
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size))
        self.phi = nn.Parameter(torch.empty(capacity, hidden_size // 2))
        self.theta = nn.Parameter(torch.empty(capacity, hidden_size // 2))
        self.modrelu_bias = nn.Parameter(torch.empty(hidden_size))
        spent = nn.Parameter(torch.empty(hidden_size))
        self.bias_ih = spent if spend == "input_bias" else None
        self.diagonal = spent if spend == "diagonal" else None
        self.reset_parameters(modrelu_init, generator)
        self.claims, self.denies = _declarations()

    @torch.no_grad()
    def reset_parameters(
        self, modrelu_init: str = "zero", generator: Generator | None = None
    ) -> None:
        """Draw every parameter anew: angles N(0, 1), W and b as ``nn.Linear`` (GATO appendix C.2)."""
        library_linear((self.weight_ih, self.bias_ih), self.input_size, generator)
        for angles in (self.phi, self.theta, self.diagonal):
            if angles is not None:
                angles.normal_(generator=generator)
        if modrelu_init == "uniform":
            self.modrelu_bias.uniform_(generator=generator)
        else:
            self.modrelu_bias.zero_()

    def initial_state(self, *batch: int) -> EURNNState:
        """Zero (unstated in the papers), complex in the parameters' precision.

        Raises ``TypeError`` for parameters of 16 bits: there is no complex arithmetic for them.
        """
        if self.weight_ih.dtype not in (torch.float32, torch.float64):
            raise TypeError(
                "parameters: expected float32 or float64, since torch has no complex numbers of 16 bits to "
                f"hold the state in, got {self.weight_ih.dtype}; call .float() on the cell"
            )
        zeros = self.weight_ih.new_zeros(*batch, self.hidden_size)
        return EURNNState(torch.complex(zeros, zeros))

    def rotate(self, h: Tensor) -> Tensor:
        r"""U h, for complex ``h`` (\*batch, H): keeps every norm."""
        return self._rotate(h, self._angles())

    def _angles(self) -> Angles:
        turn = torch.complex(self.phi.cos(), self.phi.sin())
        omega = self.diagonal
        return Angles(
            turn.unbind(0),
            self.theta.cos().unbind(0),
            self.theta.sin().unbind(0),
            None if omega is None else torch.complex(omega.cos(), omega.sin()),
        )

    def _rotate(self, h: Tensor, angles: Angles) -> Tensor:
        layers = zip(angles.turn, angles.cos, angles.sin, strict=True)
        for layer, (turn, cos, sin) in enumerate(layers):
            shift = layer % 2
            a, b = h.roll(-shift, -1).unflatten(-1, (-1, 2)).unbind(-1)
            pairs = torch.stack((turn * (cos * a - sin * b), sin * a + cos * b), -1)
            h = pairs.flatten(-2).roll(shift, -1)
        return h if angles.diagonal is None else angles.diagonal * h

    def project(self, x: Tensor) -> EURNNInputs:
        """W x + b, and what U is made of."""
        return EURNNInputs(input_map(x, self.weight_ih, self.bias_ih), self._angles())

    def advance(self, projected: EURNNInputs, state: EURNNState) -> EURNNState:
        """One update."""
        z = projected.maps + self._rotate(state.hidden, projected.angles)
        return EURNNState(modrelu(z, self.modrelu_bias))

    def readout(self, state: EURNNState) -> Tensor:
        """Real parts, imaginary parts, magnitudes, or real and imaginary parts side by side."""
        h = state.hidden
        if self.readout_mode == "abs":
            return h.abs()
        if self.readout_mode == "concat":
            return torch.cat((h.real, h.imag), -1)
        return h.real if self.readout_mode == "re" else h.imag


def _declarations() -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    resonance = (
        "U keeps every norm and modReLU with bias 0 is the identity, so an input that follows the "
        "phase of an eigenvalue of U adds up without limit (GATO appendix H)"
    )
    claims = (
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, x)"),
        Claim(
            "non-saturating",
            "each part read is linear in h, and |h_i| has slope ±1 at both ends",
            window=(1.0, 0.5),
        ),
        Claim("bounded-decoder-gradient", "Re, Im and |·| have slope at most 1", bound=1.0),
    )
    denies = (
        Claim(
            "identity-block",
            "the product of the steps is a power of U, which rotates: its norm is 1, not its entries",
        ),
        Claim("bounded-state", resonance, growth="linear"),
        Claim("bounded-decoder", f"the readout grows with h: {resonance}"),
    )
    return claims, denies
