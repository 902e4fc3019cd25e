"""Galleries beyond one machine's memory: an HNSW index in PostgreSQL, and how often it misses somebody.

pgvector's index (Malkov and Yashunin, 2016) is approximate. It only proposes people: all their vectors are read and compared
exactly. One search in so many is repeated without the index, so that its recall on the searches of this very gallery is known.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, func, select, text

from mien.core.errors import MienError, StoreError
from mien.core.people import EmbeddingSpace, Vectors
from mien.store.database import Database
from mien.store.ledger import read_revision
from mien.store.nearby import Wanted, vectors_of
from mien.store.postgres import PostgresDatabase
from mien.store.schema import templates
from mien.store.vector_type import as_text

__all__ = ["ENOUGH", "IndexedSearch", "SearchRecall", "build_index", "drop_index"]

ENOUGH = 0.99
"""Recall below this is warned of."""

_TOP = 10
"""Recall is that of the so many most alike templates."""

_EVERY = 200
"""One search in so many is repeated without the index."""

_PATIENCE = 60
"""Seconds for such a repetition at most."""

_ROUNDING = 2e-3
"""How far a cosine of two vectors rounded to float16 may lie from the true one."""

_MOST = 20_000
"""Templates that one face asks the index for at most."""

_M, _EF_CONSTRUCTION, _EF_SEARCH = 24, 200, 200
"""Neighbours of a node, candidates while building and while searching; docs/benchmarks/search.md has what these bring."""

_BYTES_OF_NODE = 2_500
"""What a node takes while the graph is made, beside the two bytes of each number."""

_MEMORY = 64, 4_096
"""Megabytes that the server may take to make an index, at least and at most."""

_LARGEST = 4_000
"""Numbers of a vector that pgvector's index takes as halfvec."""

_OLDEST = (0, 8)
"""pgvector that goes on searching where the first candidates end."""

_log = logging.getLogger("mien.search")


@dataclass(frozen=True, slots=True)
class SearchRecall:
    """How many of the most alike templates the index found.

    Args:
        found: of those that an exact comparison finds.
        wanted: the exact comparison's.
        searches: how many were compared.
    """

    found: int
    wanted: int
    searches: int

    @property
    def recall(self) -> float:
        """A share; 1 before the first comparison."""
        return self.found / self.wanted if self.wanted else 1.0

    def words(self) -> str:
        """For people."""
        return f"recall {self.recall:.3f} over {self.searches} searches"


class IndexedSearch:
    """Who matters to some faces, by the index; may be shared by threads.

    Args:
        database: any; only PostgreSQL has such an index.
        every: one search in so many is repeated without the index.
    """

    def __init__(self, database: Database, *, every: int = _EVERY) -> None:
        self._database = database
        self._every = every
        self._there: dict[str, tuple[int, bool]] = {}
        self._numbers = itertools.count(1)
        self._checking = threading.Lock()
        self._checks: deque[tuple[int, int]] = deque(maxlen=1_000)

    def close(self) -> None:
        """Wait for a repetition that is under way; its connection is then let go."""
        if self._checking.acquire(timeout=_PATIENCE):
            self._checking.release()

    def ready(self, space: EmbeddingSpace) -> bool:
        """Whether there is an index of this space; looked up once per revision of the gallery."""
        if not isinstance(self._database, PostgresDatabase):
            return False
        with self._database.reading() as connection:
            revision = read_revision(connection)
            held = self._there.get(space.id)
            if held is None or held[0] != revision:
                held = self._there[space.id] = (revision, _is_there(connection, space))
        return held[1]

    def near(self, space: EmbeddingSpace, wanted: Wanted) -> Vectors:
        """The exact vectors of the people whom the index proposes; see ``core.protocols.Narrowing``."""
        with self._database.reading() as connection:
            ids: set[str] = set()
            for query in wanted.queries:
                ids |= _proposed(connection, space, query, wanted)
            vectors = vectors_of(connection, space, sorted(ids))
        if next(self._numbers) % self._every == 0:
            self._repeat_aside(space, wanted.queries[0])
        return vectors

    @property
    def recall(self) -> SearchRecall:
        """Over the last thousand searches that were repeated in this process."""
        checks = list(self._checks)
        return SearchRecall(sum(found for found, _ in checks), sum(wanted for _, wanted in checks), len(checks))

    def known(self, space: EmbeddingSpace, *, measure: bool) -> SearchRecall | None:
        """Recall as it is known, or measured now; None without an index."""
        if not self.ready(space):
            return None
        return self.measure(space) if measure else self.recall

    def measure(self, space: EmbeddingSpace, *, searches: int = 20, seed: int = 0) -> SearchRecall:
        """Recall of searches for templates of the gallery, each a little changed, as another photograph would be.

        Args:
            space: whose index.
            searches: how many; each costs a comparison with all templates.
            seed: of the choice.
        """
        random = np.random.default_rng(seed)
        with self._database.reading() as connection:
            draw = text(
                "SELECT vector_send(vector) FROM templates WHERE space_id = :space"
                " ORDER BY hashint8extended(seq, :seed) LIMIT :count"
            )
            rows = connection.execute(draw, {"space": space.id, "seed": seed, "count": searches}).scalars().all()
        checks = []
        for row in rows:
            vector = np.frombuffer(bytes(row), ">f4", offset=4).astype(np.float32)
            other = vector + random.normal(0.0, 0.5 / np.sqrt(len(vector)), len(vector)).astype(np.float32)
            checks.append(self._compare(space, other / np.linalg.norm(other)))
        return SearchRecall(sum(f for f, _ in checks), sum(w for _, w in checks), len(checks))

    def _repeat_aside(self, space: EmbeddingSpace, query: NDArray[np.float32]) -> None:
        """Compare one search with an exact one in a thread of its own, one at a time; whoever searches does not wait."""
        if self._checking.acquire(blocking=False):
            threading.Thread(target=self._check, args=(space, query.copy()), name="mien-recall", daemon=True).start()

    def _check(self, space: EmbeddingSpace, query: NDArray[np.float32]) -> None:
        try:
            self._checks.append(self._compare(space, query))
            if self.recall.recall < ENOUGH:
                _log.warning(
                    "the index of %s: %s, below %.2f; build it anew: mien db index",
                    space.id,
                    self.recall.words(),
                    ENOUGH,
                )
        except MienError as error:
            _log.warning("a search could not be repeated without the index: %s", error)
        finally:
            self._checking.release()

    def _compare(self, space: EmbeddingSpace, query: NDArray[np.float32]) -> tuple[int, int]:
        """How many of the most alike templates the index finds, and how many there are."""
        with self._database.reading() as connection:
            by_index = {row.seq for row in _nearest(connection, space, query, _TOP)}
            connection.execute(text(f"SET LOCAL statement_timeout = '{_PATIENCE}s'"))
            connection.execute(text("SET LOCAL enable_indexscan = off"))
            exact = {row.seq for row in _nearest(connection, space, query, _TOP)}
        return len(by_index & exact), len(exact)


