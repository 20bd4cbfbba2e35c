"""The checks in a test suite of the user's: ids, failures in words, skips with reasons, nothing disturbed."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch

from properties import (
    Profile,
    Status,
    SubjectError,
    UsageError,
    certify,
    parametrize_with_properties,
)
from properties import property_checks as checks_of
from tests.properties.bad_cells import Memory, Sound

TINY = Profile("tiny", 1, 12, 3, 8, 32, 2, 3, 2)
NAME = "tests.properties.bad_cells:Memory"


@parametrize_with_properties([Memory], profile=TINY, only=["identity-block"])
def test_a_sound_cell_passes_as_a_user_would_write_it(check):
    """The decorator's own example."""
    assert check().status in (Status.PROVED, Status.TESTED)


def test_ids_say_cell_property_and_scope():
    """A failing id is enough to know what failed; it can be given to -k."""
    mark = parametrize_with_properties(["gato", Memory], profile=TINY, only=["bounded-state"])
    assert [
        "gato-well-posed-at-init",
        "gato-well-posed-all-weights",
        "gato-bounded-state-at-init",
        "gato-bounded-state-all-weights",
        f"{NAME}-well-posed-at-init",
        f"{NAME}-well-posed-all-weights",
        f"{NAME}-bounded-state-at-init",
        f"{NAME}-bounded-state-all-weights",
    ] == mark.kwargs["ids"]


def test_a_cell_that_declares_nothing_is_asked_for_everything():
    """Every property in both scopes, all required but the advisory ones, which have one scope."""
    lines = [(c.property_, c.scope) for c in checks_of(Sound, profile=TINY)]
    required = {(p.key, s) for p, s in lines if not p.advisory}
    advisory = {(p.key, s) for p, s in lines if p.advisory}
    keys = ("well-posed", "identity-block", "writable-memory", "bounded-decoder", "non-saturating",
            "bounded-decoder-gradient", "bounded-state", "gate-gradient",
            "fused-equals-reference")  # fmt: skip
    assert required == {(k, s) for k in keys for s in ("at-init", "all-weights")}
    assert advisory == {("resolvable-memory", "at-init"), ("finite-step", "at-init")}


def test_a_failure_says_what_was_asked_what_was_seen_the_case_and_the_command():
    """In words, without the reader knowing the harness."""
    check = next(
        c
        for c in checks_of("lstm", profile="dev", only=["bounded-state"])
        if (c.property_.key, c.scope) == ("bounded-state", "at-init")
    )
    assert check().status in (Status.PROVED, Status.TESTED)
    check = next(
        c
        for c in checks_of(Sound, profile="dev", seed=3, only=["identity-block"])
        if (c.property_.key, c.scope) == ("identity-block", "all-weights")
    )
    with pytest.raises(AssertionError) as caught:
        check()
    first, asked, seen, case, script = str(caught.value).splitlines()
    assert "tests.properties.bad_cells:Sound: identity-block (all-weights) is falsified" == first
    assert asked.startswith("  asked: There is a set S of state scalars")
    assert seen.startswith("  seen:  over a gap of 1 no scalar of the state keeps derivative 1")
    assert case.startswith("  case:  input size 1, hidden size 1; 1 step of x = ")
    assert script == (
        "  a script of it: python -m properties tests.properties.bad_cells:Sound --only identity-block "
        "--seed 3 --reproducer scripts"
    )


def test_what_is_allowed_does_not_fail_and_an_unused_allowance_does():
    """`allow` takes a reason; where nothing needs it any more it is stale."""
    allow = {"identity-block": "a gated cell", "bounded-state": "never mind"}
    certificate = certify(
        Sound, profile=TINY, only=["identity-block", "bounded-state"], allow=allow
    )
    block, state = (certificate.verdict(k) for k in ("identity-block", "bounded-state"))
    assert (Status.FALSIFIED, False, "allowed") == (block.status, block.fails, block.declared)
    assert "a gated cell" == block.because
    assert (Status.STALE_DENIAL, True) == (state.status, state.fails)
    assert "drop the allowance" in state.reason
    assert 1 == certificate.exit_status


def test_errors_of_the_arguments_are_raised_where_the_decorator_stands():
    """At collection, with the reason."""
    with pytest.raises(
        UsageError, match="a list of cells, got 'gato'; put the one cell into a list"
    ):
        parametrize_with_properties("gato")
    with pytest.raises(
        SubjectError, match="no cell is registered under 'gatoo'; did you mean gato"
    ):
        parametrize_with_properties(["gatoo"])
    with pytest.raises(
        UsageError, match="a property key, got 'bounded'; did you mean bounded-state"
    ):
        parametrize_with_properties(["gato"], only=["bounded"])
    with pytest.raises(UsageError, match="a reason is needed, write identity-block="):
        parametrize_with_properties(["gato"], allow={"identity-block": " "})


def test_the_order_and_the_choice_of_checks_change_no_line():
    """What a check rests on is judged with it: alone, in reverse and in order the lines are the same."""
    only = ("identity-block", "writable-memory", "bounded-state")
    whole = {
        (r.property, r.scope): r.to_json() for r in certify(Sound, profile=TINY, only=only).results
    }
    backwards = {
        (r.property, r.scope): r.to_json()
        for r in (c.run() for c in reversed(list(checks_of(Sound, profile=TINY, only=only))))
    }
    alone = {
        (r.property, r.scope): r.to_json()
        for r in certify(Sound, profile=TINY, only=only[-1:]).results
    }
    assert whole == backwards
    assert alone == {k: whole[k] for k in alone}


def test_the_verdict_does_not_depend_on_the_callers_settings_and_leaves_them_alone():
    """Threads, gradient mode, warning filters, logs and random numbers are the caller's own."""

    def lines():
        return [r.to_json() for r in certify(Noisy, profile=TINY, only=["identity-block"]).results]

    usual = lines()
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert usual == lines()
            assert torch.is_inference_mode_enabled()
        assert 2 == torch.get_num_threads()
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(before, torch.get_rng_state())
    assert 0 == logging.root.manager.disable


class Noisy(Memory):
    """Warns and logs at every step."""

    def step(self, x, state):
        warnings.warn("this cell is old", stacklevel=1)
        logging.getLogger("noisy").error("a step")
        return super().step(x, state)


SUITE = """
from properties import Profile, parametrize_with_properties
from tests.properties.bad_cells import Sound

@parametrize_with_properties(
    [Sound], profile=Profile("tiny", 1, 12, 3, 8, 32, 2, 3, 2), only=["identity-block", "writable-memory"]
)
def test_my_cell(check):
    check()
"""


def test_a_users_suite_fails_in_words_skips_with_reasons_and_shows_no_harness(
    capsys, monkeypatch, tmp_path
):
    """The traceback ends at the user's own line; a property that does not apply is a skip."""
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    plugins = ["-p", "no:cacheprovider", "-p", "no:faulthandler"]
    # an installed copy of this package may have been imported before pytest could rewrite it
    calm = ["-W", "error", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    assert 1 == pytest.main([*plugins, "--import-mode=importlib", "-rs", *calm])
    out = capsys.readouterr().out
    assert "2 failed, 2 passed, 2 skipped" in out
    pytest.LineMatcher(out.splitlines()).fnmatch_lines(
        [
            "*test_my_cell[[]tests.properties.bad_cells:Sound-identity-block-at-init]*",
            "E * identity-block (at-init) is falsified",
            "E *asked: There is a set S*",
            "E *case: *",
            "SKIPPED*writable-memory: there is no identity block to write to",
        ]
    )
    assert "core/checks.py" not in out
