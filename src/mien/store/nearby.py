"""Who can matter to a face, where a gallery is too large to be compared with whole: a compact form of it in memory.

The compact form says who can be among the most alike, and never leaves out one who is (``core.vectors.who_may_matter``);
their vectors are then read from the database and compared exactly. A change of the gallery costs reading what is new.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from mien.core.people import EmbeddingSpace, Vectors
from mien.core.vectors import CompactVectors, who_may_matter
from mien.store.database import Database
from mien.store.identities import read_people
from mien.store.ledger import read_revision
from mien.store.records import read_vector
from mien.store.schema import templates

__all__ = ["CompactCache", "SearchLimits", "Wanted", "vectors_of"]

_ROWS_AT_ONCE = 512
_IDS_AT_ONCE = 500
_FEW = 2_000
"""So many new templates are asked for one by one; more are found by reading everything."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """How much memory the vectors of a space may take.

    Args:
        megabytes: up to so many they are compared exactly as they are; beyond, the compact form stands in memory.
        compact_megabytes: up to so many for the compact form; beyond, the database's index is asked, where it has one.
    """

    megabytes: float = 1024.0
    compact_megabytes: float = 8192.0

    def whole(self, count: int, dimensions: int) -> bool:
        """Whether all vectors are held as they are."""
        return count * dimensions * 4 <= self.megabytes * 2**20

    def compact(self, count: int, dimensions: int) -> bool:
        """Whether the compact form of all vectors is held: a byte a number, and a step and an error each."""
        return count * (dimensions + 8) <= self.compact_megabytes * 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who matters to some faces; see ``core.protocols.Narrowing``."""

    queries: NDArray[np.float32]
    people: int
    floor: float


@dataclass(frozen=True, slots=True)
class _Held:
    revision: int
    seqs: NDArray[np.int64]  # (n,) of the templates, grouped by person
    vectors: CompactVectors
    starts: NDArray[np.int64]  # (p,)
    ids: tuple[str, ...]  # (p,) of the people


class CompactCache:
    """The compact form of each space; may be shared by threads, which load it once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[str, _Held] = {}
        self._loading = threading.Lock()

    def near(self, space: EmbeddingSpace, wanted: Wanted) -> Vectors:
        """The exact vectors of everybody who can matter, at one revision of the gallery."""
        while True:
            held = self._current(space)
            matter = who_may_matter(held.vectors, held.starts, wanted.queries, people=wanted.people, floor=wanted.floor)
            ids = [person_id for person_id, matters in zip(held.ids, matter, strict=True) if matters]
            with self._database.reading() as connection:
                if read_revision(connection) == held.revision:
                    return vectors_of(connection, space, ids)

    def clear(self) -> None:
        """Forget everything held."""
        self._held.clear()

    def _current(self, space: EmbeddingSpace) -> _Held:
        with self._database.reading() as connection:
            revision = read_revision(connection)
        held = self._held.get(space.id)
        if held is not None and held.revision >= revision:
            return held
        with self._loading, self._database.reading() as connection:
            revision = read_revision(connection)
            held = self._held.get(space.id)
            if held is None or held.revision < revision:  # else another thread has just done it
                held = _load(connection, space, held)
                self._held[space.id] = held
        return held


def _load(connection: Connection, space: EmbeddingSpace, former: _Held | None) -> _Held:
    """The compact form at this moment, with what of the former one is still right."""
    t = templates.c
    rows = connection.execute(
        select(t.seq, t.person_id).where(t.space_id == space.id).order_by(t.person_id, t.seq)
    ).all()
    seqs = np.fromiter((row.seq for row in rows), np.int64, len(rows))
    owners = [row.person_id for row in rows]
    starts = np.flatnonzero([i == 0 or owners[i] != owners[i - 1] for i in range(len(owners))]).astype(np.int64)
    vectors = CompactVectors.empty(len(rows), space.dimensions)
    missing = np.arange(len(rows))
    if former is not None and len(former.seqs):
        missing = _take_over(vectors, seqs, former)
    _fill(connection, space, vectors, (seqs, missing))
    return _Held(read_revision(connection), seqs, vectors, starts, tuple(owners[i] for i in starts))


def _take_over(vectors: CompactVectors, seqs: NDArray[np.int64], former: _Held) -> NDArray[np.int64]:
    """Take rows of the former form over; the rows that it does not have."""
    order = np.argsort(former.seqs)
    place = np.searchsorted(former.seqs, seqs, sorter=order).clip(max=len(order) - 1)
    there = former.seqs[order[place]] == seqs
    vectors.copy_rows(np.flatnonzero(there), former.vectors, order[place[there]])
    return np.flatnonzero(~there)


def _fill(
    connection: Connection,
    space: EmbeddingSpace,
    vectors: CompactVectors,
    lacking: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Read the vectors of rows that are missing: these alone if they are few, else all."""
    seqs, missing = lacking
    t = templates.c
    query = select(t.seq, t.vector).where(t.space_id == space.id)
    wanted = seqs[missing]
    order = np.argsort(wanted)
    if len(missing) <= _FEW:
        parts = [wanted[i : i + _IDS_AT_ONCE].tolist() for i in range(0, len(wanted), _IDS_AT_ONCE)]
        pages = (connection.execute(query.where(t.seq.in_(part))).all() for part in parts)
    else:
        streamed = query.order_by(t.seq).execution_options(yield_per=_ROWS_AT_ONCE)
        pages = (list(page) for page in connection.execute(streamed).partitions())
    for page in pages:
        _put_page(vectors, page, missing[order], wanted[order])


def _put_page(vectors: CompactVectors, page: Sequence[Any], rows: NDArray[np.int64], seqs: NDArray[np.int64]) -> None:
    """Write a page into the rows of the templates that are wanted; ``seqs`` in order, each with its row."""
    found = np.fromiter((row.seq for row in page), np.int64, len(page))
    place = np.searchsorted(seqs, found).clip(max=len(seqs) - 1)
    mine = seqs[place] == found
    if mine.any():
        exact = read_vector(b"".join(row.vector for row, is_mine in zip(page, mine, strict=True) if is_mine))
        vectors.put(rows[place[mine]], exact.reshape(int(mine.sum()), -1))


def vectors_of(connection: Connection, space: EmbeddingSpace, ids: Sequence[str]) -> Vectors:
    """All vectors of these people in ``space``, oldest first, as ``Gallery.vectors`` gives them."""
    t = templates.c
    query = select(t.seq, t.person_id, t.vector).where(t.space_id == space.id)
    rows: list[Any] = []
    for start in range(0, len(ids), _IDS_AT_ONCE):
        rows += connection.execute(query.where(t.person_id.in_(ids[start : start + _IDS_AT_ONCE]))).all()
    rows.sort(key=lambda row: row.seq)
    present = {row.person_id for row in rows}
    owners = tuple(person for person in read_people(connection, sorted(present)) if person.id in present)
    index_of = {person.id: index for index, person in enumerate(owners)}
    joined = read_vector(b"".join(row.vector for row in rows)).reshape(len(rows), space.dimensions)
    of_owner = np.fromiter((index_of[row.person_id] for row in rows), np.int64, len(rows))
    vectors = joined.copy()
    vectors.flags.writeable = of_owner.flags.writeable = False
    return vectors, of_owner, owners
