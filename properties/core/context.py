"""Everything a property needs while one cell is judged: sizes, engines, the block, the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from properties.core.diagonal_engine import diagonal
from properties.core.engine import SingleEngine, fast_engine
from properties.core.profile import Profile
from properties.core.sampling import Regime, Sampler
from properties.core.subject import Subject, stable_seed
from properties.core.tolerance import Tolerance, tolerance
from properties.core.witness import Draws

SINGLE_HORIZON = 96  # a one-by-one rollout costs a Python loop per draw


@dataclass(frozen=True, slots=True)
class Block:
    """The identity block at one size: places in the flat state, and who named them."""

    units: tuple[int, ...]
    origin: Literal["declared", "inferred", "none"]


class Bench:
    """One subject at one size: sampler, fast engine, real cell."""

    def __init__(self, context: Context, size: tuple[int, int]) -> None:
        self.size = size
        self.sampler = Sampler(context.subject, size, context.seed, context.profile.initializations)
        cell = self.sampler.cell
        self.real = SingleEngine(cell)
        self.layout = self.real.probe.layout
        self.initial = self.layout.ravel(self.real.probe.like).detach()
        trial = self.draws_at("all-weights", 6, 5, context.seed, context)
        engine, self.obstacle = fast_engine(cell, trial)
        self.engine, self.mixing = diagonal(engine, trial)

    def draws_at(
        self, scope: str, count: int, horizon: int, seed: int, context: Context, **kw: Any
    ) -> Draws:
        """``count`` draws of this subject at this size."""
        scope = scope if context.subject.weights is None else "these-weights"
        return self.sampler.draws(
            scope, count, horizon, seed, units=self.layout.size, initial=self.initial, **kw
        )


class Context:
    """One cell's certification in progress."""

    def __init__(self, subject: Subject, profile: Profile, seed: int) -> None:
        self.subject, self.profile, self.seed = subject, profile, seed
        self.tolerance: Tolerance = tolerance(subject.dtype)
        self._benches: dict[tuple[int, int], Bench] = {}
        self.scope = subject.scopes[0]  # the one being judged: a block may stand in one scope only
        self._blocks: dict[tuple[str, tuple[int, int]], Block] = {}
        self.notes: dict[Any, Any] = {}  # what one check leaves for another
        self.doubt: tuple[int, int] | None = None  # a size at which a proof is asked again

    def bench(self, size: tuple[int, int]) -> Bench:
        """The bench at ``size``, made once."""
        if size not in self._benches:
            self._benches[size] = Bench(self, size)
        return self._benches[size]

    @property
    def standard(self) -> Bench:
        """The bench at the standard size."""
        return self.bench(self.subject.standard_size)

    @property
    def evaluation(self) -> str:
        """How parameter draws are evaluated, for the certificate."""
        try:
            obstacle = self.standard.obstacle
        except Exception as error:  # noqa: BLE001 - a stranger's cell may raise anything, anywhere
            text = (str(error).strip().splitlines() or [""])[0]
            return f"not evaluated: {type(error).__name__}: {text[:160]}"
        if obstacle is None:
            return "batched: parameter draws evaluated together under vmap"
        return f"one by one: {obstacle}"

    @property
    def count(self) -> int:
        """Draws per regime."""
        return self.profile.draws if self.standard.engine.batched else self.profile.single_draws

    def horizon(self, wanted: int) -> int:
        """``wanted`` steps, or fewer where the cell is evaluated one by one."""
        return wanted if self.standard.engine.batched else min(wanted, SINGLE_HORIZON)

    def traced(self, size: tuple[int, int]) -> Any:
        """The traced step of the cell at ``size``, made once. Raises ``TraceRefused``."""
        from properties.proofs.trace import trace_step

        slot = ("trace", size)
        if slot not in self.notes:
            self.notes[slot] = trace_step(self.bench(size).sampler.cell)
        return self.notes[slot]

    @property
    def proof_sizes(self) -> tuple[tuple[int, int], ...]:
        """Where the state is proved bounded: two units at least, the standard size and the widest.

        What units read of one another may add up with their number. Where a counterexample contradicts
        a proof, its own size alone.
        """
        if self.doubt is not None:
            return (self.doubt,)
        sizes = self.subject.sizes
        small = next((s for s in sizes if s[1] >= 2), sizes[0])
        widest = max(sizes, key=lambda s: s[1])
        return tuple(dict.fromkeys((small, self.subject.standard_size, widest)))

    def draws(self, regime: Regime, scope: str, count: int | None = None, **kw: Any) -> Draws:
        """The stratified draws of one regime."""
        bench = self.bench(regime.size)
        return bench.draws_at(scope, count or self.count, regime.horizon, regime.seed, self, **kw)

    def derive(self, *parts: Any) -> int:
        """A seed for one purpose, fixed by the certificate's seed."""
        return stable_seed(self.seed, *parts)

    # ---- the partition of the state ---------------------------------------------------------

    def block(
        self, size: tuple[int, int], discover: Callable[[Context, Bench], tuple[int, ...]]
    ) -> Block:
        """The identity block at ``size`` in the present scope: declared, or discovered once."""
        key = (self.scope, size)
        if key not in self._blocks:
            bench = self.bench(size)
            channels = self.subject.description.channels
            declared = bench.layout.indices(*channels.memory) if channels else ()
            if declared:
                self._blocks[key] = Block(declared, "declared")
            else:
                found = discover(self, bench)
                self._blocks[key] = Block(found, "inferred" if found else "none")
        return self._blocks[key]

    def narrow(self, size: tuple[int, int], units: tuple[int, ...]) -> None:
        """Shrink an inferred block to ``units`` after a draw contradicted the rest of it."""
        self._blocks[self.scope, size] = Block(units, "inferred" if units else "none")

    def emission(self, bench: Bench) -> tuple[int, ...]:
        """Places of what the cell emits without reading it back."""
        channels = self.subject.description.channels
        return bench.layout.indices(*channels.emission) if channels else ()

    def recurrent(self, bench: Bench, block: Block) -> Tensor:
        """A 0/1 mask (n,) of the recurrent part: declared, or all but block and emission."""
        channels = self.subject.description.channels
        mask = torch.zeros(bench.layout.size, dtype=self.subject.dtype)
        if channels and channels.recurrent:
            mask[list(bench.layout.indices(*channels.recurrent))] = 1
            return mask
        rest = set(range(bench.layout.size)) - set(self.emission(bench))
        rest -= set(block.units)
        mask[sorted(rest)] = 1
        return mask
