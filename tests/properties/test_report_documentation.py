"""The page about certificates says what certificates do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from properties.core.verdict import Status
from properties.report.marks import AT_INIT, BEYOND, MARKS
from properties.report.matrix import EXITS
from properties.report.schema import schema


@pytest.fixture(scope="module")
def text():
    """docs/certificate.md."""
    root = Path(__file__).resolve().parents[2]
    return (root / "docs" / "certificate.md").read_text(encoding="utf-8")


def rows(text, heading):
    """The cells of the table under a heading."""
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_status_and_mark_is_explained(text):
    """The table has each status, and each mark that a single line can have."""
    table = rows(text, "Statuses")
    assert {f"`{s}`" for s in Status} == {row[0] for row in table}
    single = {f"{m.glyph} {m.word}" for m in MARKS} - {
        f"{m.glyph} {m.word}" for m in (AT_INIT, BEYOND)
    }
    assert single == {row[1] for row in table}
    for mark in (AT_INIT, BEYOND):
        assert f"*{mark.glyph} {mark.word}*" in text


def test_exit_statuses_are_those_of_the_command(text):
    """Numbers and meanings agree with what the terminal prints."""
    assert {str(k): v for k, v in EXITS.items()} == dict(rows(text, "Exit status"))


def test_the_example_is_a_line_of_a_certificate(text):
    """It validates against the schema's part for a line."""
    example = re.search(r"<!-- example:begin -->\n```json\n(.*?)```", text, re.DOTALL)
    part = {**schema(), "oneOf": [{"$ref": "#/$defs/result"}]}
    jsonschema.Draft202012Validator(part).validate(json.loads(example[1]))


def test_every_member_named_is_one(text):
    """Members in the table of the document exist."""
    known = set(schema()["$defs"]["certificate"]["properties"])
    named = {name for row in rows(text, "The JSON") for name in re.findall(r"`(\w+)`", row[0])}
    assert named <= known
