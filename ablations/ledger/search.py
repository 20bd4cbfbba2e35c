"""Optuna's samplers and pruners as pure functions: from what was tried to what is tried next.

A trial that is asked of a study in a storage depends on who else is asking it, and one whose worker was
killed is proposed again as something else. Here the sampler sees a study in memory that holds exactly the
trials which are known by declaration (:meth:`ablations.core.tuning.Tuning.known`), in their order, and begins
from a seed of its own. The same records therefore propose the same trial in every process; what is proposed
is stored whole before it is begun, as every other job of the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from ablations.core.tuning import STARTUP, Searched, Tuning
from ablations.ledger.tried import Tried
from studies.core.metric import Better
from studies.core.protocol import Range
from studies.core.streams import stream_key

_PRUNING_NEEDS = 5  # trials that ended well before any is pruned


def distributions(tuning: Tuning) -> dict[str, BaseDistribution]:
    """The space in Optuna's terms."""
    return {key: _distribution(one) for key, one in tuning.searched.items()}


def _distribution(one: Searched) -> BaseDistribution:
    if not isinstance(one, Range):
        return CategoricalDistribution(one)
    log = one.scale == "log"
    if one.whole:
        return IntDistribution(int(one.low), int(one.high), log=log)
    return FloatDistribution(float(one.low), float(one.high), log=log)


def propose(tuning: Tuning, number: int, known: Sequence[Tried], better: Better) -> dict[str, Any]:
    """What the trial ``number`` tries, given the trials before it that it may know."""
    study = _study(tuning, number, better)
    study.add_trials([_frozen(tuning, one) for one in known])
    return dict(study.ask(distributions(tuning)).params)


def prunes(tuning: Tuning, known: Sequence[Tried], curve: Sequence[float], better: Better) -> bool:
    """Whether a trial with these validation values so far is ended, given the trials before it."""
    if tuning.pruner == "none" or not curve or not math.isfinite(curve[-1]):
        return False
    study = _study(tuning, 0, better)
    study.add_trials([_frozen(tuning, one) for one in known if one.state == "ok"])
    pruner = optuna.pruners.MedianPruner(_PRUNING_NEEDS, n_warmup_steps=tuning.warmup)
    running = create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(curve)))
    return bool(pruner.prune(study, running))


def _study(tuning: Tuning, number: int, better: Better) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = stream_key(tuning.sampler_seed, "tuning", number) % 2**32
    sampler: optuna.samplers.BaseSampler
    if tuning.sampler == "random":
        sampler = optuna.samplers.RandomSampler(seed=seed)
    else:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
    return optuna.create_study(
        sampler=sampler, direction="minimize" if better == "lower" else "maximize"
    )


def _frozen(tuning: Tuning, one: Tried) -> FrozenTrial:
    """A pruned trial has a curve and no value, for samplers that tell the two apart."""
    about: Mapping[str, Any] = {
        "params": dict(one.settings),
        "distributions": distributions(tuning),
        "intermediate_values": dict(enumerate(one.curve)),
    }
    if one.state == "pruned":
        return create_trial(state=TrialState.PRUNED, **about)
    return create_trial(value=one.value, **about)
