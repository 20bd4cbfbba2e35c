"""Four workers that are killed and stopped at random, and what must be true when they are done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fake_runs
from optuna.trial import TrialState

from ablations.ledger.folder import Folder
from ablations.ledger.tried import tried, untried
from ablations.ledger.worker import Worker, remaining

SIGNALS, WORKERS = 12, 4
LIMIT = 240.0  # seconds; nothing is asserted about time, this only ends a test that hangs
NURSERY = Path(__file__).parent / "worker_nursery.py"


def harass(folder, url=None, kind="plain"):
    """Run the study to its end under signals; returns how many of each were sent."""
    arguments = [sys.executable, str(NURSERY), str(folder), kind, *([url] if url else [])]
    nursery = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    draw = random.Random(0)
    sent = Counter()
    running, stopped = set(), {}
    try:
        assert nursery.stdout.readline() == "ready\n"
        limit = time.monotonic() + LIMIT
        while time.monotonic() < limit:
            while len(running) < WORKERS and sent.total() < SIGNALS:
                running.add(born(nursery))
            running = {pid for pid in running if there(pid)}
            if not running and sent.total() >= SIGNALS:
                return sent
            for pid in [pid for pid, until in stopped.items() if time.monotonic() > until]:
                del stopped[pid]
                signalled(pid, signal.SIGCONT)
            time.sleep(draw.uniform(0.2, 0.5))
            free = sorted(running - stopped.keys())
            if sent.total() < SIGNALS and free:
                pid = draw.choice(free)
                kind = signal.SIGKILL if draw.random() < 0.75 else signal.SIGSTOP
                if signalled(pid, kind):
                    sent[kind.name] += 1
                    if kind is signal.SIGSTOP:
                        stopped[pid] = time.monotonic() + 2.5
        raise AssertionError(f"not done after {LIMIT} s: {sent}")
    finally:
        for pid in running:
            signalled(pid, signal.SIGKILL)
        nursery.stdin.close()
        nursery.wait()
        nursery.stdout.close()


def born(nursery):
    """The process id of a new worker."""
    nursery.stdin.write("\n")
    return int(nursery.stdout.readline())


def there(pid):
    """Whether the process exists."""
    return Path(f"/proc/{pid}").exists()


def signalled(pid, kind):
    """Whether it was there to be sent a signal."""
    try:
        os.kill(pid, kind)
    except ProcessLookupError:
        return False
    return True


def check(path, url=None, kind="plain"):
    """Every cell is complete, none twice; one more worker finds nothing to do."""
    folder = Folder(path)
    layout = fake_runs.chaotic(kind)
    worker = Worker(folder, layout, url, do=fake_runs.execute, beat=0.2, lease=0.5)
    assert worker.work() == []
    assert remaining(folder, layout) == []
    assert untried(folder, layout) == 0
    trials = [trial for ledger in worker.ledgers for trial in ledger.trials()]
    jobs = [job for ledger in worker.ledgers for job in ledger._whole()]
    worker.close()
    complete = Counter(t.user_attrs["job"] for t in trials if t.state is TrialState.COMPLETE)
    assert set(complete) == {job.key for job in jobs}
    assert set(complete.values()) == {1}
    assert not [t for t in trials if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    diverged = {job.key for job in jobs if fake_runs.diverges(job)}
    told = {t.user_attrs["job"] for t in trials if t.user_attrs.get("outcome") == "diverged"}
    assert diverged == told != set()
    return trials


def same_searches(harassed, quiet):
    """The searches in one folder are those that one undisturbed worker makes in the other."""
    layout = fake_runs.chaotic("tuned")
    assert Worker(Folder(quiet), layout, do=fake_runs.execute).work() == []
    for cell in layout.tuned:
        one, two = (tried(Folder(path).searches, cell) for path in (harassed, quiet))
        assert [t.settings for t in one] == [t.settings for t in two]
        assert [t.value for t in one] == [t.value for t in two]
