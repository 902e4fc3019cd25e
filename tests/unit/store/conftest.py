"""Galleries for the tests of the store: each test runs on a file and on PostgreSQL, unless it is marked ``file``."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mien.store.gallery import SqlGallery, open_gallery


class FixedClock:
    """Always the same time."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def pytest_generate_tests(metafunc):
    """Both kinds of database for whoever asks for one."""
    if "kind" in metafunc.fixturenames:
        file_only = metafunc.definition.get_closest_marker("file") is not None
        metafunc.parametrize("kind", ["sqlite"] if file_only else ["sqlite", "postgres"])


@pytest.fixture
def path(kind, request, tmp_path) -> Path | str:
    """Where the gallery is: a path, or a URL."""
    return tmp_path / "gallery.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def gallery(path) -> Iterator[SqlGallery]:
    """An empty gallery at noon."""
    with open_gallery(path, actor="tester", clock=FixedClock(), patience=0.3) as opened:
        yield opened
