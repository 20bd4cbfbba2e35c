"""Where Optuna keeps the trials: a journal file in the study's folder, or PostgreSQL by URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage

from ablations.core.errors import AblationError, UnavailableError
from ablations.ledger.journal import Journal

VARIABLE = "DESIDERATA_STORAGE"
JOURNAL = "journal.log"


def open_storage(folder: Path, url: str | None = None) -> BaseStorage:
    """The storage at ``url`` (default: ``$DESIDERATA_STORAGE``), or else the journal in ``folder``.

    A URL may hold a password: it is passed on in the environment, never printed and never stored. Raises
    :class:`AblationError` for another kind of URL, :class:`UnavailableError` for a database that does not
    answer.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = url or os.environ.get(VARIABLE)
    if not url:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / JOURNAL
        try:
            return JournalStorage(Journal(path))
        except AblationError:
            raise
        except (OSError, KeyError, AttributeError, AssertionError, TypeError) as error:
            raise AblationError(
                f"{path}: expected a journal that Optuna can replay, got {error!r}: "
                f"`python -m ablations doctor {folder} --rebuild` makes a new one from the records"
            ) from error
    if not url.startswith("postgresql"):
        raise AblationError(
            f"storage {redacted(url)}: expected postgresql+psycopg://… or none for a journal "
            "file: SQLite has no "
            "row lock, so that two workers pop one trial"
        )
    return _database(url)


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    # one connection for the loop and one for the beat: a server allows a hundred to all workers together
    options: dict[str, Any] = {"pool_size": 2, "max_overflow": 0, "pool_pre_ping": True}
    # a server without an encoding of its own (SQL_ASCII) would answer in bytes
    asked = {"connect_timeout": 10, "client_encoding": "utf8"}
    options["connect_args"] = {key: one for key, one in asked.items() if f"{key}=" not in url}
    try:
        return RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        raise AblationError(
            f"storage {redacted(url)}: expected the package psycopg beside ours: pip install "
            "'psycopg[binary]'"
        ) from error
    except SQLAlchemyError as error:
        raise unreachable(url, error) from None


def close(storage: BaseStorage) -> None:
    """Give a database's connections back; a journal holds nothing open."""
    engine = getattr(storage, "engine", None)
    if engine is not None:
        storage.remove_session()
        engine.dispose()


def unreachable(url: str, error: Exception) -> UnavailableError:
    """What to say where a database does not answer; the driver's own text may repeat the URL."""
    return UnavailableError(
        f"storage {redacted(url)}: the database does not answer ({type(error).__name__}): start "
        "it, or mend host, "
        "port, user and password, and run the same command again; nothing is lost"
    )


def redacted(url: str) -> str:
    """``url`` without user, password and options."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def kind(url: str | None = None) -> str:
    """What may be told about a storage: "journal" or "postgresql"."""
    return "postgresql" if (url or os.environ.get(VARIABLE)) else "journal"
