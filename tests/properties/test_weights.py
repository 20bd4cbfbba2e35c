"""Trained weights: read without executing anything, fitted to the cell, judged in a scope of their own."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import cells
from properties import Profile, UsageError, WeightsError, certify
from properties.command import main
from properties.core import profile as profiles
from properties.core import weights
from tests.properties.bad_cells import Sound

TINY = Profile("tiny", 1, 12, 3, 8, 32, 2, 3, 2)


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    """A budget of a second under the name "tiny", in an empty folder."""
    monkeypatch.setitem(profiles.PROFILES, "tiny", TINY)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.chdir(tmp_path)


def state(cell):
    """A state dict apart from the cell."""
    return {k: v.clone() for k, v in cell.state_dict().items()}


class Touch:
    """Unpickled by an ordinary pickle.load, it makes a file: code that must never run."""

    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def damaged(kind):
    """Bytes of a file that is no state dict, by what is wrong with it."""
    good = io.BytesIO()
    torch.save(torch.nn.GRUCell(2, 3).state_dict(), good)
    buffer = io.BytesIO()
    match kind:
        case "truncated":
            return good.getvalue()[: len(good.getvalue()) // 2]
        case "empty":
            return b""
        case "text":
            return b"epoch 3, loss 0.2\n" * 20
        case "another archive":
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("weights.txt", "1 2 3")
        case "code":
            torch.save({"weight_ih": torch.zeros(2), "more": Touch()}, buffer)
        case "bare pickle":
            return pickle.dumps({"weight_ih": Touch()})
        case "whole cell":
            torch.save(torch.nn.GRUCell(2, 3), buffer)
        case "checkpoint":
            torch.save({"model": torch.nn.GRUCell(2, 3).state_dict(), "epoch": 3}, buffer)
        case "list":
            torch.save([torch.zeros(2)], buffer)
        case "nothing":
            torch.save({}, buffer)
        case "diverged":
            torch.save({"weight_ih": torch.tensor([0.0, torch.nan, torch.inf])}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", r"no file of tensors, or it is truncated or damaged .*; save it anew"),
        ("empty", r"truncated or damaged .*save it anew with torch\.save\(cell\.state_dict\(\), path\)"),
        ("text", r"truncated or damaged"),
        ("another archive", r"truncated or damaged"),
        ("code", r"holds pickled code or objects, which are never executed; save plain tensors"),
        ("bare pickle", r"holds pickled code or objects, which are never executed"),
        ("whole cell", r"holds pickled code or objects, which are never executed"),
        ("checkpoint", r"to hold named tensors, got a mapping to OrderedDict, int; save cell\.state_dict"),
        ("list", r"to hold named tensors, got a list"),
        ("nothing", r"to hold named tensors, got an empty mapping"),
        ("diverged", r"finite numbers, 'weight_ih' in .* holds 2 that are NaN or infinite; the training"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_state_dict_is_refused_with_the_reason_and_never_executed(
    capsys, tmp_path, kind, message
):
    """The same for the library and the command, which exits with 2; the code in the file leaves no trace."""
    file = tmp_path / "weights.pt"
    file.write_bytes(damaged(kind))
    with pytest.raises(WeightsError, match=message):
        weights.load(file)
    assert 2 == main(["gru", "--weights", str(file), "--profile", "tiny", "--json", "c.json"])
    assert "error: weights: " in capsys.readouterr().err
    assert ["weights.pt"] == [p.name for p in tmp_path.iterdir()]


def test_the_code_of_these_tests_would_run_if_it_were_unpickled(tmp_path):
    """The trap works: an ordinary pickle.load springs it."""
    pickle.loads(pickle.dumps(Touch()))  # noqa: S301 - our own
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "name", ["gru", "lstm", "gato", "rru", "rhn", "eurnn", "indrnn", "mgu", "on-lstm"]
)
def test_the_sizes_of_a_registered_cell_follow_from_the_shapes(name):
    """At sizes that no search draws, however the widths enter: whole, halved, gated, low rank."""
    factory = cells.get(name)
    size = next(s for s in ((13, 24), (24, 24)) if weights.shapes_of(factory, s))
    assert size == weights.infer_size(factory, factory(*size).state_dict(), name)


@pytest.mark.parametrize("size", [(1, 1), (7, 11), (700, 512), (11, 11)])
@pytest.mark.parametrize("kind", [torch.nn.GRUCell, torch.nn.LSTMCell, torch.nn.RNNCell])
def test_the_sizes_of_a_strangers_cell_follow_from_the_shapes(kind, size):
    """Raw state dicts of torch's own modules, without any prefix."""
    assert size == weights.infer_size(kind, kind(*size).state_dict(), kind.__name__)


class Quadratic(torch.nn.Module):
    """No axis is affine in both sizes; ``largest``: the widest that was ever built."""

    largest = 0

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.table = torch.nn.Parameter(torch.zeros(hidden_size**2, input_size**2))
        self.input_size = torch.nn.Parameter(torch.zeros(input_size * hidden_size, hidden_size**3))
        Quadratic.largest = max(Quadratic.largest, hidden_size)


