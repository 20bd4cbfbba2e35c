"""A cell whose step is compiled and which is the same in all else, for the loop over time to run."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

from torch import Tensor

from cells.core.deferral import Deferred
from cells.core.projection import Projected

Compiler = Callable[[Callable[..., Any]], Callable[..., Any]]


def compiled(cell: Any, compiler: Compiler) -> Any:
    """``cell`` with what :func:`cells.unroll` calls at every step compiled by ``compiler``.

    That is ``recur``, ``advance`` or ``step``, whichever the loop over this cell is made of.
    """
    if not isinstance(cell, Projected) or type(cell).step is not Projected.step:
        return _Stepped(cell, compiler)
    if isinstance(cell, Deferred) and type(cell).advance is Deferred.advance:
        return _Recurred(cell, compiler)
    return _Advanced(cell, compiler)


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with a code object of its own.

    torch.compile keeps what it compiled with the code object, and gives up on one that it has met with
    more than a few shapes: without this all cells and shapes would share one.
    """
    assert isinstance(function, FunctionType)  # noqa: S101 - three lines below
    return FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )


class _Advanced(Projected[Any]):
    def __init__(self, cell: Any, compiler: Compiler) -> None:
        self.cell, self.input_size = cell, cell.input_size

        def advance(projected: Any, state: Any) -> Any:
            return cell.advance(projected, state)

        self._advance = compiler(_own(advance))

    def project(self, x: Tensor) -> Any:
        """As the cell does."""
        return self.cell.project(x)

    def advance(self, projected: Any, state: Any) -> Any:
        """Compiled."""
        return self._advance(projected, state)

    def readout(self, state: Any) -> Tensor:
        """As the cell does."""
        outputs: Tensor = self.cell.readout(state)
        return outputs


class _Recurred(Deferred[Any]):
    deferred: ClassVar[str] = ""  # an instance has its cell's

    def __init__(self, cell: Any, compiler: Compiler) -> None:
        self.cell, self.input_size = cell, cell.input_size
        self.deferred = cell.deferred  # type: ignore[misc]

        def recur(projected: Any, state: Any) -> Any:
            return cell.recur(projected, state)

        self._recur = compiler(_own(recur))

    @property
    def entry_size(self) -> int:
        """As the cell's."""
        return int(self.cell.entry_size)

    def project(self, x: Tensor) -> Any:
        """As the cell does."""
        return self.cell.project(x)

    def recur(self, projected: Any, state: Any) -> tuple[Any, Tensor]:
        """Compiled."""
        advanced: tuple[Any, Tensor] = self._recur(projected, state)
        return advanced

    def entry(self, projected: Any, read: Tensor) -> Tensor:
        """As the cell does."""
        went_in: Tensor = self.cell.entry(projected, read)
        return went_in

    def accumulate(self, held: Tensor, entry: Tensor) -> Tensor:
        """As the cell does."""
        after: Tensor = self.cell.accumulate(held, entry)
        return after

    def readout(self, state: Any) -> Tensor:
        """As the cell does."""
        outputs: Tensor = self.cell.readout(state)
        return outputs


class _Stepped:
    def __init__(self, cell: Any, compiler: Compiler) -> None:
        self.cell, self.input_size = cell, cell.input_size

        def step(x: Tensor, state: Any) -> Any:
            return cell.step(x, state)

        self._step = compiler(_own(step))

    def step(self, x: Tensor, state: Any) -> Any:
        """Compiled."""
        return self._step(x, state)

    def readout(self, state: Any) -> Tensor:
        """As the cell does."""
        outputs: Tensor = self.cell.readout(state)
        return outputs
