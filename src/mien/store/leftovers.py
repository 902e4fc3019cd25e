"""Look for what somebody who was removed may have left: in every byte of a file, in every row of a server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ARRAY, JSON, Column, Connection, String, Table, Text, bindparam, cast, func, or_, select

from mien.store.byte_search import search
from mien.store.database import Database
from mien.store.library_schema import library_contents, library_faces, library_files, library_refusals
from mien.store.schema import (
    access_keys,
    audit,
    corrections,
    deliveries,
    edits,
    evidence,
    metadata,
    people,
    pictures,
    sessions,
    sightings,
    targets,
    templates,
    users,
)
from mien.store.sqlite import SqliteDatabase, sidecars

__all__ = ["Found", "Needle", "look_for", "still_known", "windows"]

_WINDOW = 32
"""Bytes searched of each vector at its beginning, middle and end: it may be split between pages."""

_NAMES_KEPT = (
    *(people.c.name, people.c.name_key, templates.c.source, audit.c.actor),
    *(sessions.c.name, sessions.c.name_key, corrections.c.reason, sightings.c.camera),
    *(targets.c.name, targets.c.name_key, edits.c.put, edits.c.found, edits.c.wanted),
    *(access_keys.c.name, access_keys.c.name_key, users.c.name, users.c.name_key),
    *(library_files.c.path, library_files.c.reason, library_refusals.c.actor),
)
"""Where a name may stand that belongs to others: Ada's Algebra, "was ill, says Ada"."""

_AWAITED = (deliveries.c.person_id, deliveries.c.key, deliveries.c.value)
"""Where an id, and a name as it stands outside, waits until it was withdrawn there (decision 074)."""

_KNOWN_IN: dict[str, tuple[Column[Any], ...]] = {
    "name": (*_NAMES_KEPT, *_AWAITED),
    "photo": (templates.c.photo_sha256, library_contents.c.sha256),
    "vector": (templates.c.vector, library_faces.c.vector),
    "evidence": (evidence.c.jpeg,),
    "picture": (pictures.c.jpeg,),
    "id": _AWAITED,
}
"""Where what is looked for may belong to somebody who stays, by kind."""


@dataclass(frozen=True, slots=True)
class Needle:
    """Bytes that must be gone, and what they are."""

    kind: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found.

    Args:
        searched: bytes searched in each file or table.
        traces: what was found in which.
        shredded: how many copies were destroyed because they held it.
    """

    searched: dict[str, int]
    traces: tuple[str, ...]
    shredded: int


def look_for(database: Database, needles: Sequence[Needle]) -> Found:
    """Search all that can be seen of a database.

    Raises:
        OSError, subprocess.CalledProcessError: the files cannot be read.
    """
    return _in_files(database, needles) if isinstance(database, SqliteDatabase) else _in_rows(database, needles)


def windows(vector: bytes) -> tuple[bytes, ...]:
    """The parts of a long value that are looked for."""
    middle = len(vector) // 2
    return (vector[:_WINDOW], vector[middle : middle + _WINDOW], vector[-_WINDOW:])


def still_known(database: Database, needle: Needle) -> bool:
    """Whether the bytes belong to somebody who stays: another Ada's name, the other face of a photograph."""
    with database.reading() as connection:
        values = (v for column in _KNOWN_IN[needle.kind] for v in connection.execute(select(column)).scalars())
        return any(needle.content in (v if isinstance(v, bytes) else v.encode()) for v in values if v is not None)


# In files


def _in_files(database: SqliteDatabase, needles: Sequence[Needle]) -> Found:
    backups = database.copies()
    files = [database.path, *sidecars(database.path), *backups]
    searched: dict[str, int] = {}
    traces: list[str] = []
    shredded = 0
    for path, size, found in search(files, [n.content for n in needles]):
        searched[path] = size
        kinds = sorted({needles[i].kind for i in found if not still_known(database, needles[i])})
        if kinds and Path(path) in backups:
            _shred(Path(path))
            shredded += 1
        else:
            traces += [f"{kind} in {path}" for kind in kinds]
    return Found(searched, tuple(traces), shredded)


def _shred(path: Path) -> None:
    """Overwrite a file with zeros, then delete it."""
    with path.open("r+b") as file:
        left = path.stat().st_size
        while left > 0:
            left -= file.write(bytes(min(left, 2**20)))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


# In rows


def _in_rows(database: Database, needles: Sequence[Needle]) -> Found:
    """Every text of every row. Vectors and crops have no place of their own: they go with rows that hold an id."""
    wanted: dict[str, list[str]] = {}
    for needle in needles:
        if needle.kind in {"id", "photo", "name"}:
            wanted.setdefault(needle.kind, []).append(needle.content.decode())
    searched: dict[str, int] = {}
    traces: list[str] = []
    with database.reading() as connection:
        for table in metadata.sorted_tables:
            size = connection.execute(select(func.pg_table_size(func.to_regclass(table.name)))).scalar()
            searched[f"table {table.name}"] = int(size or 0)
            traces += [f"{kind} in table {table.name}" for kind in wanted if _stands(connection, table, kind, wanted)]
    return Found(searched, tuple(traces), 0)


def _stands(connection: Connection, table: Table, kind: str, wanted: dict[str, list[str]]) -> bool:
    """Whether one of the texts stands in a column where it belongs to nobody who stays."""
    kept = _KNOWN_IN[kind]
    columns = [c for c in table.columns if isinstance(c.type, String | JSON) and c not in set(kept)]
    if not columns:
        return False
    text = func.unnest(bindparam("texts", wanted[kind], ARRAY(Text))).column_valued("text", joins_implicitly=True)
    here = or_(*(func.strpos(cast(column, Text), text) > 0 for column in columns))
    return connection.execute(select(1).select_from(table).where(here).limit(1)).first() is not None
