"""The ledger on a real PostgreSQL server: chaos, a restart, and passwords that stay secret."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import chaos
import fake_runs
import pytest

from ablations.core.errors import UnavailableError
from ablations.ledger.folder import Folder
from ablations.ledger.worker import Worker, remaining

pytestmark = pytest.mark.slow


def programs():
    """The folder of initdb and pg_ctl, also where Debian puts them, or None."""
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if (p / "initdb").exists() and (p / "pg_ctl").exists()), None)


class Server:
    """A server of its own on a free loopback port; the password has what URLs must not show."""

    password = "hunter2"  # noqa: S105 - of a server that lives as long as the test

    def __init__(self, folder, place):
        self.programs, self.folder = folder, place
        self.data = place / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # the server refuses to run as root; Debian's package brings a user for it
        self.prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    @property
    def url(self):
        """Of its one database."""
        return f"postgresql+psycopg://tester:{self.password}@127.0.0.1:{self.port}/postgres"

    def call(self, program, *arguments):
        """Run one of the server's programs."""
        command = [*self.prefix, str(self.programs / program), *map(str, arguments)]
        log = self.folder / "log"
        with log.open("a") as out:
            run = subprocess.run(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.folder,
                check=False, env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip
        assert run.returncode == 0, log.read_text()

    def make(self):
        """Initialize the data."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self.call(
            "initdb", "-D", self.data, "-U", "tester", "-A", "scram-sha-256", "--pwfile", secret
        )

    def start(self):
        """Listen on the loopback only."""
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        self.call(
            "pg_ctl",
            "-D",
            self.data,
            "-w",
            "-l",
            self.folder / "server.log",
            "-o",
            options,
            "start",
        )

    def stop(self):
        """At once, whoever is connected."""
        self.call("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def server():
    """A server; skips, with the reason, where there is none to start."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    found = programs()
    if found is None:
        pytest.skip("no pg_ctl and initdb on this machine: install Debian's package `postgresql`")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("the server does not run as root, and there is no runuser to become `postgres`")
    # not pytest's folder, which only its owner may enter
    place = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    place.chmod(0o777)
    (place / "log").touch()
    (place / "log").chmod(0o666)
    one = Server(found, place)
    one.make()
    one.start()
    yield one
    one.stop()
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_nothing_is_lost_and_nothing_is_done_twice(server, tmp_path):
    """Twelve signals over four workers, as on a journal."""
    sent = chaos.harass(tmp_path, server.url)
    assert sent.total() >= chaos.SIGNALS
    chaos.check(tmp_path, server.url)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_search_comes_out_the_same_whatever_dies(server, tmp_path):
    """As on a journal: nothing of what is tried depends on the storage."""
    chaos.harass(tmp_path / "a", server.url, "tuned")
    chaos.check(tmp_path / "a", server.url, "tuned")
    chaos.same_searches(tmp_path / "a", tmp_path / "b")


def test_a_restart_of_the_database_costs_a_retry_and_no_run(server, tmp_path):
    """The worker leaves with a message, having written its record; the same call goes on from there."""
    folder, layout = Folder(tmp_path), fake_runs.layout("gates", tasks=("adding",), protocols={})
    trained = []

    def do(job, *rest):
        trained.append(job.key)
        if len(trained) == 3:
            server.stop()
        return fake_runs.execute(job, *rest)

    try:
        with pytest.raises(UnavailableError, match="the database does not answer") as caught:
            Worker(folder, layout, server.url, do=do).work()
        with pytest.raises(UnavailableError, match="the database does not answer"):
            Worker(folder, layout, server.url)
    finally:
        server.start()
    assert server.password not in str(caught.value)
    assert Worker(folder, layout, server.url, do=do, lease=0.5).work() == []
    assert remaining(folder, layout) == []
    assert sorted(trained) == sorted(job.key for job in layout.jobs()), "each was trained once"


def test_no_password_is_written_anywhere(server, tmp_path):
    """Not into the folder of the study, whose files people pass on."""
    folder, layout = Folder(tmp_path), fake_runs.layout()
    folder.declare("gato-memory", layout)
    Worker(folder, layout, server.url, do=fake_runs.execute).work()
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert texts
    assert not any(server.password.encode() in text for text in texts)