def test_sizes_that_no_formula_gives_are_tried_and_none_far_too_large_is_built():
    """The lengths of the axes and their parts are tried, from narrow to wide, up to the count of the file."""
    tensors = Quadratic(2, 6).state_dict() | {"more": torch.zeros(2), "width": torch.zeros(6)}

    def factory(input_size, hidden_size):
        cell = Quadratic(input_size, hidden_size)
        cell.more = torch.nn.Parameter(torch.zeros(2))
        cell.width = torch.nn.Parameter(torch.zeros(6))
        return cell

    assert (2, 6) == weights.infer_size(factory, tensors, "the cell")
    with pytest.raises(
        WeightsError, match=r"no \(input_size, hidden_size\) of the cell gives the shapes"
    ):
        weights.infer_size(factory, tensors | {"more": torch.zeros(3)}, "the cell")
    assert 36 >= Quadratic.largest


def test_weights_of_another_cell_or_size_are_told_apart():
    """What the cell has, what the file holds, and what to do."""
    gru = torch.nn.GRUCell(3, 5).state_dict()
    with pytest.raises(WeightsError, match=r"expected the tensors of mgu, .*of another cell"):
        weights.infer_size(cells.get("mgu"), {"kernel": torch.zeros(2, 2)}, "mgu")
    with pytest.raises(
        WeightsError, match=r"of lstm gives the shapes in the file.*weight_hh \(15, 5\)"
    ):
        weights.infer_size(cells.get("lstm"), gru, "lstm")
    wide = gru | {"weight_ih": torch.zeros(16, 3)}
    with pytest.raises(
        WeightsError, match=r"no \(input_size.*weight_ih \(16, 3\).*or give --input-size"
    ):
        weights.infer_size(torch.nn.GRUCell, wide, "GRUCell")
    with pytest.raises(
        WeightsError, match=r"expected 'bias_hh' of shape \(12,\), got \(15,\); give the"
    ):
        certify("torch.nn:GRUCell", weights=gru, sizes=[(3, 4)])
    with pytest.raises(WeightsError, match=r"cannot be built at \(3, 0\): give other sizes"):
        certify("gru", weights=gru, sizes=[(3, 0)])
    with pytest.raises(UsageError, match="one pair for trained weights, got 2; give theirs"):
        certify("torch.nn:GRUCell", weights=gru, sizes=[(3, 4), (3, 5)])


@pytest.mark.parametrize(
    ("target", "trained"),
    [("torch.nn:GRUCell", torch.nn.GRUCell(5, 9)), ("gru", cells.get("gru")(5, 9))],
    ids=["stranger", "registered"],
)
def test_trained_weights_are_judged_in_a_scope_of_their_own(capsys, tmp_path, target, trained):
    """One size, one scope, said on the screen and in the certificate; a rerun names the file."""
    torch.save(trained.state_dict(), "w.pt")
    arguments = [target, "--weights", "w.pt", "--profile", "tiny", "--json", "c.json"]
    status = main([*arguments, "--only", "identity-block", "--only", "bounded-state"])
    out = capsys.readouterr().out
    document = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    lines = {(r["property"], r["scope"]): r for r in document["results"]}
    assert {"these-weights"} == {scope for _, scope in lines}
    assert ([[5, 9]], "as given") == (document["subject"]["sizes"], document["subject"]["weights"])
    assert lines["bounded-state", "these-weights"]["status"] in ("proved", "tested")
    block = lines["identity-block", "these-weights"]
    assert "falsified" == block["status"]
    assert " these-weights " in out
    # the registered cell denies the identity block, the stranger's is silent and is asked for it
    assert ("denies", 0) if target == "gru" else ("silent", 1) == (block["declared"], status)
    if status:
        assert "parameters as given" in out
        command = "--only identity-block --profile tiny --weights w.pt --reproducer scripts"
        assert f"python -m properties {target} {command}" in out


def test_the_verdict_depends_on_the_weights():
    """An Elman cell with a loop gain of 1 and no squashing to speak of is not one with a gain of 0."""

    def cell(gain):
        made = Sound(2, 3)
        with torch.no_grad():
            made.weight.fill_(gain)
        return certify(Sound, profile=TINY, weights=state(made), only=["writable-memory"]).context

    one, other = (cell(g).standard.sampler.cell.weight for g in (0.25, 0.5))
    assert torch.equal(torch.full((3, 2), 0.25, dtype=torch.float64), one)
    assert torch.equal(torch.full((3, 2), 0.5, dtype=torch.float64), other)


def test_what_is_claimed_for_all_weights_is_claimed_for_these():
    """A claim covers its instances; a denial for all weights says only that some weights fail."""
    claims = [cells.Claim("bounded-state", "tanh", scope="all-weights", bound=2.0)]
    denies = [cells.Claim("identity-block", "some weights mix", scope="all-weights")]
    result = certify(
        Sound, profile=TINY, weights=state(Sound(2, 3)), claims=claims, denies=denies,
        only=["bounded-state", "identity-block"],
    )  # fmt: skip
    declared = {r.property: (r.declared, r.required) for r in result.results}
    assert ("claims", True) == declared["bounded-state"]
    assert ("silent", True) == declared["identity-block"]
