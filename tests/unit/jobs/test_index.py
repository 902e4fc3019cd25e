"""A library is searched once, whatever happens in the middle."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ImageError, InputError, MienError, StoreBusyError
from mien.jobs import index_worker, running
from mien.jobs.engines import Ended, Processes
from mien.jobs.index import look_at_disk
from mien.jobs.index_worker import FileDone, FileFailed
from mien.store.gallery import open_gallery
from tests.fakes.plugs import SPACE
from tests.fakes.videos import write_video
from tests.unit.jobs import indexing
from tests.unit.jobs.indexing import run, work, write

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path):
    """Three pictures, one of them in a folder below, and what is none."""
    root = tmp_path / "photos"
    for name, colour in (("a.png", (250, 10, 10)), ("b.png", (10, 250, 10)), ("2020/c.png", (10, 10, 250))):
        write(root / name, colour)
    (root / "notes.txt").write_text("no picture")
    write(root / ".hidden" / "d.png", (1, 2, 3))
    return root


@pytest.fixture
def database(tmp_path):
    return tmp_path / "gallery.db"


def faces_in(database):
    with open_gallery(database) as gallery:
        library = gallery.library
        return library.with_paths([f for table in library.faces(SPACE) for f in table.faces])


def test_every_picture_is_searched_once(folder, database):
    """A first run searches what there is, a second nothing; hidden files and other files are left alone."""
    looked, steps = run(work(database, folder))
    assert looked.counts.new == 3
    assert sorted(Path(os.fsdecode(s.path)).name for s in steps) == ["a.png", "b.png", "c.png"]
    looked, steps = run(work(database, folder))
    assert (looked.counts.known, looked.counts.work, steps) == (3, 0, [])
    assert len(faces_in(database)) == 3


def test_moved_changed_and_deleted_files(folder, database):
    """A moved file is known by its bytes, a changed one is searched again, a deleted one has no faces any more."""
    run(work(database, folder))
    before = {face.paths[0]: face.id for face in faces_in(database)}
    (folder / "a.png").rename(folder / "2020" / "moved.png")
    write(folder / "b.png", (10, 240, 30))
    (folder / "2020" / "c.png").unlink()
    looked, steps = run(work(database, folder))
    assert (len(looked.gone), looked.counts.new, looked.counts.changed) == (2, 1, 1)
    assert sorted(s.known for s in steps) == [False, True]
    after = {face.paths[0]: face.id for face in faces_in(database)}
    assert set(after) == {os.fsencode(folder / "2020" / "moved.png"), os.fsencode(folder / "b.png")}
    assert set(after.values()) == {before[os.fsencode(folder / "a.png")], before[os.fsencode(folder / "b.png")]}


def test_unreadable_files_are_told_and_the_rest_goes_on(folder, database):
    """Empty, foreign and unreadable files fail with a reason each; good ones are found."""
    (folder / "empty.jpg").touch()
    (folder / "paper.jpg").write_bytes(b"%PDF-1.4")
    (folder / "clip.mp4").write_bytes(b"no video")
    _, steps = run(work(database, folder))
    failed = {Path(os.fsdecode(s.path)).name: s.reason for s in steps if isinstance(s, FileFailed)}
    assert set(failed) == {"empty.jpg", "paper.jpg", "clip.mp4"}
    assert "the file is empty" in failed["empty.jpg"]
    assert sum(isinstance(s, FileDone) for s in steps) == 3


def test_an_empty_place_does_not_delete_a_library(folder, database):
    """A folder that had files and has none is refused: the disk may be out. Told that it is as it should be, it counts."""
    run(work(database, folder))
    for file in sorted(folder.rglob("*.png")):
        file.unlink()
    with pytest.raises(InputError, match="its disk there"):
        run(work(database, folder))
    assert len(faces_in(database)) == 3
    run(work(database, folder), emptied=True)
    assert faces_in(database) == []


def test_a_disk_that_disappears_ends_the_run_and_loses_nothing(folder, database, tmp_path):
    """Where the folder is gone in the middle, nothing counts as deleted or unreadable; later the run goes on."""
    job = work(database, folder)
    with open_gallery(database) as gallery:
        list(look_at_disk(job, gallery.library))
        folder.rename(tmp_path / "away")
        with pytest.raises(MienError, match="not there any more"):
            list(job("w"))
        assert gallery.library.counts().failed == gallery.library.counts().gone == 0
    (tmp_path / "away").rename(folder)
    _, steps = run(work(database, folder))
    assert sum(isinstance(s, FileDone) for s in steps) == 3


def test_a_file_that_goes_while_others_are_searched(folder, database):
    """A file deleted between the look and its turn is gone, not unreadable."""
    job = work(database, folder)
    with open_gallery(database) as gallery:
        list(look_at_disk(job, gallery.library))
        (folder / "b.png").unlink()
        told = [e for e in job("w") if isinstance(e, FileFailed)]
        assert [e.gone for e in told] == [True]
        assert gallery.library.counts().gone == 1


def test_a_file_replaced_while_it_is_read(folder, database, monkeypatch):
    """What is read is all of one state of the file: read again if it changed meanwhile, refused if it always does."""
    stats = iter(os.stat_result((0, n, 0, 0, 0, 0, n, 0, 0, 0)) for n in range(1, 100))
    claim = index_worker.Claim(1, "w", os.fsencode(folder / "a.png"), "photo", 1, 1)
    assert index_worker._read_whole(claim)[1].size == (folder / "a.png").stat().st_size
    monkeypatch.setattr(index_worker.time, "sleep", lambda _: None)
    monkeypatch.setattr(index_worker.stat, "S_ISREG", lambda _: True)
    monkeypatch.setattr(index_worker.os, "fstat", lambda _: next(stats))
    with pytest.raises(ImageError, match="changes while it is read"):
        index_worker._read_whole(claim)


def test_people_in_a_video_are_one_face_each(folder, database):
    """Looks at one person become one face with the time it is seen; another person is another."""
    red, blue = (np.full((64, 96, 3), colour, np.uint8) for colour in ((240, 20, 20), (20, 20, 240)))
    write_video(folder / "clip.mp4", [red] * 50 + [blue] * 50, [i / 25 for i in range(100)])
    run(work(database, folder, every=0.5))
    spans = sorted(face.span for face in faces_in(database) if face.kind == "video")
    assert len(spans) == 2
    assert spans[0][0] == 0.0
    assert spans[0][1] <= 2.6
    assert spans[1][1] == pytest.approx(4.0, abs=0.1)


def test_workers_in_processes_share_the_files(folder, database):
    """Two processes search every file once."""
    for i in range(8):
        write(folder / f"more{i}.png", (10 * i, 100, 200))
    _, steps = run(work(database, folder), Processes(2))
    assert len({s.path for s in steps}) == len(steps) == 11
    assert len(faces_in(database)) == 11


def test_a_picture_that_ends_its_reader_is_told_and_the_rest_is_done(folder, database):
    """Workers that are killed by a file are replaced; the file fails, the others are done once each."""
    _, steps = run(work(database, folder, finder=indexing.deadly), Processes(1))
    assert sum(isinstance(s, Ended) for s in steps) == 3
    assert len(faces_in(database)) == 2
    with open_gallery(database) as gallery:
        (status,) = gallery.library.status(["failed"])
    assert status.path.endswith(b"a.png")


def test_what_a_worker_did_last_is_counted_though_it_told_nobody(folder, database):
    """A worker that ends between writing a picture down and telling of it: the run counts it, once, and goes on."""
    (folder / "2020" / "copy.png").write_bytes((folder / "b.png").read_bytes())
    job = work(database, folder, library=indexing.SilentLibrary)
    _, steps = run(job, Processes(1))
    assert sorted(Path(os.fsdecode(s.path)).name for s in steps if isinstance(s, FileDone)) == [
        "b.png",
        "c.png",
        "copy.png",
    ]
    assert sum(isinstance(s, Ended) for s in steps) == 1
    later = work(database, folder)
    run(later)
    with open_gallery(database) as gallery:
        counts = gallery.library.run_counts(job.plan.root.path, job.plan.run)
        none = gallery.library.run_counts(later.plan.root.path, later.plan.run)
    assert (counts.photos, counts.videos, counts.known, none.searched) == (3, 0, 1, 0)


def test_a_busy_store_is_asked_again(folder, database, monkeypatch):
    """Another writer who takes longer than the store waits costs an indexing time; one who never ends ends it."""
    monkeypatch.setattr(running, "_PAUSE", 0.0)
    (folder / "paper.jpg").write_bytes(b"%PDF-1.4")
    _, steps = run(work(database, folder, library=indexing.BusyLibrary))
    assert [type(s) for s in steps].count(FileDone) == 3
    assert len(faces_in(database)) == 3
    with pytest.raises(StoreBusyError):
        running.insist(indexing.BusyLibrary(None)._refuse, patience=0.05)


def start(database, folder):
    command = [sys.executable, "-m", "tests.unit.jobs.indexing", str(database), str(folder), "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def test_killed_at_any_point_it_goes_on_and_doubles_nothing(tmp_path, database):
    """After kill -9 in the middle: workers end too, what was done stays, the next run does the rest at once."""
    folder = tmp_path / "photos"
    for i in range(24):
        write(folder / f"{i:02}.png", (10 * i, 255 - 10 * i, 7 * i))
    with start(database, folder) as process:
        done = [process.stdout.readline().strip() for _ in range(4)]
        process.send_signal(signal.SIGKILL)
    time.sleep(1.0)
    with open_gallery(database) as gallery:
        kept = gallery.library.counts().photos
    assert len(done) <= kept < 24
    _, steps = run(work(database, folder))
    assert len(steps) == 24 - kept
    assert len(faces_in(database)) == 24


def test_two_indexers_share_one_library(tmp_path, database):
    """Two programs started on one folder search each file once between them, and both end."""
    folder = tmp_path / "photos"
    for i in range(16):
        write(folder / f"{i:02}.png", (10 * i, 255 - 10 * i, 7 * i))
    both = [start(database, folder) for _ in range(2)]
    said = [line.strip() for process in both for line in process.communicate(timeout=120)[0].splitlines()]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(said) == sorted(str(folder / f"{i:02}.png") for i in range(16))
    assert len(faces_in(database)) == 16
