"""The matrix says in one mark what two scopes came to, and never by color alone."""

from __future__ import annotations

import io
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from properties.core.certificate import Certificate, Result
from properties.core.desideratum import properties
from properties.core.verdict import PASSING, Status
from properties.core.witness import Draws, Witness
from properties.report.evidence import evidence, ranges
from properties.report.figures import figure, grouped, rounded
from properties.report.marks import MARKS, combined, mark
from properties.report.matrix import detail, markdown_matrix, matrix

SCOPES = ("at-init", "all-weights")


def line(key="bounded-state", scope="at-init", status=Status.TESTED, declared="claims", **changes):
    """One line of a certificate as `certify` would make it."""
    advisory = next(p for p in properties() if p.key == key).advisory
    witness = None
    if status is Status.FALSIFIED:
        one = torch.zeros(1, 1)
        witness = Witness(Draws(1, 1, {}, one, one.unsqueeze(0)), 2.0, 1.0, "it grows")
    values = {
        "required": declared in ("claims", "silent") and not advisory,
        "because": "" if declared == "silent" else "section 3",
        "reason": "seen", "advisory": advisory, "statement": "It stays.", "quantifiers": {},
        "semantics": ("F",), "passed": 3, "witness": witness,
    }  # fmt: skip
    return Result(property=key, scope=scope, status=status, declared=declared, **(values | changes))


def certificate(*results, name="cell"):
    """A certificate of these lines."""
    return Certificate(
        subject={"name": name}, environment={"torch": "2", "platform": "linux"}, profile="dev", seed=0,
        dtype="float64", evaluation="batched", results=results, created_at="2026", limits=(),
    )  # fmt: skip


def shown(renderable, width):
    """What a terminal without colors shows."""
    console = Console(width=width, color_system=None, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ((Status.PROVED, "claims"), (Status.PROVED, "claims"), "proved"),
        ((Status.TESTED, "claims"), (Status.PROVED, "claims"), "tested"),
        ((Status.TESTED, "claims"), (Status.TESTED, "silent"), "tested"),
        ((Status.TESTED, "claims"), (Status.FALSIFIED, "denies"), "at init"),
        ((Status.PROVED, "claims"), (Status.NOT_APPLICABLE, "silent"), "at init"),
        ((Status.FALSIFIED, "denies"), (Status.TESTED, "claims"), "not init"),
        ((Status.NOT_APPLICABLE, "silent"), (Status.TESTED, "claims"), "tested"),
        ((Status.FALSIFIED, "denies"), (Status.FALSIFIED, "denies"), "denied"),
        ((Status.FALSIFIED, "denies"), (Status.NOT_APPLICABLE, "silent"), "denied"),
        ((Status.TESTED, "claims"), (Status.FALSIFIED, "allowed"), "allowed"),
        ((Status.TESTED, "claims"), (Status.FALSIFIED, "silent"), "FAILS"),
        ((Status.FALSIFIED, "claims"), (Status.INCONCLUSIVE, "claims"), "FAILS"),
        ((Status.STALE_DENIAL, "denies"), (Status.FALSIFIED, "denies"), "STALE"),
        ((Status.TESTED, "claims"), (Status.VACUOUS, "claims"), "VACUOUS"),
        ((Status.VERIFIER_CONFLICT, "claims"), (Status.FALSIFIED, "claims"), "CONFLICT"),
        ((Status.TESTED, "claims"), (Status.INCONCLUSIVE, "claims"), "open"),
        ((Status.NOT_APPLICABLE, "silent"), (Status.NOT_APPLICABLE, "silent"), "n/a"),
    ],
)
def test_two_scopes_make_one_mark(first, second, word):
    """The loudest complaint wins; otherwise the word says where the property holds."""
    results = [
        line(scope=s, status=a, declared=d)
        for s, (a, d) in zip(SCOPES, (first, second), strict=True)
    ]
    assert word == combined(results).word


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Status)),
            st.sampled_from(["claims", "silent", "denies", "allowed"]),
        ),
        min_size=1,
        max_size=2,
    )
)
def test_a_mark_agrees_with_the_exit_status(lines):
    """What fails a certificate is shouted, nothing else is; only what holds everywhere reads as holding."""
    results = [
        line(scope=s, status=a, declared=d) for s, (a, d) in zip(SCOPES, lines, strict=False)
    ]
    m = combined(results)
    assert (m.word.isupper()) == (certificate(*results).exit_status == 1)
    if m.word in ("proved", "tested"):
        assert {r.status for r in results} <= PASSING | {Status.NOT_APPLICABLE}


def test_no_color_is_needed():
    """Glyph and word together differ between any two marks, and style never differs alone."""
    assert len(MARKS) == len({m.word for m in MARKS}) == len({m.text for m in MARKS})


def test_an_advisory_limit_never_shouts():
    """What a number format does is not held against the cell."""
    assert "limited" == mark(line("finite-step", status=Status.FALSIFIED, declared="silent")).word


