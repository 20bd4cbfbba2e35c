"""A process that has imported everything and forks a worker for every line that it reads."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import fake_runs

from ablations.ledger.folder import Folder
from ablations.ledger.worker import Worker


def say(what):
    """A line to who asked."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def child(folder, layout, url):
    """Work with beats of a fifth of a second and leases of 1.2."""
    Worker(folder, layout, url, do=fake_runs.slowly(0.25), beat=0.2, lease=1.2).work()


def main():
    """Arguments: the folder, the kind of layout, and the URL of a storage or nothing."""
    layout = fake_runs.chaotic(sys.argv[2])
    url = sys.argv[3] if len(sys.argv) > 3 else None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    say("ready")
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            status = 1
            try:
                child(Folder(Path(sys.argv[1])), layout, url)
                status = 0
            finally:
                os._exit(status)
        say(pid)


if __name__ == "__main__":
    main()
