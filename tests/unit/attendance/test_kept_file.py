"""A file kept up to date: written whole, left alone when somebody edited it."""

import errno
import os
import signal
from pathlib import Path

import pytest

from mien.attendance.sinks.csv_file import CsvSink
from mien.attendance.sinks.kept_file import FileChannel
from mien.core.errors import DeliveryError, SettingError
from tests.unit.attendance.test_webhook import ADA, BOB, register


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "class.csv"


@pytest.fixture
def channel(path):
    return FileChannel(path, "marks")


def deliver(channel, kept, put, withdrawn=()):
    """What was found edited."""
    edits = []
    for delivered in channel.deliver(kept, dict(put), withdrawn):
        put |= delivered.put
        for key in [key for key, value in put.items() if not value]:
            del put[key]
        edits += delivered.edits
    return edits


def test_the_file_follows_the_register(channel, path):
    """Written when something changed, otherwise not touched; nothing else is left in the folder."""
    put = {}
    deliver(channel, register(ADA), put)
    assert "Ada,✓" in path.read_text(encoding="utf-8-sig")
    before = path.stat().st_mtime_ns
    deliver(channel, register(ADA), put)
    assert path.stat().st_mtime_ns == before
    deliver(channel, register(ADA, BOB), put)
    assert "Bob,✓" in path.read_text(encoding="utf-8-sig")
    assert [p.name for p in path.parent.iterdir()] == ["class.csv"]


def test_a_workbook_follows_too(tmp_path):
    """Its bytes differ each time it is written, so only a changed register writes it."""
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "class.xlsx"
    put = {}
    for _ in range(2):
        assert deliver(FileChannel(path), register(ADA), put) == []
    before = path.read_bytes()
    deliver(FileChannel(path), register(ADA), put)
    assert path.read_bytes() == before
    deliver(FileChannel(path), register(ADA, BOB), put)
    assert openpyxl.load_workbook(path)["Marks"]["B4"].value == "✓"


def test_an_edited_file_is_left_and_reported(channel, path):
    """Whatever the register does; restored, it is written over; taken back, it is ours again."""
    put = {}
    deliver(channel, register(ADA), put)
    ours = path.read_bytes()
    path.write_text("the teacher's")
    (edit,) = deliver(channel, register(ADA, BOB), put)
    assert (edit.key, edit.where, edit.status) == ("file", str(path), None)
    assert path.read_text() == "the teacher's"
    path.write_bytes(ours)
    assert deliver(channel, register(ADA, BOB), put) == []
    path.write_text("the teacher's")
    (edit,) = deliver(channel, register(ADA), put)
    deliver(channel, register(ADA), put)  # found again, the same register: still an edit
    assert deliver(channel, register(ADA), put | {"file": edit.found}) == []
    assert path.read_bytes() == ours


def test_restored_it_is_written_over_though_nothing_changed(channel, path):
    """The register is as it was when the file was written; what was found may be overwritten, and is."""
    put = {}
    deliver(channel, register(ADA), put)
    ours = path.read_bytes()
    path.write_text("the teacher's")
    (edit,) = deliver(channel, register(ADA), put)
    deliver(channel, register(ADA), put | {"file": edit.found})
    assert path.read_bytes() == ours


def test_a_file_that_was_there_before_is_not_overwritten(channel, path):
    """Somebody else's file of that name is an edit, too."""
    path.write_text("somebody's")
    (edit,) = deliver(channel, register(), {})
    assert (edit.put, path.read_text()) == (None, "somebody's")


def test_a_file_that_was_moved_away_is_written_anew(channel, path):
    """There is nothing to overwrite."""
    put = {}
    deliver(channel, register(), put)
    path.unlink()
    assert deliver(channel, register(), put) == []
    assert path.exists()


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_ended_at_any_step_it_goes_on(channel, path, steps):
    """Killed before, between and after writing, and nothing of it remembered but what was said: no edit, one file."""
    put = {}
    deliver(channel, register(), put)
    work = channel.deliver(register(ADA), dict(put))
    for _ in range(steps):
        put |= next(work).put
    work.close()
    assert deliver(channel, register(ADA), put) == []
    assert "Ada,✓" in path.read_text(encoding="utf-8-sig")
    assert [p.name for p in path.parent.iterdir()] == ["class.csv"]


def test_killed_after_writing_and_before_saying_so(channel, path):
    """What was announced and is found there is ours."""
    put = {}
    work = channel.deliver(register(ADA), {})
    put |= next(work).put
    next(work)  # written; the answer is lost
    assert deliver(channel, register(ADA, BOB), put) == []
    assert "Bob,✓" in path.read_text(encoding="utf-8-sig")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_killed_while_writing_leaves_nothing_in_the_end(channel, path, monkeypatch):
    """Half-made files hold names: the next delivery deletes what there is."""
    with monkeypatch.context() as patch:
        patch.setattr(CsvSink, "_fill", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        for _ in range(3):
            killed = os.fork()
            if not killed:
                list(channel.deliver(register(ADA), {}))
            assert os.waitstatus_to_exitcode(os.waitpid(killed, 0)[1]) == -signal.SIGKILL
    assert len(list(path.parent.iterdir())) == 1  # each deletes what the one before it left
    deliver(channel, register(ADA), {})
    assert [p.name for p in path.parent.iterdir()] == ["class.csv"]


def test_who_was_removed_is_gone(channel, path):
    """Their line and their name; in an edited file they stay, and so does what is known of it."""
    put = {}
    deliver(channel, register(names=("Ada", "Bob")), put)
    path.write_text("Bob was ill")
    deliver(channel, register(names=("Ada",)), put, {BOB})
    assert any(BOB in key for key in put)
    path.unlink()
    deliver(channel, register(names=("Ada",)), put, {BOB})
    assert not any(BOB in key for key in put)
    assert "Bob" not in path.read_text(encoding="utf-8-sig")


def test_a_full_disk_passes_and_the_old_file_stays(channel, path, monkeypatch):
    """No space, then space: waiting helps; a folder that is gone needs somebody."""
    put = {}
    deliver(channel, register(), put)
    before = path.read_bytes()
    real = Path.open

    def full(self, mode="r", *args, **more):
        if "w" in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, mode, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(DeliveryError, match="No space left") as caught:
            deliver(channel, register(ADA), put)
    assert caught.value.passing
    assert path.read_bytes() == before
    with pytest.raises(DeliveryError, match="No such file") as caught:
        deliver(FileChannel(path.parent / "gone" / "a.csv"), register(), {})
    assert not caught.value.passing


def test_one_file_per_session(tmp_path):
    """The session's name in the file's, without what no file may be called."""
    deliver(FileChannel(tmp_path / "{session}.csv"), register(), {})
    assert (tmp_path / "Algebra.csv").exists()


def test_its_owner_says_who_may_read_it(channel, path):
    """A new file is for its owner; rights that were given stay when it is written again."""
    put = {}
    deliver(channel, register(), put)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    deliver(channel, register(ADA), put)
    assert path.stat().st_mode & 0o777 == 0o644


def test_check_says_what_is_missing(tmp_path, channel):
    """A folder that is not there is named."""
    assert [finding.ok for finding in channel.check()] == [True, True]
    (finding,) = FileChannel(tmp_path / "gone" / "a.csv").check()
    assert "make it" in finding.words


@pytest.mark.parametrize("path", ["relative.csv", "/tmp/a.pdf"])
def test_paths_that_are_refused(path):
    """One that depends on where mien is started, and one of another kind."""
    with pytest.raises(SettingError):
        FileChannel(Path(path))
