"""Kernels compiled ahead of time, for a GPU that need not be there: what can be counted about them."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from cells.fused import unit_tiling
from cells.fused.step import Step
from cells.fused.triton_kernels import Kernel, launch, module

KERNELS: tuple[Kernel, ...] = ("forward", "backward")
FEW, MANY = 2**13, 2**17
"""Numbers of lanes that are launched differently: copy's 32 x 256, and 256 x 512."""
UNIT_KERNELS: tuple[unit_tiling.Kernel, ...] = ("forward", "backward", "sums", "inputs")
_SIZES = {
    *"steps batch units lanes".split(),
    *"inputs hidden width points length chunks slices".split(),  # of networks of units
}


class Counts(NamedTuple):
    """Of one thread, which is one lane.

    ``registers`` of 32 bits; ``spilled``: loads and stores of what found no register; ``stack``: bytes;
    ``instructions``: of the loop over time, per step, the walk of memory included.
    """

    registers: int
    spilled: int
    stack: int
    instructions: float


def available() -> bool:
    """Whether Triton's compiler is there."""
    return importlib.util.find_spec("triton") is not None


def counts(step: Step, kernel: Kernel, lanes: int, dtype: torch.dtype, architecture: int) -> Counts:
    """Compile ``kernel`` of ``step`` as it would be launched for ``lanes`` on an sm_``architecture``.

    All gradients are given. Needs Triton and the assembler and disassembler that it brings, no GPU; raises
    ``ImportError`` without it.
    """
    source = module(step)
    loads = source.FORWARD_LOADS if kernel == "forward" else source.BACKWARD_LOADS
    how = launch(kernel, lanes, loads, dtype)
    fixed = {"BLOCK": how.block, "DEPTH": how.depth}
    function = getattr(source, kernel)
    binary = _compiled(function, fixed, how.options(dtype), dtype, architecture)
    used, lines = _counted(binary)
    longest = max((last - first for first, last in _loops(lines)), default=0)
    return Counts(*used, (longest / 16 + 1) / how.depth)  # an instruction has 16 bytes


def unit_counts(
    kernel: unit_tiling.Kernel,
    units: int,
    inputs: int,
    hidden: int,
    dtype: torch.dtype,
    architecture: int,
) -> Counts:
    """The same of a kernel for networks of units, compiled as for those sizes.

    ``instructions``: of the loop over hidden numbers, for each of them and each point.
    """
    from cells.fused import triton_unit_gradients, triton_unit_networks

    functions = {
        "forward": triton_unit_networks.forward,
        "backward": triton_unit_networks.backward,
        "sums": triton_unit_gradients.sums,
        "inputs": triton_unit_gradients.inputs_gradient,
    }
    how = unit_tiling.tiling(kernel, units, inputs, hidden, dtype)
    options = unit_tiling.options(kernel, how, dtype)
    binary = _compiled(functions[kernel], how.arguments(), options, dtype, architecture)
    used, lines = _counted(binary)
    loops = _loops(lines)
    inner = [
        (first, last)
        for first, last in loops
        if not any(first <= a and b <= last for a, b in loops if (a, b) != (first, last))
    ]

    def products(loop: tuple[int, int]) -> int:
        return sum(loop[0] <= place <= loop[1] and "FMA" in text for place, text in lines)

    first, last = max(inner, key=products)  # the others multiply next to nothing
    return Counts(*used, ((last - first) / 16 + 1) / (how.points * how.hidden))


def _compiled(
    function: object,
    fixed: Mapping[str, int],
    options: Mapping[str, int],
    dtype: torch.dtype,
    architecture: int,
) -> bytes:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature, constants, aligned = {}, {}, {}
    for place, one in enumerate(inspect.signature(function.fn).parameters.values()):  # type: ignore[attr-defined]
        if one.annotation is triton.language.constexpr:
            signature[one.name] = "constexpr"
            constants[one.name] = fixed.get(one.name, True)
        elif one.annotation is triton.language.float64:
            signature[one.name] = "fp64"
        elif one.name in _SIZES or one.name.endswith("_r"):
            signature[one.name] = "i32"
        else:
            number = "*fp32" if dtype == torch.float32 else "*fp64"
            signature[one.name] = "*i32" if one.name == "passed" else number
            aligned[place,] = [["tt.divisibility", 16]]
    compiled = triton.compile(
        ASTSource(fn=function, signature=signature, constexprs=constants, attrs=aligned),
        target=GPUTarget("cuda", architecture, 32),
        options=dict(options),
    )
    binary: bytes = compiled.asm["cubin"]
    return binary


def _counted(binary: bytes) -> tuple[tuple[int, int, int], list[tuple[int, str]]]:
    """Registers, spills and stack; and every instruction with its place."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(binary)
        usage = _dumped("--dump-resource-usage", file)
        listing = _dumped("--dump-sass", file)
    used = {name: int(value) for name, value in re.findall(r"(REG|STACK):(\d+)", usage)}
    found = re.findall(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", listing, re.MULTILINE)
    lines = [(int(place, 16), text) for place, text in found]
    spilled = sum(bool(re.search(r"\b(LDL|STL)\b", text)) for _, text in lines)
    return (used["REG"], spilled, used["STACK"]), lines


def _loops(lines: list[tuple[int, str]]) -> list[tuple[int, int]]:
    """First and last place of every jump back; the jump to itself is the program's end."""
    jumps = [
        (int(target[1], 16), place)
        for place, text in lines
        if (target := re.search(r"\bBRA (0x[0-9a-f]+)", text))
    ]
    return [(first, last) for first, last in jumps if first < last]


def _dumped(what: str, file: Path) -> str:
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    run = subprocess.run([tool, what, file], capture_output=True, text=True, check=True)  # noqa: S603 - Triton's own tool
    return run.stdout
