r"""SRU: the *statistical* recurrent unit (not the simple recurrent unit of the same acronym).

.. math::

    \rho_t = \mathrm{ReLU}(W_r \mu_{t-1} + b_r) \qquad
    \varphi_t = \mathrm{ReLU}(W_\varphi \rho_t + W_x x_t + b_\varphi)

    \mu_t^{(\alpha)} = \alpha\,\mu_{t-1}^{(\alpha)} + (1 - \alpha)\,\varphi_t
    \quad\text{for each } \alpha

with the readout :math:`\mu_t`, or :math:`o_t = \mathrm{ReLU}(W_o \mu_t + b_o)` where ``output_size`` is
given.

Symbols:    μ -> state.averages (α-major: all units of the first α, then of the second, …); W_r, b_r ->
            weight_summary, bias_summary; W_x, W_φ, b_φ -> weight_ih, weight_hh, bias; W_o, b_o ->
            weight_out, bias_out; α -> alphas
Shapes:     x (\*batch, D), averages (\*batch, A s) with A = len(alphas) and s = ⌊hidden_size / A⌋,
            readout (\*batch, A s) or (\*batch, output_size)
Convention: α is the share that is kept. The width is rounded down: hidden_size is what was asked for,
            state_size = A s what there is (512 becomes 510).
Paper and code: the printed equations of GATO have no biases and no R; its counts have one bias per
            ReLU, R = A s and no output layer, which are the defaults. The authors' own code has
            an output layer and R = 16 with s = 64. α = 1 is refused unless ``allow_frozen``: that
            average never changes, as GATO notes.
Reference:  Oliva, Póczos, Schneider: The Statistical Recurrent Unit, ICML 2017; GATO: Gates Are Not
            the Only Option, submission to ICLR 2020, appendix I.
Example:
    >>> from cells.sru import SRU
    >>> cell = SRU(input_size=3, hidden_size=12)
    >>> cell.initial_state(5).averages.shape
    torch.Size([5, 10])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_linear
from cells.parts.input_map import input_map
from cells.parts.sizes import positive, within

if TYPE_CHECKING:
    from collections.abc import Sequence


class SRUState(NamedTuple):
    r"""``averages`` μ: (\*batch, A s), never negative from a non-negative start."""

    averages: Tensor


@register("sru")
@final
class SRU(Projected[SRUState], nn.Module):
    """The statistical recurrent unit.

    ``alphas``: the shares kept, each from 0 to 1; ``summary_size``: R, the width of ρ (default: that
    of the state); ``output_size``: width of the output layer (default: none, μ is read);
    ``allow_frozen``: accept α = 1, whose average stays what it was at the start. Raises
    ``ValueError`` for an α out of range, no α below 1, α = 1 without ``allow_frozen``, or a
    ``hidden_size`` below the number of alphas. Source: GATO appendices C.2, I.
    """

    channels = Channels(recurrent=("averages",))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        alphas: Sequence[float] = (0, 0.25, 0.5, 0.9, 0.99),
        summary_size: int | None = None,
        output_size: int | None = None,
        allow_frozen: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size)
        for alpha in alphas:
            within("alphas", alpha, 0, 1)
        if all(alpha == 1 for alpha in alphas):
            raise ValueError(f"alphas: expected at least one below 1, got {tuple(alphas)!r}")
        if 1 in alphas and not allow_frozen:
            raise ValueError(
                "alphas: an average with α = 1 never changes; leave it out, or pass "
                f"allow_frozen=True to study it: got {tuple(alphas)!r}"
            )
        if hidden_size < len(alphas):
            raise ValueError(
                f"hidden_size: expected at least one unit for each of the {len(alphas)} alphas, "
                f"got {hidden_size!r}"
            )
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.alphas = tuple(float(alpha) for alpha in alphas)
        self.units = hidden_size // len(self.alphas)
        self.state_size = self.units * len(self.alphas)
        self.summary_size = self.state_size if summary_size is None else summary_size
        positive(summary_size=self.summary_size)
        self.weight_summary = nn.Parameter(torch.empty(self.summary_size, self.state_size))
        self.bias_summary = nn.Parameter(torch.empty(self.summary_size))
        self.weight_ih = nn.Parameter(torch.empty(self.units, input_size))
        self.weight_hh = nn.Parameter(torch.empty(self.units, self.summary_size))
        self.bias = nn.Parameter(torch.empty(self.units))
        self.weight_out: nn.Parameter | None = None
        self.bias_out: nn.Parameter | None = None
        if output_size is not None:
            positive(output_size=output_size)
            self.weight_out = nn.Parameter(torch.empty(output_size, self.state_size))
            self.bias_out = nn.Parameter(torch.empty(output_size))
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(self)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter as ``nn.Linear`` would (GATO appendix C.2); b_φ goes with W_φ."""
        library_linear((self.weight_summary, self.bias_summary), self.state_size, generator)
        library_linear((self.weight_ih,), self.input_size, generator)
        library_linear((self.weight_hh, self.bias), self.summary_size, generator)
        library_linear((self.weight_out, self.bias_out), self.state_size, generator)

    def initial_state(self, *batch: int) -> SRUState:
        """Zero (unstated in the paper)."""
        return SRUState(self.weight_ih.new_zeros(*batch, self.state_size))

    def project(self, x: Tensor) -> Tensor:
        """W_x x + b_φ."""
        return input_map(x, self.weight_ih, self.bias)

    def advance(self, projected: Tensor, state: SRUState) -> SRUState:
        """One update of every average towards φ_t."""
        summary = F.relu(F.linear(state.averages, self.weight_summary, self.bias_summary))
        phi = F.relu(projected + F.linear(summary, self.weight_hh))
        # α = 1 takes no part in the sum: 0 · φ would turn an overflowed φ into NaN
        averages = [
            mu if alpha == 1 else alpha * mu + (1 - alpha) * phi
            for alpha, mu in zip(
                self.alphas, state.averages.chunk(len(self.alphas), -1), strict=True
            )
        ]
        return SRUState(torch.cat(averages, -1))

    def readout(self, state: SRUState) -> Tensor:
        """μ itself, or ReLU(W_o μ + b_o) where there is an output layer."""
        if self.weight_out is None:
            return state.averages
        return F.relu(F.linear(state.averages, self.weight_out, self.bias_out))


