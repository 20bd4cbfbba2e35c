"""JUnit's XML, SARIF and the badge say what the certificate says, in the form that their readers expect."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import torch

from properties import certify
from properties.command import main
from properties.core.certificate import CHECK_SET
from properties.core.profile import Profile
from properties.core.verdict import Status
from properties.report.badge import badge
from properties.report.junit import junit
from properties.report.sarif import sarif

BRIEF = Profile("brief", 1, 8, 2, 4, 32, 2, 2, 2)
SIZES = [(1, 2), (2, 4)]


@pytest.fixture(scope="module")
def gato():
    """Clean: everything required holds."""
    return certify("gato", profile=BRIEF, sizes=SIZES)


@pytest.fixture(scope="module")
def stranger():
    """Silent, so that what fails is required."""
    return certify(torch.nn.RNNCell, profile=BRIEF, sizes=SIZES)


def marked(certificate, key, scope, **changes):
    """The certificate with one line changed."""
    lines = tuple(
        replace(r, **changes) if (r.property, r.scope) == (key, scope) else r
        for r in certificate.results
    )
    return replace(certificate, results=lines)


def parsed(*certificates):
    """The root of the XML document."""
    declaration, text = junit(certificates).split("\n", 1)
    assert '<?xml version="1.0" encoding="utf-8"?>' == declaration
    return ET.fromstring(text)  # noqa: S314 - our own text


def test_a_suite_per_cell_and_a_case_per_line(gato, stranger):
    """Names, counts and properties of every case come from the lines, in their order."""
    root = parsed(gato, stranger)
    assert ["gato", "torch.nn.modules.rnn:RNNCell"] == [suite.get("name") for suite in root]
    for suite, certificate in zip(root, (gato, stranger), strict=True):
        cases = suite.findall("testcase")
        assert [f"{r.property}[{r.scope}]" for r in certificate.results] == [
            c.get("name") for c in cases
        ]
        for case, result in zip(cases, certificate.results, strict=True):
            said = {p.get("name"): p.get("value") for p in case.find("properties")}
            assert (str(result.status), ", ".join(result.semantics)) == (
                said["status"],
                said["semantics"],
            )
        for key, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(key)) == sum(c.find(kind) is not None for c in cases)
        assert sum(r.fails for r in certificate.results) == int(suite.get("failures"))
    assert int(root.get("tests")) == len(gato.results) + len(stranger.results)


def test_the_kinds_of_cases(gato):
    """Failing lines fail, undecided ones are errors, denied and inapplicable ones are skipped."""
    key, scope = "bounded-state", "all-weights"

    def ended(**changes):
        root = parsed(marked(gato, key, scope, **changes))
        case = next(c for c in root.iter("testcase") if c.get("name") == f"{key}[{scope}]")
        kinds = [e for e in case if e.tag != "properties"]
        return (kinds[0].tag, kinds[0].get("message")) if kinds else None

    assert ended() is None
    assert ended(status=Status.FALSIFIED, reason="it grows") == ("failure", "falsified: it grows")
    assert ended(status=Status.INCONCLUSIVE, reason="odd") == ("error", "inconclusive: odd")
    assert ended(status=Status.VERIFIER_CONFLICT, reason="both")[0] == "failure"
    assert ended(status=Status.NOT_APPLICABLE, reason="none") == ("skipped", "not-applicable: none")
    denied = {"required": False, "declared": "denies", "because": "it does"}
    assert ended(status=Status.FALSIFIED, reason="it grows", **denied) == (
        "skipped", "denied, falsified: it grows (because it does)",
    )  # fmt: skip
    assert (
        ended(status=Status.FALSIFIED, reason="a\x00b <&> \ud800")[1]
        == "falsified: a\ufffdb <&> \ufffd"
    )


FOLDER = Path(__file__).parent / "sarif"
PUBLISHED = FOLDER / "sarif-2.1.0-rtm.5.json"
URI = re.compile(r"[\w.%-]+(/[\w.%-]+)*")


def valid(log):
    """Complaints of the schema that OASIS published (draft 4 of JSON schema)."""
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft4Validator.check_schema(schema)
    return [e.message for e in jsonschema.Draft4Validator(schema).iter_errors(log)]


def scanned(*certificates):
    """The run of a SARIF log that the published schema accepts; places are relative and well formed."""
    log = json.loads(sarif(certificates))
    assert [] == valid(log)
    assert "2.1.0" == log["version"]
    (run,) = log["runs"]
    for found in run["results"]:
        for place in found.get("locations", ()):
            assert URI.fullmatch(place["physicalLocation"]["artifactLocation"]["uri"])
    return run


def test_the_schema_is_the_published_one():
    """Byte for byte what its neighbor says that it is."""
    digest = hashlib.sha256(PUBLISHED.read_bytes()).hexdigest()
    assert digest in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda run: run["results"][0].pop("message"), "'message' is a required property"),
        (lambda run: run["results"][0].update(level="fatal"), "'fatal' is not one of"),
        (lambda run: run["results"][0].update(ruleIndex=-2), "-2 is less than the minimum"),
        (lambda run: run.update(verdicts=[]), "'verdicts' was unexpected"),
        (lambda run: run["tool"].pop("driver"), "'driver' is a required property"),
    ],
)
def test_the_schema_refuses_what_is_no_sarif(stranger, spoil, complaint):
    """A validator that accepts everything would show nothing."""
    log = json.loads(sarif([stranger]))
    assert [] == valid(log)
    spoil(log["runs"][0])
    assert any(complaint in message for message in valid(log))


def test_a_clean_cell_has_no_results(gato):
    """Rules are listed, results are none; a denied violation is none either."""
    run = scanned(gato, certify("gru", profile=BRIEF, sizes=SIZES, only=["identity-block"]))
    assert [] == run["results"]
    assert "bounded-state" in {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_a_result_per_falsified_and_required_line(stranger):
    """Rule, level, sentence and the line of code that the proof names."""
    run = scanned(stranger)
    failing = [r for r in stranger.results if r.fails]
    assert failing
    assert [r.property for r in failing] == [found["ruleId"] for found in run["results"]]
    rules = run["tool"]["driver"]["rules"]
    for found, result in zip(run["results"], failing, strict=True):
        assert "error" == found["level"]
        assert result.property == rules[found["ruleIndex"]]["id"]
        assert result.reason in found["message"]["text"]


def test_where_a_result_is_found(gato, stranger):
    """The line that the proof names, else the class; a cell without a file has no place."""

    def place(certificate, key):
        found = next(r for r in scanned(certificate)["results"] if r["ruleId"] == key)
        physical = found["locations"][0]["physicalLocation"]
        return physical["artifactLocation"]["uri"], physical["region"]["startLine"]

    grown = marked(gato, "bounded-state", "all-weights", status=Status.FALSIFIED)
    file, first = place(grown, "bounded-state")
    assert "cells/gato.py" == file
    proof = {
        "proof": {"reason": "r does not carry, through aten.mul (cells/gato.py:181 in step: r * r)"}
    }
    named = marked(gato, "bounded-state", "all-weights", status=Status.FALSIFIED, evidence=proof)
    assert ("cells/gato.py", 181) == place(named, "bounded-state")
    assert first != 181
    assert "torch/nn/modules/rnn.py" == place(stranger, "identity-block")[0]
    nowhere = certify(
        partial(torch.nn.RNNCell),
        name="made here",
        profile=BRIEF,
        sizes=SIZES,
        only=["bounded-state"],
    )
    nowhere = marked(nowhere, "bounded-state", "all-weights", status=Status.INCONCLUSIVE)
    assert all("locations" not in found for found in scanned(nowhere)["results"])


def test_fingerprints_survive_a_change_of_wording(gato):
    """Cell, property, scope and status identify a finding; its reason and place do not."""

    def prints(**changes):
        line = marked(gato, "bounded-state", "all-weights", **changes)
        return [r["partialFingerprints"] for r in scanned(line)["results"]]

    one = prints(status=Status.FALSIFIED, reason="it grows by 1")
    assert one == prints(status=Status.FALSIFIED, reason="it grows by 2")
    assert one != prints(status=Status.INCONCLUSIVE, reason="it grows by 1")
    assert (
        "warning"
        == scanned(marked(gato, "bounded-state", "all-weights", status=Status.INCONCLUSIVE))[
            "results"
        ][0]["level"]
    )


def test_the_badge_counts_and_warns(gato, stranger):
    """Green only where all required lines hold; the message says how many, and by which checks."""
    told = json.loads(badge([gato]))
    counts = gato.counts
    assert 1 == told["schemaVersion"]
    assert "gato: properties" == told["label"]
    advisory = sum(r.advisory and r.status is Status.TESTED for r in gato.results)
    expected = f"{counts['proved']} proved, {counts['tested'] - advisory} tested, 0 falsified @ {CHECK_SET}"
    assert (expected, "brightgreen") == (told["message"], told["color"])
    worse = json.loads(badge([gato, stranger]))
    assert ("2 cells: properties", "red") == (worse["label"], worse["color"])
    assert "0 falsified" not in worse["message"]
    undecided = marked(gato, "bounded-state", "all-weights", status=Status.INCONCLUSIVE)
    assert "orange" == json.loads(badge([undecided]))["color"]
    assert ", 1 inconclusive @" in json.loads(badge([undecided]))["message"]
    assert "lightgrey" == json.loads(badge([]))["color"]


def test_the_command_writes_them(tmp_path, capsys):
    """Three files beside each other, each whole."""
    files = {kind: tmp_path / f"out.{kind}" for kind in ("junit", "sarif", "badge")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert 0 == main(["gru", "--only", "bounded-state", *options])
    capsys.readouterr()
    assert "testsuites" == ET.parse(files["junit"]).getroot().tag  # noqa: S314
    assert [] == json.loads(files["sarif"].read_text(encoding="utf-8"))["runs"][0]["results"]
    assert "brightgreen" == json.loads(files["badge"].read_text(encoding="utf-8"))["color"]
    assert 2 == main(["gru", "--sarif", str(tmp_path)])
    assert "--sarif: expected a file, got the folder" in capsys.readouterr().err
