"""``certify``: every property in every scope on one cell, weighed against what the cell declares."""

from __future__ import annotations

import dataclasses
import datetime as dt
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cells import Claim
from properties.core.certificate import Certificate, Result
from properties.core.checks import Examination, Progress, chosen, run
from properties.core.errors import UsageError
from properties.core.profile import Profile
from properties.core.profile import profile as profile_named
from properties.core.resolve import resolve
from properties.core.subject import Subject
from properties.core.surroundings import settled
from properties.core.verdict import PASSING, Status
from properties.core.weights import check, infer_size

LIMITS = (
    "sizes as listed in each line, one device, this build of torch",
    "'tested' counts cases without a counterexample; it is not a proof",
    "the criteria are necessary, not sufficient, for learning long dependencies (GATO section 3)",
)


def certify(
    factory: str | Callable[..., Any],
    *,
    name: str | None = None,
    profile: str | Profile = "dev",
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    only: Sequence[str] = (),
    allow: Mapping[str, str] | None = None,
    claims: Sequence[Claim] | None = None,
    denies: Sequence[Claim] | None = None,
    weights: dict[str, Tensor] | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Certify one cell.

    ``factory``: a registry name, ``"package.module:attribute"``, or a callable ``(input_size, hidden_size) ->
    cell`` (modules of the ``torch.nn.GRUCell`` kind are adapted). ``profile``: "dev", "ci", "nightly" or a
    :class:`Profile`; ``only``: property keys (``well-posed`` always runs first); ``allow``: key → reason, for
    violations that are accepted; ``claims``/``denies``: in place of the cell's own; ``weights``: a state
    dict of trained weights, then the scope is ``these-weights``; ``sizes``: (input_size, hidden_size)
    pairs to use (default: small ones, or with ``weights`` the one pair that their shapes imply).

    The same arguments and versions give the same certificate but for its time stamp. Raises
    :class:`HarnessError` for a cell that cannot be found or built, for unknown keys, and for weights that
    do not fit.
    """
    allow = allow or {}
    chosen(only, allow)  # complain about keys before any work
    budget = profile if isinstance(profile, Profile) else profile_named(profile)
    with settled():
        if weights is not None:
            sizes = (_trained_size(factory, weights, sizes, name),)
        subject = Subject(
            factory,
            name=name,
            dtype=dtype,
            claims=claims,
            denies=denies,
            weights=weights,
            sizes=sizes,
        )
        examination = Examination(subject, budget, seed, only, allow)
        return assemble(examination, list(run(examination.checks(), progress)))


def _trained_size(
    factory: str | Callable[..., Any],
    weights: dict[str, Tensor],
    sizes: Sequence[tuple[int, int]] | None,
    name: str | None,
) -> tuple[int, int]:
    """The size given, if the weights fit it, or else the one that they imply."""
    build = resolve(factory) if isinstance(factory, str) else factory
    given = factory if isinstance(factory, str) else getattr(factory, "__name__", "the cell")
    said = name or str(given)
    if sizes is None:
        return infer_size(build, weights, said)
    if len(sizes) != 1:
        raise UsageError(
            f"sizes: expected one pair for trained weights, got {len(sizes)}; give theirs"
        )
    check(build, sizes[0], weights, said)
    return sizes[0]


def assemble(
    examination: Examination,
    results: Sequence[Result] | None = None,
    evaluation: str | None = None,
) -> Certificate:
    """The certificate of what has been judged so far (``results``: default, all of it in order).

    ``evaluation``: how it was judged, where that was in another process.
    """
    subject = examination.subject
    if results is None:
        results = [
            examination.results[c.property_.key, c.scope]
            for c in examination.checks()
            if (c.property_.key, c.scope) in examination.results
        ]
    return Certificate(
        subject=subject_json(subject),
        environment=environment(),
        profile=examination.profile.name,
        seed=examination.seed,
        dtype=str(subject.dtype).removeprefix("torch."),
        evaluation=evaluation or examination.evaluation,
        results=tuple(_stale_allowances(results)),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        limits=LIMITS,
        context=examination.context,
    )


def _stale_allowances(results: Sequence[Result]) -> Iterator[Result]:
    """An allowance that nothing needs any more is stale, as an unexpected pass of a test is."""
    for result in results:
        same = [r for r in results if r.property == result.property]
        unused = (
            result.declared == "allowed"
            and not result.advisory
            and all(r.status in PASSING for r in same)
        )
        if unused:
            reason = f"allowed because {result.because!r}, yet it holds: drop the allowance"
            yield dataclasses.replace(result, status=Status.STALE_DENIAL, reason=reason)
        else:
            yield result


def subject_json(subject: Subject) -> dict[str, Any]:
    """The cell, and how it was built."""
    cell = subject.build(*subject.standard_size)
    adapted = type(cell).__module__ == "cells.core.adapt"  # then the stranger's module is meant
    inner = type(cell.module if adapted else cell)
    parameters = (
        sum(p.numel() for p in cell.parameters()) if isinstance(cell, torch.nn.Module) else 0
    )
    return {
        "name": subject.name,
        "target": subject.target,
        "class": f"{inner.__module__}.{inner.__qualname__}",
        "sizes": [list(s) for s in subject.sizes],
        "standard_size": list(subject.standard_size),
        "parameters_at_standard_size": parameters,
        "weights": "as given" if subject.weights is not None else "drawn",
    }


def environment() -> dict[str, Any]:
    """What the verdicts depend on beside the cell."""
    import hypothesis

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hypothesis": hypothesis.__version__,
        "platform": f"{platform.system().lower()}-{platform.machine()}",
        "device": "cpu",
    }
