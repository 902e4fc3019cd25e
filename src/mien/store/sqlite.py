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
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from mien.core.errors import StoreBusyError, StoreError, StoreReadOnlyError
from mien.store.database import Database

__all__ = ["PAGE_SIZE", "SqliteDatabase", "copy_name", "sidecars"]

PAGE_SIZE = 16384
"""Bytes. A template of 512 numbers takes about 2.4 kB: pages of 4096 would hold one, these hold six."""

APPLICATION_ID = int.from_bytes(b"mien", "big")
"""Stands in the header of every gallery (``PRAGMA application_id``), so that no other program's file is taken for one."""

_NO_LOG_INDEX = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})

_REMEDIES = {
    sqlite3.SQLITE_FULL: "no space left on the disk; nothing was changed: free some and try again",
    sqlite3.SQLITE_NOTADB: "is no database; give the path of a gallery, or one where no file is yet",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its folder exists and that you may read it",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a copy or import an export",
}

_Result = TypeVar("_Result")


def copy_name(path: Path, head: str) -> Path:
    """Where the copy of the database ``path`` lies that the upgrade to ``head`` makes."""
    return path.with_name(f"{path.name}.before-{head}.bak")


def sidecars(path: Path) -> tuple[Path, Path]:
    """The write-ahead log and its index beside the database ``path``."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


class SqliteDatabase(Database):
    """Connections to one file; may be shared by threads.

    Args:
        path: the file; made at the first connection unless ``read_only``.
        read_only: refuse every write. A file or folder that cannot be written to is opened so by itself.
        patience: seconds to wait for another writer.
    """

    upgrades_itself: ClassVar[bool] = True
    searched_as: ClassVar[str] = "every byte of the files"
    out_of_reach: ClassVar[tuple[str, ...]] = (
        "photographs, exports and backups kept elsewhere",
        "blocks that the file system or the drive has freed but not yet overwritten",
    )

    def __init__(self, path: Path, *, read_only: bool = False, patience: float = 10.0) -> None:
        self.path = path.resolve()  # SQLite puts the log beside the file itself, not beside a link to it
        self.place = str(self.path)
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

    def is_ours(self, connection: Connection) -> bool:
        """Whether the header of the file carries our mark."""
        return bool(connection.exec_driver_sql("PRAGMA application_id").scalar() == APPLICATION_ID)

    def sign(self, connection: Connection) -> None:
        """Write our mark into the header of the file."""
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")

    def before_upgrade(self, connection: Connection, version: str, head: str) -> None:
        """A copy of an older file, ``NAME.before-HEAD.bak`` beside it."""
        del connection
        if version:
            self.copy_to(copy_name(self.path, head))

    def compact(self) -> list[str]:
        """Rebuild the file without free pages and fold the log into it; what hindered it."""
        try:
            self.execute_alone("VACUUM")
            ((busy, *_),) = self.execute_alone("PRAGMA wal_checkpoint(TRUNCATE)")
        except StoreBusyError:
            busy = True
        except StoreError as error:
            return [f"the file could not be rebuilt: {error}"]
        if not busy:
            return []
        return ["another program has the gallery open: what was removed stays in the log until that program closes it"]

    def copies(self) -> list[Path]:
        """Copies that upgrades have left beside the file."""
        beside = self.path.parent.iterdir()
        return sorted(p for p in beside if p.name.startswith(f"{self.path.name}.before-") and p.suffix == ".bak")

    def size(self, connection: Connection) -> int:
        """Bytes of the file and its log."""
        del connection
        log, _ = sidecars(self.path)
        return sum(file.stat().st_size for file in (self.path, log) if file.exists())

    def journal(self, connection: Connection) -> str:
        """``"wal"`` where the file system allows it."""
        return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())

    def clock_ahead(self) -> None:
        """None: a file has no clock."""

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
