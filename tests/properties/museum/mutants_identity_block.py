"""Mutants whose memory is not carried unchanged: forward, backward, or only sometimes."""

# ruff: noqa: ARG002, ARG004 - an override keeps the signature of what it overrides
from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from museum.exhibit import LAMBDA, Specimen, mutant
from torch import Tensor, nn

KEY = "identity-block"
SATURATED = ("all-weights",)


class Carry(Specimen):
    """A specimen that replaces the carry s by ``keep(s)``."""

    def write(self, x, s, r, gain):
        return self.keep(s) + gain


@mutant(KEY, "comparing Jacobians with a tolerance, and gaps of one step")
class FaintLeak(Specimen):
    def recur(self, s, r, b, c):
        return super().recur(s, r, b, c + 1e-6 * torch.tanh(s))


@mutant(KEY, "gaps of one step")
class LoopThroughRecurrent(Specimen):
    """s reaches r, and r the next s: invisible at T − t = 1."""

    def recur(self, s, r, b, c):
        return super().recur(s, r, b, c + 0.5 * torch.sin(s))


@mutant(KEY, "states near the origin and short gaps")
class LeaksAboveTwenty(Specimen):
    def recur(self, s, r, b, c):
        return super().recur(s, r, b, c + F.relu(s - 20))


@mutant(KEY, "gradients that merely do not vanish")
class SlowDecay(Carry):
    def keep(self, s):
        return 0.999 * s


@mutant(KEY, "norms of the gradient: they stay what they were")
class RollsByOne(Carry):
    def keep(self, s):
        return torch.roll(s, 1, -1)


@mutant(KEY, "norms of the gradient: they stay what they were")
class RotatesInPairs(Carry):
    """A rotation by 0.1 in the plane of the first two units (a decay where there is one unit)."""

    def keep(self, s):
        if s.shape[-1] == 1:
            return 0.99 * s
        angle = torch.tensor(0.1, dtype=s.dtype)
        one, two = s[..., :1], s[..., 1:2]
        turned = (one * angle.cos() - two * angle.sin(), one * angle.sin() + two * angle.cos())
        return torch.cat((*turned, s[..., 2:]), -1)


@mutant(KEY, "checks of magnitudes: the state looks healthier than before")
class NormalizesMemory(Carry):
    def keep(self, s):
        return F.layer_norm(s, s.shape[-1:])


@mutant(KEY, "averaging over units")
class LastUnitDecays(Carry):
    def keep(self, s):
        return torch.cat((s[..., :-1], 0.9 * s[..., -1:]), -1)


@mutant(KEY, "the forward graph: values are those of the specimen", reads="cotangent")
class DetachesMemory(Carry):
    def keep(self, s):
        return s.detach()


@mutant(KEY, "the forward graph: values are those of the specimen", reads="cotangent")
class StepsWithoutGradient(Specimen):
    def write(self, x, s, r, gain):
        with torch.no_grad():
            return super().write(x, s, r, gain)


class OldStyleClip(torch.autograd.Function):
    """The identity whose backward clips to ±0.5, in the style that vmap refuses."""

    @staticmethod
    def forward(ctx, s):
        return s.clone()

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-0.5, 0.5)


class NewStyleClip(torch.autograd.Function):
    """The same, in the style that vmap understands."""

    generate_vmap_rule = True

    @staticmethod
    def forward(s):
        return s.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-0.5, 0.5)


@mutant(KEY, "batched gradients: vmap refuses the function", reads="cotangent")
class ClipsBackwardOldStyle(Carry):
    def keep(self, s):
        return OldStyleClip.apply(s)


@mutant(KEY, "the forward graph", reads="cotangent")
class ClipsBackwardNewStyle(Carry):
    def keep(self, s):
        return NewStyleClip.apply(s)


class ClipAtOne(NewStyleClip):
    """The customary bound, which cotangents of 0 and ±1 never meet."""

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-1, 1)


@mutant(KEY, "unit cotangents, of which every Jacobian is made", reads="cotangent")
class ClipsBackwardAtOne(Carry):
    def keep(self, s):
        return ClipAtOne.apply(s)


@mutant(KEY, "the forward graph; vmap refuses hooks of modules", reads="cotangent")
class ModuleHookHalvesGradient(Carry):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.bridge = nn.Identity()
        self.bridge.register_full_backward_hook(lambda _module, grads, _out: (0.5 * grads[0],))

    def keep(self, s):
        return self.bridge(s)


@mutant(KEY, "the forward graph, and autograd through vmap", reads="cotangent")
class HookShrinksGradient(Carry):
    def keep(self, s):
        s = s * 1
        if s.requires_grad:
            s.register_hook(lambda g: 0.9 * g)
        return s


class NaNBackward(torch.autograd.Function):
    """The identity whose gradient is no number, as that of a guarded 0/0 is."""

    generate_vmap_rule = True

    @staticmethod
    def forward(s):
        return s.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return g * float("nan")


