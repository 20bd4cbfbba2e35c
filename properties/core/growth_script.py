"""Lines of a stand-alone script that repeat the measurement of :mod:`properties.core.rollout`."""

from __future__ import annotations

import torch
from torch import Tensor

from properties.core import growth, rollout
from properties.core.context import Context
from properties.core.witness import Witness


def growth_lines(
    context: Context, witness: Witness, measure: str, what: str, units: Tensor
) -> list[str]:
    """Lines that set ``broken``: the claimed bound is passed, or the growth does not settle.

    ``measure``: the name of a function of a flat state that the lines before define; ``what``: how to
    call it in print; ``units``: a 0/1 mask of what an adversarial input pushes outwards.
    """
    bound = witness.required < float("inf")
    adversary = witness.draws.extra.get("adversary")
    steps = (
        witness.horizon
        if bound
        else rollout.replay_steps(context, adversarial=adversary is not None)
    )
    steps = max(steps, witness.horizon)
    if bound:
        lines = ["inputs = INPUTS"]
    elif adversary is None:
        lines = [
            f"inputs = INPUTS.repeat(-(-{steps} // len(INPUTS)), 1)[:{steps}]  # again and again"
        ]
    else:
        lines = _adversary(float(adversary[0, 0]), steps, units)
    lines += [
        f"sizes = torch.stack([{measure}(flat) for flat in trajectory(STATE, inputs)]).double()",
        "peaks = sizes.nan_to_num(nan=inf).cummax(0).values.tolist()",
        "for t in sorted({2**k for k in range(16) if 2**k <= len(peaks)} | {len(peaks)}):",
        f"    print(f'largest |{what}| up to step {{t}}: {{peaks[t - 1]:.10g}}')",
        "    if peaks[t - 1] == inf:",
        "        break",
    ]
    if bound:
        # a proof that rounding passes the claim leaves no room for rounding
        slack = 1 + context.tolerance.bound
        slack = slack if witness.observed > witness.required * slack else 1.0
        return [
            *lines,
            f"broken = not peaks[-1] <= {witness.required!r} * {slack!r}  # up to rounding",
        ]
    return [
        *lines,
        "quarter, half, end = (peaks[len(peaks) // d - 1] for d in (4, 2, 1))",
        "if end < inf:",
        "    print('gained between T/4 and T/2:', half - quarter, '; between T/2 and T:', end - half)",
        "    print('(a line gains twice as much, √t 1.4 times, what settles less than 1.25 times)')",
        f"grows = end - half >= {growth.POWER} * (half - quarter) and end - half > {growth.CREEP} * end",
        f"far = end > {rollout.SCALE} * (1 + float(STATE.abs().max()))  # left the scale of its start",
        f"broken = not end < {growth.CEILING} or (grows and far)",
    ]


def _adversary(size: float, steps: int, units: Tensor) -> list[str]:
    mask = [int(u) for u in torch.as_tensor(units).tolist()]
    return [
        "# inputs of fixed size whose signs push the state outwards at every step",
        f"mask = torch.tensor({mask}, dtype=STATE.dtype)",
        f"inputs, flat, x = [], STATE, torch.full_like(INPUTS[0], {size!r})",
        f"for _ in range({steps}):",
        "    x = x.detach().requires_grad_()",
        "    after = step(x, flat)",
        "    push = torch.autograd.grad(after, x, after.detach() * mask)[0]",
        f"    x = torch.where(push < 0, {-size!r}, {size!r}).to(STATE.dtype)",
        "    flat = step(x, flat).detach()",
        "    inputs.append(x)",
    ]
