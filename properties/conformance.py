"""The checks as pytest cases: ``parametrize_with_properties``, for a cell's own test suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch

from properties.core.certificate import Result
from properties.core.checks import Check, Examination
from properties.core.errors import UsageError
from properties.core.profile import Profile
from properties.core.profile import profile as profile_named
from properties.core.subject import Subject
from properties.core.surroundings import settled
from properties.core.verdict import Status

Target = str | Callable[..., Any]


class Case(Check):
    """A check as a test: where it does not apply, the test is skipped with the reason."""

    def __call__(self) -> Result:
        """As :class:`Check`; not applicable skips the running test."""
        __tracebackhide__ = True
        result = super().__call__()
        if result.status is Status.NOT_APPLICABLE:
            pytest.skip(f"{result.property}: {result.reason}")
        return result


def property_checks(
    target: Target | Subject,
    *,
    profile: str | Profile = "dev",
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    only: Sequence[str] = (),
    allow: Mapping[str, str] | None = None,
) -> Iterator[Check]:
    """Every check of one cell, unrun: what ``certify``, the decorator and the plugin iterate over.

    ``target``: a registry name, ``"package.module:attribute"``, or a factory ``(input_size, hidden_size) ->
    cell``; the other arguments as in :func:`properties.certify`. Raises :class:`HarnessError`.
    """
    with settled():
        subject = target if isinstance(target, Subject) else Subject(target, dtype=dtype)
        budget = profile if isinstance(profile, Profile) else profile_named(profile)
        examination = Examination(subject, budget, seed, only, allow or {})
    yield from examination.checks()


def parametrize_with_properties(
    targets: Sequence[Target],
    *,
    profile: str | Profile = "dev",
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    only: Sequence[str] = (),
    allow: Mapping[str, str] | None = None,
) -> pytest.MarkDecorator:
    """Parametrize a test over every check of the cells in ``targets``, with readable ids.

    For example::

        @parametrize_with_properties([MyCell], allow={"identity-block": "a gated cell"})
        def test_my_cell(check):
            check()

    A check that fails raises ``AssertionError`` with the counterexample in words, one that does not apply
    skips the test; what a cell denies or ``allow`` names is run too, and must still fail. Raises
    :class:`HarnessError` where a cell cannot be found or built, as :func:`properties.certify` does.
    """
    if isinstance(targets, str) or callable(targets):
        raise UsageError(
            f"targets: expected a list of cells, got {targets!r}; put the one cell into a list"
        )
    checks = [
        Case(check.examination, check.property_, check.scope)
        for target in targets
        for check in property_checks(
            target, profile=profile, seed=seed, dtype=dtype, only=only, allow=allow
        )
    ]
    return pytest.mark.parametrize("check", checks, ids=[check.id for check in checks])
