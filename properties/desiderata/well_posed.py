"""well-posed: the step is a deterministic, pure function of (parameters, state, x), row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from properties.core.context import Context
from properties.core.desideratum import Finding, Property
from properties.core.subject import Subject
from properties.core.tolerance import tolerance
from properties.core.verdict import Status

_STEPS = 128
_BATCH = 4
_MAGNITUDES = (1.0, 30.0)  # of inputs that may give no NaN


def judge(context: Context, scope: str) -> Finding:
    """Run the battery on a freshly built cell; the first complaint falsifies."""
    subject = context.subject
    size = subject.standard_size
    cell = subject.build(*size, seed=context.derive("well-posed", scope))
    if scope == "all-weights":
        scale(cell, 4.0)
    ran = []
    quantifiers = {"parameters": scope, "horizon": _STEPS, "batch": _BATCH, "sizes": [list(size)]}
    with torch.random.fork_rng(devices=[]):
        for name, complaint in complaints(subject, cell, size, context.derive("inputs", scope)):
            ran.append(name)
            if complaint is not None:
                counts = (len(ran) - 1, 0, {"checks": ran})
                return Finding(Status.FALSIFIED, complaint, quantifiers, *counts)
    reason = f"{len(ran)} checks: {', '.join(ran)}"
    return Finding(Status.TESTED, reason, quantifiers, len(ran), 0, {"checks": ran})


def scale(cell: Any, factor: float) -> None:
    """Multiply every parameter by ``factor``."""
    if isinstance(cell, nn.Module):
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.mul_(factor)


def complaints(
    subject: Subject, cell: Any, size: tuple[int, int], seed: int
) -> Iterator[tuple[str, str | None]]:
    """Each check's name and what it has against the cell (None: nothing)."""
    generator = torch.Generator().manual_seed(seed)
    xs = torch.randn(_STEPS, _BATCH, size[0], generator=generator, dtype=torch.float64).to(
        subject.dtype
    )
    weights = _weights(cell)
    torch.manual_seed(seed)
    random = torch.get_rng_state()
    with torch.no_grad():
        yield "runs", _runs(cell, xs)
        yield "shapes", _shapes(cell, xs)
        yield "finite", _finite(cell, xs)
        yield "pure", _pure(cell, xs)
        yield "deterministic", _deterministic(cell, xs)
        yield "no hidden state", _no_hidden_state(cell, xs)
        yield "rows independent", _rows(cell, xs)
        yield "split-invariant", _split(cell, xs)
        yield "unbatched agrees", _unbatched(cell, xs, subject)
    yield "leaves the weights alone", _untouched(weights, _weights(cell))
    yield "differentiable", _differentiable(cell, xs, subject)
    yield "draws no random number", _undrawn(random)


def _runs(cell: Any, xs: Tensor) -> str | None:
    try:
        state = cell.step(xs[0], cell.initial_state(_BATCH))
        if hasattr(state, "_fields"):  # what is no state is told below
            cell.readout(state)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's step raises
        text = (str(error).strip().splitlines() or [""])[0]
        return (
            f"expected step(x, state) to take x of shape {tuple(xs[0].shape)} and return a state, got "
            f"{type(error).__name__}: {text[:200]}"
        )
    return None


def _shapes(cell: Any, xs: Tensor) -> str | None:
    before = cell.initial_state(_BATCH)
    after = cell.step(xs[0], before)
    if getattr(after, "_fields", None) != before._fields:
        return (
            f"expected step to return a state with fields {before._fields}, got "
            f"{getattr(after, '_fields', type(after).__name__)}: return the same NamedTuple"
        )
    for name, old, new in zip(before._fields, before, after, strict=True):
        for what, have, want in (
            ("shape", tuple(new.shape), tuple(old.shape)),
            ("dtype", new.dtype, old.dtype),
            ("device", new.device, old.device),
        ):
            if have != want:
                return (
                    f"step must keep the {what} of {name!r}: expected {want}, got {have}; "
                    f"make the step return what it was given"
                )
    return None


def _finite(cell: Any, xs: Tensor) -> str | None:
    for size in _MAGNITUDES:
        _, state = _walk(cell, size * xs[:4], cell.initial_state(_BATCH))
        for name, value in zip(state._fields, state, strict=True):
            if bool(torch.isnan(value).any()):
                return (
                    f"expected numbers for normal inputs of scale {size:g}, got NaN in {name!r} within 4 "
                    "steps: look for 0/0, inf/inf, inf − inf, or the log or sqrt of a negative number"
                )
    return None


