"""The calls of fused kernels that a layer makes, and what its forward keeps for its backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

NAMESPACE = "desiderata"
# operators that compute nothing: other views of the same memory, and memory that is asked for
FREE = set(
    "view _unsafe_view reshape unsqueeze squeeze expand transpose permute t select slice unbind detach "
    "alias split split_with_sizes as_strided empty empty_like new_empty new_zeros zeros unflatten "
    "lift_fresh".split()
)


class Call(NamedTuple):
    """An operator with its arguments."""

    operator: Any
    arguments: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Namespace and name, without the overload."""
        return str(self.operator).rpartition(".")[0]

    def __call__(self) -> Any:
        """Once more, on the same tensors."""
        return self.operator(*self.arguments)


class Recorder(TorchDispatchMode):
    """Keeps every operator that runs in here, in ``calls``, but for those that compute nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run it, and keep it."""
        call = Call(func, args)
        if call.name.rpartition(".")[2] not in FREE:
            self.calls.append(call)
        return func(*args, **(kwargs or {}))


def calls(work: Callable[[], object]) -> list[Call]:
    """The operators that ``work`` runs."""
    with Recorder() as recorder:
        work()
    return recorder.calls


def kernels(work: Callable[[], object]) -> list[Call]:
    """Those of ``work`` that are fused kernels of ours."""
    return [call for call in calls(work) if call.name.startswith(f"{NAMESPACE}.")]


def saved_bytes(run: Callable[[], Tensor], parameters: tuple[Tensor, ...]) -> int:
    """What autograd keeps of ``run``, counted once per memory, without the ``parameters``."""
    own = {one.untyped_storage().data_ptr() for one in parameters}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = run()
    assert (
        outputs.requires_grad
    )  # kept alive until here: memory that is freed may be handed out again
    return sum(kept.values())
