"""``mien index`` and ``mien search`` as a user has them."""

import json
from datetime import datetime

import pytest
from PIL import Image


@pytest.fixture
def photos(photo, home):
    """A folder with a face, a mirrored one, and a file that is no picture; the first knows when it was taken."""
    photo("photos/face.png")
    photo("photos/mirrored.png", change=lambda p: p[:, ::-1])
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:05:17 10:11:12"
    with Image.open(home / "photos" / "face.png") as image:
        image.save(home / "photos" / "face.jpg", exif=exif, quality=95)
    (home / "photos" / "face.png").unlink()
    (home / "photos" / "paper.jpg").write_bytes(b"%PDF-1.4 no picture")
    return home / "photos"


def test_index_then_search(mien, photo, photos):
    """Indexed once; found by name, by likeness, by date; unreadable files are told each time, with exit code 3."""
    first = mien("index", photos, "--min-face", 80, "--json")
    assert first.code == 3
    assert first.json()["library"] == {"photos": 2, "videos": 0, "faces": 2, "gone": 0}
    assert "it is a PDF" in first.err
    again = mien("index", photos, "--min-face", 80, "--json")
    assert (again.json()["searched"], again.json()["unreadable"], again.code) == (0, 1, 3)
    everybody = mien("search", "--unknown", "--json").json()
    assert len(everybody) == 2
    assert mien("enroll", "Eileen", photo("id.png")).code == 0
    found = mien("search", "--person", "Eileen", "--json").json()
    assert sorted(face["file"].rpartition("/")[2] for face in found) == ["face.jpg", "mirrored.png"]
    assert mien("search", "--unknown", "--json").json() == []
    assert len(mien("search", "--like", photo("again.png"), "--json").json()) == 2
    old = mien("search", "--until", "2019-05", "--json").json()
    assert [face["file"].rpartition("/")[2] for face in old] == ["face.jpg"]
    assert datetime.fromisoformat(old[0]["taken"]).year == 2019
    assert mien("search", "--since", "2019-06", "--until", "2019", "--json").json() == []


def test_a_sheet_of_what_was_found(mien, photos, home):
    """The faces found are cut out of their files onto one picture."""
    mien("index", photos, "--min-face", 80)
    result = mien("search", "--sheet", "faces.jpg")
    assert result.code == 0
    with Image.open(home / "faces.jpg") as sheet:
        assert sheet.width > 160


def test_what_is_asked_wrongly_is_told_in_one_line(mien, photos, photo):
    """No library, no folder, no date, two questions at once: one line each, and what to do."""
    photo("only.png")
    assert "there is no gallery" in mien("search", "--database", "none.db").err
    assert "no such file" in mien("index", "nowhere").err
    mien("index", photos, "--min-face", 80)
    assert "is no date" in mien("search", "--since", "yesterday").err
    assert "choose one of" in mien("search", "--unknown", "--person", "Ada").err
    assert "another embedder" in mien("search", "--embedder", "dlib").err


def test_removing_somebody_removes_their_faces(mien, photo, photos):
    """People remove takes the faces that are taken for them too, and the receipt says how many."""
    mien("index", photos, "--min-face", 80)
    mien("enroll", "Eileen", photo("id.png"))
    receipt = json.loads(mien("people", "remove", "Eileen", "--yes", "--json").out)
    assert receipt["removed"]["faces"] == 2
    assert receipt["verified"]
    assert "no faces yet" in mien("search", "--json").err
