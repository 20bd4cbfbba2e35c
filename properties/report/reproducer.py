"""A counterexample as a script of its own: anyone who can import the cell can see it again."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

import torch

from cells import Claim
from properties.core.certificate import CHECK_SET, Certificate, Result
from properties.core.context import Context
from properties.core.desideratum import properties
from properties.core.errors import UsageError
from properties.core.profile import PROFILES
from properties.core.subject import Subject, stable_seed
from properties.core.witness import Witness
from properties.report.evidence import ranges
from properties.report.literals import UNPACK, literal, sequence

_PATH = "sys.path.insert(0, os.getcwd())  # as `python -m` does: what lies in the current folder is found"

_PLACEHOLDER = '''\
def factory(input_size, hidden_size):
    """The cell was given as {given}, which has no import path: build it here."""
    raise RuntimeError("edit this script: return your cell from factory()")
'''

_CELL = '''\
def build():
    """The cell of the counterexample, with its parameters."""
    torch.manual_seed({seed})  # decides what is neither parameter nor buffer
    cell = cells.adapt(factory({input_size}, {hidden_size}))
    if isinstance(cell, torch.nn.Module):
        cell = cell.to({dtype}).eval().requires_grad_(False)
        tensors = dict(cell.named_parameters()) | dict(cell.named_buffers())
        for name, value in TENSORS.items():
            if name not in tensors or tensors[name].shape != value.shape:
                raise ValueError(f"expected {{name}} of shape {{tuple(value.shape)}}: the cell has changed")
            tensors[name].copy_(value)
    return cell


def step(x, flat):
    """One step on the flat state."""
    return LAYOUT.ravel(CELL.step(x, LAYOUT.unravel(flat, LIKE)))


def trajectory(flat, inputs=None):
    """The flat states after each step, a list."""
    states = []
    for x in INPUTS if inputs is None else inputs:
        flat = step(x, flat)
        states.append(flat)
    return states


def run(flat, inputs=None):
    """The flat state after the last step."""
    return trajectory(flat, inputs)[-1]


def readout(flat):
    """What the decoder sees of a flat state, as real numbers."""
    out = CELL.readout(LAYOUT.unravel(flat, LIKE))
    return torch.view_as_real(out).reshape(-1) if out.is_complex() else out.reshape(-1)


def emitted(flat):
    """What the decoder sees after one step from a flat state."""
    return readout(step(INPUTS[0], flat))
'''

_END = """\
try:
{setup}    broken = check()
except Exception:
    traceback.print_exc()
    print("the case could not be run: see above")
    sys.exit(2)
