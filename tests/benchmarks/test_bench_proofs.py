"""How long proofs take: the identity block with its replay gate, the vertex method, a whole certificate."""

from __future__ import annotations

import pytest

import cells
from properties import certify
from properties.core.verify import DIFFERS, verify
from properties.proofs.bounded_state import prove_bounded_state
from properties.proofs.identity import prove_identity
from properties.proofs.trace import trace_step


@pytest.mark.benchmark(group="proofs")
@pytest.mark.parametrize("hidden_size", [8, 64, 256])
@pytest.mark.parametrize("name", ["gato", "gato-2"])
def test_identity_block_of_gato(benchmark, name, hidden_size):
    """GATO at growing width; the proof must succeed to be worth timing."""
    cell = cells.get(name)(16, hidden_size)
    prove_identity(cell)
    proof = benchmark.pedantic(prove_identity, args=(cell,), rounds=5, warmup_rounds=1)
    assert "proved" == proof.status
    benchmark.extra_info["operators"] = len(proof.ops)


@pytest.mark.benchmark(group="proofs")
@pytest.mark.parametrize("hidden_size", [2, 8, 32])
@pytest.mark.parametrize(("name", "fields"), [("gato", ("recurrent",)), ("gru", ("hidden",))])
def test_least_radius(benchmark, name, fields, hidden_size):
    """The vertex method on a traced step: diagonal and dense recurrences at growing width."""
    cell = cells.get(name)(4, hidden_size)
    trace = trace_step(cell)
    options = {"trace": trace}
    proof = benchmark.pedantic(
        prove_bounded_state, (cell, fields), options, rounds=5, warmup_rounds=1
    )
    assert "proved" == proof.status


@pytest.mark.benchmark(group="certificates")
@pytest.mark.parametrize("name", ["gato", "rhn"])
def test_certificate(benchmark, name):
    """Search and proofs of every property in both scopes, in the profile dev."""
    made = benchmark.pedantic(certify, (name,), rounds=3, warmup_rounds=1)
    assert 0 == made.exit_status


@pytest.mark.benchmark(group="certificates")
@pytest.mark.parametrize("name", ["gato", "rhn"])
def test_verification(benchmark, name):
    """The same certificate checked without searching."""
    stored = certify(name).to_json()
    found = benchmark.pedantic(lambda: list(verify(stored)), rounds=3, warmup_rounds=1)
    assert DIFFERS not in {line.outcome for line in found}
