"""Landmarks in CelebA's format: read with their boxes, faults told by file and line."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.datasets.celeba import read_celeba

POINTS = "3\nlefteye_x lefteye_y …\n1.jpg 69 109 106 113 77 142 73 152 108 154\n2.jpg 1 2 3 4 5 6 7 8 9 10\n3.jpg 1 2 3 4 5 6 7 8 9 10\n"
BOXES = "3\nimage_id x_1 y_1 width height\n1.jpg 95 71 226 313\n2.jpg 10 10 0 0\n3.jpg 1 1 20 20\n"


@pytest.fixture
def lists(tmp_path):
    """Landmarks, boxes and a folder with the first two of three pictures."""
    (tmp_path / "img").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "img" / name).write_bytes(b"")
    (tmp_path / "points.txt").write_text(POINTS, encoding="utf-8")
    (tmp_path / "boxes.txt").write_text(BOXES, encoding="utf-8")
    return tmp_path / "points.txt", tmp_path / "boxes.txt", tmp_path / "img"


def test_faces_with_their_points_and_boxes(lists):
    """Boxes become corners; a box without an area and a picture that is not there are counted, not given."""
    faces, without = read_celeba(*lists)
    assert without == 2
    (face,) = faces
    assert face.path.name == "1.jpg"
    assert face.box.tolist() == [95, 71, 321, 384]
    assert np.array_equal(face.points[[0, 4]], [[69, 109], [108, 154]])


@pytest.mark.parametrize(
    ("which", "text", "words"),
    [
        (0, "nothing\n", "points.txt:1"),
        (0, "", "an empty file"),
        (0, POINTS.replace("152", "x"), "points.txt:3"),
        (0, POINTS.replace(" 154", ""), "points.txt:3"),
        (1, BOXES.replace("226", "nan"), "boxes.txt:3"),
        (1, BOXES.replace("3.jpg", "4.jpg"), "has no box for 3.jpg"),
        (0, POINTS.replace(".jpg", ".png"), "has no box"),
    ],
)
def test_faults_name_file_and_line(lists, which, text, words):
    """One line, whatever is wrong."""
    lists[which].write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_celeba(*lists)


def test_none_of_the_pictures(lists, tmp_path):
    """Another folder than theirs is said, and so is a file that is not there."""
    with pytest.raises(InputError, match="none of the 3 pictures"):
        read_celeba(*lists[:2], tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be read"):
        read_celeba(tmp_path / "no.txt", *lists[1:])