def _pure(cell: Any, xs: Tensor) -> str | None:
    state = cell.step(xs[0], cell.initial_state(_BATCH))
    x = xs[1].clone()
    kept = [v.clone() for v in state]
    cell.step(x, state)
    if not torch.equal(x, xs[1]):
        return "step changed its input x in place: expected a pure function; work on a copy"
    for name, old, new in zip(state._fields, kept, state, strict=True):
        if not _same(old, new):
            return f"step changed the state's {name!r} in place: expected a pure function; work on a copy"
    for x in xs.unbind(0):  # what a readout does to a state may depend on its size
        state = cell.step(x, state)
    kept = [v.clone() for v in state]
    cell.readout(state)
    for name, old, new in zip(state._fields, kept, state, strict=True):
        if not _same(old, new):
            return f"readout changed the state's {name!r} in place: expected a pure function"
    return None


def _deterministic(cell: Any, xs: Tensor) -> str | None:
    state = cell.step(xs[0], cell.initial_state(_BATCH))
    first, second = cell.step(xs[1], state), cell.step(xs[1], state)
    for name, one, other in zip(first._fields, first, second, strict=True):
        if not _same(one, other):
            return (
                f"two equal calls of step gave different {name!r} in evaluation mode: expected a "
                "deterministic step; is dropout or noise active in eval(), or a state kept inside?"
            )
    if not _same(cell.readout(first), cell.readout(first)):
        return (
            "two equal calls of readout gave different values in evaluation mode: expected a deterministic "
            "readout; is dropout or noise active in eval()?"
        )
    return None


def _no_hidden_state(cell: Any, xs: Tensor) -> str | None:
    runs = []
    for extra in (0, 0, 1):
        # T and T + 1 calls apart: no hidden clock of a period above 1 meets every rollout in one phase
        for _ in range(extra):
            cell.step(xs[0], cell.initial_state(_BATCH))
        states, state = [], cell.initial_state(_BATCH)
        for x in xs.unbind(0):
            state = cell.step(x, state)
            states.append(state)
        runs.append(states)
    for t, (one, *others) in enumerate(zip(*runs, strict=True), 1):
        for other in others:
            for name, a, b in zip(one._fields, one, other, strict=True):
                if not _same(a, b):
                    return (
                        f"two equal rollouts differ in {name!r} at step {t}: expected a function of "
                        "(parameters, state, x) alone; something inside the cell counts or remembers calls"
                    )
    before = _attributes(cell)
    cell.readout(cell.step(xs[0], cell.initial_state(_BATCH)))
    after = _attributes(cell)
    changed = sorted(
        k for k in before.keys() | after.keys() if not _same_value(before.get(k), after.get(k))
    )
    if changed:
        return (
            f"a call of step changed {', '.join(changed[:3])}: expected no state inside the cell; "
            "carry it in the state instead"
        )
    return None


def _attributes(cell: Any) -> dict[str, Any]:
    """Buffers, and every plain number or string on the module and its parts."""
    found: dict[str, Any] = {}
    modules = cell.named_modules() if isinstance(cell, nn.Module) else [("", cell)]
    for prefix, module in modules:
        for name, value in vars(module).items():
            if name in ("_parameters", "_modules", "training"):
                continue
            if name == "_buffers":
                found |= {
                    f"{prefix}.{k}".strip("."): v.clone() for k, v in value.items() if v is not None
                }
            elif isinstance(value, int | float | complex | str | bytes | bool):
                found[f"{prefix}.{name}".strip(".")] = value
            elif isinstance(value, Tensor):
                found[f"{prefix}.{name}".strip(".")] = value.clone()
            elif isinstance(value, list | dict | set) and not name.startswith("_"):
                found[f"{prefix}.{name}".strip(".")] = len(value)
    return found


