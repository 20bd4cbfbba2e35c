"""Dropout by replicate: the same masks under vmap and alone, the right law, and no other chance."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from studies.core.errors import StudyError
from studies.training import replicates
from studies.training.noise import ReplicateNoise, replicate_uniform


def noisy(key, values):
    """Three draws of two kinds."""
    with ReplicateNoise(key):
        return F.dropout(values, 0.3) + F.dropout(values, p=0.6, training=True) * torch.rand_like(
            values
        )


def test_under_vmap_every_replicate_sees_what_it_sees_alone():
    """Bit for bit."""
    keys = torch.tensor([5, 6, 5])
    values = torch.randn(3, 4, 2)
    together = torch.vmap(noisy)(keys, values)
    for place in range(3):
        assert torch.equal(together[place], noisy(keys[place], values[place]))
    shared = torch.vmap(noisy, in_dims=(0, None))(keys, values[0])
    assert torch.equal(shared[0], shared[2])
    assert not torch.equal(shared[0], shared[1])


def test_draws_are_uniform_and_distinct():
    """Another key or count is another stream; the law is U[0, 1)."""
    like = torch.zeros(20_000, dtype=torch.float64)
    one = replicate_uniform(torch.tensor(1), like, 0)
    assert stats.kstest(one.numpy(), "uniform").pvalue > 1e-3
    assert (
        abs(torch.corrcoef(torch.stack([one, replicate_uniform(torch.tensor(1), like, 1)]))[0, 1])
        < 0.05
    )
    assert (
        abs(torch.corrcoef(torch.stack([one, replicate_uniform(torch.tensor(2), like, 0)]))[0, 1])
        < 0.05
    )


def test_dropout_keeps_the_mean_and_the_gradient_follows_the_mask():
    """Inverted dropout: kept values are scaled, dropped ones have no gradient."""
    values = torch.ones(50_000, requires_grad=True)
    with ReplicateNoise(torch.tensor(3)):
        out = F.dropout(values, 0.8)
    out.sum().backward()
    assert torch.equal(values.grad, out.detach())
    assert out.unique().tolist() == pytest.approx([0.0, 5.0])
    assert out.mean().item() == pytest.approx(1, abs=0.05)


def test_the_global_generator_is_neither_read_nor_moved():
    """Whatever else draws, before or after, sees no difference."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = noisy(torch.tensor(1), torch.ones(4))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(9)
    assert torch.equal(first, noisy(torch.tensor(1), torch.ones(4)))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends(p):
    """Rate 0 is the identity, rate 1 is zero, and evaluation drops nothing."""
    values = torch.ones(5)
    with ReplicateNoise(torch.tensor(1)) as noise:
        assert torch.equal(F.dropout(values, p), values * (1 - p))
        assert torch.equal(F.dropout(values, 0.5, training=False), values)
    assert noise.draws == 0


@pytest.mark.parametrize("draw", ["bernoulli", "randn_like"])
def test_other_chance_is_refused(draw):
    """It would come from one generator for all replicates."""
    with (
        ReplicateNoise(torch.tensor(1)),
        pytest.raises(StudyError, match="replicates keep their own streams"),
    ):
        getattr(torch, draw)(torch.ones(2))


DRAWS = {
    "dropout": lambda x: F.dropout(x, 0.5),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.5, training=True),
    "rand_like": torch.rand_like,
    "randn": lambda x: torch.randn(3) + x,
    "randint": lambda x: torch.randint(3, (3,)) + x,
    "randperm": lambda x: torch.randperm(3) + x,
    "bernoulli": torch.bernoulli,
    "normal": lambda x: torch.normal(x, 1.0),
    "multinomial": lambda x: torch.multinomial(x, 1),
    "uniform_": lambda x: x.clone().uniform_(),
}


@pytest.mark.parametrize("draw", list(DRAWS))
def test_vmap_refuses_draws_in_the_words_that_are_looked_for(draw):
    """Nobody listens in a model that drew nothing so far; its first draw must not get through."""
    with pytest.raises(RuntimeError, match=replicates._REFUSED):
        torch.vmap(DRAWS[draw])(torch.full((2, 3), 0.5))
