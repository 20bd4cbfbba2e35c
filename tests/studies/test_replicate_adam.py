"""Adam of replicates against torch's own, bit for bit, whichever parameters have gradients."""

from __future__ import annotations

import copy
from itertools import chain

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.training.replicate_adam import ReplicateAdam

REPLICATES, SHAPES = 3, [(4, 5), (5,), ()]


def parameters():
    """Those of three replicates, by replicate."""
    draws = torch.Generator().manual_seed(0)
    return [
        [torch.randn(shape, generator=draws).requires_grad_() for shape in SHAPES]
        for _ in range(REPLICATES)
    ]


def numbers(optimizer):
    """Everything that training goes on from, by name."""
    own = [p for group in optimizer.param_groups for p in group["params"]]
    return [{"value": p.detach(), **optimizer.state.get(p, {})} for p in own]


@settings(max_examples=40, deadline=None)
@given(
    course=st.lists(
        st.tuples(
            st.lists(st.booleans(), min_size=9, max_size=9),
            st.sampled_from(["", "", "", "rate", "load", "closure"]),
        ),
        min_size=1,
        max_size=12,
    ),
    decay=st.sampled_from([0.0, 0.1]),
)
def test_it_is_adam(course, decay):
    """Replicates rest, parameters lack gradients, rates change, states are loaded, between any two steps."""
    mine, theirs = parameters(), parameters()
    options = {"lr": 0.02, "weight_decay": decay}
    ours = ReplicateAdam([{"params": own} for own in mine], **options)
    library = torch.optim.Adam([{"params": own} for own in theirs], fused=True, **options)
    draws = torch.Generator().manual_seed(1)
    for k, (present, event) in enumerate([*course, ([True] * 9, ""), ([True] * 9, "")]):
        given_to = iter(present)
        for one, other in zip(chain(*mine), chain(*theirs), strict=True):
            gradient = torch.randn(one.shape, generator=draws)
            one.grad, other.grad = (gradient.clone(), gradient) if next(given_to) else (None, None)
        for optimizer in (ours, library):
            if event == "rate":
                optimizer.param_groups[k % REPLICATES]["lr"] /= 2
            if event == "load":
                optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        answers = [
            one.step((lambda: 3.0) if event == "closure" else None) for one in (ours, library)
        ]
        assert answers[0] == answers[1]
        torch.testing.assert_close(numbers(ours), numbers(library), rtol=0, atol=0)


def test_a_group_is_looked_through_once(monkeypatch):
    """From the second step on, also where replicates rest in between."""
    mine = parameters()
    optimizer = ReplicateAdam([{"params": own} for own in mine], lr=0.1)
    looked = []
    real = ReplicateAdam._looked_through
    monkeypatch.setattr(
        ReplicateAdam, "_looked_through", lambda self, own: looked.append(1) or real(self, own)
    )
    for active in [(0, 1, 2), (0, 1, 2), (0, 2), (1,), (0, 1, 2)]:
        for s, own in enumerate(mine):
            for p in own:
                p.grad = torch.ones_like(p) if s in active else None
        optimizer.step()
    assert len(looked) == 1 + REPLICATES  # once in vain: before the first step there is nothing
    assert [float(optimizer.state[own[0]]["step"]) for own in mine] == [4, 4, 4]
