"""The vectors of a space in memory, as long as nobody changes the gallery."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, func, select

from mien.core.errors import SpaceMismatchError
from mien.core.people import EmbeddingSpace, Vectors
from mien.store.database import Database
from mien.store.identities import read_people
from mien.store.ledger import read_revision
from mien.store.records import known_spaces, read_vector
from mien.store.schema import templates

__all__ = ["VectorCache"]

_ROWS_AT_ONCE = 512
"""Rows joined before they are copied: 1 MB of 512 numbers stays in the processor's cache (4,096 rows cost half as much
again, benchmarks/gallery.py)."""


@dataclass(frozen=True, slots=True)
class _Held:
    revision: int
    vectors: Vectors


class VectorCache:
    """Vectors by space; may be shared by threads, which load them once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[str, _Held] = {}
        self._counts: dict[str, tuple[int, int]] = {}
        self._loading = threading.Lock()

    def get(self, space: EmbeddingSpace) -> Vectors:
        """The vectors of ``space`` at the present revision, oldest first; the arrays are read-only.

        Raises:
            SpaceMismatchError: there are templates, but none of this space.
        """
        with self._database.reading() as connection:
            revision = read_revision(connection)
        held = self._held.get(space.id)
        if held is None or held.revision < revision:
            with self._loading:
                held = self._load(space)
        return held.vectors

    def _load(self, space: EmbeddingSpace) -> _Held:
        with self._database.reading() as connection:
            revision = read_revision(connection)
            held = self._held.get(space.id)
            if held is None or held.revision < revision:  # else another thread has just done it
                held = _Held(revision, _read_vectors(connection, space))
                self._held[space.id] = held
        return held

    def count(self, space: EmbeddingSpace) -> int:
        """How many vectors of ``space`` there are at the present revision; errors as ``get``."""
        with self._database.reading() as connection:
            revision = read_revision(connection)
            held = self._counts.get(space.id)
            if held is None or held[0] < revision:
                in_space = templates.c.space_id == space.id
                query = select(func.count()).select_from(templates).where(in_space)
                held = (revision, int(connection.execute(query).scalar_one()))
                self._counts[space.id] = held
            if not held[1]:
                _refuse_other_spaces(connection, space)
        return held[1]

    def clear(self) -> None:
        """Forget everything held."""
        self._held.clear()
        self._counts.clear()


def _read_vectors(connection: Connection, space: EmbeddingSpace) -> Vectors:
    in_space = templates.c.space_id == space.id
    count = connection.execute(select(func.count()).select_from(templates).where(in_space)).scalar_one()
    if not count:
        _refuse_other_spaces(connection, space)
    vectors = np.empty((count, space.dimensions), np.float32)
    owner_ids: list[str] = []
    query = select(templates.c.person_id, templates.c.vector).where(in_space).order_by(templates.c.seq)
    for rows in connection.execute(query).partitions(_ROWS_AT_ONCE):
        joined = read_vector(b"".join(row[1] for row in rows)).reshape(-1, space.dimensions)
        vectors[len(owner_ids) : len(owner_ids) + len(rows)] = joined
        owner_ids += [row[0] for row in rows]
    present = set(owner_ids)
    owners = tuple(person for person in read_people(connection) if person.id in present)
    index_of = {person.id: index for index, person in enumerate(owners)}
    of_owner = np.fromiter((index_of[owner_id] for owner_id in owner_ids), np.int64, count)
    vectors.flags.writeable = of_owner.flags.writeable = False
    return vectors, of_owner, owners


def _refuse_other_spaces(connection: Connection, space: EmbeddingSpace) -> None:
    known = known_spaces(connection)
    others = [known[i] for i in connection.execute(select(templates.c.space_id).distinct()).scalars()]
    if others:
        raise SpaceMismatchError(
            f"the gallery has no face in the space {space.id}, only in {', '.join(s.id for s in others)}; "
            f"enrol the photographs again with --embedder {space.name}, "
            f"or use --embedder {others[0].name}, which this gallery was made with"
        )
