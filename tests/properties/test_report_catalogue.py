"""The pages say of each name what its docstring, its weights and its certificate say, and are not stale."""

from __future__ import annotations

import ast
import functools
import inspect
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cells
import noxfile
from properties.command import SUBCOMMANDS
from properties.command.generated import refresh, rewrite
from properties.command.pages import write
from properties.core.certificate import Certificate, Result
from properties.core.desideratum import properties
from properties.core.errors import UsageError
from properties.core.verdict import Status
from properties.report.catalogue import PAGE, catalogue, readme_catalogue, readme_matrix
from properties.report.docstring import chapter, prose
from properties.report.families import alike, families
from properties.report.measures import measures
from properties.report.signature import signature

torch.set_num_threads(1)

SCOPES = ("at-init", "all-weights")
NAMES = ("gato", "gato-2", "lstm", "lstm-diag", "lstm-tied", "sru")
README = """\
# Title

<!-- matrix:begin -->
<!-- matrix:end -->

text

<!-- catalogue:begin -->
<!-- catalogue:end -->
"""


def line(key, scope, status):
    """One line of a certificate; what is false is denied."""
    false = status is Status.FALSIFIED
    return Result(
        property=key, scope=scope, status=status, required=not false, because="section 3", reason="seen",
        declared="denies" if false else "claims", advisory=False, statement="It stays.", quantifiers={},
        semantics=("F",), passed=3,
    )  # fmt: skip


def certificate(name, **verdicts):
    """Everything tested in both scopes but for ``verdicts``: property to one status or a pair of them."""
    results = []
    for key in (p.key for p in properties() if not p.advisory):
        status = verdicts.get(key.replace("-", "_"), Status.TESTED)
        pair = status if isinstance(status, tuple) else (status, status)
        results += [line(key, scope, one) for scope, one in zip(SCOPES, pair, strict=True)]
    return Certificate(
        subject={"name": name}, environment={}, profile="dev", seed=0, dtype="float64", evaluation="batched",
        results=tuple(results), created_at="2026", limits=(),
    )  # fmt: skip


def some():
    """A few certificates in which families agree and differ."""
    unbounded = {"bounded_state": (Status.TESTED, Status.FALSIFIED)}
    special = {
        "lstm": unbounded,
        "lstm-diag": unbounded,
        "sru": {"identity_block": Status.FALSIFIED},
    }
    return [certificate(name, **special.get(name, {})) for name in NAMES]


def rows(table):
    """The cells of the body of the first Markdown table in ``table``, row by row."""
    lines = table[table.index("|") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in lines[2:]]


