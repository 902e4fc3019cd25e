"""One PostgreSQL database under threads, processes and machines: transactions, patience, and clear errors.

Writers queue at an advisory lock, as they do at an SQLite file: whoever writes has read the last word of the others.
A reading transaction sees one state throughout (REPEATABLE READ). A server that goes away and comes back (a restart, a
failover, a cable) costs the transaction that was running and nothing else: whether a commit that was cut off took place
is asked of the server (``pg_xact_status``), and what did not take place may be tried again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from mien.core.errors import (
    MissingExtraError,
    StoreAwayError,
    StoreError,
    StoreReadOnlyError,
)
from mien.store.database import Database
from mien.store.postgres_errors import translated
from mien.store.schema import metadata

__all__ = ["PostgresDatabase"]

_Result = TypeVar("_Result")

_EXTENSION = "vector"

_MARK = "mien"
"""Comment on the table of the version, so that no other program's tables are taken for ours."""

_LOCK = int.from_bytes(b"mien", "big")
"""First half of the key of the writers' lock; the second is the schema, so that two galleries do not wait for each other."""

_SESSION = """
SET TIME ZONE 'UTC';
SET lock_timeout = '{patience}ms';
SET idle_in_transaction_session_timeout = '10min';
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3
"""
"""A machine that dies while it writes lets the others wait for a minute, not for the two hours of TCP's defaults."""

_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "connect_timeout": 10}

_LONGEST_PAUSE = 2.0
_SMALL_TABLE = 256 * 2**20
"""Bytes. A table that is smaller is rebuilt after a removal (seconds, and nobody reads it meanwhile)."""


