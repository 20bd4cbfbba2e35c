"""How long proofs take: the identity block with its replay gate, the vertex method, a whole certificate.

Each alternates with one layer of torch, so that its ratio compares between a quiet machine and a busy one.
"""

from __future__ import annotations

import pytest
from clock import TIMER
from yardstick import yardstick

import cells
from properties import certify
from properties.core.verify import DIFFERS, verify
from properties.proofs.bounded_state import prove_bounded_state
from properties.proofs.identity import prove_identity
from properties.proofs.trace import trace_step

proofs = pytest.mark.benchmark(group="proofs", timer=TIMER)


@proofs
@pytest.mark.parametrize("hidden_size", [8, 64, 256])
@pytest.mark.parametrize("name", ["gato", "gato-2"])
def test_identity_block_of_gato(benchmark, speed, name, hidden_size):
    """GATO at growing width; the proof must succeed to be worth timing."""
    cell = cells.get(name)(16, hidden_size)
    proof = prove_identity(cell)
    assert "proved" == proof.status
    speed.measure(
        benchmark, ("proofs", f"identity-{name}-{hidden_size}"), lambda: prove_identity(cell),
        yardstick(), shape=f"D 16, H {hidden_size}", budget=1, figures={"operators": len(proof.ops)},
    )  # fmt: skip


@proofs
@pytest.mark.parametrize("hidden_size", [2, 8, 32])
@pytest.mark.parametrize(("name", "fields"), [("gato", ("recurrent",)), ("gru", ("hidden",))])
def test_least_radius(benchmark, speed, name, fields, hidden_size):
    """The vertex method on a traced step: diagonal and dense recurrences at growing width."""
    cell = cells.get(name)(4, hidden_size)
    trace = trace_step(cell)

    def prove():
        return prove_bounded_state(cell, fields, trace=trace)

    assert "proved" == prove().status
    speed.measure(
        benchmark, ("proofs", f"radius-{name}-{hidden_size}"), prove, yardstick(),
        shape=f"D 4, H {hidden_size}", budget=1,
    )  # fmt: skip


@proofs
@pytest.mark.parametrize("name", ["gato", "rhn"])
def test_certificate(benchmark, speed, name):
    """Search and proofs of every property in both scopes, in the profile dev: what the command computes."""
    assert 0 == certify(name).exit_status
    speed.measure(
        benchmark, ("proofs", f"certificate-{name}"), lambda: certify(name), yardstick(),
        shape="profile dev", fewest=2, warm=True,
    )  # fmt: skip


@proofs
@pytest.mark.parametrize("name", ["gato", "rhn"])
def test_verification(benchmark, speed, name):
    """The same certificate checked without searching."""
    stored = certify(name).to_json()
    assert DIFFERS not in {line.outcome for line in verify(stored)}
    speed.measure(
        benchmark, ("proofs", f"verification-{name}"), lambda: list(verify(stored)), yardstick(),
        shape="profile dev", fewest=2, warm=True,
    )  # fmt: skip
