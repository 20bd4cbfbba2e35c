"""Evaluation of many parameter draws at once, and of one draw on the real cell.

Two engines with one interface: :class:`BatchedEngine` stacks parameters under ``torch.func.vmap``;
:class:`SingleEngine` runs the real cell draw by draw with ordinary autograd. The first is for searching,
the second for cells that cannot be vmapped and for replaying every counterexample.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vjp, vmap

from cells import Layout
from properties.core.tolerance import tolerance
from properties.core.witness import Draws

_TOGETHER = (
    2**18
)  # numbers of Jacobians at a time, above which passes over them fall out of the cache


class Probe(nn.Module):
    """A cell seen through flat states: what ``functional_call`` runs with substituted parameters."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell
        self.like = cell.initial_state()
        self.layout = Layout.of(self.like)

    def forward(self, operation: str, *arguments: Tensor) -> Any:
        """Dispatch, since ``functional_call`` only knows ``forward``."""
        return getattr(self, operation)(*arguments)

    def within(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function`` while the parameters are substituted."""
        return function(*arguments)

    def step(self, x: Tensor, flat: Tensor) -> Tensor:
        """``x`` (D,), ``flat`` (n,) to (n,)."""
        return self.layout.ravel(self.cell.step(x, self.layout.unravel(flat, self.like)))

    def trajectory(self, inputs: Tensor, flat: Tensor) -> Tensor:
        """``inputs`` (T, D) to the flat states after each step, (T, n)."""
        state = self.layout.unravel(flat, self.like)
        states = []
        for x in inputs.unbind(0):
            state = self.cell.step(x, state)
            states.append(self.layout.ravel(state))
        return torch.stack(states)

    def steps(self, xs: Tensor, flats: Tensor) -> Tensor:
        """:meth:`step` of many pairs (P, D), (P, n) in one call, (P, n)."""
        state = self.layout.unravel(flats, self.cell.initial_state(len(flats)))
        return self.layout.ravel(self.cell.step(xs, state))

    def final(self, inputs: Tensor, flat: Tensor) -> Tensor:
        """The flat state after the last input, (n,)."""
        state = self.layout.unravel(flat, self.like)
        for x in inputs.unbind(0):
            state = self.cell.step(x, state)
        return self.layout.ravel(state)

    def readout(self, flat: Tensor) -> Tensor:
        """γ of a flat state, (R,), real."""
        return _real(self.cell.readout(self.layout.unravel(flat, self.like))).reshape(-1)

    def emitted(self, x: Tensor, flat: Tensor) -> Tensor:
        """What one step from ``flat`` emits, (R,): γ of a cell whose readout is an emission field."""
        state = self.cell.step(x, self.layout.unravel(flat, self.like))
        return _real(self.cell.readout(state)).reshape(-1)

    def readouts(self, flats: Tensor) -> Tensor:
        """γ of many states (P, n), (P, R), in one call: the cell's own batch axis."""
        state = self.layout.unravel(flats, self.cell.initial_state(len(flats)))
        return _real(self.cell.readout(state)).reshape(len(flats), -1)

    def emissions(self, x: Tensor, flats: Tensor) -> Tensor:
        """:meth:`emitted` of many states (P, n), (P, R), in one call."""
        state = self.layout.unravel(flats, self.cell.initial_state(len(flats)))
        return _real(self.cell.readout(self.cell.step(x.expand(len(flats), -1), state))).reshape(
            len(flats), -1
        )


def _real(out: Tensor) -> Tensor:
    return torch.view_as_real(out.resolve_conj()).flatten(-2) if out.is_complex() else out


class Engine(Protocol):
    """What a property may ask of N draws at once; shapes as documented in :class:`BatchedEngine`."""

    probe: Probe
    batched: bool

    def trajectories(self, draws: Draws) -> Tensor: ...  # noqa: D102
    def finals(self, draws: Draws) -> Tensor: ...  # noqa: D102
    def pullbacks(self, draws: Draws, cotangents: Tensor) -> tuple[Tensor, Tensor]: ...  # noqa: D102
    def jacobians(self, draws: Draws) -> Tensor: ...  # noqa: D102
    def readouts(self, draws: Draws, points: Tensor) -> Tensor: ...  # noqa: D102
    def slopes(self, draws: Draws, points: Tensor, *, emitted: bool) -> Tensor: ...  # noqa: D102
    def drift(self, draws: Draws, x: Tensor, flat: Tensor, units: Tensor) -> Tensor: ...  # noqa: D102
    def lessons(self, draws: Draws, cotangents: Tensor) -> Tensor: ...  # noqa: D102


class BatchedEngine:
    """All draws of a batch in one vmapped call."""

    batched = True

    def __init__(self, cell: Any) -> None:
        self.probe = Probe(cell)
        # fused operators such as aten::lstm_cell have no batching rule, but what autograd makes of
        # them has: those cells run inside a vjp whose pullback is thrown away
        self.through_vjp = False

    def _rollout(self, p: dict[str, Tensor], operation: str, xs: Tensor, s: Tensor) -> Tensor:
        if self.through_vjp:
            out: Tensor = vjp(lambda q: self._call(p, operation, xs, q), s)[0]
        else:
            out = self._call(p, operation, xs, s)
        return out

    def _call(self, parameters: dict[str, Tensor], operation: str, *arguments: Any) -> Any:
        named = {f"cell.{k}": v for k, v in parameters.items()}
        return functional_call(self.probe, named, (operation, *arguments))

    def _vmap(self, function: Callable[..., Any], draws: Draws, *arguments: Any, **kw: Any) -> Any:
        with warnings.catch_warnings():
            # a missing batching rule falls back to a slow loop inside torch: slow, but right
            warnings.filterwarnings("ignore", message="There is a performance drop")
            return vmap(function, **kw)(draws.parameters, *arguments)

    def trajectories(self, draws: Draws) -> Tensor:
        """Flat states after each step, (T, N, n)."""
        out: Tensor = self._vmap(
            lambda p, s, xs: self._rollout(p, "trajectory", xs, s),
            draws, draws.state, draws.inputs, in_dims=(0, 0, 1), out_dims=1,
        )  # fmt: skip
        return out

    def finals(self, draws: Draws) -> Tensor:
        """Flat states after the last step, (N, n)."""
        out: Tensor = self._vmap(
            lambda p, s, xs: self._rollout(p, "final", xs, s),
            draws, draws.state, draws.inputs, in_dims=(0, 0, 1),
        )  # fmt: skip
        return out

    def pullbacks(self, draws: Draws, cotangents: Tensor) -> tuple[Tensor, Tensor]:
        """Final states (N, n) and the vjp of the whole rollout at ``cotangents`` (N, n), (N, n)."""

        def one(p: dict[str, Tensor], s: Tensor, xs: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            # torch.func.vjp, not autograd through vmap: the latter does not see tensor hooks
            pulled = vjp(lambda q: self._call(p, "final", xs, q), s)
            return pulled[0], pulled[1](v)[0]

        out: tuple[Tensor, Tensor] = self._vmap(
            one, draws, draws.state, draws.inputs, cotangents, in_dims=(0, 0, 1, 0)
        )
        return out

    def jacobians(self, draws: Draws) -> Tensor:
        """∂state_T/∂state_0, (N, n, n), of so many draws at a time as stay in the cache."""
        count = max(1, _TOGETHER // draws.state.shape[-1] ** 2)
        parts = [draws.part(first, first + count) for first in range(0, len(draws), count)]
        every: list[Tensor] = [
            self._vmap(
                lambda p, s, xs: jacrev(lambda q: self._call(p, "final", xs, q))(s),
                part, part.state, part.inputs, in_dims=(0, 0, 1),
            )
            for part in parts
        ]  # fmt: skip
        return every[0] if len(every) == 1 else torch.cat(every)

    def readouts(self, draws: Draws, points: Tensor) -> Tensor:
        """γ at ``points`` (N, P, n), (N, P, R)."""
        out: Tensor = self._vmap(
            lambda p, qs: vmap(lambda q: self._call(p, "readout", q))(qs), draws, points
        )
        return out

    def slopes(self, draws: Draws, points: Tensor, *, emitted: bool) -> Tensor:
        """∂γ/∂state at ``points`` (N, P, n), (N, P, R, n); of ``emitted`` at the first input."""

        def one(p: dict[str, Tensor], qs: Tensor, x: Tensor) -> Tensor:
            def gamma(q: Tensor) -> Tensor:
                out: Tensor = (
                    self._call(p, "emitted", x, q) if emitted else self._call(p, "readout", q)
                )
                return out

            slopes: Tensor = vmap(jacrev(gamma))(qs)
            return slopes

        out: Tensor = self._vmap(one, draws, points, draws.inputs[0])
        return out

    def drift(self, draws: Draws, x: Tensor, flat: Tensor, units: Tensor) -> Tensor:
        """∂(½‖next state on ``units``‖²)/∂x, (N, D): where an adversary would push the input."""

        def one(p: dict[str, Tensor], x: Tensor, s: Tensor) -> Tensor:
            pulled = vjp(lambda q: self._call(p, "step", q, s), x)
            out: Tensor = pulled[1](_only(pulled[0], units))[0]
            return out

        out: Tensor = self._vmap(one, draws, x, flat)
        return out

    def lessons(self, draws: Draws, cotangents: Tensor) -> Tensor:
        """∂(final · ``cotangents``)/∂inputs, (T, N, D): what the inputs learn from the final state."""

        def one(p: dict[str, Tensor], s: Tensor, xs: Tensor, v: Tensor) -> Tensor:
            out: Tensor = vjp(lambda q: self._call(p, "final", q, s), xs)[1](v)[0]
            return out

        out: Tensor = self._vmap(
            one, draws, draws.state, draws.inputs, cotangents, in_dims=(0, 0, 1, 0), out_dims=1
        )
        return out


class SingleEngine:
    """The real cell, one draw at a time, with ordinary autograd (which sees hooks and custom Functions)."""

    batched = False

    def __init__(self, cell: Any) -> None:
        self.probe = Probe(cell)

    def _each(self, draws: Draws, one: Callable[..., Any], *stacked: Tensor) -> list[Any]:
        def call(operation: str, *arguments: Any) -> Any:
            return getattr(self.probe, operation)(*arguments)

        results = []
        for i in range(len(draws)):
            named = {f"cell.{k}": v[i] for k, v in draws.parameters.items()}
            given = [s[i] for s in stacked]
            # gradients are taken in there as well: checkpointing runs the step again in the backward pass
            results.append(functional_call(self.probe, named, ("within", one, call, *given)))
        return results

    def trajectories(self, draws: Draws) -> Tensor:
        """As :meth:`BatchedEngine.trajectories`."""
        with torch.no_grad():
            each = self._each(
                draws, lambda call, s, xs: call("trajectory", xs, s),
                draws.state, draws.inputs.transpose(0, 1),
            )  # fmt: skip
        return torch.stack(each, 1)

    def finals(self, draws: Draws) -> Tensor:
        """As :meth:`BatchedEngine.finals`."""
        with torch.no_grad():
            each = self._each(
                draws, lambda call, s, xs: call("final", xs, s),
                draws.state, draws.inputs.transpose(0, 1),
            )  # fmt: skip
        return torch.stack(each)

    def pullbacks(self, draws: Draws, cotangents: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`BatchedEngine.pullbacks`."""

        def one(call: Any, s: Tensor, xs: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            s = s.detach().requires_grad_()
            final = call("final", xs, s)
            return final.detach(), _gradient(final, s, v)

        each = self._each(draws, one, draws.state, draws.inputs.transpose(0, 1), cotangents)
        return torch.stack([e[0] for e in each]), torch.stack([e[1] for e in each])

    def jacobians(self, draws: Draws) -> Tensor:
        """As :meth:`BatchedEngine.jacobians`."""

        def one(call: Any, s: Tensor, xs: Tensor) -> Tensor:
            s = s.detach().requires_grad_()
            return _jacobian(call("final", xs, s), s)

        return torch.stack(self._each(draws, one, draws.state, draws.inputs.transpose(0, 1)))

    def readouts(self, draws: Draws, points: Tensor) -> Tensor:
        """As :meth:`BatchedEngine.readouts`."""
        with torch.no_grad():
            each = self._each(draws, lambda call, qs: call("readouts", qs), points)
        return torch.stack(each)

    def steps(self, draws: Draws, xs: Tensor, flats: Tensor) -> Tensor:
        """Single steps of each draw from many states: (P, N, D), (P, N, n) to (P, N, n)."""
        with torch.no_grad():
            each = self._each(
                draws, lambda call, x, q: call("steps", x, q),
                xs.transpose(0, 1), flats.transpose(0, 1),
            )  # fmt: skip
        return torch.stack(each, 1)

    def slopes(self, draws: Draws, points: Tensor, *, emitted: bool) -> Tensor:
        """As :meth:`BatchedEngine.slopes`."""

        def one(call: Any, qs: Tensor, x: Tensor) -> Tensor:
            # rows are independent, so that one cotangent serves all points: R passes, not P·R
            leaf = qs.detach().clone().requires_grad_()
            out = call("emissions", x, leaf) if emitted else call("readouts", leaf)
            passes = []
            for k in range(out.shape[-1]):
                cotangent = torch.zeros_like(out)
                cotangent[:, k] = 1
                passes.append(_gradient(out, leaf, cotangent))
            return torch.stack(passes, 1)

        return torch.stack(self._each(draws, one, points, draws.inputs[0]))

    def drift(self, draws: Draws, x: Tensor, flat: Tensor, units: Tensor) -> Tensor:
        """As :meth:`BatchedEngine.drift`."""

        def one(call: Any, x: Tensor, s: Tensor) -> Tensor:
            x = x.detach().requires_grad_()
            after = call("step", x, s)
            return _gradient(after, x, _only(after.detach(), units))

        return torch.stack(self._each(draws, one, x, flat))

    def lessons(self, draws: Draws, cotangents: Tensor) -> Tensor:
        """As :meth:`BatchedEngine.lessons`."""

        def one(call: Any, s: Tensor, xs: Tensor, v: Tensor) -> Tensor:
            xs = xs.detach().clone().requires_grad_()
            return _gradient(call("final", xs, s), xs, v)

        each = self._each(draws, one, draws.state, draws.inputs.transpose(0, 1), cotangents)
        return torch.stack(each, 1)


def _only(values: Tensor, units: Tensor) -> Tensor:
    """``values`` where ``units`` (n,), a 0/1 mask, is 1: unlike a product this keeps ∞ elsewhere out."""
    return torch.where(units > 0, values, torch.zeros((), dtype=values.dtype))


def _gradient(output: Tensor, leaf: Tensor, cotangent: Tensor) -> Tensor:
    if not output.requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(output, leaf, cotangent, allow_unused=True, retain_graph=True)
    return torch.zeros_like(leaf) if gradient is None else gradient


def _jacobian(output: Tensor, leaf: Tensor) -> Tensor:
    eye = torch.eye(output.numel(), dtype=output.dtype)
    return torch.stack([_gradient(output, leaf, row) for row in eye])


def fast_engine(cell: Any, draws: Draws) -> tuple[Engine, str | None]:
    """The batched engine, or the single one and why: both are run on a few draws and compared.

    A data-dependent branch or an old-style autograd Function makes vmap raise; a difference in
    values or gradients means that vmap does not see what the cell does.
    """
    real, batched = SingleEngine(cell), BatchedEngine(cell)
    cotangents, points = torch.ones_like(draws.state), draws.state.unsqueeze(1)

    def answers(engine: Engine) -> tuple[Tensor, ...]:
        slopes = engine.slopes(draws, points, emitted=False)
        return *engine.pullbacks(draws, cotangents), engine.readouts(draws, points), slopes

    single = answers(real)
    try:
        try:
            batched.finals(draws)
        except RuntimeError as error:
            if "atching rule" not in str(error):
                raise
            batched.through_vjp = True
            batched.finals(draws)
        many = answers(batched)
    except Exception as error:  # noqa: BLE001 - whatever torch raises inside a transform
        first = (str(error).strip().splitlines() or [""])[0].split(". ")[0]
        return real, f"vmap raised {type(error).__name__}: {first[:160]}"
    slack = tolerance(draws.state.dtype).agreement
    kinds = ("values", "gradients", "readouts", "readout gradients")
    for what, one, other in zip(kinds, single, many, strict=True):
        finite = torch.isfinite(one)
        if not torch.equal(finite, torch.isfinite(other)):
            # a NaN under vmap alone would discard every draw of the search
            return (
                real,
                f"vmapped {what} are not finite in the places where the one-by-one ones are",
            )
        if not torch.allclose(one[finite], other[finite], rtol=slack, atol=slack):
            worst = float((one[finite] - other[finite]).abs().max())
            return real, f"vmapped {what} differ from the one-by-one ones by {worst:.3g}"
    return batched, None
