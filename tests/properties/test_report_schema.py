"""The published schema and the certificates agree, and neither is looser than the other."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from functools import partial

import jsonschema
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from properties import certify
from properties.core.profile import Profile
from properties.core.verdict import Status
from properties.core.witness import Draws, Witness, plain
from properties.report.schema import schema

BRIEF = Profile("brief", 1, 8, 2, 4, 32, 2, 2, 2)
VALIDATOR = jsonschema.Draft202012Validator(schema())


def document(factory, **options):
    """The certificate as a reader of the file gets it."""
    return json.loads(
        certify(factory, profile=BRIEF, sizes=[(1, 2), (2, 4), (1, 5), (2, 10)], **options).dumps()
    )


@pytest.fixture(scope="module")
def gato():
    """A small certificate in which most lines hold."""
    return document("gato")


def test_the_schema_is_one():
    """It is valid against its own draft, says which, and every object is closed or open on purpose."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert "2020-12" in schema()["$schema"]


@pytest.mark.parametrize(
    "factory", ["lstm", "rru", torch.nn.GRUCell, partial(torch.nn.RNNCell, nonlinearity="relu")]
)
def test_certificates_validate(factory):
    """The catalogue's, a stranger's, and one without an import path."""
    VALIDATOR.validate(document(factory))


def test_trained_weights_and_allowances_validate():
    """The scope these-weights, and a violation that the caller accepts."""
    cell = torch.nn.GRUCell(2, 4)
    options = {"weights": cell.state_dict(), "allow": {"identity-block": "a baseline"}}
    made = certify(torch.nn.GRUCell, profile=BRIEF, sizes=[(2, 4)], **options).to_json()
    VALIDATOR.validate(json.loads(json.dumps(made)))
    assert {"these-weights"} == {r["scope"] for r in made["results"]}
    assert "allowed" in {r["declared"] for r in made["results"]}


def test_a_cell_that_cannot_be_judged_validates():
    """Everything but well-posed is inconclusive where the step raises; the document stays whole."""

    class Broken(torch.nn.GRUCell):
        def forward(self, x, h=None):
            if bool((x != 0).any()):
                raise RuntimeError("no")
            return super().forward(x, h)

    made = document(Broken, name="broken")
    VALIDATOR.validate(made)
    assert made["counts"]["inconclusive"] > 0


def test_a_collection_validates(gato):
    """Several certificates in one document; a bare list is not one."""
    VALIDATOR.validate({"schema": "desiderata-certificates/1", "certificates": [gato, gato]})
    VALIDATOR.validate({"schema": "desiderata-certificates/1", "certificates": []})
    for wrong in (
        [gato],
        {"schema": "desiderata-certificates/2", "certificates": []},
        {"certificates": [gato]},
    ):
        assert not VALIDATOR.is_valid(wrong)


def objects(document, path=()):
    """Paths to every object whose members the schema fixes."""
    free = {"evidence", "quantifiers", "parameters", "extra", "tensors"}
    if isinstance(document, dict) and not (path and path[-1] in free):
        yield path
        for key, value in document.items():
            yield from objects(value, (*path, key))
    if isinstance(document, list):
        for i, value in enumerate(document[:20]):
            yield from objects(value, (*path, i))


def at(document, path):
    """The part of a document at a path."""
    for key in path:
        document = document[key]
    return document


@pytest.fixture(scope="module")
def rnn():
    """A certificate with counterexamples."""
    made = document("lstm", only=("identity-block",))
    assert any(r["counterexample"] for r in made["results"])
    return made


@given(st.data())
def test_a_missing_member_fails(rnn, data):
    """Every member of every fixed object is required."""
    broken = copy.deepcopy(rnn)
    place = at(broken, data.draw(st.sampled_from(list(objects(rnn)))))
    del place[data.draw(st.sampled_from(sorted(place)))]
    assert not VALIDATOR.is_valid(broken)


@given(st.data())
def test_an_extra_member_fails(rnn, data):
    """No fixed object takes a member that the schema does not describe."""
    broken = copy.deepcopy(rnn)
    at(broken, data.draw(st.sampled_from(list(objects(rnn)))))["surprise"] = 1
    assert not VALIDATOR.is_valid(broken)


@given(st.data())
def test_a_member_of_another_type_fails(rnn, data):
    """A null where a text, number or list is expected is refused, but where null has a meaning."""
    broken = copy.deepcopy(rnn)
    path = data.draw(st.sampled_from(list(objects(rnn))))
    key = data.draw(st.sampled_from(sorted(at(broken, path))))
    if key in ("target", "counterexample"):
        return
    at(broken, path)[key] = None
    assert not VALIDATOR.is_valid(broken)


@pytest.mark.parametrize("field", ["status", "scope", "declared"])
def test_words_are_enumerated(rnn, field):
    """A word outside the list is refused."""
    broken = copy.deepcopy(rnn)
    broken["results"][0][field] = "passed"
    assert not VALIDATOR.is_valid(broken)


def test_every_status_is_in_the_schema():
    """The enumeration of the code and of the schema are one."""
    defs = schema()["$defs"]
    assert [str(s) for s in Status] == defs["result"]["properties"]["status"]["enum"]
    assert {str(s) for s in Status} < set(defs["counts"]["properties"])


def test_every_member_is_described():
    """Each member of each fixed object says what it is."""
    silent = [
        f"{name}.{member}"
        for name, part in schema()["$defs"].items()
        for member, about in part.get("properties", {}).items()
        if "description" not in about and "$ref" not in about and "anyOf" not in about
    ]
    assert [] == silent


def test_a_line_that_passes_has_no_counterexample(rnn):
    """The schema knows what goes together."""
    broken = copy.deepcopy(rnn)
    line = next(r for r in broken["results"] if r["counterexample"])
    line["status"] = "tested"
    assert not VALIDATOR.is_valid(broken)


def test_the_schema_cannot_be_changed_by_a_caller():
    """Each call gives a fresh copy."""
    schema()["$defs"].clear()
    assert schema()["$defs"]


def test_json_without_infinities(gato):
    """A witness with infinities, NaN and complex numbers still makes valid, strict JSON."""
    value = torch.tensor([[math.inf, math.nan]], dtype=torch.float64)
    weight = torch.tensor([[1 + 2j]])
    draws = Draws(2, 2, {"w": weight}, value, value.unsqueeze(0), {"points": -value})
    witness = Witness(draws, math.nan, math.inf, "it grows")
    made = witness.to_json()
    json.dumps(made, allow_nan=False)
    line = copy.deepcopy(gato)
    line["results"][-1] |= {"status": "falsified", "counterexample": made}
    VALIDATOR.validate(line)
    assert ["infinity", "nan"] == made["state"]
    assert [[1.0, 2.0]] == made["parameters"]["w"]


def test_evidence_without_infinities():
    """A slope that cannot be told is a word in the file."""
    made = certify("gato", profile=BRIEF, only=("well-posed",), sizes=[(1, 2)])
    line = dataclasses.replace(
        made.results[0], evidence={"slope": math.inf, "proof": {"x": [-math.inf]}}
    )
    assert {"slope": "infinity", "proof": {"x": ["-infinity"]}} == line.to_json()["evidence"]


VALUES = st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.complex_numbers()


@given(st.recursive(VALUES, st.lists, max_leaves=5))
def test_plain_is_idempotent_json(value):
    """What is plain stays as it is, and JSON can hold it."""
    once = plain(value)
    assert once == plain(once)
    assert once == json.loads(json.dumps(once, allow_nan=False))
