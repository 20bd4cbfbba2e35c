"""A failing line in words: what was asked and seen, the smallest case, and how to get a script of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from properties.core.certificate import Result
from properties.core.profile import PROFILES
from properties.core.verdict import Status
from properties.core.witness import Witness, period_of

_NAMED = 4  # so many numbers are written out


def open_lines(results: Sequence[Result]) -> list[Result]:
    """The lines that keep a certificate from holding: failing, or required and not decided."""
    return [r for r in results if r.fails or (r.required and r.status is Status.INCONCLUSIVE)]


def explanation(result: Result) -> Iterator[tuple[str, str]]:
    """Pairs of a word and a text: "asked", "seen" and, where there is a case, "case"."""
    yield "asked", result.statement
    yield "seen", result.reason
    if result.witness is not None:
        yield "case", case_in_words(result.witness, result.scope)


def case_in_words(witness: Witness, scope: str) -> str:
    """The smallest counterexample in one sentence: sizes, steps, inputs, state and parameters."""
    draws = witness.draws
    parts = [
        f"input size {draws.input_size}, hidden size {draws.hidden_size}",
        _inputs(draws.inputs[:, 0]),
        f"state before: {_numbers(draws.state[0])}",
        _parameters({k: v[0] for k, v in draws.parameters.items()}, scope),
    ]
    return "; ".join(parts)


def _inputs(inputs: Tensor) -> str:
    if not len(inputs):
        return "no step"
    steps = f"{len(inputs)} step{'' if len(inputs) == 1 else 's'}"
    period = period_of(inputs)
    if period == 1:
        return f"{steps} of x = {_numbers(inputs[0])}"
    if period <= 2:
        return f"{steps} of x = {' and '.join(_numbers(x) for x in inputs[:period])} in turn"
    return f"{steps} of x up to {_figure(float(inputs.abs().max()))}"


def _numbers(value: Tensor) -> str:
    flat = (torch.view_as_real(value) if value.is_complex() else value).reshape(-1).double()
    if not len(flat):
        return "empty"
    if bool((flat == flat[0]).all()):
        return ("" if len(flat) == 1 else "all ") + _figure(float(flat[0]))
    if len(flat) <= _NAMED:
        return f"({', '.join(_figure(float(v)) for v in flat)})"
    return f"{len(flat)} numbers up to {_figure(float(flat.abs().max()))}"


def _parameters(parameters: dict[str, Tensor], scope: str) -> str:
    if not parameters:
        return "no parameters"
    if scope != "all-weights":
        return "parameters as constructed" if scope == "at-init" else "parameters as given"
    total = sum(v.numel() for v in parameters.values())
    nonzero = sum(int((v != 0).sum()) for v in parameters.values())
    if nonzero > _NAMED:
        return f"{nonzero} of {total} parameters not 0"
    entries = [
        f"{name}{place or ''} = {_number(value[tuple(place)])}"
        for name, value in parameters.items()
        for place in (value != 0).nonzero().tolist()
    ]
    rest = "all other parameters 0" if entries else "all parameters 0"
    return ", ".join([*entries, rest])


def _number(value: Tensor) -> str:
    plain = value.item()
    return f"{plain:.4g}" if isinstance(plain, complex) else _figure(float(plain))


def _figure(value: float) -> str:
    return f"{value + 0.0:.4g}"  # no negative zero


def script_command(
    target: str | None,
    results: Sequence[Result],
    *,
    profile: str,
    seed: int,
    dtype: str,
    weights: Sequence[str] = (),
) -> str | None:
    """The shell command that writes a script for each falsified one of ``results``.

    ``weights``: the options that named trained weights. None where none is falsified, and where the shell
    cannot repeat the run: a cell without an import path, a budget without a name.
    """
    keys = dict.fromkeys(r.property for r in results if r.status is Status.FALSIFIED)
    if target is None or not keys or profile not in PROFILES:
        return None
    command = ["python", "-m", "properties", target]
    for key in keys:
        command += ["--only", key]
    if profile != "dev":
        command += ["--profile", profile]
    if seed:
        command += ["--seed", str(seed)]
    if dtype != "float64":
        command += ["--dtype", dtype]
    return shlex.join([*command, *weights, "--reproducer", "scripts"])
