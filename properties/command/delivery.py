"""Orders and deliveries: cells certified, here or in other processes, with all that is written of them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import rich.console
import rich.progress
import torch

from properties.core import weights as weight_files
from properties.core.certificate import Certificate
from properties.core.certify import certify
from properties.core.checks import Progress
from properties.core.errors import HarnessError
from properties.core.verdict import Status

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class Order:
    """One cell to certify and what to make of it; plain data, so that another process can take it."""

    target: str
    profile: str = "dev"
    seed: int = 0
    dtype: str = "float64"
    only: tuple[str, ...] = ()
    allow: dict[str, str] = field(default_factory=dict)
    weights: str | None = None
    size: tuple[int, int] | None = None
    html: bool = False
    scripts: bool = False


@dataclass(frozen=True)
class Delivery:
    """A certificate and its renderings: the page, and scripts by file name."""

    certificate: Certificate
    html: str | None = None
    scripts: dict[str, str] = field(default_factory=dict)


def carry_out(orders: Sequence[Order], jobs: int, *, quiet: bool) -> list[Delivery]:
    """Every order in turn, or in up to ``jobs`` processes; the result is the same.

    Progress is shown on a terminal, unless ``quiet`` or under continuous integration. Raises
    :class:`HarnessError`, also where a process dies.
    """
    console = rich.console.Console(stderr=True)
    hidden = quiet or not sys.stderr.isatty() or bool(os.environ.get("CI"))
    columns = (
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=console, disable=hidden, transient=True) as bar:
        if len(orders) == 1 or jobs == 1:
            return [_here(order, bar) for order in orders]
        return _elsewhere(orders, min(jobs, len(orders)), bar)


def fulfill(order: Order, progress: Progress | None = None) -> Delivery:
    """Certify one cell and render what is asked for."""
    certificate = certify(
        order.target,
        profile=order.profile,
        seed=order.seed,
        dtype=DTYPES[order.dtype],
        only=order.only,
        allow=order.allow,
        weights=None if order.weights is None else weight_files.load(order.weights),
        sizes=None if order.size is None else [order.size],
        progress=progress,
    )
    html, scripts = None, {}
    if order.html:
        from properties.report.page import page  # matplotlib and jinja2 take a second to import

        html = page(certificate)
    if order.scripts:
        from properties.report.reproducer import script

        scripts = {
            f"{_identifier(order.target, result.property, result.scope)}.py": script(
                certificate, result
            )
            for result in certificate.results
            if result.status is Status.FALSIFIED
        }
    return Delivery(replace(certificate, context=None), html, scripts)


def _identifier(*words: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join(words)).strip("_")


def _here(order: Order, bar: rich.progress.Progress) -> Delivery:
    task = bar.add_task(order.target, total=None)

    def report(key: str, scope: str, done: int, of: int) -> None:
        text = f"{order.target}: {key} ({scope})"
        bar.update(task, description=text, completed=done, total=of)

    delivery = fulfill(order, report)
    bar.remove_task(task)
    return delivery


def _elsewhere(orders: Sequence[Order], jobs: int, bar: rich.progress.Progress) -> list[Delivery]:
    task = bar.add_task("certifying", total=len(orders))
    before = set(multiprocessing.active_children())
    # spawn: a fork of a process that has used torch's threads can hang
    pool = concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_work
    )
    try:
        with _uninterrupted():
            waiting = [pool.submit(_packed, order) for order in orders]
        for future in concurrent.futures.as_completed(waiting):
            future.result()  # the first error ends the run
            bar.advance(task)
    except concurrent.futures.BrokenExecutor:
        _stop(pool, before)
        raise HarnessError(
            "a process that certified a cell ended without an answer (out of memory, or killed); run "
            "with --jobs 1, which needs less memory and shows the cell at which it happens"
        ) from None
    except BaseException:
        _stop(pool, before)
        raise
    pool.shutdown()
    return [pickle.loads(future.result()) for future in waiting]  # noqa: S301 - from our own process


def _stop(
    pool: concurrent.futures.ProcessPoolExecutor,
    before: set[multiprocessing.process.BaseProcess],
) -> None:
    """End the work that is under way: nobody waits for it any more."""
    pool.shutdown(wait=False, cancel_futures=True)
    for process in set(multiprocessing.active_children()) - before:
        process.terminate()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold an interruption back while processes start.

    They inherit the block: until `_work` runs they are importing, and would print a traceback each.
    """
    main = threading.current_thread() is threading.main_thread()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as in a shell's background
    if ignored or not main or not hasattr(signal, "pthread_sigmask"):  # Windows has no masks
        yield
        return
    held: list[int] = []
    # another thread may take the signal although this one blocks it, so the handler waits as well
    handler = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if held:
        raise KeyboardInterrupt


def _work() -> None:
    """An interruption is the parent's to handle: it ends its processes itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _packed(order: Order) -> bytes:
    """A delivery as bytes: tensors sent as such take a file descriptor each, and there are thousands."""
    return pickle.dumps(fulfill(order))
