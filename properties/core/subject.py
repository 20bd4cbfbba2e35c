"""The cell under certification: how it is built, at which sizes, and what it declares."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import cells
from cells import Claim, Description
from properties.core.errors import SubjectError
from properties.core.resolve import resolve

# Small sizes, smallest first: counterexamples are looked for there. Equal widths stand among them
# for cells that demand input_size == hidden_size, 5 and 10 for the statistical recurrent unit.
SIZES = (
    (1, 1), (1, 2), (2, 2), (1, 4), (3, 3), (2, 4), (1, 5), (3, 6), (5, 5), (3, 8), (2, 10), (8, 8),
)  # fmt: skip


def stable_seed(*parts: Any) -> int:
    """A 31-bit seed that depends on the parts' text alone, not on Python's salted hash."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class Subject:
    """A factory with a name, the sizes it admits and its declarations.

    ``claims``/``denies`` replace what the cell itself declares; ``weights`` is a state dict that every
    built cell gets (then one size only). Raises :class:`SubjectError` where the factory raises at
    every size, or builds something that is no cell.
    """

    def __init__(
        self,
        factory: str | Callable[..., Any],
        *,
        name: str | None = None,
        dtype: torch.dtype = torch.float64,
        claims: Sequence[Claim] | None = None,
        denies: Sequence[Claim] | None = None,
        weights: dict[str, Tensor] | None = None,
        sizes: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self.target = factory if isinstance(factory, str) else _import_path(factory)
        self.factory = resolve(factory) if isinstance(factory, str) else factory
        if not callable(self.factory):
            raise SubjectError(
                f"expected a callable (input_size, hidden_size) -> cell, got {type(factory).__name__}"
            )
        self.name = name or self.target or getattr(self.factory, "__name__", repr(self.factory))
        self.dtype = dtype
        self.weights = weights
        self._claims, self._denies = claims, denies
        self.sizes = self._admissible(SIZES if sizes is None else sizes)
        self.description = self._describe()

    def build(self, input_size: int, hidden_size: int, seed: int = 0) -> Any:
        """A fresh cell in evaluation mode and the subject's dtype, initialized from ``seed`` alone."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # constructors of strangers may warn about zero-sized tensors and the like
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            made = self.factory(input_size, hidden_size)
            cell = cells.adapt(made)
        if isinstance(cell, nn.Module):
            cell = cell.to(self.dtype).eval()
            if self.weights is not None:
                # of what the factory made: adapting puts a prefix before the names
                made.load_state_dict(self.weights)
        return cell

    def _admissible(self, sizes: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        good: list[tuple[int, int]] = []
        refusals: list[tuple[tuple[int, int], Exception]] = []  # kept for the message
        for size in sizes:
            try:
                _check(self.build(*size), size[0])
            except Exception as error:  # noqa: BLE001 - whatever a stranger's constructor raises
                refusals.append((size, error))
            else:
                good.append(size)
        if not good:
            (d, h), last = refusals[-1]
            adapted = isinstance(last, cells.AdaptError)
            happened = "built no cell" if adapted else f"raised {type(last).__name__}"
            raise SubjectError(
                f"{self.name}: expected a callable (input_size, hidden_size) -> cell, got one that "
                f"{happened} at each of the {len(sizes)} sizes tried; the last (input_size={d}, "
                f"hidden_size={h}): {last}"
            ) from last
        return tuple(good)

    def _describe(self) -> Description:
        cell = self.build(*self.standard_size)
        try:
            state = cell.initial_state()
        except Exception as error:
            raise SubjectError(
                f"{self.name}: initial_state() in {self.dtype} raised {type(error).__name__}: {error}; "
                "expected the state before the first input, for a cell in evaluation mode; mend it, or "
                "choose a number format that its operations have"
            ) from error
        if not hasattr(state, "_fields"):
            raise SubjectError(
                f"{self.name}: expected initial_state() to return a NamedTuple of tensors, got "
                f"{type(state).__name__}; name the fields, or pass a plain (x, state) -> state module"
            )
        for field, value in zip(state._fields, state, strict=True):
            if not isinstance(value, Tensor):
                raise SubjectError(
                    f"{self.name}: expected the state to hold tensors, its field {field!r} is of type "
                    f"{type(value).__name__}; make it a tensor, or a constant of the cell"
                )
        if not any(v.is_floating_point() or v.is_complex() for v in state):
            raise SubjectError(
                f"{self.name}: expected the state to hold a floating-point tensor, got "
                f"{', '.join(str(v.dtype) for v in state) or 'no field'}; integers carry no gradient"
            )
        try:
            own = cells.describe(cell)
        except (TypeError, ValueError) as error:
            raise SubjectError(f"{self.name}: its declarations cannot be read: {error}") from error
        claims = own.claims if self._claims is None else tuple(self._claims)
        denies = own.denies if self._denies is None else tuple(self._denies)
        if self.weights is not None:
            # what is claimed for all weights is claimed for these; a denial for all names others
            claims = tuple(
                c if c.scope != "all-weights" else replace(c, scope=None) for c in claims
            )
        return Description(own.channels, claims, denies)

    @property
    def standard_size(self) -> tuple[int, int]:
        """The size at which pictures are drawn and single figures are taken."""
        return next((s for s in ((3, 8), (8, 8), (3, 6)) if s in self.sizes), self.sizes[-1])

    @property
    def scopes(self) -> tuple[str, ...]:
        """For which parameters each property is asked."""
        return ("at-init", "all-weights") if self.weights is None else ("these-weights",)


def _check(cell: Any, input_size: int) -> None:
    """Refuse, by ``ValueError``, a cell of another size than was asked for, or one that is not finished."""
    have = getattr(cell, "input_size", input_size)
    if have != input_size:
        raise ValueError(
            f"expected a cell of input_size {input_size}, got one of {have}: use the arguments, or pass the "
            "sizes that it has"
        )
    for name, parameter in cell.named_parameters() if isinstance(cell, nn.Module) else ():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ValueError(  # noqa: TRY004 - a value of the right kind that is not ready
                f"expected initialized parameters, {name!r} is lazy: call the module once where it is built"
            )


def _import_path(factory: Any) -> str | None:
    module = getattr(factory, "__module__", None)
    name = getattr(factory, "__qualname__", None)
    if not module or not name or "<" in name or module == "__main__":
        return None
    return f"{module}:{name}"
