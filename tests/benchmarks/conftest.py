"""What benchmarks share: the run, its options, and the table at its end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # the suite's modules lie beside this file

import baseline
import slowing
from clock import CLOCK
from environment import LEAST_SHARE, Environment, processor_share
from own_process import OPTION, OwnProcess
from result_table import show
from speed_run import SpeedRun

RUN = pytest.StashKey[SpeedRun]()


def pytest_addoption(parser):
    """The suite's own options, where this folder is named on the command line, as `nox -s bench` does."""
    group = parser.getgroup("speed")
    group.addoption(
        "--update-baseline",
        action="store_true",
        help="store this run's ratios under its key, measured twice as long, and gate nothing",
    )
    group.addoption(
        "--slow",
        action="append",
        default=[],
        metavar="NAME=FACTOR",
        help="slow an implementation on purpose (fused=1.3, or copy/fused=1.3), to see it caught",
    )
    group.addoption(
        "--stored",
        type=Path,
        default=baseline.FOLDER,
        metavar="FOLDER",
        help="where stored runs are read and written (default: those that are committed)",
    )
    group.addoption(
        "--on",
        choices=("cpu", "cuda"),
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="the device to measure (default: cuda where there is one)",
    )
    group.addoption(
        OPTION,
        action="store_true",
        help="this run's verdict is the last: nothing is measured once more in a process of its own",
    )


def pytest_configure(config):
    """Read the key, the stored run and the options once."""
    CLOCK.cuda = config.getoption("--on", default="cpu") == "cuda"
    environment = Environment.here(cuda=CLOCK.cuda)
    update = config.getoption("--update-baseline", default=False)
    try:
        slow = slowing.parse(config.getoption("--slow", default=[]))
        stored, why = baseline.find(
            environment, config.getoption("--stored", default=baseline.FOLDER)
        )
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if update and slow:
        raise pytest.UsageError("--update-baseline stores what is; expected no --slow beside it")
    if update and config.getoption("--stored") == baseline.FOLDER and not CLOCK.cuda:
        _refuse_a_busy_machine()
    elsewhere = None
    if not config.getoption(OPTION, default=False):
        elsewhere = OwnProcess(config.rootpath, _repeated(config))
    config.stash[RUN] = SpeedRun(environment, stored, why, slow, update, elsewhere)


def _repeated(config):
    """The suite's options of this run, for another one of the same row."""
    slow = [f"--slow={one}" for one in config.getoption("--slow", default=[])]
    stored = Path(config.getoption("--stored", default=baseline.FOLDER)).absolute()
    return [*slow, f"--stored={stored}", f"--on={'cuda' if CLOCK.cuda else 'cpu'}"]


def _refuse_a_busy_machine():
    """What is stored has to be what others may be held to: where processes take turns, caches are cold."""
    share = processor_share()
    if share < LEAST_SHARE:
        raise pytest.UsageError(
            f"--update-baseline: expected a quiet machine, but this process gets {share:.0%} of a processor; "
            "wait for its neighbors, or store elsewhere (--stored FOLDER)"
        )


@pytest.fixture(scope="session")
def speed(request):
    """The run that a measurement belongs to."""
    return request.config.stash[RUN]


@pytest.fixture(scope="session")
def device():
    """Where layers are measured; products in full float32, unless a workload says otherwise."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device("cuda" if CLOCK.cuda else "cpu")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """One compact table last; the baseline is written here, where it was asked for and nothing failed."""
    run = config.stash.get(RUN, None)
    if run is None or not (run.results or run.absent):
        return
    terminalreporter.ensure_newline()
    show(run, terminalreporter.write_line)
    if run.update and exitstatus == 0:
        folder = config.getoption("--stored")
        path = baseline.write(run.environment, run.results.values(), folder)
        terminalreporter.write_line(f"stored {path}")
    elif run.update:
        terminalreporter.write_line("not stored: a test failed")
