"""A process that delivers until it is killed; spawned, so it must be importable."""

import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from mien.jobs.deliver import Post, deliver
from mien.store.gallery import open_gallery
from tests.fakes.places import FilePlace

NOW = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)


class Clock:
    """Stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def slow() -> None:
    """A network."""
    time.sleep(0.004)


def deliver_until_killed(database: Path, place: Path, ready: Connection) -> None:
    """Deliver everything, slowly."""
    clock = Clock()
    with open_gallery(database, clock=clock) as gallery:
        post = Post(gallery.attendance, gallery.outbox, lambda _: FilePlace(place, slow, slow, size=1), clock)
        ready.send(True)
        for _ in deliver(post, gallery.outbox.targets(), at_once=True):
            pass
