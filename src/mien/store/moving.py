"""Everything of one database into another, of the same kind or of the other: all of it, verified, or nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Connection, Row, Table, func, insert, select, text, update

from mien.core.errors import DuplicateError, StoreError
from mien.store.database import Database
from mien.store.schema import metadata, revision

__all__ = ["Moved", "move"]

_ROWS_AT_ONCE = 500

Progress = Callable[[str, int, int], None]
"""Called with the name of a table, rows done and rows in all."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was copied.

    Args:
        rows: how many of each table that has any.
        digest: SHA-256 over every value of every row, the same in both, hex.
    """

    rows: dict[str, int]
    digest: str


class _Digest:
    """Of rows in any order: the sum of their SHA-256, so that two databases may sort text as they like."""

    def __init__(self, table: Table) -> None:
        self._json = {i for i, column in enumerate(table.columns) if isinstance(column.type, JSON)}
        self._sum = 0
        self.count = 0

    def add(self, row: Row[Any]) -> None:
        """One more row."""
        values = [json.dumps(v, sort_keys=True) if i in self._json else v for i, v in enumerate(row)]
        self._sum += int.from_bytes(hashlib.sha256(repr(values).encode()).digest(), "big")
        self.count += 1

    def value(self) -> str:
        """Of all rows so far."""
        return f"{self.count}:{self._sum % 2**256:064x}"


def move(source: Database, target: Database, progress: Progress) -> Moved:
    """Copy every row, read it again and compare, in one transaction; nobody changes the source meanwhile.

    Both are of this version. The source stays as it was.

    Raises:
        DuplicateError: the target holds something already.
        StoreError: a value that the target cannot keep, or that came back another; nothing was copied.
    """
    with _held(source) as old, target.writing() as new:
        _refuse_full(new, target)
        tables = [table for table in metadata.sorted_tables if table is not revision]
        copied = {table.name: _copy(old, new, table, progress) for table in tables}
        _count_on(new, tables)
        changes = old.execute(select(revision.c.value)).scalar_one()
        new.execute(update(revision).values(value=changes + 1))
        for table in tables:
            if _digest(new, table) != copied[table.name]:
                raise StoreError(
                    f"the table {table.name} came back from {target.place} otherwise than it was written; nothing was copied"
                )
    every = hashlib.sha256(json.dumps(copied, sort_keys=True).encode()).hexdigest()
    return Moved({name: n for name, value in copied.items() if (n := int(value.partition(":")[0]))}, every)


def _held(source: Database) -> AbstractContextManager[Connection]:
    """A transaction during which nobody else writes; one that only reads where nobody may write."""
    return source.reading() if source.read_only else source.writing()


def _refuse_full(connection: Connection, target: Database) -> None:
    for table in metadata.sorted_tables:
        if table is not revision and connection.execute(select(1).select_from(table).limit(1)).first() is not None:
            raise DuplicateError(
                f"{target.place} holds something already (the table {table.name}); name a database that is empty"
            )


def _copy(old: Connection, new: Connection, table: Table, progress: Progress) -> str:
    """Copy one table; the digest of what was read."""
    total = old.execute(select(func.count()).select_from(table)).scalar_one()
    digest, names = _Digest(table), [column.name for column in table.columns]
    for rows in _pages(old, table):
        for row in rows:
            digest.add(row)
        new.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        progress(table.name, digest.count, total)
    return digest.value()


def _digest(connection: Connection, table: Table) -> str:
    digest = _Digest(table)
    for rows in _pages(connection, table):
        for row in rows:
            digest.add(row)
    return digest.value()


def _pages(connection: Connection, table: Table) -> Iterator[Sequence[Row[Any]]]:
    """All rows, some at a time; in the order of their numbers where they have some, so that memory stays flat."""
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_ROWS_AT_ONCE)
    yield from connection.execute(query).partitions()


def _count_on(connection: Connection, tables: Sequence[Table]) -> None:
    """PostgreSQL's own counters go on behind the highest number; SQLite looks for it by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        if "seq" in table.columns:
            highest = connection.execute(select(func.max(table.c.seq))).scalar()
            counter = text("SELECT setval(pg_get_serial_sequence(:name, 'seq'), :highest)")
            if highest is not None:
                connection.execute(counter, {"name": table.name, "highest": highest})
