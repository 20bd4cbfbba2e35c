"""A counterexample as data: everything that is needed to see it again, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """N cases evaluated together: stacked parameters, flat initial states, input sequences.

    ``parameters``: name → (N, …); ``state``: (N, n) in the order of the cell's layout; ``inputs``: (T, N, D);
    ``extra``: further tensors a property needs, each (N, …); ``kinds``: a word per case for the
    record.
    """

    input_size: int
    hidden_size: int
    parameters: dict[str, Tensor]
    state: Tensor
    inputs: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.state.shape[0])

    def select(self, index: Any) -> Draws:
        """The cases at ``index``, a list of places."""
        index = torch.as_tensor(index, dtype=torch.long).reshape(-1)
        return Draws(
            self.input_size,
            self.hidden_size,
            {k: v[index] for k, v in self.parameters.items()},
            self.state[index],
            self.inputs[:, index],
            {k: v[index] for k, v in self.extra.items()},
            tuple(self.kinds[int(i)] for i in index) if self.kinds else (),
        )

    def part(self, first: int, last: int) -> Draws:
        """The cases from ``first`` up to, not including, ``last``: views, and no words for the record."""
        some = slice(first, last)
        return self.replace(
            parameters={k: v[some] for k, v in self.parameters.items()},
            state=self.state[some],
            inputs=self.inputs[:, some],
            extra={k: v[some] for k, v in self.extra.items()},
            kinds=(),
        )

    def with_horizon(self, steps: int) -> Draws:
        """The same cases over ``steps`` steps: inputs are cut, or repeated from their start."""
        have = self.inputs.shape[0]
        repeats = -(-steps // max(have, 1))
        inputs = self.inputs.repeat(repeats, 1, 1)[:steps] if steps > have else self.inputs[:steps]
        return self.replace(inputs=inputs)

    def replace(self, **changes: Any) -> Draws:
        """A copy with the given fields changed."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Draws(**{**values, **changes})

    @staticmethod
    def concatenate(parts: list[Draws]) -> Draws:
        """Cases of equal sizes and horizon, one after the other."""
        first = parts[0]
        return Draws(
            first.input_size,
            first.hidden_size,
            {k: torch.cat([p.parameters[k] for p in parts]) for k in first.parameters},
            torch.cat([p.state for p in parts]),
            torch.cat([p.inputs for p in parts], 1),
            {k: torch.cat([p.extra[k] for p in parts]) for k in first.extra},
            tuple(kind for p in parts for kind in p.kinds),
        )


@dataclass(frozen=True)
class Witness:
    """One case that was replayed on the real cell, one by one, with ordinary autograd.

    ``draws`` holds that single case; ``observed`` and ``required`` are what was measured and what the
    statement demands, ``sentence`` says it in words.
    """

    draws: Draws
    observed: float
    required: float
    sentence: str

    @property
    def horizon(self) -> int:
        """Number of input steps."""
        return int(self.draws.inputs.shape[0])

    def to_json(self, longest: int = 64) -> dict[str, Any]:
        """Plain data; an input sequence that repeats itself is stored as one period."""
        draws = self.draws
        inputs = draws.inputs[:, 0]
        period = period_of(inputs)
        repeats = period < len(inputs) and period <= longest
        return {
            "input_size": draws.input_size,
            "hidden_size": draws.hidden_size,
            "horizon": self.horizon,
            "parameters": {k: plain(v[0].tolist()) for k, v in draws.parameters.items()},
            "state": plain(draws.state[0].tolist()),
            "inputs": plain((inputs[:period] if repeats else inputs).tolist()),
            "inputs_repeat": repeats,
            "extra": {k: plain(v[0].tolist()) for k, v in draws.extra.items()},
            "tensors": {
                name: {"dtype": str(v.dtype).removeprefix("torch."), "shape": list(v.shape)}
                for name, v in self._named()
            },
            "observed": plain(self.observed),
            "required": plain(self.required),
            "sentence": self.sentence,
        }

    def _named(self) -> list[tuple[str, Tensor]]:
        """Every tensor by its place in the JSON form."""
        draws = self.draws
        places = (("parameters", draws.parameters), ("extra", draws.extra))
        named = [(f"{place}.{k}", v[0]) for place, store in places for k, v in store.items()]
        return [("state", draws.state[0]), ("inputs", draws.inputs[:, 0]), *named]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Witness:
        """What :meth:`to_json` wrote, bit for bit. Raises ``KeyError`` or ``ValueError`` for other data."""

        def tensor(name: str, value: Any) -> Tensor:
            kind = data["tensors"][name]
            dtype = getattr(torch, kind["dtype"])
            flat = torch.tensor(_numbers(value), dtype=torch.float64)
            if dtype.is_complex:
                return torch.view_as_complex(flat.reshape(*kind["shape"], 2)).to(dtype)
            return flat.reshape(kind["shape"]).to(dtype)

        inputs, horizon = data["inputs"], int(data["horizon"])
        if data["inputs_repeat"]:
            inputs = [inputs[t % len(inputs)] for t in range(horizon)]
        draws = Draws(
            int(data["input_size"]),
            int(data["hidden_size"]),
            {k: tensor(f"parameters.{k}", v).unsqueeze(0) for k, v in data["parameters"].items()},
            tensor("state", data["state"]).unsqueeze(0),
            tensor("inputs", inputs).unsqueeze(1),
            {k: tensor(f"extra.{k}", v).unsqueeze(0) for k, v in data["extra"].items()},
        )
        return cls(draws, float(data["observed"]), float(data["required"]), str(data["sentence"]))


def _numbers(value: Any) -> list[float]:
    """The numbers of nested lists in order; infinities and NaN are words."""
    if isinstance(value, list):
        return [n for part in value for n in _numbers(part)]
    return [float(value)]


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it: infinities and NaN are words, a complex number is [re, im]."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    return value


def period_of(inputs: Tensor) -> int:
    """The shortest p with inputs[t] = inputs[t mod p] for every t (the length where there is none)."""
    steps = len(inputs)
    for p in range(1, steps // 2 + 1):
        if torch.equal(inputs[p:], inputs[:-p]):
            return p
    return steps
