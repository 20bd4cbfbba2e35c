r"""NRU: the non-saturating recurrent unit, a ReLU network that writes to and erases from a vector memory.

.. math::

    h_t = \mathrm{ReLU}(N(W_h [x_t; h_{t-1}; m_{t-1}] + b_h)), \qquad q_t = [h_t; m_{t-1}]

    \alpha, \beta \in \mathbb{R}^k, \quad p^w, p^e, v^w, v^e \in \mathbb{R}^S
    \quad = \quad \mathrm{affine}(q_t), \qquad S = \sqrt{kM}

    V^w = \psi(p^w (v^w)^\top), \quad V^e = \psi(p^e (v^e)^\top)
    \quad \mathrm{read\ row\ by\ row\ as}\ k \times M, \quad V_j \leftarrow V_j / \lVert V_j \rVert_5

    m_t = m_{t-1} + \tfrac1k \sum_{j=1}^{k} (\psi(\alpha_j) V^w_j - \psi(\beta_j) V^e_j), \qquad y_t = h_t

ψ is the identity, or ReLU with ``use_relu``; N is the identity, or layer normalization with ``layer_norm``.

Symbols:    h -> state.hidden, m -> state.memory; W_h, b_h -> hidden; the affine map of q -> heads, stacked as
            α, β, p^w, v^w, p^e, v^e; N -> norm
Shapes:     x (\*batch, D), hidden (\*batch, H), memory (\*batch, M), readout (\*batch, H); H = hidden_size,
            M = memory_size
Convention: hidden_size counts h alone, as the paper's widths do; α writes, β erases (is subtracted).
Paper and code: ``semantics="code"``, above, is the authors' code: heads are averaged, all of them share one
            S × S outer product, of which head j is a slice (kM must be a square), and x_t is not seen by the
            heads. ``semantics="paper"`` (recalled, in part from a second source): heads are summed, head j
            has its own p_j, v_j ∈ R^√M (M must be a square), and x_t is part of q. The authors use k = 4
            and M = 64 by default and H = 212, M = 256 on permuted MNIST. Weights and biases: the library's
            U(±1/√fan_in).
Reference:  Chandar, Sankar, Vorontsov, Kahou & Bengio, Towards non-saturating recurrent units for modelling
            long-term dependencies, 2019, section 3.
Example:
    >>> from cells.nru import NRU
    >>> cell = NRU(input_size=3, hidden_size=8, memory_size=16, k=4)
    >>> cell.initial_state(5).memory.shape
    torch.Size([5, 16])
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.projection import Projected
from cells.core.registry import register
from cells.parts.identity_readout import identity_readout
from cells.parts.initializers import library_linear
from cells.parts.input_map import input_map
from cells.parts.sizes import one_of, positive

LEAST_NORM = 1e-12
"""Rows smaller than this are not stretched to norm 1 (what the code's normalization does)."""


class NRUState(NamedTuple):
    """``hidden`` h: (\\*batch, H); ``memory`` m: (\\*batch, M)."""

    hidden: Tensor
    memory: Tensor


def _linear(read_size: int, size: int) -> nn.Linear:
    """An affine map whose parameters are not drawn yet, so that the global generator is left alone."""
    part = nn.Linear(read_size, size, device="meta")
    return part.to_empty(device=torch.get_default_device())


class NRUWeights(NamedTuple):
    """``hidden``, what h reads of (h, m), and ``heads``, what the heads read of it: columns of weights."""

    hidden: Tensor
    heads: Tensor


class NRUInputs(NamedTuple):
    """``hidden``: (\\*batch, H), ``heads``: (\\*batch, rows), what both read of x; ``weights``: the rest."""

    hidden: Tensor
    heads: Tensor | None
    weights: NRUWeights


@register("nru")
@final
class NRU(Projected[NRUState], nn.Module):
    """The NRU; H(D + H + M + 1) + (4S + 2k)(H + M + 1) parameters, 2H more with ``layer_norm``.

    With ``semantics="paper"`` the second term is (4k√M + 2k)(D + H + M + 1). ``memory_size``: M; ``k``: the
    number of heads; ``semantics``: "code" or "paper"; ``use_relu``: ψ = ReLU; ``layer_norm``: normalize the
    input of h's ReLU. Raises ``ValueError`` for a knob out of range, and where kM ("code") or M ("paper")
    is not a square.
    """

    # the paper calls m a memory, but the heads read it: it is part of what criterion 5 speaks about
    channels = Channels(recurrent=("hidden", "memory"))

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        memory_size: int = 64,
        k: int = 4,
        semantics: Literal["code", "paper"] = "code",
        use_relu: bool = False,
        layer_norm: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size, memory_size=memory_size, k=k)
        one_of("semantics", semantics, ("code", "paper"))
        area, label = (k * memory_size, "k · M") if semantics == "code" else (memory_size, "M")
        side = math.isqrt(area)
        if side * side != area:
            raise ValueError(
                f"memory_size: {label} must be a square, such as {side * side} or {(side + 1) ** 2}, for "
                f"the outer products to fill the memory; change memory_size or k: got {area} "
                f"(memory_size {memory_size}, k {k})"
            )
        self.input_size, self.hidden_size, self.memory_size = input_size, hidden_size, memory_size
        self.k, self.semantics, self.use_relu = k, semantics, use_relu
        read = hidden_size + memory_size
        vector = side if semantics == "code" else k * side
        seen = read if semantics == "code" else input_size + read
        self._splits = (k, k, vector, vector, vector, vector)
        self.hidden = _linear(input_size + read, hidden_size)
        self.heads = _linear(seen, sum(self._splits))
        self.norm = nn.LayerNorm(hidden_size) if layer_norm else None
        self.reset_parameters(generator)
        self.claims, self.denies = _declarations(layer_norm)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw every parameter anew; a layer normalization starts as gain 1, shift 0."""
        for part in (self.hidden, self.heads):
            library_linear((part.weight, part.bias), part.weight.shape[1], generator)
        if self.norm is not None:
            self.norm.reset_parameters()

    def initial_state(self, *batch: int) -> NRUState:
        """Zero."""
        like = self.hidden.weight
        return NRUState(
            like.new_zeros(*batch, self.hidden_size), like.new_zeros(*batch, self.memory_size)
        )

    def project(self, x: Tensor) -> NRUInputs:
        """What h reads of x, and in the paper's semantics the heads as well."""
        hidden, heads = self.hidden, self.heads
        of_x, of_state = hidden.weight.tensor_split((self.input_size,), -1)
        read = input_map(x, of_x, hidden.bias)
        if self.semantics == "code":
            return NRUInputs(read, None, NRUWeights(of_state, heads.weight))
        heads_of_x, heads_of_state = heads.weight.tensor_split((self.input_size,), -1)
        weights = NRUWeights(of_state, heads_of_state)
        return NRUInputs(read, input_map(x, heads_of_x, heads.bias), weights)

    def advance(self, projected: NRUInputs, state: NRUState) -> NRUState:
        """One update; the heads read the new h and the old m."""
        weights = projected.weights
        a = projected.hidden + F.linear(torch.cat((state.hidden, state.memory), -1), weights.hidden)
        h = torch.relu(a if self.norm is None else self.norm(a))
        seen = torch.cat((h, state.memory), -1)
        if projected.heads is None:
            values = F.linear(seen, weights.heads, self.heads.bias)
        else:
            values = projected.heads + F.linear(seen, weights.heads)
        alpha, beta, *vectors = values.split(self._splits, -1)
        write, erase = self._rows(*vectors[:2]), self._rows(*vectors[2:])
        change = self._psi(alpha).unsqueeze(-1) * write - self._psi(beta).unsqueeze(-1) * erase
        total = change.mean(-2) if self.semantics == "code" else change.sum(-2)
        return NRUState(h, state.memory + total)

    def _psi(self, v: Tensor) -> Tensor:
        return torch.relu(v) if self.use_relu else v

    def _rows(self, p: Tensor, q: Tensor) -> Tensor:
        """The k normalized directions in memory, (\\*batch, k, M)."""
        if self.semantics == "paper":
            p, q = (v.unflatten(-1, (self.k, -1)) for v in (p, q))
        outer = (p.unsqueeze(-1) * q.unsqueeze(-2)).flatten(-2)
        rows = self._psi(outer.unflatten(-1, (self.k, -1)) if self.semantics == "code" else outer)
        # scaled first, since fifth powers leave float32 beyond 10^7; the scale cancels, hence detached
        rows = rows / rows.detach().abs().amax(-1, keepdim=True).clamp_min(LEAST_NORM)
        norm: Tensor = torch.linalg.vector_norm(rows, ord=5, dim=-1, keepdim=True)
        return rows / norm.clamp_min(1)

    def readout(self, state: NRUState) -> Tensor:
        """The hidden state h; m is not decoded."""
        return state.hidden


def _declarations(layer_norm: bool) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    claims = [
        Claim("well-posed", "the step is a composition of torch functions of (θ, h, m, x)"),
        *identity_readout("h"),
    ]
    grows = (
        "α is affine in m and nothing saturates: with V along m, m_t multiplies m_(t−1); so it does "
        "at the initialization, for some sequence of 400 inputs |x| ≤ 1 in nearly every draw"
    )
    denies = [
        Claim("identity-block", "∂m_t/∂m_(t−1) is I plus what the heads read of m"),
        Claim("bounded-state", grows, growth="geometric"),
    ]
    if layer_norm:
        # a layer normalization without gain has outputs of at most √(H − 1), whatever m is; but its
        # input is NaN once m has left the range of the floating-point format
        normal = "|h| ≤ √H |gain| + |shift| after layer normalization, until m overflows"
        claims.append(Claim("bounded-decoder", normal, "at-init"))
        denies.append(
            Claim("bounded-decoder", f"m overflows, and h with it: {grows}", "all-weights")
        )
    else:
        denies.append(Claim("bounded-decoder", f"h is linear in m where its ReLU is open; {grows}"))
    return tuple(claims), tuple(denies)
