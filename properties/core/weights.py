"""Trained weights: read safely, matched to the cell, and the sizes they imply."""

from __future__ import annotations

import itertools
import math
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from properties.core.errors import WeightsError
from properties.core.subject import SIZES

_TRIES = 400
_ENOUGH = 3  # cells to fit two slopes and a constant
_ROUNDING = 1e-6


def load(path: str | Path) -> dict[str, Tensor]:
    """The state dict in ``path``, as ``torch.save(cell.state_dict(), path)`` wrote it.

    Read with ``weights_only=True``: nothing in the file is executed. Raises :class:`WeightsError` for a
    file that is missing, truncated, holds code, or holds something else than named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"weights: expected a file written by torch.save, found none at {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.load warns before it refuses an archive of code
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" in str(
            error
        ):  # "Unsupported global", "Unsupported operand", "Unsupported class"
            raise WeightsError(
                f"weights: {path} holds pickled code or objects, which are never executed; save plain "
                "tensors with torch.save(cell.state_dict(), path)"
            ) from None
        raise WeightsError(_damaged(path, error)) from None
    except Exception as error:  # noqa: BLE001 - bytes of any kind: torch.load raises what it stumbles over
        raise WeightsError(_damaged(path, error)) from None
    if (
        not isinstance(loaded, Mapping)
        or not loaded
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in loaded.items())
    ):
        raise WeightsError(
            f"weights: expected {path} to hold named tensors, got {_kind(loaded)}; "
            "save cell.state_dict(), not the cell or a dictionary around it"
        )
    for name, value in loaded.items():
        wrong = int((~torch.isfinite(value)).sum())
        if wrong:
            raise WeightsError(
                f"weights: expected finite numbers, {name!r} in {path} holds {wrong} that are NaN or "
                "infinite; the training diverged, use an earlier checkpoint"
            )
    return dict(loaded)


def _damaged(path: Path, error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0]
    return (
        f"weights: {path} is no file of tensors, or it is truncated or damaged ({type(error).__name__}: "
        f"{text[:120]}); save it anew with torch.save(cell.state_dict(), path)"
    )


def _kind(loaded: Any) -> str:
    if isinstance(loaded, Mapping):
        kinds = sorted({type(v).__name__ for v in loaded.values()})
        return f"a mapping to {', '.join(kinds)}" if kinds else "an empty mapping"
    return f"a {type(loaded).__name__}"


def shapes_of(
    factory: Callable[..., Any], size: tuple[int, int]
) -> dict[str, tuple[int, ...]] | None:
    """The state dict's shapes of a cell built at ``size``, or None where it cannot be built."""
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = factory(*size)
    except Exception:  # noqa: BLE001 - whatever a stranger's constructor raises: not this size
        return None
    if not isinstance(made, nn.Module):
        return None
    return {k: tuple(v.shape) for k, v in made.state_dict().items()}


def infer_size(
    factory: Callable[..., Any], weights: Mapping[str, Tensor], name: str
) -> tuple[int, int]:
    """The (input_size, hidden_size) at which ``factory`` builds a cell with the shapes of ``weights``.

    Axes are affine in the two sizes for nearly every cell: a few small cells are built, the lengths are
    solved for the sizes, and the cell of those sizes is compared with the file. Where that fails, sizes
    that occur among the axes are tried. Raises :class:`WeightsError` that says what the cell has and what
    the file holds.
    """
    want = {k: tuple(v.shape) for k, v in weights.items()}
    built = {size: shapes for size in SIZES if (shapes := shapes_of(factory, size)) is not None}
    known = set(next(iter(built.values()), {}))
    if known and known != set(want):
        raise WeightsError(
            f"weights: expected the tensors of {name}, {_listed(known)}, got {_listed(set(want))}; "
            "these are the weights of another cell, or of other knobs"
        )
    too_large: list[tuple[int, int]] = []  # nothing wider is built: it may not even fit into memory
    for size in itertools.chain(_solved(built, want), _guesses(want)):
        if any(size[0] >= d and size[1] >= h for d, h in too_large):
            continue
        shapes = shapes_of(factory, size)
        if shapes == want:
            return size
        if shapes is not None and _count(shapes) > _count(want):
            too_large.append(size)
    raise WeightsError(
        f"weights: no (input_size, hidden_size) of {name} gives the shapes in the file "
        f"({'; '.join(f'{k} {v}' for k, v in list(want.items())[:4])}); "
        "check that the file belongs to this cell, or give --input-size and --hidden-size"
    )


def _count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _solved(
    built: Mapping[tuple[int, int], Mapping[str, tuple[int, ...]]],
    want: Mapping[str, tuple[int, ...]],
) -> list[tuple[int, int]]:
    """The sizes whose affine axes have the lengths in ``want``; none where too few cells were built."""
    if len(built) < _ENOUGH:
        return []
    sizes = torch.tensor([[*size, 1] for size in built], dtype=torch.float64)
    lengths = torch.tensor(
        [[n for k in want for n in shapes[k]] for shapes in built.values()
         if [len(shapes[k]) for k in want] == [len(shape) for shape in want.values()]],
        dtype=torch.float64,
    )  # fmt: skip
    if len(lengths) != len(sizes) or not lengths.numel():
        return []
    # gelsd: equal widths alone leave the split open, and the shortest solution is the symmetric one
    slopes = torch.linalg.lstsq(sizes, lengths, driver="gelsd").solution
    affine = (sizes @ slopes - lengths).abs().amax(0) < _ROUNDING
    if not bool(affine.any()):
        return []
    target = torch.tensor([n for shape in want.values() for n in shape], dtype=torch.float64)
    unknown = (target - slopes[2])[affine].unsqueeze(-1)
    solution = torch.linalg.lstsq(slopes[:2, affine].T, unknown, driver="gelsd").solution
    input_size, hidden_size = (round(float(v)) for v in solution.flatten())
    return [(input_size, hidden_size)] if input_size > 0 and hidden_size > 0 else []


def _guesses(want: Mapping[str, tuple[int, ...]]) -> list[tuple[int, int]]:
    """Pairs of axes, their doubles and their halves … sixths, the likely ones first."""
    axes = {n for shape in want.values() for n in shape if n > 0}
    parts = {n // k for n in axes for k in (2, 3, 4, 5, 6) if n % k == 0}
    lengths = sorted(axes | parts | {2 * n for n in axes})
    pairs = [(a, b) for a in lengths for b in lengths]
    return sorted(pairs, key=lambda s: ((s[0] not in axes) + (s[1] not in axes), sum(s)))[:_TRIES]


def check(
    factory: Callable[..., Any], size: tuple[int, int], weights: Mapping[str, Tensor], name: str
) -> None:
    """Raise :class:`WeightsError` unless the cell at ``size`` takes exactly these tensors."""
    have = shapes_of(factory, size)
    want = {k: tuple(v.shape) for k, v in weights.items()}
    if have is None:
        raise WeightsError(f"weights: {name} cannot be built at {size}: give other sizes")
    if have != want:
        wrong = [k for k in have.keys() | want.keys() if have.get(k) != want.get(k)]
        first = min(wrong)
        raise WeightsError(
            f"weights: at input_size {size[0]} and hidden_size {size[1]} expected {first!r} of shape "
            f"{have.get(first)}, got {want.get(first)}; give the sizes it was trained with"
        )


def _listed(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")
