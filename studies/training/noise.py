"""Dropout with a stream for each replicate: masks that do not depend on who trains beside.

Cells and layers draw with ``F.dropout`` or ``rand_like``. Inside :class:`ReplicateNoise` those become
functions of a key and of a count of draws. The key is an input of the model, one per replicate, so that
``torch.func.vmap`` batches it like a parameter and each replicate sees what it would see alone.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from studies.core.errors import StudyError
from studies.core.streams import stream_key

_ELSEWHERE = {
    torch.rand, torch.randn, torch.randn_like, torch.randint, torch.randint_like, torch.bernoulli,
    torch.normal, torch.randperm, torch.multinomial, torch.Tensor.bernoulli_, torch.Tensor.uniform_,
    torch.Tensor.normal_, torch.alpha_dropout, F.alpha_dropout, F.feature_alpha_dropout,
}  # fmt: skip


@torch.library.custom_op("desiderata::replicate_uniform", mutates_args=())
def replicate_uniform(key: Tensor, like: Tensor, draw: int) -> Tensor:
    """U[0, 1) in the shape of ``like``: number ``draw`` of the stream of the scalar integer ``key``."""
    generator = torch.Generator(like.device)
    generator.manual_seed(stream_key(int(key), draw))
    return torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=generator)


@replicate_uniform.register_fake
def _(key: Tensor, like: Tensor, draw: int) -> Tensor:  # noqa: ARG001
    return torch.empty_like(like)


@replicate_uniform.register_vmap
def _(
    info: Any, in_dims: tuple[Any, ...], key: Tensor, like: Tensor, draw: int
) -> tuple[Tensor, int]:
    key_dim, like_dim, _ = in_dims
    rows = []
    for replicate in range(info.batch_size):
        own = key if key_dim is None else key.select(key_dim, replicate)
        shape = like if like_dim is None else like.select(like_dim, replicate)
        rows.append(replicate_uniform(own, shape, draw))
    return torch.stack(rows), 0


class ReplicateNoise(TorchFunctionMode):
    """Within it, dropout and ``rand_like`` draw from the stream of ``key`` (a scalar int64 tensor).

    Raises :class:`StudyError` where something draws random numbers in another way: those could not be kept
    apart.
    """

    def __init__(self, key: Tensor) -> None:
        super().__init__()
        self.key, self.draws = key, 0

    def _uniform(self, like: Tensor) -> Tensor:
        self.draws += 1
        values: Tensor = replicate_uniform(self.key, like.detach(), self.draws)
        return values

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace the functions that draw; everything else runs as it is."""
        kwargs = kwargs or {}
        if func is F.dropout:
            return self._dropout(args[0] if args else kwargs["input"], *args[1:], **_named(kwargs))
        if func is torch.rand_like:
            return self._uniform(args[0])
        if func in _ELSEWHERE:
            raise StudyError(
                f"the model draws random numbers by {getattr(func, '__name__', func)}: replicates keep "
                "their own streams for torch.nn.functional.dropout and torch.rand_like only; use one of them"
            )
        return func(*args, **kwargs)

    def _dropout(
        self, values: Tensor, p: float = 0.5, training: bool = True, _: bool = False
    ) -> Tensor:
        if not training or p == 0:
            return values
        if p == 1:
            return torch.zeros_like(values)
        return torch.where(self._uniform(values) >= p, values / (1 - p), torch.zeros_like(values))


def _named(arguments: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of ``F.dropout`` but for the input; ``inplace`` changes no value."""
    return {k: v for k, v in arguments.items() if k in {"p", "training"}}
