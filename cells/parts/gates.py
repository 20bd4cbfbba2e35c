r"""Gates that keep or overwrite a state: a primary activation times an auxiliary gate (Gu et al., 2020).

Primary, from pre-activations a of width n:

- ``standard``, ``chrono``, ``ugi``: f = σ(a); they differ in the initial bias alone;
- ``cumax``: f = cumsum(softmax(a)) over the units, or over chunks of C units that share a value.

Auxiliary, from further pre-activations:

- ``none``: the effective gate g is f;
- ``refine``: ρ = σ(a_ρ), g = ρ(1 − (1−f)²) + (1−ρ) f²;
- ``master``: the primary activation f̃ of the extra pre-activations gates a plain f = σ(a):
  with ĩ = 1 − f̃ and ω = f̃ĩ, g = fω + f̃ − ω.

Every gate is returned with its complement, both as sums and products of numbers in [0, 1]: nothing is
lost to 1 − σ(a), which is 0 in float32 from a = 17 on, and no complement is ever negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn

from cells.parts.chrono import check_t_max, chrono_bias
from cells.parts.initial_law import Law, chrono_law, refined, uniform_law
from cells.parts.sizes import one_of, positive
from cells.parts.ugi import ugi_bias

Primary = Literal["standard", "chrono", "cumax", "ugi"]
Auxiliary = Literal["none", "refine", "master"]
RefineBias = Literal["minus_forget", "zero"]

# the letters of the paper's grid: primary then auxiliary, "" for − in either place
GRID: Mapping[str, Mapping[str, Any]] = {
    p + a: {**primary, **auxiliary}
    for a, auxiliary in (("", {}), ("r", {"auxiliary": "refine"}), ("m", {"auxiliary": "master"}))
    for p, primary in (
        ("", {}),
        ("c", {"primary": "chrono"}),
        ("o", {"primary": "cumax"}),
        ("u", {"primary": "ugi"}),
    )
}


class Coefficients(NamedTuple):
    """``keep`` multiplies the old state, ``write`` the candidate; they sum to 1 where the gate is tied."""

    keep: Tensor
    write: Tensor


def logistic(a: Tensor) -> Coefficients:
    """σ(a) and σ(−a)."""
    return Coefficients(torch.sigmoid(a), torch.sigmoid(-a))


def cumax(a: Tensor) -> Coefficients:
    """Cumulative softmax over the last axis, and its complement summed from the other end.

    The last unit keeps exactly 1 and writes exactly 0, with derivative exactly 0: it is dead (also in the
    authors' own ordered neurons, up to rounding).
    """
    p = torch.softmax(a, -1)
    up_to = p.cumsum(-1)[..., :-1]
    beyond = p.flip(-1).cumsum(-1).flip(-1)[..., 1:]
    total = up_to + beyond  # 1 but for rounding; dividing by it puts both into [0, 1]
    end = torch.ones_like(a[..., -1:])
    return Coefficients(
        torch.cat((up_to / total, end), -1), torch.cat((beyond / total, torch.zeros_like(end)), -1)
    )


def refine(f: Coefficients, rho: Coefficients) -> Coefficients:
    """Return g = ρ(1 − (1−f)²) + (1−ρ)f² and 1 − g, which is the same with f and ρ complemented."""
    return Coefficients(
        f.keep * (f.keep + 2 * rho.keep * f.write), f.write * (f.write + 2 * rho.write * f.keep)
    )


def master(f: Coefficients, whole: Coefficients) -> Coefficients:
    """Return f̂ = fω + f̃ − ω with ω = f̃(1 − f̃), and 1 − f̂: the tied form, where f̂ lies in [f̃², f̃].

    Tying both levels separately, î = (1−f)ω + 1 − f̃ − ω, would leave f̂ + î below 1 (down to 3/4).
    """
    return Coefficients(
        whole.keep * (whole.keep + whole.write * f.keep), whole.write * (1 + whole.keep * f.write)
    )


class Gate(nn.Module):
    """One cell of the grid: from pre-activations to the coefficients of the carried state.

    A pure function of pre-activations and, with ``refine`` and ``refine_bias="minus_forget"``, of its one
    parameter ``beta``. The owner computes the pre-activations, one affine map per entry of ``blocks``
    (name to number of rows), and calls the gate with them.

    ``units``: H; ``tied``: write is 1 − keep, else it comes from an input gate i = σ of its own (under
    ``master``, from a second master ĩ = 1 − primary as in ON-LSTM: ω = f̃ĩ, î = iω + ĩ − ω);
    ``refine_bias``: "minus_forget" trains one β with f = primary(a + β) and ρ = σ(a_ρ − β), as in the
    paper's pseudocode; "zero" starts the refine gate at 1/2, so that g = f at first; ``chunk``: how many
    neighboring units share a value of a cumax or of a master gate; ``t_max``: longest dependency in
    steps, for "chrono"; ``forget_bias``: initial bias of a "standard" gate (None: left to the owner's
    distribution).

    Raises ``ValueError`` for an unknown name, a chunk that does not divide H or has nothing to act on,
    ``t_max`` ≤ 2 under "chrono", or a ``forget_bias`` that the primary would not use.
    """

    def __init__(
        self,
        units: int,
        *,
        primary: Primary = "standard",
        auxiliary: Auxiliary = "none",
        tied: bool = True,
        refine_bias: RefineBias = "minus_forget",
        chunk: int = 1,
        t_max: float = 100.0,
        forget_bias: float | None = None,
    ) -> None:
        super().__init__()
        positive(units=units, chunk=chunk)
        one_of("primary", primary, ("standard", "chrono", "cumax", "ugi"))
        one_of("auxiliary", auxiliary, ("none", "refine", "master"))
        one_of("refine_bias", refine_bias, ("minus_forget", "zero"))
        if primary == "chrono":
            check_t_max(t_max)
        if units % chunk:
            divisors = ", ".join(str(k) for k in range(1, units + 1) if units % k == 0)
            raise ValueError(
                f"chunk: expected a divisor of the {units} units, got {chunk}; use one of {divisors}"
            )
        if chunk > 1 and primary != "cumax" and auxiliary != "master":
            raise ValueError(
                "chunk: only primary='cumax' and auxiliary='master' share values; "
                f"use chunk=1: got {chunk}"
            )
        if forget_bias is not None and (primary != "standard" or not math.isfinite(forget_bias)):
            raise ValueError(
                "forget_bias: expected a finite number with primary='standard', else None, since "
                f"{primary!r} sets its own bias or ignores one: got {forget_bias!r}"
            )
        self.units, self.chunk, self.tied = units, chunk, tied
        self.primary, self.auxiliary = primary, auxiliary
        self.t_max, self.forget_bias = t_max, forget_bias
        coarse = units // chunk
        self.blocks: dict[str, int]
        if auxiliary == "master":
            self.blocks = {"forget": units, "extra": coarse}
        else:
            self.blocks = {"forget": coarse}
            if auxiliary == "refine":
                self.blocks["extra"] = units
        if not tied:
            self.blocks["input"] = units
            if auxiliary == "master":
                self.blocks["extra_input"] = coarse
        shared = auxiliary == "refine" and refine_bias == "minus_forget"
        self.beta = nn.Parameter(torch.zeros(coarse)) if shared else None

    @property
    def ends_dead(self) -> bool:
        """Whether the last chunk keeps exactly 1 and writes exactly 0, whatever the pre-activations."""
        return self.primary == "cumax" and (self.tied or self.auxiliary == "master")

    @property
    def mixes(self) -> str:
        """Why it is more than one plain sigmoid of each unit's own, or nothing."""
        if self.primary == "cumax" or self.auxiliary != "none":
            return (
                f"primary={self.primary!r}, auxiliary={self.auxiliary!r}: kernels are generated for one "
                "plain sigmoid"
            )
        return ""

    @property
    def ends_open(self) -> bool:
        """Whether the last chunk keeps exactly 1 and yet is written: then it sums without limit."""
        return self.primary == "cumax" and not self.ends_dead

    @property
    def initial_law(self) -> Law | None:
        """How the gate is distributed after ``reset_parameters``, at a zero input and a zero state.

        None where the owner's own draw decides: "standard", "cumax", and "master", whose fine gate is plain.
        """
        if self.auxiliary == "master" or self.primary not in ("chrono", "ugi"):
            return None
        chrono = self.primary == "chrono"
        law = chrono_law(self.t_max) if chrono else uniform_law(self.units // self.chunk)
        return law if law is None or self.beta is None else refined(law)

    @torch.no_grad()
    def reset_parameters(
        self, biases: Mapping[str, tuple[Tensor, ...]], generator: Generator | None = None
    ) -> None:
        """Set what the primary and the auxiliary prescribe of the biases, and leave the others.

        ``biases``: by block, the stored bias vectors (none, one, or two that are summed). The value goes
        into β where there is one, else into the first vector of the primary's block; the rest is zero.
        Under "chrono" an input gate starts at −value, and a second master at value, like the first.

        Raises ``ValueError`` where there is no bias to hold the prescribed value.
        """
        value = self._draw(generator)
        acts_on = ["forget"]
        if self.auxiliary == "master":
            acts_on = ["extra"] if self.tied else ["extra", "extra_input"]
        if self.auxiliary == "refine":
            _fill(biases["extra"], None)
        if self.beta is not None:
            self.beta.zero_() if value is None else self.beta.copy_(value)
        if value is None:
            return
        for block in acts_on:
            if self.beta is None and not biases[block]:
                raise ValueError(
                    f"primary={self.primary!r} starts from a prescribed bias: expected n_b of 1 or 2, got 0"
                )
            _fill(biases[block], value if self.beta is None else None)
        if self.primary == "chrono" and not self.tied and self.auxiliary != "master":
            _fill(biases["input"], -value)

    def _draw(self, generator: Generator | None) -> Tensor | None:
        coarse = self.units // self.chunk
        if self.primary == "chrono":
            return chrono_bias(coarse, t_max=self.t_max, generator=generator)
        if self.primary == "ugi":
            return ugi_bias(coarse, generator)
        return None if self.forget_bias is None else torch.full((coarse,), self.forget_bias)

    def forward(
        self,
        forget: Tensor,
        extra: Tensor | None = None,
        input: Tensor | None = None,  # noqa: A002 - the name of the block
        extra_input: Tensor | None = None,
    ) -> Coefficients:
        """Return the effective gate at these pre-activations, each ``(*batch, rows of its block)``.

        Both coefficients are ``(*batch, H)``. Raises ``ValueError`` where a block is missing.
        """
        given = {"forget": forget, "extra": extra, "input": input, "extra_input": extra_input}
        missing = [name for name in self.blocks if given[name] is None]
        if missing:
            raise ValueError(
                f"the gate reads the blocks {tuple(self.blocks)}: got none for {tuple(missing)}"
            )
        if extra is not None and self.auxiliary == "master":
            return self._mastered(logistic(forget), extra, input, extra_input)
        f = self._activate(forget if self.beta is None else forget + self.beta)
        if extra is not None:
            f = refine(f, logistic(extra if self.beta is None else extra - self._spread(self.beta)))
        return f if input is None else Coefficients(f.keep, torch.sigmoid(input))

    def _mastered(
        self, f: Coefficients, extra: Tensor, entry: Tensor | None, extra_entry: Tensor | None
    ) -> Coefficients:
        whole = self._activate(extra)
        if entry is None or extra_entry is None:
            return master(f, whole)
        keep_entry, write_entry = self._activate(extra_entry)
        return Coefficients(
            whole.keep * (f.keep * write_entry + keep_entry),
            write_entry * (torch.sigmoid(entry) * whole.keep + whole.write),
        )

    def _activate(self, a: Tensor) -> Coefficients:
        f = cumax(a) if self.primary == "cumax" else logistic(a)
        return Coefficients(self._spread(f.keep), self._spread(f.write))

    def _spread(self, values: Tensor) -> Tensor:
        return values if self.chunk == 1 else values.repeat_interleave(self.chunk, -1)


def _fill(stored: tuple[Tensor, ...], value: Tensor | None) -> None:
    """``value`` into the first vector and zero into the others: two draws would not sum to its law."""
    for i, bias in enumerate(stored):
        if i == 0 and value is not None:
            bias.copy_(value)
        else:
            bias.zero_()