class PostgresDatabase(Database):
    """Connections to one PostgreSQL database with pgvector.

    Args:
        url: with the driver psycopg; the schema is the first of its search path.
        read_only: refuse every write.
        patience: seconds to wait for another writer.
        comeback: seconds to wait for a server that was there and went away.

    Raises:
        MissingExtraError: psycopg is not installed.
    """

    upgrades_itself: ClassVar[bool] = False
    searched_as: ClassVar[str] = "every row of every table; the server's files cannot be looked into from here"
    out_of_reach: ClassVar[tuple[str, ...]] = (
        "photographs, exports and backups kept elsewhere",
        "the server's write-ahead log, replicas and backups, until they are recycled",
        "pages of the server's files, blocks of its drive that are freed but not yet overwritten",
    )

    def __init__(self, url: URL, *, read_only: bool = False, patience: float = 10.0, comeback: float = 60.0) -> None:
        from mien.store.places import without_password

        self.place = without_password(url.render_as_string(hide_password=True))
        self.read_only = read_only
        self._patience = patience
        self._comeback = comeback
        self._was_there = False
        self._commits = threading.local()
        self._engine = self._create_engine(url)

    def _create_engine(self, url: URL) -> Engine:
        given = {name: value for name, value in _KEEPALIVE.items() if name not in url.query}
        try:
            engine = create_engine(
                url, pool_pre_ping=True, max_overflow=-1, connect_args=given, json_serializer=_strict_json
            )
        except ModuleNotFoundError:
            raise MissingExtraError("galleries in PostgreSQL", "postgres") from None
        event.listen(engine, "connect", self._prepare)
        return engine

    def _prepare(self, connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SESSION.format(patience=int(1000 * self._patience)))
        connection.commit()
        self._was_there = True

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one committed state throughout.

        Raises:
            StoreAwayError: the server went away.
            StoreError: it does not let us in.
        """
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            self._translating(),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or not at all; writers wait for each other.

        Raises:
            StoreReadOnlyError: we may not write there.
            StoreBusyError: another writer takes longer than the patience.
            StoreAwayError: the server went away; nothing was changed.
            StoreError: it does not let us in, or has no space left.
        """
        if self.read_only:
            raise StoreReadOnlyError(f"{self.place} was opened for reading only; nothing was changed")
        with self._translating(), self._engine.connect() as connection:
            transaction = connection.begin()
            number = ""
            try:
                number = _lock_writers(connection)
                yield connection
            except BaseException:
                _roll_back(transaction)
                raise
            self._commit(transaction, number)
        self._commits.count = self._commits_of_thread() + 1

    def _commit(self, transaction: Any, number: str) -> None:
        """Commit; if the server goes away meanwhile, ask it what became of the transaction."""
        try:
            transaction.commit()
        except DBAPIError as error:
            if not error.connection_invalidated or not self._took_place(number):
                raise

    def _took_place(self, number: str) -> bool:
        """Whether the server remembers the transaction as committed; waits until it is back.

        Raises:
            StoreError: it does not come back: nobody knows.
        """
        deadline = time.monotonic() + self._comeback
        pause = 0.05
        while True:
            try:
                with self._engine.connect() as connection:
                    status = connection.execute(
                        text("SELECT pg_xact_status(CAST(:number AS xid8))"), {"number": number}
                    ).scalar()
            except DBAPIError:
                status = None
            if status in {"committed", "aborted"}:
                return bool(status == "committed")
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{self.place} went away during a commit and has not come back for {self._comeback:g} s; "
                    "whether the last change was kept is seen when it runs again"
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def execute_alone(self, statement: str, *, memory: int | None = None) -> None:
        """One statement outside any transaction: ``VACUUM``.

        Args:
            statement: SQL.
            memory: megabytes that the server may take for it; None leaves what the server has set.
        """
        with self._translating(), self._engine.connect() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            if memory is not None:
                alone.exec_driver_sql(f"SET maintenance_work_mem = '{int(memory)}MB'")
            try:
                alone.exec_driver_sql(statement)
            finally:
                if memory is not None:
                    connection.invalidate()  # the setting goes with the connection

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    def attempt(self, work: Callable[[], _Result]) -> _Result:
        """What ``work`` returns; a server that was there and went away is waited for, ``comeback`` seconds at most.

        Raises:
            StoreAwayError: it never was there, has not come back, or left after a part of ``work`` was committed.
        """
        committed, deadline, pause = self._commits_of_thread(), None, 0.05
        while True:
            try:
                return work()
            except StoreAwayError:
                deadline = deadline or time.monotonic() + self._comeback
                past = time.monotonic() > deadline
                if past or not self._was_there or self._commits_of_thread() != committed:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _commits_of_thread(self) -> int:
        return int(getattr(self._commits, "count", 0))

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Errors of the driver inside become errors of our tree."""
        try:
            yield
        except DBAPIError as error:
            raise translated(error, self.place, self._patience) from error

    # The schema

    def is_ours(self, connection: Connection) -> bool:
        """Whether the table of the version carries our mark."""
        found = connection.execute(text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")).scalar()
        return bool(found == _MARK)

    def sign(self, connection: Connection) -> None:
        """Mark the table of the version."""
        connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{_MARK}'"))

    def before_upgrade(self, connection: Connection, version: str, head: str) -> None:
        """Pgvector must be there; a copy is the business of whoever keeps the server.

        Raises:
            StoreError: it is not installed there, or we may not switch it on.
        """
        del version, head
        found = text("SELECT 1 FROM pg_extension WHERE extname = :name")
        if connection.execute(found, {"name": _EXTENSION}).first() is None:
            connection.execute(text(f"CREATE EXTENSION {_EXTENSION}"))

    # What was removed

    def compact(self) -> list[str]:
        """Rebuild the tables that are small, clean up in the others; what hindered it."""
        sizes = text(
            "SELECT name, pg_total_relation_size(to_regclass(name)) FROM unnest(CAST(:names AS text[])) AS name"
            " WHERE pg_relation_size(to_regclass(name)) > 0"
        )
        try:
            with self.reading() as connection:
                tables = connection.execute(sizes, {"names": list(metadata.tables)}).all()
        except StoreError as error:
            return [f"the tables could not be cleaned: {error}"]
        return [note for name, size in tables for note in self._clean(name, size)]

    def _clean(self, table: str, size: int) -> list[str]:
        small = size < _SMALL_TABLE
        try:
            self.execute_alone(f'VACUUM {"FULL " if small else ""}"{table}"')
        except StoreError as error:
            return [f"the table {table} could not be cleaned: {error}"]
        if small:
            return []
        note = (
            f"the table {table} is large and was cleaned, not rebuilt: freed pages are written over in time, or at once, "
            f"while nobody can read it, by: VACUUM FULL {table}"
        )
        return [note]

    def copies(self) -> list[Path]:
        """None: a server is copied by whoever keeps it."""
        return []

    # What ``doctor`` shows

    def size(self, connection: Connection) -> int:
        """Bytes of our tables with their indices."""
        query = text(
            "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0) FROM unnest(CAST(:names AS text[])) AS name"
        )
        return int(connection.execute(query, {"names": list(metadata.tables)}).scalar_one())

    def journal(self, connection: Connection) -> str:
        """The server's version and pgvector's."""
        server = connection.exec_driver_sql("SHOW server_version").scalar()
        vector = connection.execute(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")).scalar()
        return f"PostgreSQL {str(server).split()[0]}, pgvector {vector}"

    def clock_ahead(self) -> float:
        """Seconds by which the server's clock is ahead of ours, measured in the middle of one question."""
        with self.reading() as connection:
            before = datetime.now(UTC)
            theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            after = datetime.now(UTC)
        ahead: timedelta = theirs - before - (after - before) / 2
        return ahead.total_seconds()


def _lock_writers(connection: Connection) -> str:
    """Wait for the other writers of this schema; the number of our transaction."""
    lock = text("SELECT pg_advisory_xact_lock(:key, hashtext(current_schema()))")
    connection.execute(lock, {"key": _LOCK - 2**32 if _LOCK >= 2**31 else _LOCK})
    return str(connection.execute(text("SELECT CAST(pg_current_xact_id() AS text)")).scalar_one())


def _roll_back(transaction: Any) -> None:
    """Take everything back; a connection that is lost has done so already."""
    try:
        transaction.rollback()
    except DBAPIError:
        return


def _strict_json(value: Any) -> str:
    """JSON as PostgreSQL reads it: NaN is no number there."""
    return json.dumps(value, allow_nan=False)