def _declarations(cell: SRU) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    tame = "the drawn loop gain ‖W_φ‖‖W_r‖ over active units is far below 1"
    explode = (
        "ReLU is unbounded: with a loop gain above 1 and a non-negative drive every average "
        "is multiplied at each step"
    )
    claims = [
        Claim("well-posed", "the step is a composition of torch functions of (θ, μ, x)"),
        Claim("bounded-state", tame, "at-init"),
        Claim("bounded-decoder", tame, "at-init"),
    ]
    denies = [
        Claim("bounded-state", explode, "all-weights", growth="geometric"),
        Claim("bounded-decoder", f"γ is unbounded on the reachable set: {explode}", "all-weights"),
    ]
    if cell.weight_out is None:
        claims += identity_readout("μ")
    else:
        claims.append(
            Claim(
                "bounded-decoder-gradient",
                "ReLU has slope at most 1, so |γ′| ≤ |W_o| entry by entry",
            )
        )
        denies.append(Claim("non-saturating", "ReLU is flat on one of its tails"))
    if 1 in cell.alphas:
        claims.append(
            Claim("identity-block", "μ of α = 1 equals its predecessor (GATO appendix I)")
        )
        denies.append(Claim("writable-memory", "μ of α = 1 is never written (GATO appendix I)"))
    else:
        denies.append(
            Claim("identity-block", "∂μ_t/∂μ_(t−1) = α + (1−α) ∂φ/∂μ with α < 1 (GATO appendix I)")
        )
    return tuple(claims), tuple(denies)
