"""A table of bounded size that forgets what was not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Latest(Generic[K, V]):
    """At most ``most`` values by key; reading or setting one is using it."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: K) -> bool:
        return key in self._held

    def get(self, key: K) -> V | None:
        """The value, or None."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def set(self, key: K, value: V) -> None:
        """Keep ``value``, and forget another where there are too many."""
        self._held[key] = value
        self._held.move_to_end(key)
        while len(self._held) > self.most:
            self._held.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget the value, if there is one."""
        self._held.pop(key, None)

    def keys(self) -> tuple[K, ...]:
        """From the one that will be forgotten first."""
        return tuple(self._held)