def build_index(database: Database, space: EmbeddingSpace) -> None:
    """Make the index of a space, or make it anew; others read and write meanwhile.

    The server is allowed memory for the whole graph, 4 GB at most: one that does not fit is made many times more slowly.

    Raises:
        StoreError: not PostgreSQL; vectors too long; the server refuses.
    """
    _must_be_postgres(database)
    with database.reading() as connection:
        _must_be_new_enough(connection)
    if space.dimensions > _LARGEST:
        raise StoreError(
            f"vectors of {space.id} have {space.dimensions} numbers; an index takes {_LARGEST} at most: "
            "this space is compared exactly"
        )
    with database.reading() as connection:
        count = connection.execute(select(func.count()).where(templates.c.space_id == space.id)).scalar_one()
    drop_index(database, space)
    least, most = _MEMORY
    wanted = count * (2 * space.dimensions + _BYTES_OF_NODE) // 2**20
    _alone(database)(
        f'CREATE INDEX CONCURRENTLY "{_name(space)}" ON templates USING hnsw ({_halved(space)} halfvec_ip_ops)'
        f" WITH (m = {_M}, ef_construction = {_EF_CONSTRUCTION}) WHERE space_id = {_literal(space.id)}",
        memory=min(most, max(least, wanted)),
    )


def drop_index(database: Database, space: EmbeddingSpace) -> None:
    """Take the index of a space away; nothing if there is none.

    Raises:
        StoreError: not PostgreSQL.
    """
    _must_be_postgres(database)
    _alone(database)(f'DROP INDEX CONCURRENTLY IF EXISTS "{_name(space)}"')


def _must_be_postgres(database: Database) -> None:
    if not isinstance(database, PostgresDatabase):
        raise StoreError(
            f"{database.place} is no PostgreSQL database: a file is searched in memory, exactly; to outgrow it: mien db move"
        )


def _must_be_new_enough(connection: Connection) -> None:
    version = str(connection.execute(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")).scalar())
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        raise StoreError(f"pgvector is {version} there; an index needs {wanted} (ALTER EXTENSION vector UPDATE)")


def _alone(database: Database) -> Any:
    assert isinstance(database, PostgresDatabase)
    return database.execute_alone


def _is_there(connection: Connection, space: EmbeddingSpace) -> bool:
    """Whether the index exists and is whole; one whose making broke off is not."""
    found = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(connection.execute(found, {"name": f'"{_name(space)}"'}).scalar())


def _proposed(connection: Connection, space: EmbeddingSpace, query: NDArray[np.float32], wanted: Wanted) -> set[str]:
    """Ids of the most alike people and of all who reach the floor, as far as the index knows."""
    count = 8 * wanted.people
    while True:
        rows = _nearest(connection, space, query, count)
        ids = {row.person_id for row in rows}
        last = -rows[-1].distance if rows else -1.0
        if len(rows) < count or count >= _MOST or (len(ids) >= wanted.people and last < wanted.floor - _ROUNDING):
            return ids
        count *= 4


def _nearest(connection: Connection, space: EmbeddingSpace, query: NDArray[np.float32], count: int) -> list[Any]:
    """The most alike templates, with the negative inner product as distance."""
    connection.execute(text(f"SET LOCAL hnsw.ef_search = {min(1_000, max(_EF_SEARCH, count))}"))
    connection.execute(text("SET LOCAL hnsw.iterative_scan = strict_order"))  # goes on where the first candidates end
    t = templates.c
    apart = text(f"{_halved(space)} <#> CAST(:query AS halfvec({space.dimensions})) AS distance")
    mine = t.space_id == bindparam("space", space.id, literal_execute=True)  # the index is of this constant's part
    statement = select(t.seq, t.person_id, apart.bindparams(query=as_text(query))).where(mine)
    return list(connection.execute(statement.order_by(text("distance")).limit(count)).all())


def _halved(space: EmbeddingSpace) -> str:
    """The expression that is indexed; a question must repeat it to the letter."""
    return f"(CAST(vector AS halfvec({space.dimensions})))"


def _name(space: EmbeddingSpace) -> str:
    return f"hnsw_{hashlib.sha256(space.id.encode()).hexdigest()[:16]}"


def _literal(words: str) -> str:
    """A string constant in SQL."""
    return "'" + words.replace("'", "''") + "'"
