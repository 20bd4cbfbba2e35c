"""Layers beside a sound step that compute almost the same: each differs in one place."""

# ruff: noqa: ARG004 - an override keeps the signature of what it overrides
from __future__ import annotations

import torch
from museum.exhibit import Hoisted, State, mutant

KEY = "fused-equals-reference"


class Scaled(torch.autograd.Function):
    """The identity, whose backward multiplies by ``factor``."""

    @staticmethod
    def forward(ctx, value, factor):
        ctx.save_for_backward(factor)
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


def bent(value, place, factor):
    """``value`` itself, whose gradient is off by ``factor`` in one place."""
    factors = torch.ones_like(value)
    factors.view(-1)[place] = factor
    return Scaled.apply(value, factors)


@mutant(
    KEY,
    "comparing values, and norms of gradients",
    reads="gradient of weight_r",
)
class OneWeightsGradientIsOff(Hoisted):
    def fused(self, xs, state):
        return self.run(xs, state, bent(self.weight_r, -1, 1.01))


@mutant(KEY, "gradients in the parameters alone", reads="gradient of the initial state")
class ForgetsTheStartsGradient(Hoisted):
    def fused(self, xs, state):
        return super().fused(xs, State(state.memory, state.recurrent.detach()))


@mutant(
    KEY, "a loss that reads all outputs: the last state's gradient is lost", reads="gradient of"
)
class DetachesTheLastState(Hoisted):
    def fused(self, xs, state):
        outputs, last = super().fused(xs, state)
        return outputs, State(*(field.detach() for field in last))


@mutant(KEY, "sequences of more than one step", reads="T = 1,")
class WrongForOneStep(Hoisted):
    def fused(self, xs, state):
        outputs, last = super().fused(xs, state)
        return (1.001 * outputs if len(xs) == 1 else outputs), last


@mutant(KEY, "sequences of at least one step", reads="T = 0,")
class ZeroesAStateThatGetsNoInput(Hoisted):
    def fused(self, xs, state):
        outputs, last = super().fused(xs, state)
        return outputs, last if len(xs) else State(*(0 * field for field in last))


@mutant(KEY, "inputs that are dense in memory", reads="inputs (batch|every|one)")
class IgnoresStrides(Hoisted):
    """Reads the storage from its start, row after row, as a kernel does that is given a bare pointer."""

    def fused(self, xs, state):
        if len(xs) and not xs.is_contiguous():
            whole = torch.as_strided(xs, (xs.untyped_storage().nbytes() // xs.itemsize,), (1,))
            repeats = -(-xs.numel() // len(whole))
            xs = whole.repeat(repeats)[: xs.numel()].view(xs.shape)
        return super().fused(xs, state)


@mutant(KEY, "checks in double precision", reads="in float32")
class WrongInSinglePrecision(Hoisted):
    """A polynomial that is good to three digits only, and used in float32 only."""

    def gain(self, a):
        if a.dtype == torch.float32 and self.inside:
            return super().gain(a) * 1.001
        return super().gain(a)

    inside = False

    def fused(self, xs, state):
        self.inside = True
        try:
            return super().fused(xs, state)
        finally:
            self.inside = False


@mutant(KEY, "checks of outputs, and of gradients through them", reads="last state's 'recurrent'")
class StateOfTheStepBefore(Hoisted):
    """Off by one: the last state is that before the last step, while the outputs are right."""

    def fused(self, xs, state):
        outputs, last = super().fused(xs, state)
        if len(xs) > 1:
            last = last._replace(recurrent=super().fused(xs[:-1], state)[1].recurrent)
        return outputs, last


@mutant(KEY, "checks with finite numbers", reads="NaN in inputs .*swallowed")
class SwallowsNaN(Hoisted):
    """As min and max of a kernel do, whose second argument wins over a NaN."""

    def fused(self, xs, state):
        return super().fused(torch.nan_to_num(xs, nan=0.0), state)


@mutant(KEY, "one row, and two: a tile is cut off behind the eighth", reads="batch \\((17|2, 3|5),")
class LastRowsShareAState(Hoisted):
    def fused(self, xs, state):
        r = state.recurrent
        if r.dim() > 1 and r.shape[0] > 4:
            r = torch.cat((r[:4], r[3:4].expand_as(r[4:])))
        return super().fused(xs, state._replace(recurrent=r))


@mutant(KEY, "narrow layers: it has fewer units than a tile", reads="is off by|swallowed")
class DropsWhatIsBeyondATile(Hoisted):
    def run(self, xs, state, weight_r):
        outputs, last = super().run(xs, state, weight_r)
        kept = torch.arange(self.units) < 32
        return outputs, last._replace(recurrent=torch.where(kept, last.recurrent, 0.0))


@mutant(KEY, "gradients that are given back densely", reads="plain sum")
class ReadsExpandedGradientsByPointer(Hoisted):
    """The gradient of a plain sum is one number with strides of 0: a kernel that ignores it reads junk."""

    class Pointer(torch.autograd.Function):
        """The identity, whose backward believes in density."""

        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient if gradient.is_contiguous() or not gradient.dim() else 0 * gradient

    def fused(self, xs, state):
        outputs, last = super().fused(xs, state)
        return self.Pointer.apply(outputs), last


@mutant(KEY, "comparing the two gradients: both are wrong alike", reads="but finite differences")
class SharesAMistake(Hoisted):
    """Step and layer call the same function, whose hand-written backward is wrong."""

    def gain(self, a):
        return Scaled.apply(super().gain(a), torch.full_like(a, 0.9))

    channels = None
    claims = ()


@mutant(
    KEY,
    "checks of results: the initial state is used as scratch",
    reads="writes into the initial state",
)
class OverwritesTheStart(Hoisted):
    def fused(self, xs, state):
        outputs, last = super().fused(xs, state)
        with torch.no_grad():
            state.recurrent.mul_(0.5)
        return outputs, last


@mutant(KEY, "checks of values", reads="is of shape .* and float32")
class ReturnsSinglePrecision(Hoisted):
    def fused(self, xs, state):
        outputs, last = super().fused(xs, state)
        return outputs.float(), last
