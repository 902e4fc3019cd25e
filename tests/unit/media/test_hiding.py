"""What is hidden cannot be seen again, and what goes along says nothing of the faces."""

import io

import numpy as np
import pytest
from PIL import Image

from mien.core.errors import ImageError, SettingError
from mien.media.hiding import hide, write_published

BOX = np.array([[150, 50, 290, 210]], np.float32)


@pytest.mark.parametrize("style", ["mosaic", "blur", "fill"])
def test_a_hidden_face_shows_nothing_and_the_rest_is_untouched(astronaut, style):
    """Inside the box nothing of the picture is left, in its corners neither; far from it every pixel is the same."""
    before = astronaut.copy()
    out = hide(astronaut, BOX, style)
    assert np.array_equal(astronaut, before)
    inside = np.s_[50:210, 150:290]
    fine = np.abs(np.diff(out[inside].astype(int), axis=0)).mean()
    assert fine < 0.35 * np.abs(np.diff(astronaut[inside].astype(int), axis=0)).mean()
    assert not np.array_equal(out[50:54, 150:154], astronaut[50:54, 150:154])
    assert np.array_equal(out[300:], astronaut[300:])
    colours = len(np.unique(out[inside].reshape(-1, 3), axis=0))
    assert colours <= {"mosaic": 36, "blur": 30_000, "fill": 1}[style]


def test_boxes_that_leave_the_picture(astronaut):
    """A face at the border is hidden as far as it is there; one outside of the picture changes nothing."""
    boxes = np.array([[-40, -40, 60, 60], [600, 600, 700, 700]], np.float32)
    out = hide(astronaut, boxes, "fill")
    assert (out[:60, :60] == 128).all()
    assert np.array_equal(out[200:], astronaut[200:])
    with pytest.raises(SettingError, match="mosaic"):
        hide(astronaut, boxes, "smear")


def original(astronaut) -> bytes:
    """A photograph that says when, where and of whom it is, with a thumbnail and notes."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif[0x010E] = "Eileen in orange"
    exif[0x0112] = 6
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = "2019:05:17 10:11:12"
    inner[0x927C] = b"preview of a face"
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    Image.fromarray(astronaut).save(out, "JPEG", exif=exif, xmp=b"<x>Eileen</x>", icc_profile=b"profile")
    return out.getvalue()


def test_time_and_camera_go_along_but_nothing_that_shows_or_names_a_face(astronaut, tmp_path):
    """The copy keeps time, camera and place; thumbnail, camera's notes, description, XMP and the turn are left out."""
    write_published(tmp_path / "a.jpg", astronaut, original(astronaut), strip=False)
    data = (tmp_path / "a.jpg").read_bytes()
    with Image.open(io.BytesIO(data)) as copy:
        exif = copy.getexif()
        assert exif.get_ifd(0x8769)[0x9003] == "2019:05:17 10:11:12"
        assert exif[0x010F] == "Camera"
        assert exif.get_ifd(0x8825)[1] == "N"
        assert 0x0112 not in exif
        assert copy.info["icc_profile"] == b"profile"
    assert b"Eileen" not in data
    assert b"preview" not in data


def test_stripped_it_says_nothing(astronaut, tmp_path):
    """On request neither time nor camera nor place stays."""
    write_published(tmp_path / "deep" / "a.png", astronaut, original(astronaut), strip=True)
    with Image.open(tmp_path / "deep" / "a.png") as copy:
        assert dict(copy.getexif()) == {}
        assert copy.size == (512, 512)
    with pytest.raises(ImageError, match="expected an ending"):
        write_published(tmp_path / "a.gif", astronaut, b"", strip=True)