def slug(heading):
    """The anchor of a heading: lower case, hyphens for spaces, no other punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_a_docstring_taken_apart():
    """Equations become fenced formulas, sections keep their names, roles and literals become Markdown."""
    text = chapter(
        r"""XRU: an example, *not* a cell.

        .. math::

            a = b + c \\
            d = e

            f = g

        With :math:`k < 1` and ``n_b=1``, see
        :class:`cells.parts.affine.Affine`: x < y.

        .. math::  h = 1

        Symbols:    a -> state.a,
                    b -> state.b
        Paper and code: none.
        Reference:  Nobody, 1900.
        Example:
            >>> 1 + 1
            2

            >>> 2
            2
        """
    )
    assert ("XRU", "an example, *not* a cell") == (text.title, text.idea)
    first, second, words, third = text.equations.split("\n\n")
    assert "```math\na = b + c \\\\\nd = e\n```" == first
    assert "```math\nf = g\n```" == second
    assert "With $`k < 1`$ and `n_b=1`, see `cells.parts.affine.Affine`: x &lt; y." == words
    assert "```math\nh = 1\n```" == third
    expected = {
        "Symbols": "a -> state.a, b -> state.b",
        "Paper and code": "none.",
        "Reference": "Nobody, 1900.",
    }
    assert expected == {k: v for k, v in text.sections.items() if k != "Example"}


@given(
    st.lists(
        st.sampled_from(["``a_b``", ":math:`x<y`", ":mod:`c.d`", "x < y", "w\n  w", "|v|"]),
        min_size=1,
    )
)
def test_prose_is_one_line_without_markup_of_another_kind(parts):
    """Whatever stands side by side: no line breaks, no reST, no tag, and formulas as they were."""
    text = prose(" ".join(parts))
    assert "\n" not in text
    assert "``" not in text.replace("$`", "").replace("`$", "")
    assert ":m" not in text
    assert parts.count(":math:`x<y`") == text.count("$`x<y`$") == text.count("<")


def test_every_name_has_one_family_with_equation_and_reference():
    """The whole registry, each name once; the plain name of a family comes before those that fix knobs."""
    listed = families(cells.names())
    assert sorted(cells.names()) == sorted(name for family in listed for name in family.names)
    for family in listed:
        assert family.chapter.title
        assert family.chapter.idea
        assert "```math\n" in family.chapter.equations
        assert family.chapter.sections["Reference"]
        sizes = [len(knobs) for knobs in family.names.values()]
        assert sorted(sizes) == sizes
    assert len(listed) == len({family.anchor for family in listed})


@pytest.mark.parametrize(
    ("name", "d", "h", "parameters", "state", "products"),
    [
        ("lstm", 3, 8, 4 * 8 * (3 + 8 + 2), 16, 4 * 8 * (3 + 8)),
        ("gru", 25, 512, 3 * 512 * (25 + 512 + 2), 512, 3 * 512 * (25 + 512)),
        ("gato", 3, 8, 3 * 4 * (3 + 2), 8, 3 * 4 * 3),
        ("eurnn", 3, 8, 8 * (3 + 4), 16, 8 * 3),
        ("g-lstm", 3, 8, 4 * 8 * (3 + 8 + 1) + 2 * 8, 16, 4 * 8 * (3 + 8)),
        ("sru", 25, 512, 510 * 511 + 102 * (25 + 510 + 1), 510, 510**2 + 102 * (25 + 510)),
    ],
)
def test_counts_are_the_formulas(name, d, h, parameters, state, products):
    """Parameters, real scalars of the state, and multiplications in matrix products, by hand."""
    before = torch.get_rng_state()
    found = measures(cells.get(name), d, h)
    assert (parameters, state, products) == (found.parameters, found.state, found.products)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", cells.names())
def test_signatures_are_code(name):
    """Python reads them, with the constructor's own names, order and defaults."""
    factory = cells.get(name)
    maker = factory.func if isinstance(factory, functools.partial) else factory
    text = signature(maker)
    parsed = ast.parse(f"def {text}: ...").body[0].args
    found = inspect.signature(maker).parameters
    assert list(found) == [a.arg for a in (*parsed.args, *parsed.kwonlyargs)]
    defaults = [ast.literal_eval(d) for d in parsed.kw_defaults]
    assert defaults == [p.default for p in found.values() if p.kind is p.KEYWORD_ONLY]


def test_names_of_sets_of_literals_are_spelled_out():
    """A reader of the page sees the choices, not the alias."""
    assert 'primary: Literal["standard", "chrono", "cumax", "ugi"]' in signature(cells.get("lstm"))


def test_the_page_is_a_function_of_the_certificates():
    """Twice the same, whatever their order, and different once a verdict is."""
    page = catalogue(some())
    assert page == catalogue(some())
    assert page == catalogue(some()[::-1])
    changed = [*some()[:-1], certificate("sru")]
    assert page != catalogue(changed)


def test_the_page_holds_what_was_asked_of_it():
    """Matrix, equations, counts, verdicts, reasons, knobs and references of each family; no reST is left."""
    page = catalogue(some())
    for leftover in (":math:", ".. math", ":class:", ":mod:", ">>>"):
        assert leftover not in page
    assert 4 == page.count("\n## ")
    assert list(NAMES) == [re.search("`(.+)`", row[0])[1] for row in rows(page)]
    gato, lstm, sru = (
        page.split(f"\n## {t}\n")[1].split("\n## ")[0] for t in ("GATO", "LSTM", "SRU")
    )
    for section in (gato, lstm, sru):
        assert section.index("```math") < section.index("| name |") < section.index("Declared:")
        assert (
            section.index("Declared:") < section.index("```python") < section.index("Reference: ")
        )
    assert ["`gato-2`", "`layers=2`", "812", "243 456"] == [
        cell.replace("\N{NARROW NO-BREAK SPACE}", " ") for cell in rows(gato)[1][:4]
    ]
    verdicts = rows(lstm[lstm.index("| name | well posed") :])
    assert ["✓ ✗", "✓ ✗", "✓ ✓"] == [row[7] for row in verdicts]
    assert "- **bounded-state** denied for all weights (growth geometric): ReLU is unbounded" in sru


