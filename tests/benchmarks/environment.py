"""Where a run was measured: what must agree before two of its ratios may be compared."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

# Of a processor, for a run that is stored. With five processes in turn on one, an nn.LSTM is up to 18 %
# slower, its weights fetched anew after every turn, and a kernel that streams is not.
LEAST_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Environment:
    """``device``: its name, and its instruction set where it is a CPU; ``kernels``: what compiled them.

    ``torch``, ``kernels`` ("numba 0.68.1", "triton 3.6.0", "none") and ``cudnn`` ("none" on a CPU) are
    versions; ``threads``: of torch, 1 in the suite.
    """

    device: str
    torch: str
    kernels: str
    cudnn: str
    threads: int

    @classmethod
    def here(cls, *, cuda: bool) -> Environment:
        """This process's."""
        return cls(
            device=torch.cuda.get_device_name() if cuda else processor(),
            torch=torch.__version__.partition("+")[0],
            kernels=_version("triton" if cuda else "numba"),
            cudnn=str(torch.backends.cudnn.version()) if cuda else "none",
            threads=torch.get_num_threads(),
        )

    @classmethod
    def read(cls, stored: Mapping[str, object]) -> Environment:
        """The inverse of :meth:`written`. Raises ``ValueError`` for other fields."""
        names = {field.name for field in fields(cls)}
        if set(stored) != names:
            raise ValueError(f"key: expected the fields {sorted(names)}, got {sorted(stored)}")
        return cls(**stored)  # type: ignore[arg-type]

    def written(self) -> dict[str, object]:
        """As JSON takes it."""
        return asdict(self)

    @property
    def cuda(self) -> bool:
        """Whether this is a GPU's."""
        return self.cudnn != "none"

    @property
    def hopper(self) -> bool:
        """Whether the goals for GPUs were set for such a device."""
        return self.cuda and any(name in self.device for name in ("H100", "H200", "GH200"))

    @property
    def file_name(self) -> str:
        """One file per key, named by all of it."""
        words = " ".join(str(value) for value in asdict(self).values() if value != "none")
        return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-") + ".json"

    def differences(self, other: Environment) -> tuple[str, ...]:
        """What tells ``other`` from this, in words."""
        return tuple(
            f"{field.name} {getattr(other, field.name)} instead of {getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        )


def processor(listing: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name, with family, model and instruction set: one name may cover several designs."""
    found = {}
    if listing.exists():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    name = found.get("model name") or platform.processor() or platform.machine()
    design = [
        f"{word} {found[key]}"
        for word, key in (("family", "cpu family"), ("model", "model"))
        if key in found
    ]
    return ", ".join([name, *design, torch.backends.cpu.get_cpu_capability()])


def processor_share(seconds: float = 1.0) -> float:
    """How much of a processor this process gets, tried for so long."""
    begin, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < seconds:
        pass
    return (time.process_time() - used) / (time.perf_counter() - begin)


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return "none"
