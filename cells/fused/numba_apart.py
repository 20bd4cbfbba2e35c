"""How kernels and the parts of them are compiled: what Numba's own decorator leaves to be said."""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.core.compiler import CompilerBase, DefaultPassBuilder

from cells.fused.numba_math import FAST

# sums over units may be taken in any fixed order
SUMS = FAST | {"reassoc"}
# Arrays outlive the call: without this every row that is looked at counts a reference, atomically, which took
# more than half of the time of a narrow layer. What allocates cannot be compiled so: a kernel makes its
# scratch, and calls a part.
_BORROWED: Any = {"_nrt": False, "error_model": "numpy"}


class _Apart(CompilerBase):
    """Compiles a function whose arrays do not overlap."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        builder: Any = DefaultPassBuilder  # it has no types
        return [builder.define_nopython_pipeline(self.state)]


kernel: Any = njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
"""Compiles what is called from Python: it makes its scratch and calls a part."""
part: Any = njit(forceinline=True, fastmath=FAST, **_BORROWED)
"""Compiles a function as part of its callers: by itself there would be two of it, in its own object and in
its caller's, and which one runs would depend on whether the process compiled them or found them compiled."""
sums_part: Any = njit(forceinline=True, fastmath=SUMS, **_BORROWED)
"""The same of one that adds up."""
apart: Any = njit(forceinline=True, fastmath=FAST, pipeline_class=_Apart, **_BORROWED)
"""The same as ``part``, of a function whose arrays do not overlap."""
sums_apart: Any = njit(forceinline=True, fastmath=SUMS, pipeline_class=_Apart, **_BORROWED)
"""The same of one that adds up."""
