"""A gallery of made-up people in a PostgreSQL of its own, as `mien db move` and `mien db index` leave it."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg

from mien.core.people import EmbeddingSpace, Person, Template
from mien.store.database import Database
from mien.store.gallery import open_gallery
from mien.store.identities import new_id
from mien.store.places import open_database
from mien.store.transfer import Parcel, write_parcel

__all__ = ["filled_database", "index_bytes"]


@contextmanager
def filled_database(vectors: np.ndarray, space: EmbeddingSpace) -> Iterator[Database]:
    """A database whose gallery has one template for each of ``vectors``, of people called 0, 1, …; gone afterwards."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.postgres import make_database, running_server

    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "server") as server:
        url = make_database(server, "mien_benchmark")
        now = datetime.now(UTC)
        people = tuple(Person(new_id(), str(i), now) for i in range(len(vectors)))
        templates = tuple(
            Template(vector, space, "made up", "", (0, 0, 9, 9), {}, "none", new_id(), person.id, now)
            for vector, person in zip(vectors, people, strict=True)
        )
        write_parcel(Parcel(people, {}, templates, (), space.id), Path(folder) / "export.npz")
        with open_gallery(url) as gallery:
            gallery.import_(Path(folder) / "export.npz")
        with psycopg.connect(server.get_uri("mien_benchmark"), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        database = open_database(url)
        try:
            yield database
        finally:
            database.close()


def index_bytes(database: Database) -> int:
    """What the HNSW indexes take on disk."""
    from sqlalchemy import text

    sizes = text(
        "SELECT coalesce(sum(pg_relation_size(indexrelid)), 0) FROM pg_stat_user_indexes WHERE indexrelname LIKE 'hnsw%'"
    )
    with database.reading() as connection:
        return int(connection.execute(sizes).scalar_one())
