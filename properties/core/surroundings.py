"""What a verdict must not depend on: the caller's threads, gradient mode, warning filters and logs."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """One thread, gradients on, warnings and logs off; what was there before comes back.

    One thread: the tensors are tiny, and a sum over two threads may round differently. Warnings off: a
    test suite that turns them into errors would stop the search of a cell that merely warns. Logs off:
    tracing logs hundreds of lines, which pytest would show with every failure.
    """
    threads, logs = torch.get_num_threads(), logging.root.manager.disable
    trace = logging.getLogger("torch.__trace")  # overrides what logging.disable relies on
    muted = trace.disabled
    torch.set_num_threads(1)
    logging.disable()
    trace.disabled = True
    try:
        with torch.inference_mode(mode=False), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        trace.disabled = muted
        logging.disable(logs)
        torch.set_num_threads(threads)