def _same_value(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and _same(one, other)
    return type(one) is type(other) and bool(one == other or one != one)  # noqa: PLR0124


def _rows(cell: Any, xs: Tensor) -> str | None:
    whole = _walk(cell, xs[:8], cell.initial_state(_BATCH))
    for altered in ([0], list(range(1, _BATCH))):  # a row may look at those before it, or after it
        kept = [i for i in range(_BATCH) if i not in altered]
        other = xs[:8].clone()
        other[:, altered] = 3 * xs[:8].flip(0)[:, altered] + 0.5
        again = _walk(cell, other, cell.initial_state(_BATCH))
        for name, a, b in zip(whole[1]._fields, whole[1], again[1], strict=True):
            if a.dim() and a.shape[:1] == (_BATCH,) and not _same(a[kept], b[kept]):
                row = next(i for i in kept if not _same(a[i], b[i]))
                worst = float((a[row] - b[row]).abs().max())
                return (
                    f"row {row} of {name!r} changes by {worst:.3g} when only other rows' inputs change: "
                    "expected independent rows; look for statistics or softmax over the batch axis"
                )
        if not _same(whole[0][:, kept], again[0][:, kept]):
            return (
                f"the readout of rows {kept} changes when only the inputs of rows {altered} change: "
                "expected independent rows"
            )
    return None


def _walk(cell: Any, xs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """The readouts and the last state of ``cell.step`` itself, one step after the other.

    What is judged is the step, bit for bit; the library's loop may project all inputs in one product,
    whose last bits depend on how many there are.
    """
    readouts = []
    for x in xs.unbind(0):
        state = cell.step(x, state)
        readouts.append(cell.readout(state))
    return torch.stack(readouts), state


def _split(cell: Any, xs: Tensor) -> str | None:
    whole, end = _walk(cell, xs[:16], cell.initial_state(_BATCH))
    first, middle = _walk(cell, xs[:7], cell.initial_state(_BATCH))
    second, last = _walk(cell, xs[7:16], middle)
    if not _same(torch.cat([first, second]), whole) or not all(
        _same(a, b) for a, b in zip(end, last, strict=True)
    ):
        return (
            "running 16 steps differs from running 7 and then 9: expected the state to hold all that is "
            "carried"
        )
    return None


def _unbatched(cell: Any, xs: Tensor, subject: Subject) -> str | None:
    try:
        _, alone = _walk(cell, xs[:4, 0], cell.initial_state())
    except Exception as error:  # noqa: BLE001
        text = (str(error).strip().splitlines() or [""])[0]
        return (
            f"expected step to take an unbatched x of shape ({xs.shape[-1]},), got {type(error).__name__}: "
            f"{text[:160]}; use last-axis operations only"
        )
    slack = tolerance(subject.dtype).agreement
    _, batch = _walk(cell, xs[:4], cell.initial_state(_BATCH))
    for name, a, b in zip(alone._fields, alone, batch, strict=True):
        row = b[0] if b.dim() else b  # rows are independent: one stands for all
        if a.shape != row.shape or not torch.allclose(
            a, row, rtol=slack, atol=slack, equal_nan=True
        ):
            return f"unbatched and batched calls disagree in {name!r}: expected leading axes to be batch axes"
    return None


def _differentiable(cell: Any, xs: Tensor, subject: Subject) -> str | None:
    """With gradients asked for: the same values, and a backward pass that autograd accepts."""
    slack = tolerance(subject.dtype).agreement
    state = cell.initial_state(_BATCH)
    with torch.no_grad():
        plain = _walk(cell, xs[:3], state)
    try:
        with torch.enable_grad():
            leaf = xs[:3].clone().requires_grad_()
            watched = _walk(cell, leaf, state)
            if watched[0].requires_grad:
                out = watched[0]
                (
                    torch.view_as_real(out.resolve_conj()) if out.is_complex() else out
                ).sum().backward()
    except RuntimeError as error:
        text = (str(error).strip().splitlines() or [""])[0]
        return (
            f"the backward pass of 3 steps raised {type(error).__name__}: {text[:200]}; expected a step that "
            "autograd can differentiate: no numpy, no in-place changes of what it has saved"
        )
    finally:
        if isinstance(cell, nn.Module):
            cell.zero_grad(set_to_none=True)
    for name, a, b in zip(
        ("readout", *state._fields), (plain[0], *plain[1]), (watched[0], *watched[1]), strict=True
    ):
        # not bitwise: torch may choose another kernel where a gradient is asked for
        if not torch.allclose(a, b.detach(), rtol=slack, atol=slack, equal_nan=True):
            return (
                f"{name!r} differs between torch.no_grad() and gradient mode: expected one function; do not "
                "ask torch.is_grad_enabled()"
            )
    return None


def _weights(cell: Any) -> dict[str, Tensor]:
    named = cell.named_parameters() if isinstance(cell, nn.Module) else ()
    return {k: p.detach().clone() for k, p in named}


def _untouched(before: dict[str, Tensor], after: dict[str, Tensor]) -> str | None:
    changed = [k for k, v in before.items() if k not in after or not _same(v, after[k])]
    if not changed:
        return None
    return (
        f"running the cell changed its parameter {changed[0]}: expected no side effects; constrain weights "
        "in the training loop, or through torch.nn.utils.parametrize"
    )


def _undrawn(before: Tensor) -> str | None:
    if torch.equal(before, torch.get_rng_state()):
        return None
    return (
        "step or readout drew from the global random generator, or seeded it, in evaluation mode: expected "
        "no side effects; draw at construction"
    )


def _same(one: Tensor, other: Tensor) -> bool:
    """Bitwise equality in which NaN equals NaN."""
    if one.layout != torch.strided or other.layout != torch.strided:
        one, other = one.to_dense(), other.to_dense()
    if one.is_complex():
        one, other = (
            torch.view_as_real(one.resolve_conj()),
            torch.view_as_real(other.resolve_conj()),
        )
    return bool(((one == other) | ((one != one) & (other != other))).all())  # noqa: PLR0124


PROPERTY = Property(
    key="well-posed",
    title="well posed",
    statement=(
        "The step is a deterministic, differentiable function of (parameters, state, x), the readout one of "
        "the state: same shapes, dtype and device, no NaN, no side effects, no hidden state, no mixing of "
        "batch rows, invariant to splitting the sequence."
    ),
    source="precondition of every other statement",
    order=0,
    judge=judge,
    semantics=("F",),
)
