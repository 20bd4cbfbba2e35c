"""One page, whole in itself, that says what the certificate says and lets nothing out of its place."""

from __future__ import annotations

import dataclasses
import html.parser
import re

import pytest
import torch

from cells import Claim
from properties import certify
from properties.core.desideratum import properties
from properties.core.profile import Profile
from properties.core.verdict import Status
from properties.report import curves as curves_module
from properties.report.case import case
from properties.report.page import page

BRIEF = Profile("brief", 1, 16, 2, 4, 64, 2, 2, 2)
EVIL = '<script>alert("x")</script>'
VOID = {"meta", "br", "link", "img", "hr", "input"}


class Outline(html.parser.HTMLParser):
    """Elements with their attributes, text, and whether every tag is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.text, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert tag == self.open.pop(), f"</{tag}> closes something else"

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.text.append(data)


def outline(text):
    """The parsed page."""
    parsed = Outline()
    parsed.feed(text)
    parsed.close()
    assert [] == parsed.open
    return parsed


def words(text):
    """What a reader sees, white space folded."""
    return " ".join(" ".join(outline(text).text).split())


@pytest.fixture(scope="module")
def certificate():
    """A cell with holding, denied and inapplicable lines."""
    return certify("lstm", profile=BRIEF)


@pytest.fixture(scope="module")
def text(certificate):
    """Its page."""
    return page(certificate)


def test_the_page_is_whole_in_itself(text):
    """No address is fetched: no links, scripts, images from elsewhere, fonts or style sheets."""
    parsed = outline(text)
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for _, attributes in parsed.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;base64,"))
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\((?!#)|@import|@font-face", text)
    policy = next(a for t, a in parsed.elements if t == "meta" and "http-equiv" in a)
    assert policy["content"].startswith("default-src 'none'")


def test_identifiers_are_unique(text):
    """Four pictures in one document share none."""
    ids = outline(text).ids
    assert len(set(ids)) == len(ids)


def test_the_page_says_what_the_certificate_says(text, certificate):
    """Name, sentence, outcome, every property with statement and declaration, every limit, versions."""
    seen = words(text)
    assert certificate.statement.partition(": ")[2] in seen
    assert "exit status 0" in seen
    for result in certificate.results:
        assert result.property in seen
        assert result.statement in seen
        assert " ".join(result.because.split()) in seen
    for limit in certificate.limits:
        assert limit in seen
    assert f"torch {torch.__version__}" in seen
    assert certificate.created_at in seen


def test_the_first_table_has_a_row_per_property_and_a_column_per_scope(text, certificate):
    """Verdicts come first, with glyph and word."""
    table = text[text.index('<table class="verdicts"') : text.index("</table>")]
    assert len({r.property for r in certificate.results}) == table.count('<th scope="row">')
    assert 4 == table.count('<th scope="col">')
    assert len(certificate.results) == table.count('class="mark')
    assert text.index("verdicts") < text.index("<svg")


def test_pictures_have_captions_and_words_for_those_who_do_not_see_them(text):
    """Each of the four has a label and a caption that says how to read it."""
    parsed = outline(text)
    pictures = [a for t, a in parsed.elements if t == "svg"]
    assert 4 == len(pictures)
    assert all(a["role"] == "img" and a["aria-label"] for a in pictures)
    assert 4 <= text.count("<figcaption><b>")


def test_every_counterexample_has_its_script(text, certificate):
    """The reproducer stands in the page as text."""
    falsified = [r for r in certificate.results if r.status is Status.FALSIFIED]
    assert falsified
    assert len(falsified) == text.count("<details>") == text.count("def check():")
    for result in falsified:
        assert case(certificate, result)["tensors"]


def test_text_of_a_stranger_stays_text():
    """Names, reasons, statements and messages of a cell are escaped wherever they stand."""
    evil = certify(
        torch.nn.GRUCell, name=EVIL, profile=BRIEF, only=("identity-block",),
        denies=[Claim("identity-block", EVIL)],
    )  # fmt: skip
    results = [
        dataclasses.replace(
            r, reason=f"{r.reason} {EVIL}", quantifiers={EVIL: EVIL}, evidence={"law": EVIL}
        )
        for r in evil.results
    ]
    text = page(dataclasses.replace(evil, results=tuple(results), limits=(EVIL,), evaluation=EVIL))
    assert "<script>" not in text
    assert EVIL in words(text)
    assert "script" not in {tag for tag, _ in outline(text).elements}


def test_field_names_of_a_stranger_stay_text():
    """Labels in the pictures are paths, and entries of tables are escaped."""

    class Odd(torch.nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.input_size = input_size
            self.inner = torch.nn.ModuleDict({"<b>&": torch.nn.RNNCell(input_size, hidden_size)})

        def forward(self, x, h=None):
            return self.inner["<b>&"](x, h)

    text = page(certify(Odd, name="odd", profile=BRIEF, only=("identity-block",)))
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text


def test_a_certificate_without_its_run_says_so(certificate):
    """Read from a file there are neither pictures nor scripts; the rest stands."""
    text = page(dataclasses.replace(certificate, context=None))
    assert "pictures are drawn from the run itself" in words(text)
    assert "<svg" not in text
    assert "<details>" not in text
    assert "Counterexamples" in words(text)


def test_pictures_that_cannot_be_drawn_leave_the_page_standing(certificate, monkeypatch):
    """A cell that raises in an odd place costs its pictures alone."""

    def fail(_):
        raise RuntimeError("no & no")

    monkeypatch.setattr(curves_module, "curves", fail)
    assert "could not be drawn: RuntimeError: no & no" in words(page(certificate))


def test_a_cell_that_is_not_well_posed_has_a_page():
    """The complaint is on it, and a script that repeats the check; there is nothing to draw."""

    class Counts(torch.nn.RNNCell):
        calls = 0

        def forward(self, x, h=None):
            self.calls += 1
            return super().forward(x, h) + self.calls * 1e-3

    text = page(certify(Counts, name="counts", profile=BRIEF))
    seen = words(text)
    assert "not well-posed, so there is nothing to draw" in seen
    assert "exit status 1" in seen
    assert "well_posed.complaints" in seen


def test_trained_weights_have_one_column():
    """The scope these-weights alone, with its meaning."""
    weights = torch.nn.GRUCell(2, 4).state_dict()
    text = page(certify(torch.nn.GRUCell, weights=weights, sizes=[(2, 4)], profile=BRIEF))
    assert 3 == text.count('<th scope="col">')
    assert "the trained weights that were given" in words(text)


def test_equal_certificates_give_equal_pages(certificate, text):
    """Nothing in a page depends on when or how often it is made."""
    assert text == page(certificate)


def test_every_property_can_be_shown():
    """Each line of each status has a row, whatever its evidence holds."""
    made = certify("gato", profile=BRIEF, only=("well-posed",))
    line = made.results[0]
    results = [
        dataclasses.replace(
            line, property=p.key, status=status, evidence={"x": 1}, passed=0, discarded=2,
            declared="silent", because="", advisory=p.advisory,
        )
        for p in properties()
        for status in (Status.PROVED, Status.VERIFIER_CONFLICT, Status.STALE_DENIAL)
    ]  # fmt: skip
    seen = words(page(dataclasses.replace(made, results=tuple(results), context=None)))
    assert all(p.key in seen for p in properties())