@pytest.fixture(scope="module")
def every():
    """A certificate with a line for every property and scope."""
    results = [line(p.key, s) for p in properties() for s in SCOPES]
    growing = line(
        scope="all-weights", status=Status.FALSIFIED, declared="denies",
        evidence={"law": "linear", "slope": 2.0, "supremum": "infinity", "bound": None},
        because="the carry is pinned at 1", discarded=12_345,
    )  # fmt: skip
    results = [
        growing if (r.property, r.scope) == ("bounded-state", "all-weights") else r for r in results
    ]
    return certificate(*results, name="leaky-cell")


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_matrix_fits(every, width):
    """No line is longer than the terminal, nothing is cut off, and every mark used is explained."""
    text = shown(matrix([every, certificate(line(), name="pkg.mod:Other")]), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for expected in ("leaky-cell", "pkg.mod:Other", "✓ tested:", "◐ at init:", "– n/a:"):
        assert expected in text
    flat = " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())
    for p in properties():
        assert p.key in flat or all(word in flat for word in p.key.split("-"))


def test_denominators_are_printed(every):
    """Lines that ran, that apply, that are registered; and how many draws were judged."""
    total = len(every.results)
    text = shown(matrix([every]), 200)
    assert f"{total}/{total}/{total}" in text
    assert grouped(3 * total + 12_345) in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_detail_holds_every_line(every, width):
    """Every property with both scopes, the law with its unit, the reason of a denial, the exit status."""
    text = shown(detail(every), width)
    assert max(map(len, text.splitlines())) <= width
    for p in properties():
        assert p.key in text
    flat = " ".join(text.split())
    for expected in (
        "slope 2 per step", "supremum seen ∞", "denied because the carry is pinned at 1", "discarded",
        "exit status 0: every required line holds", "torch 2, linux",
    ):  # fmt: skip
        assert expected in flat


def test_markup_in_a_reason_is_text():
    """A stranger's message may hold square brackets: they are printed, not interpreted."""
    odd = certificate(line(reason="expected [bold]x[/bold] of shape [3]"), name="[red]cell")
    assert "expected [bold]x[/bold] of shape [3]" in shown(detail(odd), 120)
    assert "[red]cell" in shown(matrix([odd]), 120)


def test_the_markdown_is_a_table(every):
    """Equal numbers of columns in every row, advisory properties left out, one line of legend."""
    head, rule, *rows, blank, legend = markdown_matrix(
        [every, certificate(line(), name="b|c")]
    ).split("\n")
    asked = [p for p in properties() if not p.advisory]
    cut = [row.replace("\\|", "").count("|") for row in (head, rule, *rows)]
    assert {len(asked) + 2} == set(cut)
    assert "" == blank
    assert all(glyph in legend for glyph in "●✓◐✗–")
    assert not any(p.key.replace("-", " ") in head for p in properties() if p.advisory)


def test_markdown_explains_what_is_unusual():
    """A failing cell's mark is in the legend where it occurs, and not otherwise."""
    fails = certificate(line(status=Status.FALSIFIED, declared="silent"))
    assert "FAILS" in markdown_matrix([fails])
    assert "FAILS" not in markdown_matrix([certificate(line())])


def test_a_property_not_asked_has_no_column():
    """With `--only`, the columns are what was asked."""
    assert "identity" not in markdown_matrix([certificate(line())]).split("\n")[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1024.0, "1024"),
        (98765.4, "98\N{NARROW NO-BREAK SPACE}765"),
        (1e38, "10³⁸"), (-2.5e-7, "−2.5·10⁻⁷"), (0.858544, "0.8585"), (float("inf"), "∞"), ("infinity", "∞"),
        (float("nan"), "NaN"), (None, "none"), (True, "yes"), (6144, "6144"), (3.0, "3"), ([1, 2], "1, 2"),
        ({"a": 0.5}, "a: 0.5"), ("linear", "linear"), ([], "none"), (-3, "−3"), (-0.5, "−0.5"),
    ],
)  # fmt: skip
def test_numbers_read_well(value, text):
    """Four digits, powers of ten as such, signs for infinities."""
    assert text == figure(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_number_is_the_number(value):
    """With enough digits what is printed is the value itself."""
    plain = (
        figure(value, 17).replace("−", "-").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-eeeeeeeeee"))
    )
    ascii_ = figure(value, 17).translate(str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789"))
    if "e" in plain:  # a power of ten, with or without a mantissa
        power = plain.index("10-" if "-e" in plain[1:] else "10e") + 2
        ascii_ = (
            ascii_[: power - 2].removesuffix("·")
            + ("" if "·" in plain else "1")
            + "e"
            + ascii_[power:]
        )
    assert value == float(ascii_)


@given(
    st.lists(
        st.sampled_from(
            [f"{f}[{i}]{s}" for f, i, s in itertools.product("ab", range(4), ("", ".re"))] + ["n"]
        ),
        unique=True,
        max_size=8,
    )
)
def test_folded_labels_lose_nothing(labels):
    """Unfolding the ranges gives the labels back."""
    back = []
    for part in filter(None, ranges(labels).split(", ")):
        name, _, rest = part.partition("[")
        inside, _, suffix = rest.partition("]")
        low, _, high = inside.partition("…")
        places = range(int(low), int(high or low) + 1) if inside else ()
        back += [f"{name}[{i}]{suffix}" for i in places] or [part]
    assert labels == back


def test_fractions_of_a_proof_are_rounded():
    """An exact p/q of many digits is read as a number; paths, dates and small fractions stay."""
    assert "least radius ≈ 3.333 for all" == rounded(
        "least radius 4503599627370496/1351079888211149 for all"
    )
    for text in ("a/12345", "GATO 1/2", "1/0", "3/00000", "2026/11/21 at 1.5/12345"):
        assert text == rounded(text)


def test_evidence_beside_a_reason_is_short():
    """What the reason says is not said again."""
    result = line(
        reason="law bounded, supremum seen 3.5",
        evidence={"supremum": 3.5, "bound": 4.0, "law": "bounded"},
    )
    assert [("bound claimed", "4")] == evidence(result, beside_reason=True)
    assert ("supremum seen", "3.5") in evidence(result)
