"""What other processes do to a gallery; spawned, so it must be importable."""

import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import insert

from mien.core.attendance import Sighting
from mien.core.errors import StoreReadOnlyError
from mien.store import identities
from mien.store.gallery import open_gallery
from mien.store.schema import people
from tests.fakes.gallery import make_template


def enroll_many(path: Path, worker: int, count: int) -> None:
    """Enrol ``count`` faces for one shared person and as many for one of this worker's own."""
    with open_gallery(path, patience=60) as gallery:
        for i in range(count):
            seed = worker * 1000 + i
            gallery.add("Shared", [make_template(seed)])
            gallery.add(f"Own {worker}", [make_template(seed)])


def stop_in_the_middle(path: Path, ready: Connection) -> None:
    """Write much without committing, say so, and wait to be killed."""
    with open_gallery(path) as gallery, gallery._database.writing() as connection:
        rows = [
            {
                "id": identities.new_id(),
                "name": f"Half {i}",
                "name_key": f"half {i}" + "x" * 500,
                "created": _now(gallery),
            }
            for i in range(20_000)  # 12 MB: more than SQLite keeps in memory, so that the log holds part of it
        ]
        connection.execute(insert(people), rows)
        ready.send(os.getpid())
        time.sleep(60)


def enroll_until_killed(path: Path, ready: Connection) -> None:
    """Enrol people of five faces each, one after another."""
    with open_gallery(path) as gallery:
        for i in range(10_000):
            gallery.add(f"Person {i}", [make_template(5 * i + j) for j in range(5)])
            if i == 3:
                ready.send(os.getpid())


def see_until_killed(path: Path, person_id: str, start: int, promises: Connection) -> None:
    """Write one sighting after another; after each, say how many are written."""
    with open_gallery(path) as gallery:
        for i in range(start, start + 100_000):
            gallery.attendance.append([Sighting(_now(gallery), "door", "match", person_id, id=f"s{i}")])
            promises.send(i + 1)


def hold_a_reader(path: Path, ready: Connection) -> None:
    """Keep a read transaction open until told to stop."""
    with open_gallery(path) as gallery, gallery._database.reading() as connection:
        identities.read_people(connection)
        ready.send(os.getpid())
        ready.recv()


def _now(gallery):
    return gallery._clock.now()


def read_without_rights(path: Path, ready: Connection) -> None:
    """Read and try to write as somebody who may only read; answers what happened."""
    with tempfile.TemporaryDirectory() as room, open_gallery(Path(room) / "warm.db") as gallery:
        gallery.add("Ada", [make_template(1)])  # all modules are loaded while they may be read:
        gallery.rename("Ada", "Bob")  # the checkout may lie where nobody else looks
        for person in gallery.people():
            gallery.templates(person.id)
    if os.geteuid() == 0:
        os.setuid(65534)  # nobody: root may write everywhere
    with open_gallery(path) as gallery:
        found = [(person.name, len(gallery.templates(person.id))) for person in gallery.people()]
        try:
            gallery.rename("Ada", "Bob")
        except StoreReadOnlyError as error:
            ready.send((found, str(error)))
