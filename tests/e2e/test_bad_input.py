"""Bad input is normal input: one clear line, nothing lost, the rest goes on."""

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

MIEN = [sys.executable, "-m", "mien"]


def test_ctrl_c_keeps_and_prints_what_was_done(home, photo):
    """Interrupted in the middle, the answers so far are printed as valid JSON, the exit code is 130, no traceback."""
    path = photo("pictures/0.png")
    for i in range(1, 400):
        (home / f"pictures/{i}.png").hardlink_to(path)
    run = subprocess.Popen(
        [*MIEN, "detect", "pictures", "--json", "--draw", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(home.glob("out/*.jpg")) and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    done = json.loads(out)
    assert 1 <= len(done) < 400
    assert all(len(entry["faces"]) == 1 for entry in done)
    assert "interrupted" in err
    assert "Traceback" not in err


def test_data_goes_to_stdout_and_everything_else_to_stderr(home, photo):
    """A program that reads stdout gets JSON and nothing else, whatever goes wrong beside it."""
    (home / "text.jpg").write_text("no picture")
    words = [*MIEN, "detect", str(photo("a.png")), "text.jpg", "--json"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert ["error" in entry for entry in json.loads(run.stdout)] == [False, True]
    assert run.stderr.strip().splitlines() == [
        "mien: cannot read text.jpg: it is no picture by its content; expected JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, HEIC"
    ]


def test_a_locked_gallery_is_said_and_nothing_is_half_enrolled(mien, photo, home, monkeypatch):
    """Another process holds the database: one line that says so, and the person is not there afterwards."""
    from mien.store import gallery

    monkeypatch.setitem(gallery.open_gallery.__kwdefaults__, "patience", 0.3)
    mien("people", "list")
    holder = sqlite3.connect(home / "data" / "mien.db")
    holder.execute("BEGIN IMMEDIATE")
    result = mien("enroll", "Ada", photo("a.png"))
    holder.close()
    assert result.code == 1
    assert len(result.err.strip().splitlines()) == 1
    assert "another process" in result.err or "busy" in result.err or "locked" in result.err
    assert mien("people", "list", "--json").json() == []


def test_a_disk_that_fills_while_enrolling_does_not_hide_what_went_in(mien, photo, monkeypatch):
    """The first photograph is in the gallery and in the answer, the second is the error."""
    from mien.core.errors import StoreError
    from mien.store.gallery import SqlGallery

    add = SqlGallery.add

    def once(self, name, templates):
        monkeypatch.setattr(SqlGallery, "add", full)
        return add(self, name, templates)

    def full(*_):
        raise StoreError("no space left on the disk")

    monkeypatch.setattr(SqlGallery, "add", once)
    paths = photo("a.png"), photo("b.png", change=lambda image: image[:, ::-1])
    result = mien("enroll", "Ada", *paths, "--threshold", "0.5", "--json")
    assert result.code == 1
    assert [o["accepted"] for o in result.json()] == [True]
    assert "no space left" in result.err


def test_a_gallery_of_a_newer_mien_is_refused_untouched(mien, home):
    """It is said which is newer, and not a byte of it changes."""
    mien("people", "list")
    path = home / "data" / "mien.db"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = path.read_bytes()
    result = mien("people", "list")
    assert result.code == 1
    assert "newer" in result.err
    assert path.read_bytes() == before


def test_a_file_that_is_no_gallery_is_refused_untouched(mien, home):
    """A photograph given as --database stays a photograph."""
    path = home / "notes.db"
    path.write_text("these are my notes, not a database, and they are longer than a header of one hundred bytes" * 3)
    before = path.read_bytes()
    result = mien("people", "list", "--database", path)
    assert result.code == 1
    assert "notes.db" in result.err
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write and read everything")
def test_a_read_only_gallery_can_be_read_and_says_why_it_cannot_be_written(mien, photo, home):
    """Who works on it; enroll says that it cannot be written to."""
    mien("enroll", "Ada", photo("a.png"))
    (home / "data" / "mien.db").chmod(0o444)
    (home / "data").chmod(0o555)
    assert mien("who", photo("b.png"), "--json").json()[0]["faces"][0]["match"]["name"] == "Ada"
    refused = mien("enroll", "Eve", photo("c.png", change=lambda a: a[:, ::-1]), "--allow-similar")
    assert "cannot be written to" in refused.err
    (home / "data").chmod(0o755)


def test_altered_weights_are_refused_with_the_way_back(mien, photo, home, monkeypatch, cache_dir):
    """A converted file that changed is not loaded; the line says how to get it again."""
    import shutil

    mien("detect", photo("a.png"))
    own = home / "cache"
    shutil.copytree(cache_dir / "weights", own / "weights")
    monkeypatch.setenv("MIEN_CACHE_DIR", str(own))
    for pnet in own.rglob("pnet.onnx"):  # the cache may hold those of earlier versions too
        pnet.write_bytes(pnet.read_bytes()[:-1] + b"!")
    result = mien("detect", photo("a.png"))
    assert result.code == 1
    assert "altered or damaged" in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_a_full_disk_while_drawing_is_one_line(mien, photo, home, monkeypatch):
    """ENOSPC while writing a drawing is said with the file's name."""
    from pathlib import Path

    path = photo("a.png")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    result = mien("detect", path, "--draw", home / "out")
    assert result.code == 1
    assert "the disk is full" in result.err


def test_names_that_are_no_utf8_are_printed_with_escapes(mien, photo, home):
    """A file name with a newline and a broken byte neither stops the run nor breaks the output."""
    path = photo("a.png")
    os.link(path, os.fsencode(home) + b"/bad\xff\nname.png")
    result = mien("detect", home, "--csv")
    assert result.code == 0
    assert "bad\\xff\\nname.png" in result.out
    assert len(result.out.strip().splitlines()) == 3


@pytest.mark.parametrize("words", [("detect",), ("who", "--threshold", "0.5")])
def test_a_drawing_never_takes_the_place_of_a_photograph(mien, photo, words):
    """--draw into the folder that is read is refused before anything is written, by any path to it."""
    path = photo("photos/a.jpg")
    before = path.read_bytes()
    result = mien(words[0], "photos", *words[1:], "--draw", path.parent / ".." / "photos")
    assert result.code == 2
    assert "could take the place of" in result.err
    assert path.read_bytes() == before


def test_a_contact_sheet_never_takes_the_place_of_a_photograph(mien, photo, home):
    """The default faces.jpg may be somebody's photograph."""
    path = photo("faces.jpg")
    before = path.read_bytes()
    result = mien("show", home)
    assert result.code == 2
    assert "is one of the photographs" in result.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        ("detect", "a.png", "--draw", "file"),
        ("show", "a.png", "--out", "file/faces.jpg"),
        ("embed", ".", "-o", "file/e.npz"),
    ],
)
def test_a_place_that_cannot_be_written_is_said_before_the_work(mien, photo, home, words):
    """Nobody waits an hour to hear that there is nowhere to put the result."""
    photo("a.png")
    (home / "file").write_text("a file where a folder is needed")
    result = mien(*words, "--json")
    assert result.code == 1
    assert result.out == ""
    assert "cannot write into file: it is a file" in result.err


def test_folders_for_results_are_made(mien, photo, home):
    """A contact sheet goes into a folder that is not there yet."""
    assert mien("show", photo("a.png"), "--out", home / "new" / "faces.jpg").code == 0
    assert (home / "new" / "faces.jpg").is_file()


def test_a_setting_that_cannot_work_is_no_fault_of_each_picture(mien, photo):
    """One line and the exit code of a wrong setting, however many pictures."""
    result = mien("show", photo("a.png"), photo("b.png"), "--min-face", "2")
    assert result.code == 2
    assert result.err.count("min_face") == 1


@pytest.mark.parametrize("region", ["1,2,3", "1,2,0,5", "nan,0,5,5", "1,2,3,inf", "a,b,c,d"])
def test_a_region_that_is_none_is_refused_with_what_was_typed(mien, photo, region):
    """One line and the exit code of a wrong setting; no picture is looked at."""
    result = mien("detect", photo("a.png"), "--explain", "--region", region)
    assert result.code == 2
    assert f"--region is {region!r}" in result.err
