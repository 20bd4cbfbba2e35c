"""Whatever is wrong with the command or the cell is said, with the right status, and leaves no file behind.

Status 1 is a verdict (the cell was judged and something fails), status 2 is none.
"""

from __future__ import annotations

import errno
import json
import os
import sys

import pytest

from properties import Profile, SubjectError, certify
from properties.command import main
from properties.core import certificate as certificates
from properties.core import profile as profiles
from properties.report import write

TINY = Profile("tiny", 1, 12, 3, 8, 32, 2, 3, 2)
HERE = "tests.properties.bad_cells"


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    """A budget of a second under the name "tiny"; no change of the import path is left behind."""
    monkeypatch.setitem(profiles.PROFILES, "tiny", TINY)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "1000")  # a sentence on one line
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments):
    """Status, standard output and standard error of one command with the small budget."""
    status = main([*map(str, arguments), "--profile", "tiny"])
    out, err = capsys.readouterr()
    return status, out, err


COMMANDS = [
    (["gatoo"], ["no cell is registered under 'gatoo'", "did you mean gato", "package.module:attribute"]),
    (["qqqq"], ["no cell is registered under 'qqqq'", "registered: brhn", "ur-lstm"]),
    (["mine.cells.Cell"], ["mine.cells.Cell", "named with a colon: mine.cells:Cell"]),
    (["no_such.thing:Cell"], ["no module named 'no_such'", "install the package, or start in the folder"]),
    (["torch.nn:GRUCel"], ["an attribute 'GRUCel', it has none", "did you mean GRUCell"]),
    (["torch.nn:GRUCell.zzzz"], ["an attribute 'zzzz', it has none", "look at the spelling"]),
    ([f"{HERE}:NOT_CALLABLE"], ["(input_size, hidden_size) -> cell, got an object of type int"]),
    (["mine/cells.py:Cell"], ["expected package.module:attribute", "folder/mine.py as folder.mine"]),
    ([":Cell"], ["expected package.module:attribute"]),
    (["gru:"], ["expected package.module:attribute"]),
    ([f"{HERE}:raising"], ["raised ZeroDivisionError at each of the 12 sizes", "hidden_size=8): 8 / 0"]),
    ([f"{HERE}:wrong_signature"], ["callable (input_size, hidden_size) -> cell", "takes 1 positional"]),
    ([f"{HERE}:no_cell"], ["built no cell at each of the 12 sizes", "got dict", "pass something callable"]),
    ([f"{HERE}:feedforward"], ["Linear has no integer attribute `input_size`", "pass adapt(module"]),
    ([f"{HERE}:BareState"], ["to return a NamedTuple of tensors, got tuple", "name the fields"]),
    ([f"{HERE}:NumberInState"], ["its field 'steps' is of type int", "make it a tensor"]),
    ([f"{HERE}:IntegerState"], ["to hold a floating-point tensor, got torch.int64"]),
    ([f"{HERE}:RaisingStart"], ["initial_state() in torch.float64 raised ValueError: no start"]),
    ([f"{HERE}:EndsTheProgram"], ["ended the program with sys.exit(0)", "expected it to raise"]),
    ([], ["expected a cell", "--all", "Registered: brhn"]),
    (["gato", "--all"], ["expected cells or --all, got both", "drop one"]),
    (["gato", "--only", "bounded"], ["a property key, got 'bounded'", "did you mean bounded-state"]),
    (["gato", "--only", "?"], ["a property key, got '?'", "known: bounded-decoder, bounded-"]),
    (["gato", "--allow", "identity-blok=x"], ["got 'identity-blok'", "did you mean identity-block"]),
    (["gato", "--allow", "identity-block"], ['expected KEY="reason", got \'identity-block\'', "say why"]),
    (["gato", "--allow", 'identity-block=" "'], ['expected KEY="reason"', "say why"]),
    (["gato", "--dtype", "int8"], ["one of float32, float64, bfloat16, float16, got 'int8'"]),
    (["gato", "gru", "--weights", "a.pt"], ["one cell to load them into, got 2 cells", "once per file"]),
    (["gato", "--weights", "a.pt"], ["a file written by torch.save, found none at a.pt"]),
    (["gato", "--input-size", 3], ["--input-size and --hidden-size together, got one", "give both"]),
    (["gato", "--input-size", 3, "--hidden-size", 4], ["go with --weights", "leave them out"]),
    (["gato", "--json", "nowhere/a.json"], ["nowhere to be a folder", "create the folder"]),
    (["gato", "--html", "."], ["--html: expected a file, got the folder .", "add a name"]),
    (["gato", "--reproducer", "no/where"], ["--reproducer", "no to be a folder, it does not exist"]),
    (["gato", "--jobs", "-1"], ["--jobs"]),
    (["gato", "--flag"], ["No such option: --flag"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "texts"), COMMANDS, ids=lambda v: " ".join(map(str, v))[:60])
def test_a_wrong_command_is_explained_on_standard_error_with_status_2(
    capsys, tmp_path, arguments, texts
):
    """Expected, got and what to do stand on standard error; nothing is printed or written beside it."""
    outputs = [] if "--json" in arguments else ["--json", tmp_path / "c.json"]
    status, out, err = run(capsys, *arguments, *outputs)
    assert (2, "") == (status, out)
    for text in texts:
        assert text in err
    assert [] == list(tmp_path.iterdir())


def test_an_unknown_profile_lists_the_known_ones(capsys):
    """The profile decides how much is searched: a misspelled one is not replaced by another."""
    assert 2 == main(["gato", "--profile", "fast"])
    assert "profile: expected one of dev, ci, nightly" in capsys.readouterr().err


ILL_POSED = {
    "WrongShape": [
        "keep the shape of 'hidden': expected (4, 8), got (4, 7)",
        "return what it was given",
    ],
    "WrongDtype": ["keep the dtype of 'hidden': expected torch.float64, got torch.float16"],
    "WrongDevice": ["keep the device of 'hidden': expected cpu, got meta"],
    "AnotherState": ["a state with fields ('hidden',), got tuple: return the same NamedTuple"],
    "RaisingStep": ["to take x of shape (4, 3)", "got RuntimeError: the matrix is singular"],
    "ChangesInput": ["step changed its input x in place: expected a pure function; work on a copy"],
    "ChangesState": ["step changed the state's 'hidden' in place"],
    "NotANumber": ["got NaN in 'hidden' within 4 steps", "look for 0/0"],
    "RandomInEval": [
        "gave different 'hidden' in evaluation mode",
        "is dropout or noise active in eval()",
    ],
    "CountsSteps": ["a call of step changed calls", "carry it in the state instead"],
    "CountsInABuffer": ["a call of step changed seen"],
    "KeepsAList": ["a call of step changed history"],
}


@pytest.mark.parametrize("name", ILL_POSED)
def test_a_cell_that_is_no_function_of_its_arguments_is_falsified(capsys, tmp_path, name):
    """Status 1, the complaint once in the summary, and every other line left unjudged."""
    status, out, err = run(capsys, f"{HERE}:{name}", "--json", "c.json")
    assert (1, "") == (status, err)
    summary = out[out.index("exit status 1") :]
    assert "! falsified at-init and all-weights" in summary
    for text in ILL_POSED[name]:
        assert text in summary
    assert 1 == summary.count(ILL_POSED[name][0])
    assert "16 more lines are not judged" in summary
    document = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert "not evaluated" == document["evaluation"]
    lines = {(r["property"], r["scope"]): r["status"] for r in document["results"]}
    beyond = {status for (key, _), status in lines.items() if key != "well-posed"}
    assert ({"inconclusive"}, "falsified") == (beyond, lines["well-posed", "at-init"])


def test_a_cell_that_branches_on_data_is_searched_one_by_one_and_says_so(capsys, tmp_path):
    """What vmap cannot follow is judged all the same, on fewer draws, and the certificate tells."""
    status, out, _ = run(
        capsys, f"{HERE}:Branches", "--only", "bounded-decoder", "--json", "c.json"
    )
    document = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert 0 == status
    assert document["evaluation"].startswith("one by one: vmap raised RuntimeError")
    assert "data-dependent control flow" in document["evaluation"]
    assert f"evaluation: {document['evaluation']}" in out
    _, out, _ = run(
        capsys, f"{HERE}:Branches", f"{HERE}:Memory", "--only", "bounded-decoder", "--jobs", "1"
    )
    assert f"{HERE}:Branches was evaluated one by one" in out
    assert f"{HERE}:Memory was evaluated" not in out


def test_an_interrupted_run_leaves_nothing(capsys, tmp_path):
    """Ctrl-C while a cell is judged: a word, the conventional status, and neither file nor folder."""
    outputs = ["--json", "c.json", "--html", "c.html", "--reproducer", "scripts"]
    status, out, err = run(capsys, f"{HERE}:Memory", f"{HERE}:Interrupted", "--jobs", "1", *outputs,
                           "--only", "well-posed")  # fmt: skip
    assert (130, "") == (status, out)
    assert "stopped: no verdict" in err
    assert [] == list(tmp_path.iterdir())


def test_a_read_only_folder_is_found_out_before_the_work(capsys, monkeypatch, tmp_path):
    """Permissions are asked of the system, since root may write everywhere."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    status, out, err = run(capsys, f"{HERE}:Sound", "--json", "c.json")
    assert (2, "") == (status, out)
    assert f"to be allowed to write in {tmp_path}, which is read-only" in err
    assert "choose another place" in err


@pytest.mark.parametrize("old", [None, "{}\n"])
def test_a_full_disk_leaves_the_old_file_and_the_verdict_is_still_printed(
    capsys, monkeypatch, tmp_path, old
):
    """Writing fails halfway: no partial or temporary file, and what was found out is shown."""

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write.os, "fsync", full)
    if old is not None:
        (tmp_path / "c.json").write_text(old, encoding="utf-8")
    status, out, err = run(capsys, f"{HERE}:Memory", "--only", "well-posed", "--json", "c.json")
    assert 2 == status
    assert "c.json could not be written (No space left on device)" in err
    assert "free the space" in err
    assert "12 checks: runs" in out
    assert "wrote" not in out
    expected = {} if old is None else {"c.json": old}
    assert expected == {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()}


def test_a_defect_of_the_harness_is_no_verdict(capsys, monkeypatch):
    """An uncaught exception would leave with 1, as if the cell were falsified."""

    def broken(_):
        raise KeyError("a bug of ours")

    monkeypatch.setattr(certificates.Certificate, "exit_status", property(broken))
    status, _, err = run(capsys, f"{HERE}:Memory", "--only", "well-posed")
    assert 2 == status
    assert "KeyError: 'a bug of ours'" in err
    assert "this is no verdict on the cell, please report it" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_thing\n", "importing 'stranger' failed: No module named 'no_such_thing'; install"),
        ("raise OSError('no data')\n", "importing 'stranger' raised OSError: no data; mend the module"),
        ("import sys\nsys.exit(0)\n", "importing 'stranger' raised SystemExit: 0; mend the module first"),
        ("def f(:\n", "importing 'stranger' raised SyntaxError"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_imported_says_why(capsys, tmp_path, text, said):
    """In the folder of the user, which is on the path as for `python -m`."""
    (tmp_path / "stranger.py").write_text(text, encoding="utf-8")
    try:
        status, _, err = run(capsys, "stranger:Cell")
    finally:
        sys.modules.pop("stranger", None)
    assert 2 == status
    assert f"stranger:Cell: {said}" in err


def test_a_declaration_about_an_unknown_property_is_refused():
    """A misspelled claim would otherwise never be checked."""
    from cells import Claim
    from tests.properties.bad_cells import Sound

    with pytest.raises(
        SubjectError, match="'bounded-sate': expected a property key; did you mean bounded-state"
    ):
        certify(Sound, profile=TINY, claims=[Claim("bounded-sate", "tanh")])
