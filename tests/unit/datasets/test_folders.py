"""Files, folders and patterns name the pictures a user means, in their order, and say what was left out."""

import os
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.datasets.folders import Problem, find_pictures, natural_order, person_folders


@pytest.fixture
def album(tmp_path):
    """A folder with pictures, other files, hidden ones and links that lead in circles."""
    for name in (
        "b10.jpg",
        "b2.JPG",
        "a.png",
        "note.txt",
        ".hidden.jpg",
        "trip/c.webp",
        "trip/d.pgm",
        "trip/deep/d.heic",
        ".cache/e.jpg",
    ):
        file = tmp_path / "album" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    (tmp_path / "album" / "trip" / "back").symlink_to(tmp_path / "album")
    (tmp_path / "album" / "self").symlink_to(tmp_path / "album" / "self")
    return tmp_path / "album"


def names(found, root):
    return [str(p.relative_to(root)) for p in found.pictures]


def test_a_folder_is_searched_to_its_bottom_once(album):
    """Pictures come in natural order, hidden and foreign files are passed over, circular links end."""
    found = find_pictures([album])
    assert names(found, album) == ["a.png", "b2.JPG", "b10.jpg", "trip/c.webp", "trip/d.pgm", "trip/deep/d.heic"]
    assert found.problems == ()


def test_a_named_file_is_always_tried(album):
    """A file named outright is taken whatever its ending, hidden or not; each picture counts once."""
    found = find_pictures([album / "note.txt", album / ".hidden.jpg", album / "a.png", album / "a.png", album])
    assert names(found, album)[:3] == ["note.txt", ".hidden.jpg", "a.png"]
    assert names(found, album).count("a.png") == 1
    (album / "gone.jpg").symlink_to("nowhere")
    assert find_pictures([album / "gone.jpg"]).pictures == (album / "gone.jpg",)  # reading it says what is wrong


def test_patterns(album):
    """Patterns match files and folders, ** goes deep, and a file whose name looks like a pattern is itself."""
    assert names(find_pictures([album / "b*"]), album) == ["b2.JPG", "b10.jpg"]
    assert "trip/deep/d.heic" in names(find_pictures([f"{album}/**/*"]), album)
    assert names(find_pictures([album / "tri?"]), album)[0] == "trip/c.webp"
    (album / "what[1].jpg").touch()
    assert names(find_pictures([album / "what[1].jpg"]), album) == ["what[1].jpg"]


def test_what_is_left_out_is_reported(album, tmp_path):
    """A missing file, an empty folder and a pattern without a match are reported on one line each; the rest goes on."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "doc.pdf").touch()
    found = find_pictures([tmp_path / "no\nne.jpg", tmp_path / "empty", album / "*.gif", album / "a.png"])
    assert [p.reason.split(",")[0] for p in found.problems] == [
        "there is no such file or folder",
        "there are no pictures in this folder",
        "no picture matches this pattern",
    ]
    assert all(p.name.isprintable() for p in found.problems)
    assert names(found, album) == ["a.png"]


def test_a_forbidden_folder_is_reported(album, monkeypatch):
    """A folder that may not be opened is reported and the others are searched."""
    real = os.scandir

    def scandir(path):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_pictures([album])
    assert found.problems == (Problem(str(album / "trip/deep"), "no permission to look into this folder"),)
    assert "trip/c.webp" in names(found, album)


def test_names_of_any_bytes(tmp_path):
    """File names that are no UTF-8 or hold a newline are found."""
    for raw in (b"caf\xe9.png", b"two\nlines.jpg"):
        (tmp_path / os.fsdecode(raw)).touch()
    assert {os.fsencode(p.name) for p in find_pictures([tmp_path]).pictures} == {b"caf\xe9.png", b"two\nlines.jpg"}


def test_natural_order():
    """Numbers in names sort by value, without regard to case, and digits never clash with letters."""
    rng = np.random.default_rng(1)
    wanted = ["1", "a", "A1", "a2", "a10", "a10b2", "b", "Đ1"]
    assert sorted(rng.permutation(wanted).tolist(), key=natural_order) == wanted


def test_a_folder_per_person(tmp_path):
    """Each folder is a person, with everything below it; what lies beside the folders and empty ones are reported."""
    for name in ("Ada/1.jpg", "Ada/2020/2.jpg", "Đức Nguyễn/a.png", "Nobody/read.me", "Dad1.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    people = person_folders(tmp_path)
    assert list(people.photos) == ["Ada", "Đức Nguyễn"]
    assert [p.name for p in people.photos["Ada"]] == ["1.jpg", "2.jpg"]
    assert sorted(Path(p.name).name for p in people.problems) == ["Dad1.jpg", "Nobody"]


def test_composed_and_decomposed_names_are_one_person(tmp_path):
    """The folders of macOS (decomposed) and Linux (composed) with one name are one person."""
    for name in ("Nguye\u0302\u0303n", "Nguyễn"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{len(name)}.jpg").touch()
    assert {n: len(p) for n, p in person_folders(tmp_path).photos.items()} == {"Nguyễn": 2}


def test_no_people(tmp_path):
    """A file, a missing folder, a circular link and a folder without folders are errors that say what was expected."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for root in (tmp_path / "a.jpg", tmp_path / "none", tmp_path / "loop", tmp_path):
        with pytest.raises(InputError, match="folder per person"):
            person_folders(root)


def test_an_empty_name_is_not_the_folder_one_is_in(tmp_path, monkeypatch):
    """``mien detect "$UNSET"`` must not search everything here."""
    (tmp_path / "a.jpg").touch()
    monkeypatch.chdir(tmp_path)
    found = find_pictures([""])
    assert found.pictures == ()
    assert "empty name" in found.problems[0].reason
