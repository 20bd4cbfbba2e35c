"""The numbers behind the plots of a page, drawn from the live run at a cost of about a second."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from properties.core import line
from properties.core.certificate import Certificate
from properties.core.context import Bench, Context
from properties.core.engine import Engine
from properties.core.sampling import Regime
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness
from properties.desiderata.bounded_state import recurrent_mask
from properties.desiderata.identity_block import block_of

LONGEST_GAP = 256
STEPS = 512
QUANTILES = (0.1, 0.5, 0.9)
WEIGHT_SCALES = (1.0, 4.0, 16.0)
JACOBIAN_GAP = 16
_DRAWS = 16
_WORST = 3
_BATCH = 2**22  # scalars of parameters that one batched call may stack
_GAMMA_POINTS = 801
_GAMMA_DRAWS = 5


@dataclass(frozen=True)
class Band:
    """Quantiles 0.1, 0.5 and 0.9 over draws, (3, len(at)), of something measured at ``at``."""

    label: str
    at: Tensor
    values: Tensor


@dataclass(frozen=True)
class Trace:
    """The largest magnitude of the recurrent part after steps 1 … T of one draw, and its scope."""

    scope: str
    label: str
    values: Tensor


@dataclass(frozen=True)
class Gamma:
    """γ and γ′ of one readout scalar along one state scalar: ``values``, ``slopes`` (draws, points)."""

    at: Tensor
    values: Tensor
    slopes: Tensor
    scalar: str
    output: int
    emitted: bool
    free_of_parameters: bool


@dataclass(frozen=True)
class Heat:
    """∂state_T/∂state_0 of one draw over ``gap`` steps for what is carried on, (n, n).

    ``labels``: its scalars; ``block``: the places of the identity block among them; ``scale``: what the
    initialization's parameters are multiplied by.
    """

    jacobian: Tensor
    labels: tuple[str, ...]
    block: tuple[int, ...]
    gap: int
    scale: float


@dataclass(frozen=True)
class Curves:
    """All four pictures; ``block`` says of which scalars the gradient is shown, in words."""

    gradient: tuple[Band, ...]
    block: str
    growth: tuple[Trace, ...]
    bounds: dict[str, float]
    gamma: Gamma | None
    heat: Heat


def curves(certificate: Certificate) -> Curves | None:
    """What the plots show, or None where the certificate has no live run or its cell is not well-posed."""
    context: Context | None = certificate.context
    if context is None or certificate.evaluation == "not evaluated":
        return None
    threads, scope = torch.get_num_threads(), context.scope
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            return _curves(context, certificate)
    finally:
        torch.set_num_threads(threads)
        context.scope = scope


def _curves(context: Context, certificate: Certificate) -> Curves:
    bench = context.standard
    units, word = _shown_block(context, bench)
    scales = WEIGHT_SCALES if context.subject.weights is None else (1.0,)
    description = context.subject.description
    bounds = {}
    for scope in context.subject.scopes:
        claim = description.claim("bounded-state", scope)
        if claim is not None and claim.bound is not None:
            bounds[scope] = claim.bound
    return Curves(
        gradient=tuple(_gradient(context, bench, units, scale) for scale in scales),
        block=word,
        growth=tuple(
            t for s in context.subject.scopes for t in _growth(context, bench, s, certificate)
        ),
        bounds=bounds,
        gamma=_gamma(context, bench),
        heat=_heat(context, bench, 4.0 if len(scales) > 1 else 1.0),
    )


def _shown_block(context: Context, bench: Bench) -> tuple[list[int], str]:
    """The identity block that stands for most parameters, or all that is carried on."""
    for scope in reversed(context.subject.scopes):
        context.scope = scope
        block = block_of(context, bench.size)
        if block.units:
            return list(block.units), f"the {block.origin} identity block ({scope})"
    emitted = set(context.emission(bench))
    return [i for i in range(bench.layout.size) if i not in emitted], "the whole state"


def _draws(context: Context, bench: Bench, steps: int, scale: float, count: int) -> Draws:
    """Initializations times ``scale``, uniform inputs in [−1, 1], the cell's own initial state."""
    first = context.subject.scopes[0]
    seed = context.derive("curves", steps)
    draws = context.draws(Regime(bench.size, steps, seed), first, count, state_scales=(0.0,))
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(draws.inputs.shape, generator=generator, dtype=torch.float64) * 2 - 1
    return draws.replace(
        parameters={k: v * scale for k, v in draws.parameters.items()},
        inputs=inputs.to(draws.inputs.dtype),
        state=bench.initial.expand_as(draws.state).clone(),
    )


