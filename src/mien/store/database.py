"""One SQLite file under several threads and processes: transactions, patience, and errors a caller can act on.

Write-ahead logging lets readers go on while one writes; every write begins with ``BEGIN IMMEDIATE``, so that two writers
queue at the start instead of failing in the middle. Nothing here opens the file other than through SQLite: closing a
file descriptor of one's own would drop the locks SQLite holds in this process (sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from mien.core.errors import SettingError, StoreBusyError, StoreError, StoreReadOnlyError

__all__ = ["PAGE_SIZE", "Database", "path_of", "sidecars"]

PAGE_SIZE = 16384
"""Bytes. A template of 512 numbers takes about 2.4 kB: pages of 4096 would hold one, these hold six."""

_NO_LOG_INDEX = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})

_REMEDIES = {
    sqlite3.SQLITE_FULL: "no space left on the disk; nothing was changed: free some and try again",
    sqlite3.SQLITE_NOTADB: "is no database; give the path of a gallery, or one where no file is yet",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder exists and that you may read it",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a copy or import an export",
}

_Result = TypeVar("_Result")


def path_of(where: str | os.PathLike[str]) -> Path:
    """The database file that a path or a ``sqlite:///`` URL names.

    Raises:
        SettingError: a URL of another kind of database.
    """
    text = os.fspath(where)
    if "://" not in text:
        return Path(text).expanduser()
    try:
        url = make_url(text)
    except ArgumentError:
        raise SettingError(f"{text} is no database URL; give a path or sqlite:///PATH") from None
    if url.get_backend_name() != "sqlite":
        raise SettingError(f"a gallery lives in an SQLite file, got a {url.get_backend_name()} URL; give a path")
    if url.database in {None, "", ":memory:"}:
        raise SettingError(f"{text} names no file; a gallery needs one: give a path or sqlite:///PATH")
    return Path(str(url.database))


def sidecars(path: Path) -> tuple[Path, Path]:
    """The write-ahead log and its index beside the database ``path``."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


class Database:
    """Connections to one file; may be shared by threads.

    Args:
        path: the file; made at the first connection unless ``read_only``.
        read_only: refuse every write. A file or folder that cannot be written to is opened so by itself.
        patience: seconds to wait for another writer.
    """

    def __init__(self, path: Path, *, read_only: bool = False, patience: float = 10.0) -> None:
        self.path = path.resolve()  # SQLite puts the log beside the file itself, not beside a link to it
        self.read_only = read_only or (self.path.exists() and not _writable(self.path))
        self._patience = patience
        self._engine = self._create_engine()

    def _create_engine(self) -> Engine:
        # The URL names the dialect only; the file and its pragmas are _connect's business.
        engine = create_engine("sqlite://", creator=self._connect, poolclass=QueuePool, max_overflow=-1)
        event.listen(engine, "begin", _begin)
        return engine

    def _connect(self) -> sqlite3.Connection:
        if not self.read_only:
            return self._open("rwc")
        try:
            return self._open("ro")
        except sqlite3.OperationalError as error:
            if _code(error) not in _NO_LOG_INDEX or self._has_log():
                raise
        # A log index cannot be made in a folder that cannot be written to; where there is no log none is needed.
        return self._open("ro&immutable=1")

    def _open(self, mode: str) -> sqlite3.Connection:
        uri = f"{self.path.as_uri()}?mode={mode}"
        # isolation_level None: SQLAlchemy's begin event below, not the driver, decides how a transaction starts.
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _has_log(self) -> bool:
        log, _ = sidecars(self.path)
        return log.exists() and log.stat().st_size > 0

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in ("foreign_keys = ON", "secure_delete = ON", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        if self.read_only:
            connection.execute(
                "SELECT count(*) FROM sqlite_master"
            )  # the first read finds out whether it can be opened
            return
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # counts for a new file only
        # Two processes that make the same file collide here without SQLite's own waiting.
        patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone(), self._patience)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one committed state throughout."""
        with self.translating(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or not at all.

        Raises:
            StoreReadOnlyError: the gallery cannot be written to.
            StoreBusyError: another process writes for longer than the patience.
            StoreError: no space left, or the file is damaged.
        """
        if self.read_only:
            raise self._read_only_error()
        options = {"mien_begin": "BEGIN IMMEDIATE"}
        with (
            self.translating(),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def execute_alone(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of one statement outside any transaction: pragmas, ``VACUUM``, checkpoints."""
        with self.translating():
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                try:
                    cursor.execute(statement)
                    return list(cursor.fetchall())
                finally:
                    cursor.close()
            finally:
                connection.close()

    def copy_to(self, target: Path) -> None:
        """A consistent copy in the file ``target`` that only its owner may read; none if there is no space for it."""
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
        with self.translating():
            copy = sqlite3.connect(target)
            connection = self._engine.raw_connection()
            try:
                connection.driver_connection.backup(copy)  # type: ignore[union-attr]  # sqlite3.Connection, by _connect
            except sqlite3.Error:
                target.unlink()
                raise
            finally:
                connection.close()
                copy.close()

    def close(self) -> None:
        """Close all connections that are not in use; the last one of all processes folds the log into the file."""
        self._engine.dispose()

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Errors of the driver inside become errors of our tree."""
        try:
            yield
        except DBAPIError as error:
            raise self._translated(error.orig) from error
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except (UnicodeDecodeError, json.JSONDecodeError) as error:  # altered text that SQLite itself does not look at
            raise StoreError(f"{self.path}: {_REMEDIES[sqlite3.SQLITE_CORRUPT]}") from error

    def _translated(self, error: BaseException | None) -> StoreError:
        code = _code(error)
        if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
            return self._read_only_error()
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return StoreBusyError(
                f"{self.path} is locked by another process for more than {self._patience:g} s; "
                "try again when that one has finished"
            )
        remedy = _REMEDIES.get(code, f"{error}; the disk may be full or damaged, nothing was changed")
        return StoreError(f"{self.path}: {remedy}")

    def _read_only_error(self) -> StoreReadOnlyError:
        return StoreReadOnlyError(
            f"{self.path} cannot be written to; allow writing to the file and its folder "
            f"(chmod u+w), or name another gallery"
        )


def patiently(action: Callable[[], _Result], seconds: float) -> _Result:
    """Call ``action`` until the database is not busy, for ``seconds`` at most."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("mien_begin", "BEGIN"))


def _code(error: BaseException | None) -> int:
    """SQLite's primary result code, 0 if there is none; the upper bits say only where it happened."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
