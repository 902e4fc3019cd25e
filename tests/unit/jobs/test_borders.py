"""A folder of pictures without their frames: what had none is the same file, all are listed, drawn if asked for."""

import csv

import cv2
import numpy as np
import pytest

from mien.core.errors import SettingError
from mien.jobs.borders import crop_borders
from mien.jobs.running import Done, Failed
from mien.media.images import read_image, write_image


@pytest.fixture
def source(tmp_path):
    """One framed and one plain photograph, and a damaged file."""
    from skimage import data

    cat = np.ascontiguousarray(data.chelsea())
    (tmp_path / "src" / "in").mkdir(parents=True)
    write_image(tmp_path / "src" / "plain.png", cat)
    write_image(
        tmp_path / "src" / "in" / "framed.png",
        cv2.copyMakeBorder(cat, *(30,) * 4, cv2.BORDER_CONSTANT, value=(255,) * 3),
    )
    (tmp_path / "src" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    return tmp_path / "src"


def test_frames_go_pictures_stay(source, tmp_path):
    """The framed one is cut, the plain one copied byte by byte, the damaged one reported; the list has the cuts."""
    events = list(crop_borders(source, tmp_path / "dst", draw=tmp_path / "proof"))
    assert [type(event) for event in events].count(Failed) == 1
    assert [type(event) for event in events].count(Done) == 2
    assert (tmp_path / "dst" / "plain.png").read_bytes() == (source / "plain.png").read_bytes()
    height, width = read_image(tmp_path / "dst" / "in" / "framed.png").pixels.shape[:2]
    assert 296 <= height <= 300
    assert 447 <= width <= 451
    with (tmp_path / "dst" / "borders.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert rows["plain.png"]["left"] == "0"
    assert int(rows["in/framed.png"]["left"]) in {30, 31, 32}
    proof = read_image(tmp_path / "proof" / "in" / "framed.jpg").pixels
    assert proof.shape == read_image(source / "in" / "framed.png").pixels.shape


def test_never_into_the_source(source):
    """A target inside the source is refused."""
    with pytest.raises(SettingError, match="lies in the source"):
        list(crop_borders(source, source / "cut"))