def _count(bench: Bench) -> int:
    """How many draws are affordable: fewer where they run one by one, or where the state is wide."""
    if not bench.engine.batched:
        return 3
    return max(5, min(_DRAWS, 512 // max(bench.layout.size, 1)))


def _gradient(context: Context, bench: Bench, units: list[int], scale: float) -> Band:
    """‖∂s_T/∂s_(T−gap)‖ from products of one-step Jacobians along one trajectory per draw.

    The Frobenius norm of the block over √|block|: what a random unit cotangent keeps, 1 for an identity.
    """
    wide = bench.layout.size > 128
    longest = context.horizon(64 if wide else LONGEST_GAP)
    draws = _draws(context, bench, longest, scale, _count(bench))
    states = torch.cat([draws.state.unsqueeze(0), bench.engine.trajectories(draws)[:-1]])
    jacobians = step_jacobians(bench.engine, draws, states)
    gaps = torch.tensor([2**k for k in range(longest.bit_length()) if 2**k <= longest])
    norms, product = [], torch.eye(bench.layout.size, dtype=states.dtype).expand_as(jacobians[0])
    for gap in range(1, int(gaps[-1]) + 1):
        product = product @ jacobians[longest - gap]
        if gap in gaps:
            block = product[:, units][:, :, units]
            norms.append(torch.linalg.matrix_norm(block) / math.sqrt(len(units)))
    seen = torch.nan_to_num(torch.stack(norms), nan=torch.inf).double()
    label = "at initialization" if scale == 1 else f"weights ×{scale:g}"
    if context.subject.weights is not None:
        label = "these weights"
    quantiles = torch.tensor(QUANTILES, dtype=torch.float64)
    return Band(label, gaps, torch.quantile(seen, quantiles, dim=1, interpolation="nearest"))


def step_jacobians(engine: Engine, draws: Draws, states: Tensor) -> Tensor:
    """∂state_(t+1)/∂state_t at ``states`` (T, N, n) under the draws' inputs, (T, N, n, n)."""
    steps, count, _ = states.shape
    weight = count * sum(v[0].numel() for v in draws.parameters.values()) + states[0].numel() ** 2
    together = max(1, min(steps, _BATCH // max(weight, 1)))
    parts = []
    for start in range(0, steps, together):
        here = states[start : start + together]
        length = len(here)
        one = draws.replace(
            parameters={
                k: v.repeat(length, *(1,) * (v.dim() - 1)) for k, v in draws.parameters.items()
            },
            state=here.flatten(0, 1),
            inputs=draws.inputs[start : start + together].flatten(0, 1).unsqueeze(0),
            kinds=(),
        )
        parts.append(engine.jacobians(one).unflatten(0, (length, count)))
    return torch.cat(parts)


def _growth(context: Context, bench: Bench, scope: str, certificate: Certificate) -> list[Trace]:
    """The draws of one scope whose recurrent part becomes largest, and the counterexample if any."""
    context.scope = scope
    steps = context.horizon(STEPS)
    count = 48 if bench.engine.batched else 4
    draws = context.draws(Regime(bench.size, steps, context.derive("growth", scope)), scope, count)
    draws = draws.replace(state=bench.initial.expand_as(draws.state).clone())
    mask = recurrent_mask(context, bench)
    sizes = (bench.engine.trajectories(draws) * mask).abs().amax(-1).double()
    sizes = torch.nan_to_num(sizes, nan=torch.inf)
    worst = torch.argsort(sizes.amax(0), descending=True, stable=True)[:_WORST].tolist()
    traces = [Trace(scope, draws.kinds[i], sizes[:, i]) for i in worst]
    witness = _witness(certificate, "bounded-state", scope)
    if witness is not None:
        traces.append(Trace(scope, "counterexample", _replayed(context, witness, steps)))
    return traces


def _witness(certificate: Certificate, key: str, scope: str) -> Witness | None:
    for result in certificate.results:
        if (result.property, result.scope) == (key, scope) and result.status is Status.FALSIFIED:
            return result.witness
    return None


def _replayed(context: Context, witness: Witness, steps: int) -> Tensor:
    """The counterexample's recurrent part over ``steps`` steps, on the real cell."""
    case = witness.draws
    bench = context.bench((case.input_size, case.hidden_size))
    if "adversary" not in case.extra:
        case = case.with_horizon(max(steps, witness.horizon))
    states = bench.real.trajectories(case) * recurrent_mask(context, bench)
    return torch.nan_to_num(states.abs().amax(-1)[:, 0].double(), nan=torch.inf)


def _gamma(context: Context, bench: Bench) -> Gamma | None:
    """γ along the state scalar that it depends on most, the others at rest."""
    emitted = line.emits(context, bench)
    engine = bench.engine
    first = context.subject.scopes[0]
    draws = _draws(context, bench, 1, 1.0, _GAMMA_DRAWS).replace(extra={})
    free = line.free_of_parameters(context, bench, engine, first) and not emitted
    if free:
        draws = draws.select([0])
    units = bench.layout.size
    around = torch.linspace(-2, 2, 9, dtype=torch.float64).to(draws.state.dtype)
    probe = (bench.initial + around.reshape(-1, 1)).expand(len(draws), -1, -1)
    reach = (
        torch.nan_to_num(engine.slopes(draws, probe, emitted=emitted)).abs().amax((0, 1))
    )  # (R, n)
    reach[:, list(context.emission(bench))] = 0
    if not bool((reach > 0).any()):
        return None
    scalar, output = _best(context, bench, reach)
    at = torch.linspace(-4 * math.pi, 4 * math.pi, _GAMMA_POINTS, dtype=torch.float64)
    points = bench.initial.double().expand(_GAMMA_POINTS, units).clone()
    points[:, scalar] = at
    states = points.to(draws.state.dtype).expand(len(draws), -1, -1)
    values = _emissions(engine, draws, states) if emitted else engine.readouts(draws, states)
    slopes = engine.slopes(draws, states, emitted=emitted)[:, :, output, scalar]
    return Gamma(
        at, values[:, :, output].double(), slopes.double(), bench.layout.label(scalar), output,
        emitted, free,
    )  # fmt: skip


def _best(context: Context, bench: Bench, reach: Tensor) -> tuple[int, int]:
    """A scalar and an output: of the block where γ reads it, else of the largest slope."""
    block = [i for i in _shown_block(context, bench)[0] if bool(reach[:, i].max() > 0)]
    scalar = block[0] if block else int(reach.amax(0).argmax())
    return scalar, int(reach[:, scalar].argmax())


def _emissions(engine: Engine, draws: Draws, states: Tensor) -> Tensor:
    """γ after one step from ``states`` (N, P, n) under each draw's first input, (N, P, R)."""
    count, points, units = states.shape
    flat = draws.replace(
        parameters={k: v.repeat_interleave(points, 0) for k, v in draws.parameters.items()},
        state=states.reshape(-1, units),
        inputs=draws.inputs[:1].repeat_interleave(points, 1),
        kinds=(),
    )
    after = engine.finals(flat).reshape(count, points, units)
    return engine.readouts(draws, after)


def _heat(context: Context, bench: Bench, scale: float) -> Heat:
    gap = context.horizon(JACOBIAN_GAP)
    draws = _draws(context, bench, gap, scale, 3).select([0])
    units, _ = _shown_block(context, bench)
    has_block = any(block_of(context, bench.size).units for context.scope in context.subject.scopes)
    emitted = set(context.emission(bench))
    carried = [i for i in range(bench.layout.size) if i not in emitted]
    jacobian = bench.engine.jacobians(draws)[0].double()[carried][:, carried]
    labels = tuple(bench.layout.label(i) for i in carried)
    places = tuple(carried.index(i) for i in units) if has_block else ()
    return Heat(jacobian, labels, places, gap, scale)
