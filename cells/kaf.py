r"""KAF-gated GRU: a GRU whose gate function is learned per unit, as a sum of Gaussian kernels.

.. math::

    G(a) = \sigma\left(\tfrac12 \sum_{i=1}^{n_d} \alpha_i e^{-\gamma (a - d_i)^2} + \tfrac12 a\right)

    r_t = G_r(W_r x_t + U_r h_{t-1} + b_r), \qquad z_t = G_z(W_z x_t + U_z h_{t-1} + b_z)

    n_t = \tanh(W_n x_t + U_n (r_t \odot h_{t-1}) + b_n)

    h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t, \qquad y_t = h_t

Symbols:    h -> state.hidden; W_r, U_r, b_r and W_z, U_z, b_z -> gating (stacked in that order);
            W_n, U_n, b_n -> candidate; α, γ, d of G_r and of G_z -> reset_kernel and update_kernel
Shapes:     x (\*batch, D), hidden (\*batch, H), readout (\*batch, H), α (H, n_d), d (n_d,); H = hidden_size.
            A step holds 2·H·n_d kernel values per example.
Convention: z keeps; r multiplies h before the matrix product. 1 − G is computed as σ of minus its
            argument. d is equispaced on [−boundary, boundary] with spacing Δ.
Paper and code: the gate is recalled from the paper, of which only the abstract was at hand: results are to
            be marked so. γ = 1/(8Δ²) in the authors' kernel code (``gamma_rule="code"``), 1/(6Δ²) by the
            rule of the paper (``"paper"``), fixed in both; ``learn_gamma`` trains log γ per unit and gate.
            α = (K + 10⁻⁴ I)⁻¹ d makes the sum about a inside the dictionary, so that G starts at about σ;
            ``alpha_init="normal"`` is the code's default, N(0, 0.8²). Outside the dictionary G(a) tends to
            σ(a/2). Weights and biases: the library's U(±1/√H).
Reference:  Scardapane, Van Vaerenbergh, Comminiello, Totaro & Uncini, Recurrent neural networks with
            flexible gates using kernel activation functions, 2018.
Example:
    >>> from cells.kaf import KAFGRU
    >>> cell = KAFGRU(input_size=3, hidden_size=8, dictionary_size=10)
    >>> cell.update_kernel.alpha.shape
    torch.Size([8, 10])
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple, final

import torch
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.parts.affine import Affine
from cells.parts.gates import Coefficients
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_rnn
from cells.parts.sizes import one_of, positive

RIDGE = 1e-4
"""What is added to the diagonal of the kernel matrix, which is nearly singular (the code's value)."""

LOG_GAMMA_LIMIT = 60.0
"""Beyond e^60 a kernel is zero everywhere but at its own point, and 0 · ∞ would be near."""


class KAFState(NamedTuple):
    """``hidden`` h: (\\*batch, H)."""

    hidden: Tensor


class KAFInputs(NamedTuple):
    """``gating`` W x + b of r and z: (\\*batch, 2H); ``candidate`` W_n x + b_n: (\\*batch, H)."""

    gating: Tensor
    candidate: Tensor


class KernelGate(nn.Module):
    """½ KAF(a) + ½ a, the argument of the sigmoid of a kernel-activated gate, one function per unit."""

    dictionary: Tensor
    log_gamma: Tensor

    def __init__(
        self, units: int, dictionary_size: int, boundary: float, gamma: float, learn_gamma: bool
    ) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(units, dictionary_size))
        points = torch.linspace(-boundary, boundary, dictionary_size)
        self.register_buffer("dictionary", points)
        log_gamma = torch.full((units,), math.log(gamma))
        if learn_gamma:
            self.log_gamma = nn.Parameter(log_gamma)
        else:
            self.register_buffer("log_gamma", log_gamma)

    @torch.no_grad()
    def reset_parameters(
        self, alpha_init: str, boundary: float, gamma: float, generator: Generator | None
    ) -> None:
        """α by ridge regression on the identity ("sigmoid") or N(0, 0.8²) ("normal"); γ as given."""
        self.log_gamma.fill_(math.log(gamma))
        if alpha_init == "normal":
            self.alpha.normal_(0, 0.8, generator=generator)
            return
        # solved in float64, since the kernel matrix is close to singular
        d = torch.linspace(-boundary, boundary, self.alpha.shape[1], dtype=torch.float64)
        kernel = torch.exp(-gamma * (d.unsqueeze(-1) - d) ** 2)
        ridge = RIDGE * torch.eye(len(d), dtype=torch.float64)
        self.alpha.copy_(torch.linalg.solve(kernel + ridge, d).expand_as(self.alpha))

    def forward(self, a: Tensor) -> Tensor:
        """``a`` (\\*batch, units) to the same shape; G(a) is the sigmoid of the result."""
        gamma = self.log_gamma.clamp(max=LOG_GAMMA_LIMIT).exp().unsqueeze(-1)
        kernels = torch.exp(-gamma * (a.unsqueeze(-1) - self.dictionary) ** 2)
        return 0.5 * (self.alpha * kernels).sum(-1) + 0.5 * a


