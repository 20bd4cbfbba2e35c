"""What can record work on a device and do it again: all that the rest of this package asks of CUDA."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

import torch

R = TypeVar("R")
Replay = Callable[[], None]


class Recorder(Protocol):
    """Records work on tensors that stay where they are.

    Nothing that was recorded with one ``pool`` may be replayed while results of other work recorded with it
    are still to be used, but for the tensors that recorded work returned: all else shares its memory.
    """

    def obstacle(self) -> str | None:
        """Why nothing can be recorded or replayed at this moment, or None."""
        ...

    def queue(self, device: torch.device) -> Hashable:
        """Where work on ``device`` is queued at this moment: what is replayed there runs in order."""
        ...

    def pool(self) -> Any:
        """Memory for work that is never needed at the same time."""
        ...

    def rehearse(self, work: Callable[[], object], device: torch.device) -> None:
        """Do ``work`` as it will be recorded, so that what happens the first time only is behind it."""
        ...

    def record(self, work: Callable[[], R], device: torch.device, pool: Any) -> tuple[R, Replay]:
        """The tensors that ``work`` returns, and how to compute them again, in place.

        Raises whatever recording raises; nothing is left half recorded.
        """
        ...
