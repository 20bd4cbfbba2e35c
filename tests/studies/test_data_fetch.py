"""Downloads arrive whole and verified, or not at all; the server is on this machine."""

from __future__ import annotations

import gzip
import http.server
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pooch
import pytest
from rich.progress import Progress

from studies.data.errors import DataFolderError, DownloadError
from studies.data.fetch import fetch
from tests.studies.tiny_corpora import ORIGIN, of_files, place, plain, sha256

pytestmark = pytest.mark.usefixtures("empty_cache")
WORDS = b"aer banknote berlitz\n" * 5000


@pytest.fixture
def server(monkeypatch):
    """A dictionary of what is served, from path to (length announced, bytes), and the address."""
    served = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in served:
                self.send_error(404)
                return
            length, content = served[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Say nothing."""

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield served, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def corpus_at(url, **changes):
    """One file, published at ``url``."""
    return of_files(plain(WORDS, url=f"{url}/words.txt", **changes))


def files_in(folder):
    """Everything below, temporary files too."""
    return sorted(path.name for path in folder.rglob("*"))


def test_a_missing_file_is_fetched(server, tmp_path):
    """Into the conventional folder, verified, and nothing else stays; pooch speaks as loud as before."""
    served, url = server
    served["/words.txt"] = (len(WORDS), WORDS)
    logging_before = pooch.get_logger().level
    (found,) = fetch(corpus_at(url), tmp_path)
    assert ("verified", tmp_path / "tiny" / "words.txt") == (found.status, found.path)
    assert WORDS == found.path.read_bytes()
    assert ["tiny", "words.txt"] == files_in(tmp_path)
    assert logging_before == pooch.get_logger().level
    served.clear()  # what is there is left alone
    assert [found] == fetch(corpus_at(url), tmp_path)


def test_a_wrong_file_is_replaced(server, tmp_path):
    """Once the right one is there."""
    served, url = server
    corpus = corpus_at(url)
    home = place(tmp_path, corpus, {"words.txt": WORDS[:-1]})
    with pytest.raises(DownloadError, match="404"):
        fetch(corpus, tmp_path)
    assert WORDS[:-1] == (home / "words.txt").read_bytes()
    served["/words.txt"] = (len(WORDS), WORDS)
    fetch(corpus, tmp_path)
    assert WORDS == (home / "words.txt").read_bytes()


@pytest.mark.parametrize(
    ("length", "content", "says"),
    [
        (len(WORDS), WORDS[:-1] + b"!", f"expected {sha256(WORDS)} but got"),
        (len(WORDS) // 2, WORDS[: len(WORDS) // 2], f"expected {sha256(WORDS)} but got"),
        (len(WORDS), WORDS[: len(WORDS) // 2], r"it failed \(.*IncompleteRead"),
    ],
    ids=["corrupted", "truncated", "cut off"],
)
def test_what_is_not_the_file_is_not_kept(server, tmp_path, length, content, says):
    """Neither under its name nor under another."""
    served, url = server
    served["/words.txt"] = (length, content)
    with pytest.raises(
        DownloadError, match=f"{says}[^:]*: check the connection, or get it by hand"
    ):
        fetch(corpus_at(url), tmp_path)
    assert ["tiny"] == files_in(tmp_path)


def test_an_archive_known_by_its_content(server, tmp_path):
    """Where the archive's own checksum is not known, what is inside has to agree."""
    served, url = server
    file = plain(b"", "words.gz", size=None, sha256=None, unpacked_sha256=sha256(WORDS))
    corpus = of_files(replace(file, url=f"{url}/words.gz"))
    for content, name in ((WORDS[1:], "other"), (WORDS, "right")):
        packed = gzip.compress(content)
        served["/words.gz"] = (len(packed), packed)
        if name == "other":
            with pytest.raises(
                DownloadError, match=rf"got another file \(.*expected {sha256(WORDS)}"
            ):
                fetch(corpus, tmp_path)
            assert ["tiny"] == files_in(tmp_path)
    assert "verified" == fetch(corpus, tmp_path)[0].status


def test_an_alternative_may_be_the_published_one(server, tmp_path):
    """The form that has an address is fetched."""
    served, url = server
    served["/b"] = (len(WORDS), WORDS)
    file = replace(plain(WORDS, "a"), alternatives=(plain(WORDS, "b", url=f"{url}/b"),))
    (found,) = fetch(of_files(file), tmp_path)
    assert "b" == found.path.name


def test_what_is_not_public_is_got_by_hand(server, tmp_path):
    """Then nothing at all is downloaded."""
    served, url = server
    served["/words.txt"] = (len(WORDS), WORDS)
    closed = plain(b"secret", "secret.npz")
    corpus = of_files(plain(WORDS, url=f"{url}/words.txt"), closed)
    with pytest.raises(
        DownloadError, match=rf"(?s)secret.npz cannot be .* by hand.*from: {ORIGIN}"
    ):
        fetch(corpus, tmp_path)
    assert [] == files_in(tmp_path)


def test_offline(tmp_path, monkeypatch):
    """Nobody listens: the message says what to check, and how to do without."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken, and nobody accepts
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        says = (
            rf"(?s)expected to fetch words.txt from {url}/words.txt.* by hand from {ORIGIN} and put"
        )
        with pytest.raises(DownloadError, match=says):
            fetch(corpus_at(url), tmp_path)
    assert ["tiny"] == files_in(tmp_path)


def test_the_folder_has_to_exist(tmp_path):
    """A slip in the path would otherwise be a new folder."""
    with pytest.raises(DataFolderError, match="does not exist: create it"):
        fetch(corpus_at("http://127.0.0.1"), tmp_path / "no")


def test_the_folder_cannot_be_written(tmp_path, monkeypatch):
    """Before anything is downloaded."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DownloadError, match=r"it failed \(.*Read-only file system\)"):
        fetch(corpus_at("http://127.0.0.1"), tmp_path)


def test_progress_is_shown(server, tmp_path):
    """One line a file, from nothing to all of its bytes."""
    served, url = server
    served["/words.txt"] = (len(WORDS), WORDS)
    with Progress(disable=True) as progress:
        fetch(corpus_at(url, size=None), tmp_path, progress)
        (task,) = progress.tasks
    assert ("words.txt", len(WORDS), len(WORDS)) == (task.description, task.total, task.completed)
