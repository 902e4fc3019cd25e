"""Galleries for the tests of the store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mien.store.gallery import SqlGallery, open_gallery


class FixedClock:
    """Always the same time."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path) -> Path:
    """Where the gallery is."""
    return tmp_path / "gallery.db"


@pytest.fixture
def gallery(path) -> Iterator[SqlGallery]:
    """An empty gallery at noon."""
    with open_gallery(path, actor="tester", clock=FixedClock(), patience=0.3) as opened:
        yield opened
