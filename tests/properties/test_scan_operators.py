"""Layers on the framework's scan operators: whose gradients are wrong on which release, and found to be.

The forward was right in every wrong case, so nothing but gradients tells. ``MEASURED`` holds what came out
where each release was tried; the certificate must say the same.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
from typing import ClassVar, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cells import unroll
from properties import Profile, Status, certify

KEY = "fused-equals-reference"
PROFILE = Profile("brief", 1, 24, 4, 8, 16, 1, 2, 2)
RIGHT, WRONG, REFUSED = Status.TESTED, Status.FALSIFIED, Status.INCONCLUSIVE
MEASURED = {
    # torch pull request 184528 mended the first, pytorch issues 153679 and 195977 are about the others
    "scan": {"2.11": WRONG, "2.12": WRONG, "2.13": RIGHT, "2.14": RIGHT, "2.15": RIGHT},
    "compiled scan": {"2.11": WRONG, "2.13": WRONG, "2.14": WRONG, "2.15": RIGHT},
    "associative scan": {"2.11": RIGHT, "2.13": RIGHT, "2.14": RIGHT, "2.15": RIGHT},
    "pointwise associative scan": {
        "2.11": REFUSED, "2.13": REFUSED, "2.14": WRONG, "2.15": WRONG,
    },
}  # fmt: skip
RELEASE = ".".join(torch.__version__.split(".")[:2])


HOMES = {
    "scan": "torch._higher_order_ops.scan",
    "associative_scan": "torch._higher_order_ops.associative_scan",
}
OPERATORS = {}  # as the test at hand found them


def find(name):
    """Have one of the framework's operators, which are private names still."""
    try:
        OPERATORS[name] = getattr(importlib.import_module(HOMES[name]), name)
    except (ImportError, AttributeError):
        pytest.skip(f"torch {torch.__version__} has no {HOMES[name]}.{name}")


class Hidden(NamedTuple):
    """``hidden`` (\\*batch, H)."""

    hidden: Tensor


class Diagonal(nn.Module):
    """h' = tanh(Wx + b + v₀h): a stranger's cell, whose recurrent weights are a row of ``own``."""

    denies = ()

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-1, 1))
        self.bias = nn.Parameter(torch.empty(hidden_size).uniform_(-1, 1))
        self.own = nn.Parameter(torch.empty(3, hidden_size).uniform_(-1, 1))

    def initial_state(self, *batch):
        return Hidden(self.weight.new_zeros(*batch, self.hidden_size))

    def step(self, x, state):
        return Hidden(torch.tanh(F.linear(x, self.weight, self.bias) + self.own[0] * state.hidden))

    def readout(self, state):
        return state.hidden


def layer_on(scan):
    """The layer as one call of the operator."""

    def scanned(xs, weight, bias, own, start):
        def body(h, projected):
            new = torch.tanh(projected + own[0] * h)
            return new.clone(), new.clone()

        return scan(body, start, F.linear(xs, weight, bias), dim=0)[1]

    return scanned


class OnScan(Diagonal):
    """Eager, and traced anew for every shape all the same: so for a few shapes, and to train."""

    shapes: ClassVar[set[tuple]] = set()
    few = 2

    def fused(self, xs, state):
        if not torch.is_grad_enabled():
            return unroll(self, xs, state)
        watched = (xs.requires_grad, state.hidden.requires_grad, self.own.requires_grad)
        self.admit((*xs.shape, self.hidden_size, xs.dtype), watched, fits=len(xs) > 1)
        start = state.hidden.contiguous()
        outputs = self.run(xs.contiguous(), self.weight, self.bias, self.own, start)
        return outputs, Hidden(outputs[-1])

    def admit(self, shape, watched, *, fits):
        del watched  # eager: all of them
        if not fits or (shape not in OnScan.shapes and len(OnScan.shapes) >= self.few):
            raise NotImplementedError("traced for other shapes")
        OnScan.shapes.add(shape)

    def run(self, *tensors):
        return layer_on(OPERATORS["scan"])(*tensors)


class OnCompiledScan(OnScan):
    """Compiled by the framework's own compiler, for one shape and one set of gradients."""

    few = 1
    compiled = None

    def admit(self, shape, watched, *, fits):
        super().admit((*shape, *watched), watched, fits=fits and self.own.requires_grad)

    def run(self, *tensors):
        if OnCompiledScan.compiled is None:
            layer = layer_on(OPERATORS["scan"])
            OnCompiledScan.compiled = staticmethod(torch.compile(layer, fullgraph=True))
        return self.compiled(*tensors)


