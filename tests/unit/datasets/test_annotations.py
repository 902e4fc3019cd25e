"""WIDER FACE's annotations."""

import sys

import numpy as np
import pytest

from mien.core.errors import InputError, MissingExtraError
from mien.datasets.annotations import WIDER_LEVELS, read_wider

scipy_io = pytest.importorskip("scipy.io")


def cells(values):
    """A MATLAB cell column of the given values."""
    column = np.empty((len(values), 1), object)
    for i, value in enumerate(values):
        column[i, 0] = value
    return column


def numbers(*rows):
    return np.array(rows, np.int32)


@pytest.fixture
def wider(tmp_path):
    """A WIDER set of two events and three pictures, of which one is not there."""
    ground = tmp_path / "ground_truth"
    ground.mkdir()
    boxes = [[numbers([10, 20, 30, 40], [5, 5, 0, 0]), numbers([1, 2, 3, 4])], [numbers([7, 8, 9, 10])]]
    invalid = [[numbers([0], [1]), numbers([0])], [numbers([1])]]
    names = [["0_Parade_1", "0_Parade_2"], ["1_Riot_1"]]
    scipy_io.savemat(
        tmp_path / "val.mat",
        {
            "event_list": cells(["0--Parade", "1--Riot"]),
            "file_list": cells([cells(n) for n in names]),
            "face_bbx_list": cells([cells(b) for b in boxes]),
            "invalid_label_list": cells([cells(v) for v in invalid]),
        },
    )
    for level, first in zip(WIDER_LEVELS, ([], [1], [1, 2]), strict=True):
        counted = [[np.array(first, np.uint8).reshape(-1, 1), numbers([1])], [numbers([1])]]
        scipy_io.savemat(ground / f"wider_{level}_val.mat", {"gt_list": cells([cells(c) for c in counted])})
    for event, name in [("0--Parade", "0_Parade_1"), ("1--Riot", "1_Riot_1")]:
        (tmp_path / "images" / event).mkdir(parents=True)
        (tmp_path / "images" / event / f"{name}.jpg").touch()
    return tmp_path


def test_boxes_and_lists_are_read(wider):
    """Boxes must become corners, and each list a mask over them, zero-size faces included."""
    marked, absent = read_wider(wider / "val.mat", pictures=wider / "images", lists=wider / "ground_truth")
    assert absent == 1
    assert [m.event for m in marked] == ["0--Parade", "1--Riot"]
    assert marked[0].path.name == "0_Parade_1.jpg"
    assert marked[0].boxes.tolist() == [[10, 20, 40, 60], [5, 5, 5, 5]]
    assert [marked[0].counted[level].tolist() for level in WIDER_LEVELS] == [[False] * 2, [True, False], [True] * 2]


def test_unusable_faces_are_known(wider):
    """Faces without area and faces marked invalid must not be offered for training."""
    marked, _ = read_wider(wider / "val.mat", pictures=wider / "images")
    assert [m.usable.tolist() for m in marked] == [[True, False], [False]]
    assert marked[0].counted == {}


def test_lists_of_another_set_are_refused(wider):
    """A list that counts a face the picture does not have must be refused."""
    wrong = {"gt_list": cells([cells([numbers([9]), numbers([1])]), cells([numbers([1])])])}
    scipy_io.savemat(wider / "ground_truth" / "wider_easy_val.mat", wrong)
    with pytest.raises(InputError, match="count face 9 of a picture with 2"):
        read_wider(wider / "val.mat", pictures=wider / "images", lists=wider / "ground_truth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "cannot be read as MATLAB file"),
        (b"no matlab file " * 50, "cannot be read as MATLAB file"),
        (b"MATLAB 7.3 cut short", "cannot be read as MATLAB file"),
        (0.5, "cannot be read as MATLAB file"),
        ({"x": 1}, "lacks event_list"),
    ],
)
def test_foreign_files_are_refused(wider, content, message):
    """A file that is absent, empty, no MATLAB file, cut in half or another one must be refused with its name."""
    file = wider / "other.mat"
    if isinstance(content, dict):
        scipy_io.savemat(file, content)
    elif content is not None:
        whole = (wider / "val.mat").read_bytes()
        file.write_bytes(whole[: int(content * len(whole))] if isinstance(content, float) else content)
    with pytest.raises(InputError, match=f"other.mat.*{message}"):
        read_wider(file, pictures=wider)


def test_absent_scipy_is_answered_with_the_extra(wider, monkeypatch):
    """Without SciPy the reader must say how to install it."""
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mien\[lab\]"'):
        read_wider(wider / "val.mat", pictures=wider)


@pytest.mark.shared
def test_official_files_are_read(shared_data):
    """The official validation set must have 3,226 pictures, and each list must hold the ones before it."""
    split = shared_data / "wider" / "wider_face_split"
    marked, absent = read_wider(
        split / "wider_face_val.mat",
        pictures=shared_data / "wider" / "WIDER_val" / "images",
        lists=split / "ground_truth",
    )
    assert (len(marked), len(marked) + absent) == (176, 3226)
    for picture in marked:
        easy, medium, hard = (picture.counted[level] for level in WIDER_LEVELS)
        assert not (easy & ~medium).any()
        assert not (medium & ~hard).any()