print("required:", {required})
print("observed then:", {observed!r})
print("the violation reproduces" if broken else "the violation does not reproduce")
sys.exit(1 if broken else 0)
"""


def script(certificate: Certificate, result: Result) -> str:
    """A stand-alone script that shows why ``result`` was falsified.

    It builds the cell, loads the parameters as literals, runs the property's own lines and exits with 1
    where the violation reproduces, 0 where it does not, 2 where the case cannot be run. Without a
    counterexample (well-posed and advisory lines) it repeats the check itself. Raises
    :class:`UsageError` for a certificate without its live run.
    """
    context = certificate.context
    if context is None:
        raise UsageError(
            "reproducer: expected the certificate of a run in this process, got one without its run; "
            "call certify again"
        )
    before = context.scope
    context.scope = result.scope  # a block may stand in one scope only
    try:
        prop = next(p for p in properties() if p.key == result.property)
        head = _header(certificate, result)
        if result.witness is None or prop.reproduce is None:
            return head + _repeat(certificate, result, context)
        lines = prop.reproduce(context, result.witness)
        return head + _replay(context, result.witness, lines)
    finally:
        context.scope = before


def _header(certificate: Certificate, result: Result) -> str:
    environment = certificate.environment
    versions = f"torch {environment['torch']}, Python {environment['python']}"
    run = f"profile {certificate.profile}, seed {certificate.seed}"
    paragraphs = [
        f"{certificate.name}: {result.property} ({result.scope}) is {result.status}",
        f"Statement: {result.statement}",
        f"Seen: {result.reason}",
        f"Declared: {result.declared}" + (f", because {result.because}" if result.because else ""),
        f"Found by: desiderata, checks {CHECK_SET}; {versions}, {certificate.dtype}, {run}",
        "Run: python THIS_FILE, in a folder from which the cell and the package `cells` can be imported",
        "Exit status: 1 the violation reproduces, 0 it does not, 2 the case cannot be run",
    ]
    return "".join(_comment(p) for p in paragraphs) + "\n"


def _comment(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    wrapped = textwrap.wrap(" ".join(printable.split()), 98, subsequent_indent="  ")
    return "".join(f"# {line}\n" for line in wrapped)


def _factory(subject: Subject) -> str:
    if subject.target is None:
        given = " ".join(repr(subject.factory).split()).replace("\\", "/").replace('"', "'")
        return _PLACEHOLDER.format(given=given)
    if ":" not in subject.target:
        return f"factory = cells.get({subject.target!r})\n"
    module, _, attribute = subject.target.partition(":")
    return f"factory = importlib.import_module({module!r}).{attribute}\n"


def _replay(context: Context, witness: Witness, lines: list[str]) -> str:
    subject, draws = context.subject, witness.draws
    bench = context.bench((draws.input_size, draws.hidden_size))
    tensors = {**_rest(bench.sampler.cell), **{k: v[0] for k, v in draws.parameters.items()}}
    entries = "".join(
        textwrap.indent(f"{k!r}: {literal(v)},\n", "    ") for k, v in tensors.items()
    )
    labels = ranges([bench.layout.label(i) for i in range(bench.layout.size)])
    data = 'inf, nan = float("inf"), float("nan")\n' + (
        (f"TENSORS = {{\n{entries}}}\n" if entries else "TENSORS = {}\n")
        + f"STATE = {literal(draws.state[0])}\n# the state before the first input: {labels}\n"
        + f"INPUTS = {sequence(draws.inputs[:, 0])}\n"
        + f"# {witness.horizon} steps of {draws.input_size} numbers\n"
    )
    seed = stable_seed(context.seed, "initialization", bench.size, 0)
    cell = _CELL.format(
        seed=seed, input_size=draws.input_size, hidden_size=draws.hidden_size, dtype=subject.dtype
    )
    check = '\n\ndef check():\n    """Whether the statement is violated."""\n'
    check += textwrap.indent("\n".join(lines), "    ") + "\n    return broken\n"
    unpack = "\n" + UNPACK.replace("\ndef", "def", 1) + "\n" if "unpack(" in data else ""
    setup = (
        "    CELL = build()\n    LIKE = CELL.initial_state()\n    LAYOUT = cells.Layout.of(LIKE)\n"
    )
    unlimited = witness.required == float("inf")
    required = repr("no growth without end" if unlimited else witness.required)
    end = _END.format(setup=setup, required=required, observed=witness.sentence)
    imports = ["importlib", "math", "os", "sys", "traceback"] + (
        ["base64", "zlib"] if unpack else []
    )
    body = "".join((_factory(subject), "\n", unpack, data, "\n\n", cell, check, "\n\n", end))
    return _imports(imports, ["import cells"], body) + body


def _imports(standard: list[str], ours: list[str], body: str) -> str:
    used = [f"import {n}" for n in sorted(standard) if n in ("os", "sys") or f"{n}." in body]
    later = ["import torch", *ours]
    groups = (
        used,
        [_PATH],
        [f"{line}  # noqa: E402" for line in later],
        ["torch.set_num_threads(1)"],
    )
    return "\n\n".join("\n".join(group) for group in groups) + "\n\n"


def _rest(cell: Any) -> dict[str, torch.Tensor]:
    """Frozen parameters and buffers: they come with the construction, whose random numbers may change."""
    if not isinstance(cell, torch.nn.Module):
        return {}
    frozen = {k: p.detach() for k, p in cell.named_parameters() if not p.requires_grad}
    return {**frozen, **dict(cell.named_buffers())}


def _repeat(certificate: Certificate, result: Result, context: Context) -> str:
    """The check itself, run again: what it complains of needs no numbers to be shown."""
    subject = context.subject
    data = ""
    if subject.weights is not None:
        entries = "".join(f"{k!r}: {literal(v)},\n" for k, v in subject.weights.items())
        data = f"WEIGHTS = {{\n{textwrap.indent(entries, '    ')}}}\n"
    weights = ", weights=WEIGHTS" if data else ""
    if result.property == "well-posed":
        lines = _battery(result, context, weights)
        ours = [
            "from properties.core.subject import Subject",
            "from properties.desiderata import well_posed",
        ]
    else:
        lines = _certified(certificate, result, context, weights)
        ours = [
            "from cells import Claim",
            "from properties import certify",
            "from properties.core.profile import Profile",
        ]
    check = 'def check():\n    """Whether the statement is violated."""\n'
    check += textwrap.indent("\n".join(lines), "    ") + "\n    return broken\n"
    unpack = UNPACK.lstrip("\n") + "\n\n" if "unpack(" in data else ""
    numbers = 'inf, nan = float("inf"), float("nan")\n' if data else ""
    end = _END.format(setup="", required=repr(result.statement), observed=result.reason)
    body = f"{_factory(subject)}\n{unpack}{numbers}{data}\n{check}\n\n{end}"
    ours = [line for line in ours if line.split()[-1] in body]
    ours = (["import cells"] if "cells.get" in body else []) + ours
    standard = ["importlib", "os", "sys", "traceback"] + (["base64", "zlib"] if unpack else [])
    return _imports(standard, ours, body) + body


def _battery(result: Result, context: Context, weights: str) -> list[str]:
    """Lines that run the battery of well-posed up to the check that complained, which they name."""
    subject, size = context.subject, tuple(context.subject.standard_size)
    return [
        f"subject = Subject(factory, dtype={subject.dtype}, sizes=[{size}]{weights})",
        f"cell = subject.build(*{size}, seed={context.derive('well-posed', result.scope)})",
        *(["well_posed.scale(cell, 4.0)"] if result.scope == "all-weights" else []),
        f"seed = {context.derive('inputs', result.scope)}",
        "broken = False",
        f"for name, complaint in well_posed.complaints(subject, cell, {size}, seed):",
        f"    if name == {result.evidence['checks'][-1]!r}:",
        "        print(f'{name}: {complaint}')",
        "        broken = complaint is not None",
        "        break",
    ]


def _certified(
    certificate: Certificate, result: Result, context: Context, weights: str
) -> list[str]:
    """Lines that certify the cell once more, for this property alone."""
    subject, profile = context.subject, context.profile
    named = repr(profile.name) if PROFILES.get(profile.name) == profile else repr(profile)
    description = subject.description
    said = {
        "claims": [_claim(c) for c in description.claims if c.property == result.property],
        "denies": [_claim(c) for c in description.denies if c.property == result.property],
    }
    sizes = [tuple(s) for s in subject.sizes]
    return [
        "certificate = certify(",
        f"    factory, only=({result.property!r},), profile={named},",
        *(f"    {word}=[{', '.join(claims)}]," for word, claims in said.items()),
        f"    seed={certificate.seed}, dtype={subject.dtype}, sizes={sizes}{weights},",
        ")",
        f"result = certificate.verdict({result.property!r}, {result.scope!r})",
        "print(result.reason)",
        'broken = str(result.status) == "falsified"',
    ]


def _claim(claim: Claim) -> str:
    given = {f.name: getattr(claim, f.name) for f in dataclasses.fields(claim)}
    return f"Claim({', '.join(f'{k}={v!r}' for k, v in given.items() if v is not None)})"