class Linear(Diagonal):
    """h' = σ(b)h + Wx: what an associative operator can scan."""

    mode = "generic"

    def step(self, x, state):
        return Hidden(torch.sigmoid(self.bias) * state.hidden + F.linear(x, self.weight))

    def fused(self, xs, state):
        def combine(left, right):
            return left[0] * right[0], left[1] * right[0] + right[1]

        written = F.linear(xs, self.weight)
        kept = torch.sigmoid(self.bias).expand_as(written).clone()
        first = written[:1] + kept[:1] * state.hidden
        written = torch.cat((first, written[1:]))
        scan = OPERATORS["associative_scan"]
        outputs = scan(combine, (kept, written), dim=0, combine_mode=self.mode)[1]
        return outputs, Hidden(outputs[-1])


class Pointwise(Linear):
    """The same by the mode that kernels are generated for."""

    mode = "pointwise"


USERS = {
    "scan": (OnScan, "scan"),
    "compiled scan": (OnCompiledScan, "scan"),
    "associative scan": (Linear, "associative_scan"),
    "pointwise associative scan": (Pointwise, "associative_scan"),
}


@pytest.fixture(autouse=True)
def _compiler_of_its_own(tmp_path, monkeypatch):
    """Nothing compiled before is used, nothing is left behind, and no pool of processes is started."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    torch._dynamo.reset()
    OnScan.shapes.clear()
    OnCompiledScan.compiled = None
    yield
    torch._dynamo.reset()


def verdict(user):
    """The line of the certificate, at initialization."""
    certificate = certify(user, only=[KEY], profile=PROFILE, sizes=((3, 4),), denies=())
    return certificate.verdict(KEY, "at-init")


@pytest.mark.parametrize("name", USERS)
def test_the_certifier_says_what_was_measured(name):
    """Wrong gradients are found where they are wrong, and nothing is held against what is right."""
    expected = MEASURED[name].get(RELEASE)
    if expected is None:
        pytest.skip(f"not measured on torch {RELEASE}")
    if name == "compiled scan" and not any(
        map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))
    ):
        pytest.skip("the framework's compiler needs a C++ compiler, there is none here")
    user, needed = USERS[name]
    find(needed)
    line = verdict(user)
    assert expected is line.status, line.reason
    if expected is WRONG:
        assert "the gradient of" in line.reason
    if expected is REFUSED:
        assert "every case was refused" in line.reason
        assert "pointwise" in line.reason
    if expected is RIGHT:
        assert 0 < line.passed


class LosesTheCarryWithoutAStartingGradient(Diagonal):
    """What the eager scan did where the start has no gradient, the usual zeros: the carry had none either."""

    def fused(self, xs, state):
        if state.hidden.requires_grad or not len(xs):
            return unroll(self, xs, state)
        h, outputs = state.hidden, []
        for row in F.linear(xs, self.weight, self.bias):
            h = torch.tanh(row + self.own[0] * h.detach())
            outputs.append(h)
        return torch.stack(outputs), Hidden(h)


class CountsTheIndexedWeightTwice(Diagonal):
    """What the compiled scan does to a weight that its body indexes: the gradient comes back too large."""

    def fused(self, xs, state):
        own = self.own[0]
        h, outputs = state.hidden, []
        for row in F.linear(xs, self.weight, self.bias):
            # the last term is 0, and its gradient that of the product once more
            h = torch.tanh(row + own * h + (own - own.detach()) * h.detach())
            outputs.append(h)
        return (torch.stack(outputs), Hidden(h)) if outputs else unroll(self, xs, state)


class LosesTheGatesGradient(Linear):
    """What the pointwise associative scan does on a CPU: the gradient of the gate is off by all of it."""

    def fused(self, xs, state):
        h, outputs = state.hidden, []
        kept = torch.sigmoid(self.bias).detach()
        for row in F.linear(xs, self.weight):
            h = kept * h + row
            outputs.append(h)
        return (torch.stack(outputs), Hidden(h)) if outputs else unroll(self, xs, state)


@pytest.mark.parametrize(
    ("user", "gradient"),
    [
        (LosesTheCarryWithoutAStartingGradient, "(inputs|weight|bias|own)"),
        (CountsTheIndexedWeightTwice, "own"),
        (LosesTheGatesGradient, "bias"),
    ],
)
def test_each_defect_is_found_on_every_release(user, gradient):
    """The same mistakes by hand, since an installation has one release of the operators at a time."""
    line = verdict(user)
    assert Status.FALSIFIED is line.status
    assert re.search(f"the gradient of {gradient} is off", line.reason), line.reason
