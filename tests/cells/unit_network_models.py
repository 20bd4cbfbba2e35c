"""Networks of units in plain torch, and what can be compared of any kernels that compute them."""

from __future__ import annotations

import torch
import torch.nn.functional as F

NAMES = "x reads first weights held".split()
# replicates of x, reads and first, weights, held, gradient; steps, batch, units, inputs, k; summed or not
CASES = [
    ((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), True),
    ((1, 1, 1, 1, 1), (2, 3, 5, 3, 2), True),
    ((2, 2, 2, 2, 2), (9, 3, 7, 2, 3), True),
    ((2, 2, 2, 2, 2), (19, 1, 7, 2, 4), False),
    ((1, 2, 1, 2, 2), (3, 2, 33, 5, 4), True),  # a tile of units and part of one
    ((2, 1, 1, 1, 1), (9, 2, 3, 1, 34), True),  # bits in two words
    ((1, 1, 2, 1, 1), (5, 3, 4, 9, 2), True),  # inputs in tiles
    ((1, 1, 1, 2, 2), (33, 2, 2, 6, 1), False),
    ((1, 1, 1, 1, 2), (17, 5, 3, 2, 2), True),
]


def randn(*shape, seed):
    """Drawn in double precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tensors(replicates, sizes):
    """X, reads, what is read first, weights, held, and a gradient of the sums."""
    steps, batch, units, inputs, k = sizes
    shapes = [
        (steps, batch, inputs), (steps, batch, units), (k * (inputs + 3) + 1, units), (batch, units),
        (steps, batch, units),
    ]  # fmt: skip
    drawn = [randn(r, *s, seed=n) for n, (r, s) in enumerate(zip(replicates, shapes, strict=True))]
    drawn.insert(2, randn(replicates[1], batch, units, seed=11))
    return drawn


def reference(x, reads, first, weights, held, accumulate):
    """One network after another, in torch."""
    inputs = x.shape[-1]
    before = torch.cat((first.unsqueeze(1), reads[:, :-1]), 1)[:, : reads.shape[1]]
    each = weights[:, :-1].unflatten(1, (-1, inputs + 3))[:, None, None]
    hidden = (x[..., None, :, None] * each[..., :inputs, :]).sum(-2)
    hidden = hidden + each[..., inputs, :] * before.unsqueeze(3) + each[..., inputs + 1, :]
    f = (F.relu(hidden) * each[..., inputs + 2, :]).sum(3) + weights[:, None, None, -1]
    entries = torch.logaddexp(f, torch.zeros_like(f))
    held = held.unsqueeze(1)
    return held + entries.cumsum(1) if accumulate else entries + 0 * held.detach().nan_to_num()


def answers(given, gradient, accumulate, decode="", of_readouts=None, of_last=None):
    """The last sum, all of them, what is decoded, and all gradients, by autograd."""
    leaves = [one.clone().requires_grad_() for one in given]
    out = reference(*leaves, accumulate)
    seed = gradient.expand(max(len(gradient), len(out)), *gradient.shape[1:])
    out = out.expand_as(seed)
    last = out[:, -1]
    of_last = torch.zeros_like(last) if of_last is None else of_last.expand_as(last)
    results, seeds = [last, out], [of_last, seed]
    if decode:
        both = torch.cat((leaves[1].expand_as(out), out), -1)
        results.append(getattr(torch, decode)(both))
        seeds.append(of_readouts.expand_as(both))
    found = torch.autograd.grad(results, leaves, seeds, allow_unused=True)
    zeros = (torch.zeros_like(w) if f is None else f for w, f in zip(leaves, found, strict=True))
    return [*(one.detach() for one in results), *zeros]


def results(
    operators,
    given,
    gradient,
    accumulate,
    *,
    wanted=True,
    decode="",
    of_readouts=None,
    of_last=None,
):
    """The same by two operators; a gradient of size 0 stands for zeros."""
    forward, backward = operators
    nothing = given[0].new_empty(1, 0, 0, 0)
    *found, slopes = forward(*given, accumulate, True, decode, True)  # noqa: FBT003
    values = found[1] if decode else nothing
    seeds = (
        given[0].new_empty(1, 0, 0) if of_last is None else of_last,
        gradient,
        nothing if of_readouts is None else of_readouts,
    )
    gradients = backward(*given, values, slopes, *seeds, accumulate, decode, wanted)
    replicates = max(len(one) for one in (found[0], *seeds))
    assert all(len(one) == replicates for one in gradients)
    return [
        *(one.expand(replicates, *one.shape[1:]) for one in found),
        *(one.sum_to_size(of.shape) for one, of in zip(gradients, given, strict=True)),
    ]


def ended(operators, case):
    """Compare both where the last value alone is wanted, and has a gradient; or all, and it has one too."""
    replicates, (_, batch, units, *_), accumulate = case
    *given, gradient = tensors(*case[:2])
    seed = randn(replicates[-1], batch, units, seed=13)
    (alone, *rest) = operators[0](*given, accumulate, False, "", False)  # noqa: FBT003
    assert [0, 0] == [one.numel() for one in rest]
    for own in (gradient, gradient.new_empty(1, 0, 0, 0)):
        ours = results(operators, given, own, accumulate, of_last=seed)
        wanted = own if own.numel() else torch.zeros_like(gradient)
        theirs = answers(given, wanted, accumulate, of_last=seed)
        torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-11)
        assert torch.equal(alone.expand_as(ours[0]), ours[0])


def decoded(operators, case, decode):
    """Compare both on a case, with gradients of the sums and of what is decoded, or of the latter alone."""
    replicates, (steps, batch, units, *_), accumulate = case
    *given, gradient = tensors(*case[:2])
    seed = randn(replicates[-1], steps, batch, 2 * units, seed=12)
    for own in (gradient, gradient.new_empty(1, 0, 0, 0)):
        ours = results(operators, given, own, accumulate, decode=decode, of_readouts=seed)
        wanted = own if own.numel() else torch.zeros_like(gradient)
        theirs = answers(given, wanted, accumulate, decode, seed)
        torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-11)
