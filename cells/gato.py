r"""GATO: gates are not the only option (one and two layers).

.. math::

    s_t = s_{t-1} + \mathrm{softplus}(A x_t + a \odot r_{t-1} + \beta_s)

    r_t = \lambda\,\rho(B x_t + b \odot r_{t-1} + \beta_\rho) \odot r_{t-1}
          + \tanh(C x_t + c \odot r_{t-1} + \beta_c)

    y_t = \gamma([r_t, s_t])

With ``layers=2`` the increment of :math:`s_j` is :math:`\mathrm{softplus}(F_j(x_t, r_{t-1,j}))` with one
ReLU network of ``k`` hidden units per memory unit.

Symbols:    s -> state.memory, r -> state.recurrent; A, a, β_s -> increment; B, b, β_ρ and C, c, β_c ->
            recurrence (stacked in that order); λ -> lam, ρ -> reg, γ -> gamma
Shapes:     x (\*batch, D), memory (\*batch, n_s), recurrent (\*batch, n_r), n_s + n_r = hidden_size,
            readout (\*batch, hidden_size), or (\*batch, n_s) for readout="gamma_s_only"
Convention: both lines read the old r; nothing but its own residual reads the old s. Unit j of the memory
            reads unit j mod n_r of r (unstated in the paper where n_s ≠ n_r).
Paper and code: the printed equations have no biases, the published counts contain one per affine map
            (two on the language model): ``n_b``. The memory ablation "zero" is read as s_t := 0. The
            width k = 32 is not printed: it follows from the two published counts. Readout of both
            channels is the default, since the ablation that zeroes s needs r decoded.
Reference:  GATO: Gates Are Not the Only Option, submission to ICLR 2020, sections 3-5, appendices A-C.
Example:
    >>> from cells.gato import GATO
    >>> cell = GATO(input_size=3, hidden_size=8)
    >>> cell.initial_state(5).memory.shape
    torch.Size([5, 4])
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal, NamedTuple, final

import torch
from torch import Generator, Tensor, nn

from cells.core.claims import Channels, Claim
from cells.core.deferral import Deferred
from cells.core.registry import register
from cells.core.unroll import Read
from cells.fused import unit_networks
from cells.fused.lanes import Lanes, Tailed
from cells.parts.affine import Affine
from cells.parts.gato_units import BOTH, RECURRENT, decoded, modulo, regulated, softplus
from cells.parts.initializers import library_linear, uniform
from cells.parts.input_map import InputMap
from cells.parts.sizes import one_of, positive, within
from cells.parts.unit_networks import UnitNetworks


class GATOState(NamedTuple):
    """``memory`` s: (\\*batch, n_s); ``recurrent`` r: (\\*batch, n_r)."""

    memory: Tensor
    recurrent: Tensor


class GATOInputs(NamedTuple):
    """``recurrence`` W x + b of the regulator and the candidate: (\\*batch, 2 n_r); ``x`` itself."""

    recurrence: Tensor
    x: Tensor


@register("gato")
@register("gato-2", layers=2)
@final
class GATO(Deferred[GATOState], nn.Module):
    """The GATO cell; ``hidden_size`` counts both channels, as the paper does.

    ``layers``: 1, or 2 for an increment network of width ``k`` per unit; ``lam``: λ; ``reg``: ρ, "sigmoid" or
    "tanh"; ``gamma``: "cos" or "sin"; ``s_fraction``: the memory's share of the width; ``s_mode``:
    "residual", or the ablations "zero" (s_t := 0) and "no_residual" (s_t := the increment);
    ``readout``: "gamma_both", "gamma_s_raw_r", "gamma_s_only"; ``wrap_s``: store s modulo 2π, which
    changes neither γ nor a gradient; ``n_b``: stored biases per affine map; ``init``: "uniform" (every
    parameter U(±0.1), copy and adding) or "linear" (input projections as ``nn.Linear``, MIMIC and
    PTB). Raises ``ValueError`` for a knob out of range. Source: GATO sections 4, 5, appendices B, C.
    """

    channels = Channels(memory=("memory",), recurrent=("recurrent",))
    deferred = "memory"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        layers: Literal[1, 2] = 1,
        k: int = 32,
        lam: float = 0.7,
        reg: Literal["sigmoid", "tanh"] = "sigmoid",
        gamma: Literal["cos", "sin"] = "cos",
        s_fraction: float = 0.5,
        s_mode: Literal["residual", "zero", "no_residual"] = "residual",
        readout: Literal["gamma_both", "gamma_s_raw_r", "gamma_s_only"] = "gamma_both",
        wrap_s: bool = False,
        n_b: Literal[0, 1, 2] = 1,
        init: Literal["uniform", "linear"] = "uniform",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        positive(input_size=input_size, hidden_size=hidden_size, k=k)
        one_of("layers", layers, (1, 2))
        one_of("reg", reg, ("sigmoid", "tanh"))
        one_of("gamma", gamma, ("cos", "sin"))
        one_of("s_mode", s_mode, ("residual", "zero", "no_residual"))
        one_of("readout", readout, ("gamma_both", "gamma_s_raw_r", "gamma_s_only"))
        one_of("init", init, ("uniform", "linear"))
        within("s_fraction", s_fraction, 0, 1)
        if not math.isfinite(lam):
            raise ValueError(f"lam: expected a finite number, got {lam!r}")
        memory_size = round(hidden_size * s_fraction)
        if not math.isclose(memory_size, hidden_size * s_fraction) or memory_size == hidden_size:
            raise ValueError(
                "hidden_size × s_fraction must be a whole number of memory units that leaves at least "
                f"one recurrent unit; change one of them: got {hidden_size} × {s_fraction}"
            )
        if readout == "gamma_s_only" and memory_size == 0:
            raise ValueError(
                "readout: 'gamma_s_only' decodes nothing where s_fraction is 0: got both"
            )
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.memory_size = memory_size
        self.recurrent_size = hidden_size - memory_size
        self.layers, self.k, self.lam, self.reg, self.gamma = layers, k, lam, reg, gamma
        self.s_mode, self.readout_mode, self.wrap_s = s_mode, readout, wrap_s
        self.increment: Affine | UnitNetworks
        if layers == 1:
            self.increment = Affine(input_size, memory_size, 1, n_b=n_b, diagonal=True)
        else:
            self.increment = UnitNetworks(input_size, memory_size, k)
        self.recurrence = Affine(input_size, self.recurrent_size, 2, n_b=n_b, diagonal=True)
        self.reset_parameters(init, generator)
        self.claims, self.denies = _declarations(self)

    def reset_parameters(self, init: str, generator: Generator | None = None) -> None:
        """Draw every parameter anew (appendix C.2)."""
        uniform(self.parameters(), 0.1, generator)
        if init == "linear":
            for part in (self.increment, self.recurrence):
                library_linear((part.weight_ih, part.bias_ih), self.input_size, generator)

    def initial_state(self, *batch: int) -> GATOState:
        """Zero in both channels (unstated in the paper)."""
        like = self.recurrence.weight_ih
        return GATOState(
            like.new_zeros(*batch, self.memory_size), like.new_zeros(*batch, self.recurrent_size)
        )

    @property
    def entry_size(self) -> int:
        """The hidden units of the increment."""
        return self.memory_size * self.k if self.layers == 2 else self.memory_size

    def project(self, x: Tensor) -> GATOInputs:
        """The input half of r; that of s is left to its increment, which is out of the loop as a whole."""
        return GATOInputs(self.recurrence.input_part(x), x)

    def recur(self, projected: GATOInputs, state: GATOState) -> tuple[GATOState, Tensor]:
        """Advance r; the increment of s reads the old r as well."""
        r, part = state.recurrent, self.recurrence
        regulate, candidate = part.split(projected.recurrence + part.state_part(r))
        return state._replace(recurrent=regulated(r, regulate, candidate, self.lam, self.reg)), r

    def entry(self, projected: GATOInputs, read: Tensor) -> Tensor:
        """The increment of s, from x and the old r; zero in the ablation of that name."""
        partner = self._partner(read)
        if self.s_mode == "zero":
            return torch.zeros_like(partner)
        a = self.increment(projected.x, partner)
        return softplus(a[0] if isinstance(a, tuple) else a)

    def accumulate(self, held: Tensor, entry: Tensor) -> Tensor:
        """The memory after its increment: their sum, or in both ablations the increment alone."""
        return self._wrapped(held + entry if self.s_mode == "residual" else entry)

    def _wrapped(self, s: Tensor) -> Tensor:
        return modulo(s) if self.wrap_s and self.s_mode != "zero" else s

    def lanes(self) -> Lanes | str:
        """One layer: r and s together where they have one width; else r, and s behind it."""
        recurrent = self.recurrence.weight_hh.unflatten(0, (2, -1))
        if isinstance(self.increment, Affine) and self.memory_size == self.recurrent_size:
            knobs = (self.reg, self.s_mode, self.wrap_s, self.gamma, self.readout_mode)
            return Lanes(
                BOTH[knobs],
                ("memory", "recurrent"),
                self._all_inputs(),
                torch.cat((self.increment.weight_hh.unsqueeze(0), recurrent)),
                (self.lam,),
            )
        return Lanes(
            RECURRENT[self.reg],
            ("recurrent",),
            self.recurrence.of_inputs,
            recurrent,
            (self.lam,),
            ("memory", self._memory),
        )

    def _all_inputs(self) -> InputMap:
        """The input parts of all three maps in one."""
        parts = (self.increment, self.recurrence)
        biases = [part.bias() for part in parts if isinstance(part, Affine)]
        stored = [bias for bias in biases if bias is not None]
        weight = torch.cat([part.weight_ih for part in parts])
        return InputMap(weight, torch.cat(stored) if stored else None)

    def _memory(
        self,
        xs: Tensor,
        after: tuple[Tensor, ...],
        first: tuple[Tensor, ...],
        held: Tensor,
        read: Read,
    ) -> Tailed:
        """The memory, from x and r: s feeds back into nothing. And outputs, where they are easy."""
        (r,), (begin,) = after, first
        f, any_entry = self.increment, self.memory_size > 0 and self.s_mode != "zero"
        if isinstance(f, UnitNetworks) and any_entry and unit_networks.available(xs):
            batch, examples = held.shape[:-1], held[..., 0].numel()
            plain = self.memory_size == self.recurrent_size and not self.wrap_s
            last, s, outputs = unit_networks.run(
                xs.reshape(len(xs), examples, -1),
                self._partner(r).reshape(len(xs), examples, -1),
                self._partner(begin).reshape(examples, -1),
                unit_networks.pack(f.weight_ih, f.weight_hh, f.bias_ih, f.weight_out, f.bias_out),
                held.reshape(examples, -1),
                accumulate=self.s_mode == "residual",
                every=read == "every",
                decode=self.gamma if plain and self.readout_mode == "gamma_both" else "",
            )
            return Tailed(
                self._wrapped(last.reshape(*batch, -1)),
                None if s is None else self._wrapped(s.reshape(len(xs), *batch, -1)),
                None if outputs is None else outputs.reshape(len(xs), *batch, -1),
            )
        before = torch.cat((begin.unsqueeze(0), r[:-1]))
        if read == "last" and self.s_mode != "residual":
            xs, before = xs[-1:], before[-1:]
        entries = self.entry(GATOInputs(xs, xs), before)
        if read == "last":
            grown = held + entries.sum(0) if self.s_mode == "residual" else entries[-1]
            return Tailed(self._wrapped(grown), None)
        s = held + entries.cumsum(0) if self.s_mode == "residual" else entries
        s = self._wrapped(s)
        return Tailed(s[-1], s)

    def _partner(self, r: Tensor) -> Tensor:
        if self.memory_size == self.recurrent_size:
            return r
        units = torch.arange(self.memory_size, device=r.device) % self.recurrent_size
        return r[..., units]

    def readout(self, state: GATOState) -> Tensor:
        """γ of what ``readout`` names, recurrent part first."""
        parts = decoded(state.memory, state.recurrent, self.gamma, self.readout_mode)
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


def _declarations(cell: GATO) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
    contracts = abs(cell.lam) < 1
    # exactly, then rounded once: 1 / (1 - lam) in doubles can fall below the radius that lam implies
    radius = float(1 / (1 - abs(Fraction(cell.lam)))) if contracts else None
    raw_r = cell.readout_mode == "gamma_s_raw_r"
    claims = [
        Claim("well-posed", "the step is a composition of torch functions of (θ, s, r, x)"),
        Claim("non-saturating", "cos and sin have period 2π (GATO 4.2)", window=(2 * math.pi, 0.1)),
        Claim("bounded-decoder-gradient", "|cos′|, |sin′| ≤ 1 (GATO 4.2)", bound=1.0),
    ]
    denies = []
    if not raw_r:
        claims.append(Claim("bounded-decoder", "|cos|, |sin| ≤ 1 (GATO 4.2)", bound=1.0))
    elif contracts:
        claims.append(Claim("bounded-decoder", "|γ(s)| ≤ 1 and |r| ≤ 1/(1−|λ|)", bound=radius))
    else:
        denies.append(Claim("bounded-decoder", "raw r is decoded and |λ| ≥ 1", "all-weights"))
    if contracts:
        claims.append(
            Claim(
                "bounded-state",
                "|r_t| ≤ |λ||r_{t−1}| + 1, since |ρ| and |tanh| are at most 1 (GATO 4.4)",
                bound=radius,
            )
        )
    else:
        denies.append(
            Claim(
                "bounded-state",
                "with |λ| ≥ 1 the regularizer no longer contracts (GATO 4.4)",
                "all-weights",
                growth="linear" if abs(cell.lam) == 1 else "geometric",
            )
        )
    if cell.s_mode == "residual" and cell.memory_size:
        claims += [
            Claim("identity-block", "s enters its own update alone, additively (GATO 4.1)"),
            Claim("writable-memory", "the increment reads x, γ reads s (GATO 4.1, 4.2)"),
        ]
    else:
        why = (
            "no memory unit"
            if not cell.memory_size
            else f"s_mode={cell.s_mode!r}: s_t ignores s_(t−1)"
        )
        denies.append(
            Claim("identity-block", f"ablation of the memory update: {why} (GATO appendix B)")
        )
    return tuple(claims), tuple(denies)