@mutant(KEY, "searches that discard what is not finite", reads="cotangent")
class GradientIsNaN(Carry):
    def keep(self, s):
        return NaNBackward.apply(s)


@mutant(KEY, "searches that discard what is not finite", reads="cotangent")
class GuardedRoot(Carry):
    """Equals s for every s; where s ≤ 0 the branch not taken poisons the gradient."""

    def keep(self, s):
        return torch.where(s > 0, s.sqrt() ** 2 - s.sqrt() ** 2 + s, s)


class DecaysForward(torch.autograd.Function):
    """Forward 0.9 s, backward the identity: autograd is told another story."""

    generate_vmap_rule = True

    @staticmethod
    def forward(s):
        return 0.9 * s

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return g


@mutant(KEY, "checks of gradients alone", reads="does not arrive unchanged")
class StraightThroughDecay(Carry):
    def keep(self, s):
        return DecaysForward.apply(s)


@mutant(KEY, "any tolerance, and proofs that fold constants in single precision")
class GrowsByTheLastDigits(Carry):
    def keep(self, s):
        return (1 + 1e-12) * s


@mutant(KEY, "states away from 0: elsewhere it is s", reads="cotangent")
class AbsoluteTimesSign(Carry):
    def keep(self, s):
        return s.abs() * torch.sign(s)


@mutant(KEY, "memories near the origin", reads="cotangent")
class ForgetsGradientFarOut(Carry):
    def keep(self, s):
        return torch.where(s.abs() > 50, s.detach(), s)


@mutant(KEY, "checks of gradients alone", reads="does not arrive unchanged")
class KeepsMemoryInFloat32(Carry):
    def keep(self, s):
        return s.float().to(s.dtype)


@mutant(KEY, "checks of gradients alone", reads="does not arrive unchanged")
class RoundsToTenths(Carry):
    """A quantized memory with the straight-through estimator."""

    def keep(self, s):
        return s + ((10 * s).round() / 10 - s).detach()


@mutant(KEY, "checks of gradients alone", reads="does not arrive unchanged")
class StoresMemoryInBfloat16(Carry):
    """Casting back and forth passes gradients on, and rounds the memory to 8 bits."""

    def keep(self, s):
        return s.to(torch.bfloat16).to(s.dtype)


@mutant(KEY, "inputs that stay small", scopes=SATURATED)
class ResetsOnLargeInput(Specimen):
    def write(self, x, s, r, gain):
        return torch.where(x.abs().amax(-1, keepdim=True) > 3.9, 0.0, s) + gain


@mutant(KEY, "recurrent states near the origin", scopes=SATURATED)
class ResetsOnLargeRecurrent(Specimen):
    def write(self, x, s, r, gain):
        return torch.where(r > 3.3, 0.0, s) + gain


@mutant(KEY, "memories near the origin", scopes=SATURATED)
class ClampsFarOut(Specimen):
    def write(self, x, s, r, gain):
        return (s + gain).clamp(-2000.0, 2000.0)


@mutant(KEY, "checks of the carry alone: the increment reads it")
class IncrementReadsMemory(Specimen):
    def write(self, x, s, r, gain):
        return s + gain * (1 + 0.01 * torch.tanh(s))


class Clocked(NamedTuple):
    """The state of a cell that counts its steps, lawfully, in an integer field."""

    memory: Tensor
    recurrent: Tensor
    clock: Tensor


@mutant(KEY, "short gaps")
class DecaysEvery40thStep(Specimen):
    def initial_state(self, *batch):
        clock = torch.zeros(*batch, 1, dtype=torch.int64, device=self.weight_x.device)
        return Clocked(*super().initial_state(*batch), clock)

    def step(self, x, state):
        clock = (state.clock + 1) % 40
        s = torch.where(clock == 0, 0.5 * state.memory, state.memory)
        a, b, c = self.affine(x, state.recurrent)
        return Clocked(s + self.gain(a), self.recur(s, state.recurrent, b, c), clock)


@mutant(KEY, "gaps shorter than the cell's own truncation", reads="cotangent")
class TruncatesEveryTenthStep(DecaysEvery40thStep):
    """Backpropagation is cut within the cell, by its own clock."""

    def step(self, x, state):
        clock = (state.clock + 1) % 10
        s = torch.where(clock == 0, state.memory.detach(), state.memory)
        a, b, c = self.affine(x, state.recurrent)
        return Clocked(s + self.gain(a), self.recur(s, state.recurrent, b, c), clock)


@mutant(KEY, "names: what is called memory is a leaky integrator", reads="memory")
class ForgetGate(Specimen):
    def step(self, x, state):
        a, b, c = self.affine(x, state.recurrent)
        keep = torch.sigmoid(b)
        memory = keep * state.memory + (1 - keep) * self.gain(a)
        return state._replace(
            memory=memory, recurrent=LAMBDA * keep * state.recurrent + torch.tanh(c)
        )
