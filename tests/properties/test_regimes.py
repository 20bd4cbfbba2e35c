"""What Hypothesis draws for a search: small first, everything in range, and the same in every process."""

from __future__ import annotations

import importlib
import sys

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from properties.core.search import regimes

SIZES = ((1, 1), (2, 2), (3, 3), (2, 4))


def drawn(strategy, count=150, seed=3):
    """The first examples of ``strategy``, drawn as the search draws them."""
    found = []
    quiet = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}

    def keep(one):
        found.append(one)

    run = hypothesis.seed(seed)(hypothesis.given(strategy)(keep))
    settings(max_examples=count, phases=(Phase.generate,), **quiet)(run)()
    return found


def test_the_smallest_is_tried_first_and_everything_is_in_range():
    """A counterexample is looked for where it is small; horizons are short in about half of the draws."""
    found = drawn(regimes(SIZES, 2, 100))
    assert ((1, 1), 2, 0) == (found[0].size, found[0].horizon, found[0].seed)
    assert set(SIZES) == {r.size for r in found}
    assert all(2 <= r.horizon <= 100 and 0 <= r.seed < 2**31 for r in found)
    assert 40 <= sum(r.horizon <= 5 for r in found) <= 110
    assert max(r.horizon for r in found) > 90
    assert [7] * len(found) == [r.horizon for r in drawn(regimes(SIZES, 7, 7), len(found))]


def test_draws_do_not_depend_on_the_modules_that_are_loaded(monkeypatch, tmp_path):
    """Hypothesis likes constants of the user's sources: a certificate would depend on its company."""
    constants = ", ".join(str(10_007 + 7_919 * k) for k in range(300))
    (tmp_path / "full_of_numbers.py").write_text(f"NUMBERS = [{constants}]\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    plain = st.integers(0, 2**31 - 1)
    before, liked = drawn(regimes(SIZES, 1, 100)), drawn(plain)
    try:
        importlib.import_module("full_of_numbers")
        after, still_liked = drawn(regimes(SIZES, 1, 100)), drawn(plain)
    finally:
        sys.modules.pop("full_of_numbers", None)
    assert before == after
    assert liked != still_liked  # the trap works: integers are drawn differently now
