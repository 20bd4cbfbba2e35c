"""Write the kernels' sources of the catalogue: `python -m cells.fused`, with `--check` only compare.

With `--counts`, print what can be counted about the GPU's kernels without a GPU.
"""

from __future__ import annotations

import argparse
import sys

import torch

from cells.fused import triton_ahead
from cells.fused.catalogue import sources, steps
from cells.fused.fingerprint import stamped
from cells.fused.store import GENERATED

NETWORKS = GENERATED.with_name("numba_unit_networks.py")
"""Written by hand, but for one line."""


def main() -> int:
    """Exit with 1 where ``--check`` finds a source that is not what would be written, or one too many."""
    parser = argparse.ArgumentParser(prog="python -m cells.fused", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail where stale")
    parser.add_argument(
        "--counts", action="store_true", help="registers and instructions on the GPU"
    )
    asked = parser.parse_args()
    if asked.counts:
        return _counts()
    check = asked.check
    wanted = {GENERATED / name: text for name, text in sources().items()}
    wanted[NETWORKS] = stamped(NETWORKS.read_text(encoding="utf-8"))
    stale = []
    for path, text in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    for path in sorted(GENERATED.glob("*_*.py")):
        if path not in wanted and path.name != "__init__.py":
            stale.append(path.name)
            if not check:
                path.unlink()
    if stale and check:
        sys.stderr.write(
            f"stale kernels: {', '.join(stale)}; run `python -m cells.fused` and commit what it writes\n"
        )
        return 1
    sys.stdout.write(f"{len(wanted)} sources, {len(stale)} {'stale' if check else 'written'}\n")
    return 0


def _counts() -> int:
    if not triton_ahead.available():
        sys.stderr.write("triton is not installed; `pip install triton` brings its compiler\n")
        return 1
    sys.stdout.write(
        "step, kernel, lanes: registers, spilled, stack, instructions per step (sm_90)\n"
    )
    for step in steps():
        for kernel in triton_ahead.KERNELS:
            for lanes in (triton_ahead.FEW, triton_ahead.MANY):
                found = triton_ahead.counts(step, kernel, lanes, torch.float32, 90)
                numbers = ", ".join(f"{value:g}" for value in found)
                sys.stdout.write(f"{step.name}, {kernel}, {lanes}: {numbers}\n")
    sizes = (512, 5, 32)
    sys.stdout.write(
        "networks of units, kernel, (units, inputs, k): the same, instructions per hidden number\n"
    )
    for one in triton_ahead.UNIT_KERNELS:
        numbers = ", ".join(
            f"{value:g}" for value in triton_ahead.unit_counts(one, *sizes, torch.float32, 90)
        )
        sys.stdout.write(f"networks of units, {one}, {sizes}: {numbers}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
