"""Whose videos are whose, by folders and by file names."""

import unicodedata

import pytest

from mien.core.errors import InputError
from mien.datasets.videos import person_of, person_videos


@pytest.fixture
def touch(tmp_path):
    """Make empty files below a folder of videos."""

    def make(*names):
        for name in names:
            path = tmp_path / "videos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "videos"

    return make


def test_a_folder_or_a_file_name_per_person(touch):
    """Folders, files and folders in folders are joined by person, in natural order; what is no video does not count."""
    root = touch("Ada/b.mp4", "Ada/2024/a.mov", "Ada/photo.jpg", "Ada_10.mp4", "Ada_2.mp4", "Bob.avi", "notes.txt")
    found = person_videos(root)
    assert {p: [v.relative_to(root).as_posix() for v in videos] for p, videos in found.items()} == {
        "Ada": ["Ada/2024/a.mov", "Ada/b.mp4", "Ada_2.mp4", "Ada_10.mp4"],
        "Bob": ["Bob.avi"],
    }


def test_names_are_composed_and_hidden_files_passed_over(touch):
    """A folder that macOS wrote is the same person; what begins with a dot is nobody's."""
    root = touch(unicodedata.normalize("NFD", "Đức") + "/a.mp4", "Đức_2.mp4", ".trash/b.mp4", "Đức/.c.mp4")
    assert {p: len(videos) for p, videos in person_videos(root).items()} == {"Đức": 2}


def test_one_video_alone(touch):
    """A file is its person's only video."""
    root = touch("Ada_3.mp4")
    assert person_videos(root / "Ada_3.mp4") == {"Ada": (root / "Ada_3.mp4",)}


@pytest.mark.parametrize("stem", ["Ada", "Ada_2", "Ada-02", "Ada (2)", "Ada 2", "Ada.2"])
def test_whose_a_file_is(stem):
    """A number after a sign of separation counts Ada's videos."""
    assert person_of(stem) == "Ada"


def test_names_that_are_numbers_stay():
    """R2D2 and 007 are names."""
    assert [person_of(n) for n in ("R2D2", "007", "Ada2")] == ["R2D2", "007", "Ada2"]


def test_places_without_videos(tmp_path):
    """No such folder, and a folder without a video, are told apart from bad videos."""
    with pytest.raises(InputError, match="there is neither"):
        person_videos(tmp_path / "none")
    with pytest.raises(InputError, match="found no video"):
        person_videos(tmp_path)
