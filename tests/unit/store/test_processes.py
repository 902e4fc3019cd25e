"""One gallery under several processes and threads."""

import multiprocessing
import os
import signal
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import StoreBusyError
from mien.store.gallery import open_gallery
from mien.store.sqlite import SqliteDatabase
from tests.fakes.gallery import SPACE, make_template
from tests.unit.store import workers

SPAWN = multiprocessing.get_context("spawn")


def start(work, path):
    """A process of its own doing ``work`` and our end of the pipe to it."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=work, args=(path, theirs))
    process.start()
    theirs.close()  # so that the end of a process that fails is noticed at once
    assert ours.poll(30)
    return process, ours


def kill(process, pipe):
    """End a process as a power cut would, once it has said that it is ready."""
    pipe.recv()
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def integrity(gallery):
    """What SQLite finds wrong with the file; ``ok`` if nothing. A server looks after its own files."""
    if not isinstance(gallery._database, SqliteDatabase):
        return [("ok",)]
    return gallery._database.execute_alone("PRAGMA integrity_check") + gallery._database.execute_alone(
        "PRAGMA foreign_key_check"
    )


def test_four_processes_lose_nothing(path):
    """Four processes that make and fill the same gallery at once: every face is there, one name is one person."""
    processes = [SPAWN.Process(target=workers.enroll_many, args=(path, worker, 5)) for worker in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    with open_gallery(path) as gallery:
        counts = {person.name: person.templates for person in gallery.people()}
        assert counts == {"Shared": 20, "Own 0": 5, "Own 1": 5, "Own 2": 5, "Own 3": 5}
        assert gallery.revision() == 40
        assert len(gallery.vectors(SPACE)[0]) == 40


def test_killed_in_the_middle_of_a_transaction(path, gallery):
    """A writer killed before its commit leaves nothing of it, and the next one can write at once."""
    gallery.add("Ada", [make_template(1)])
    process, pipe = start(workers.stop_in_the_middle, path)
    kill(process, pipe)
    assert [person.name for person in gallery.people()] == ["Ada"]
    gallery.add("Bob", [make_template(2)])
    assert integrity(gallery) == [("ok",)]


def test_killed_while_enrolling(path):
    """A process killed among many enrolments leaves whole ones only."""
    process, pipe = start(workers.enroll_until_killed, path)
    kill(process, pipe)
    with open_gallery(path) as gallery:
        assert {person.templates for person in gallery.people()} == {5}
        assert gallery.revision() == len(gallery.people()) >= 4
        assert integrity(gallery) == [("ok",)]


def test_waiting_for_a_writer_ends_with_a_clear_error(path, gallery):
    """A gallery that another writer holds for longer than the patience: StoreBusyError, and reading goes on."""
    gallery.add("Ada", [make_template(1)])
    with open_gallery(path) as other, other._database.writing():
        with pytest.raises(StoreBusyError, match="try again"):
            gallery.add("Bob", [make_template(2)])
        assert gallery.person("Ada").templates == 1
    gallery.add("Bob", [make_template(2)])


def test_changes_of_another_connection_are_seen(path, gallery):
    """Vectors in memory are renewed after somebody else's change, and only then."""
    gallery.add("Ada", [make_template(1)])
    first = gallery.vectors(SPACE)
    assert gallery.vectors(SPACE) is first
    with open_gallery(path) as other:
        other.add("Bob", [make_template(2)])
    assert len(gallery.vectors(SPACE)[0]) == 2


def test_threads_share_a_gallery(path):
    """Threads that enrol and search through one gallery lose nothing and always see whole states."""
    with open_gallery(path, patience=30) as gallery:
        enroll_and_search(gallery)
        assert len(np.unique(gallery.vectors(SPACE)[0], axis=0)) == 24


def enroll_and_search(gallery):
    """Two threads search while two enrol 24 faces, two at a time."""
    stop = threading.Event()

    def search():
        while not stop.is_set():
            vectors, of_owner, owners = gallery.vectors(SPACE)
            assert len(vectors) == len(of_owner) == sum(owner.templates for owner in owners)
            assert len(vectors) % 2 == 0

    with ThreadPoolExecutor(4) as pool:
        searching = [pool.submit(search) for _ in range(2)]
        added = [
            pool.submit(gallery.add, f"Person {i % 3}", [make_template(2 * i), make_template(2 * i + 1)])
            for i in range(12)
        ]
        for future in added:
            future.result(timeout=30)
        stop.set()
        for future in searching:
            future.result(timeout=30)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="rights of another kind")
def test_folder_and_file_that_may_only_be_read():
    """Somebody without the right to write reads the gallery and is told how to get it."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "gallery.db"
        with open_gallery(path) as gallery:
            gallery.add("Ada", [make_template(1)])
        path.chmod(0o444)
        path.parent.chmod(0o555)
        process, pipe = start(workers.read_without_rights, path)
        found, message = pipe.recv()
        process.join(30)
        path.parent.chmod(0o755)
    assert found == [("Ada", 1)]
    assert "chmod u+w" in message
    assert str(path) in message