def test_links_lead_to_headings():
    """Each family of the README and each row of the page's matrix points at a heading of the page."""
    page = catalogue(some())
    headings = {slug(h) for h in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    links = re.findall(rf"\({PAGE}#([^)]+)\)", readme_catalogue(some()))
    assert 3 == len(links)
    assert set(links) | set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings


def test_one_line_per_family():
    """The names in the order of the page, with what the family is."""
    lines = readme_catalogue(some()).splitlines()
    link, _, rest = lines[0].partition(": ")
    assert "- [GATO](docs/catalogue.md#gato)" == link
    assert "gates are not the only option (one and two layers). `gato`, `gato-2`" == rest
    assert lines[1].endswith("`lstm`, `lstm-diag`, `lstm-tied`")


def test_names_with_the_same_properties_share_a_row():
    """One row for LSTM and its diagonal form, one for the tied form; the number says how many more."""
    found = rows(readme_matrix(some()))
    assert ["`gato` +1", "`lstm` +1", "`lstm-tied`", "`sru`"] == [row[0] for row in found]
    assert ["✓", "◐", "✓", "✓"] == [row[7] for row in found]


@pytest.mark.parametrize("flip", [False, True])
def test_a_shared_row_shows_the_weaker_verdict(flip):
    """Proved for one name and tested for the other is tested; proved for both is proved."""
    pair = [
        {"well_posed": Status.PROVED, "bounded_state": Status.PROVED},
        {"well_posed": Status.PROVED},
    ]
    one, other = pair[::-1] if flip else pair
    certificates = [certificate("gato", **one), certificate("gato-2", **other)]
    (family,) = families(("gato", "gato-2"))
    assert [2] == [count for _, count in alike(family, certificates)]
    (row,) = rows(readme_matrix(certificates))
    assert ("●", "✓") == (row[1], row[7])


def test_writing_and_checking(tmp_path, capsys):
    """A fresh copy is stale, then written, then up to date; a changed verdict or an edit makes it stale."""
    (tmp_path / "docs").mkdir()
    readme = tmp_path / "README.md"
    readme.write_text(README, encoding="utf-8")
    assert 1 == write(tmp_path, some(), check=True)
    assert README == readme.read_text(encoding="utf-8")
    assert not (tmp_path / PAGE).exists()
    assert 3 == capsys.readouterr().err.count("is stale: run `nox -s docs -- --write`")
    assert 0 == write(tmp_path, some(), check=False)
    assert 3 == capsys.readouterr().out.count("was written")
    assert 0 == write(tmp_path, some(), check=True)
    assert 3 == capsys.readouterr().out.count("is up to date")
    assert readme.read_text(encoding="utf-8").startswith(
        "# Title\n\n<!-- matrix:begin -->\n| cell |"
    )
    assert "\n\ntext\n\n" in readme.read_text(encoding="utf-8")
    changed = [*some()[:-1], certificate("sru")]
    assert 1 == write(tmp_path, changed, check=True)
    page = tmp_path / PAGE
    page.write_text(page.read_text(encoding="utf-8") + "an edit\n", encoding="utf-8")
    assert 1 == write(tmp_path, some(), check=True)
    assert page.read_text(encoding="utf-8").endswith("an edit\n")


def test_a_page_without_markers_is_refused(tmp_path):
    """Nothing is guessed: the message names the markers, or the page that is missing."""
    page = tmp_path / "README.md"
    with pytest.raises(UsageError, match=r"expected the page .*README.md, which cannot be read"):
        refresh(page, "matrix", "text", check=True)
    page.write_text("<!-- matrix:end -->\n<!-- matrix:begin -->\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"expected <!-- matrix:begin --> and .* put the markers back"
    ):
        refresh(page, "matrix", "text", check=False)


def test_a_whole_page_ends_with_one_line_end(tmp_path):
    """What the generator leaves at the ends does not decide whether a page is stale."""
    page = tmp_path / "page.md"
    assert 0 == rewrite(page, "\ntext\n\n", check=False)
    assert "text\n" == page.read_text(encoding="utf-8")
    assert 0 == rewrite(page, "text", check=True)


def test_the_docs_session_runs_commands_that_exist():
    """What noxfile.py names as generators of ours are sub-commands."""
    ours = {words[1] for words in noxfile.GENERATORS if words[0] == "properties"}
    assert ours
    assert set(SUBCOMMANDS) >= ours