class UpdateGate:
    """G and 1 − G of a pre-activation ``update``, with the kernel that the cell trains."""

    def __init__(self, kernel: KernelGate) -> None:
        self.kernel = kernel
        self.blocks: Mapping[str, int] = {"update": kernel.alpha.shape[0]}

    def __call__(self, update: Tensor) -> Coefficients:
        """``update`` (\\*batch, units), as are both coefficients."""
        argument = self.kernel(update)
        return Coefficients(torch.sigmoid(argument), torch.sigmoid(-argument))


@register("kaf-gru")
@final
class KAFGRU(Projected[KAFState], nn.Module):
    """The KAF-gated GRU; 3H(D + H + n_b) + 2H·n_d parameters, 2H more with ``learn_gamma``.

    ``dictionary_size``: n_d, at least 2; ``boundary``: where the dictionary ends; ``gamma_rule``: "code" or
    "paper"; ``learn_gamma``: train γ; ``alpha_init``: "sigmoid" or "normal"; ``n_b``: stored biases per
    affine map. Raises ``ValueError`` for a knob out of range.
    """

    channels = Channels(recurrent=("hidden",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dictionary_size: int = 20,
        boundary: float = 4.0,
        gamma_rule: Literal["code", "paper"] = "code",
        learn_gamma: bool = False,
        alpha_init: Literal["sigmoid", "normal"] = "sigmoid",
        n_b: Literal[0, 1, 2] = 1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size, dictionary_size=dictionary_size)
        one_of("gamma_rule", gamma_rule, ("code", "paper"))
        one_of("alpha_init", alpha_init, ("sigmoid", "normal"))
        if dictionary_size < 2:
            raise ValueError(
                "dictionary_size: expected at least 2 points, whose spacing sets γ: "
                f"got {dictionary_size}"
            )
        if not 0 < boundary < math.inf:
            raise ValueError(
                f"boundary: expected a positive finite number, got {boundary!r}; "
                "the dictionary spans ±boundary: the default is 4"
            )
        spacing = 2 * boundary / (dictionary_size - 1)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.boundary, self.alpha_init = boundary, alpha_init
        self.gamma = 1 / ((8 if gamma_rule == "code" else 6) * spacing**2)
        self.gating = Affine(input_size, hidden_size, 2, n_b=n_b)
        self.candidate = Affine(input_size, hidden_size, 1, n_b=n_b)
        self.reset_kernel, self.update_kernel = (
            KernelGate(hidden_size, dictionary_size, boundary, self.gamma, learn_gamma)
            for _ in range(2)
        )
        self.reset_parameters(generator)
        convex = "h_t lies between h_(t−1) and n ∈ (−1, 1) in every unit, since G is in (0, 1)"
        self.claims = (
            Claim("well-posed", "the step is a composition of torch functions of (θ, h, x)"),
            Claim("bounded-decoder", convex, bound=1.0),
            Claim("bounded-state", convex, bound=1.0),
            *identity_readout("h"),
            Claim(
                "gate-gradient",
                "far from the dictionary G(a) = σ(a/2): half the gradient of a sigmoid",
                bound=0.49,
            ),
        )
        self.denies = (
            Claim("identity-block", "h is scaled by z = G(·), which reads h and is below 1"),
        )

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew."""
        affine = (*self.gating.parameters(), *self.candidate.parameters())
        library_rnn(affine, self.hidden_size, generator)
        for kernel in (self.reset_kernel, self.update_kernel):
            kernel.reset_parameters(self.alpha_init, self.boundary, self.gamma, generator)

    @property
    def gates(self) -> Mapping[str, UpdateGate]:
        """The update gate by what it carries, as a function of its pre-activation."""
        return {"hidden": UpdateGate(self.update_kernel)}

    def gate_values(self, x: Tensor, state: KAFState) -> Coefficients:
        """Return what the step from ``state`` keeps of h and writes of n: each (\\*batch, H)."""
        return self.gates["hidden"](self.gating(x, state.hidden)[1])

    def initial_state(self, *batch: int) -> KAFState:
        """Zero."""
        return KAFState(self.gating.weight_ih.new_zeros(*batch, self.hidden_size))

    def project(self, x: Tensor) -> KAFInputs:
        """What all three maps read of x."""
        return KAFInputs(self.gating.input_part(x), self.candidate.input_part(x))

    def advance(self, projected: KAFInputs, state: KAFState) -> KAFState:
        """One update."""
        h = state.hidden
        reset, update = self.gating.split(projected.gating + self.gating.state_part(h))
        keep, write = self.gates["hidden"](update)
        shown = torch.sigmoid(self.reset_kernel(reset)) * h
        candidate = projected.candidate + self.candidate.state_part(shown)
        return KAFState(keep * h + write * torch.tanh(candidate))

    def readout(self, state: KAFState) -> Tensor:
        """The hidden state itself."""
        return state.hidden
