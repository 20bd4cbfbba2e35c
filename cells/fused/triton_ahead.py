"""Kernels compiled ahead of time, for a GPU that need not be there: what can be counted about them."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch

from cells.fused.step import Step
from cells.fused.triton_kernels import Kernel, Launch, launch, module

KERNELS: tuple[Kernel, ...] = ("forward", "backward")
FEW, MANY = 2**13, 2**17
"""Numbers of lanes that are launched differently: copy's 32 x 256, and 256 x 512."""


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
    return _counted(_compiled(getattr(source, kernel), how, dtype, architecture), how)


def _compiled(function: object, how: Launch, dtype: torch.dtype, architecture: int) -> bytes:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    fixed = {"BLOCK": how.block, "DEPTH": how.depth}
    signature, constants, aligned = {}, {}, {}
    for place, one in enumerate(inspect.signature(function.fn).parameters.values()):  # type: ignore[attr-defined]
        if one.annotation is triton.language.constexpr:
            signature[one.name] = "constexpr"
            constants[one.name] = fixed.get(one.name, True)
        elif one.annotation is triton.language.float64:
            signature[one.name] = "fp64"
        elif one.name in "steps batch units lanes".split() or one.name.endswith("_r"):
            signature[one.name] = "i32"
        else:
            signature[one.name] = "*fp32" if dtype == torch.float32 else "*fp64"
            aligned[place,] = [["tt.divisibility", 16]]
    compiled = triton.compile(
        ASTSource(fn=function, signature=signature, constexprs=constants, attrs=aligned),
        target=GPUTarget("cuda", architecture, 32),
        options=how.options(dtype),
    )
    binary: bytes = compiled.asm["cubin"]
    return binary


def _counted(binary: bytes, how: Launch) -> Counts:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(binary)
        usage = _dumped("--dump-resource-usage", file)
        listing = _dumped("--dump-sass", file)
    used = {name: int(value) for name, value in re.findall(r"(REG|STACK):(\d+)", usage)}
    lines = re.findall(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", listing, re.MULTILINE)
    spilled = sum(bool(re.search(r"\b(LDL|STL)\b", text)) for _, text in lines)
    backwards = [
        int(place, 16) - int(target[1], 16)
        for place, text in lines
        if (target := re.search(r"\bBRA (0x[0-9a-f]+)", text))
    ]
    loop = (
        max(0, *backwards) / 16 + 1
    )  # an instruction has 16 bytes; the longest jump back is the loop
    return Counts(used["REG"], spilled, used["STACK"], loop / how.depth)


def _dumped(what: str, file: Path) -> str:
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    run = subprocess.run([tool, what, file], capture_output=True, text=True, check=True)  # noqa: S603 - Triton's own tool
    return run.stdout
