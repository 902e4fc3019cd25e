"""Boxes of four formats are read with their lines, their faults named one by one, and mended copies read back clean."""

import json
import math

import pytest

from mien.core.errors import InputError
from mien.datasets.box_files import check_boxes, find_picture, read_boxes, write_mended

WIDER = """0--Parade/a.jpg
3
10 20 30 40 0 0 0 0 0 0
-5 20 30 40 1 0 0 0 2 0
50 50 0 12 0 0 0 0 0 0
1--Empty/b.jpg
0
0 0 0 0 0 0 0 0 0 0
c.jpg
1
90 90 40 40 0 0 0 0 0 0
"""

CSV = """file,x1,y1,x2,y2,name
a.jpg,10,20,40,60,Ada
a.jpg,40,60,10,20,Bo
a.jpg,5,5,5,9,Cy
b.jpg,90,10,130,50,Di
b.jpg,200,10,230,50,Ed
b.jpg,1,two,3,4,Flo
c.jpg,,,,,
"""

SIZES = {"0--Parade/a.jpg": (100, 100), "a.jpg": (100, 100), "b.jpg": (100, 100), "c.jpg": (100, 100)}


def _put(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_wider_text(tmp_path):
    """Names, counts and the line of zeros for a picture without a face; x, y, width, height become corners."""
    found = read_boxes(_put(tmp_path, "val_bbx_gt.txt", WIDER))
    assert found.form == "wider"
    assert found.pictures == ("0--Parade/a.jpg", "1--Empty/b.jpg", "c.jpg")
    assert [line.box for line in found.boxes] == [
        (10, 20, 40, 60),
        (-5, 20, 25, 60),
        (50, 50, 50, 62),
        (90, 90, 130, 130),
    ]
    assert found.boxes[3].where == "val_bbx_gt.txt:11"


def test_every_fault_is_named_with_its_line(tmp_path):
    """Wrong order, no area, beyond the border, outside, and no number: file, line and values."""
    found = read_boxes(_put(tmp_path, "faces.csv", CSV))
    faults = check_boxes(found, SIZES)
    assert [(fault.kind, fault.mended) for fault in faults] == [
        ("wrong order", (10, 20, 40, 60)),
        ("no area", None),
        ("beyond the border", (90, 10, 100, 50)),
        ("outside", None),
        ("no number", None),
    ]
    assert faults[0].words == "faces.csv:3: box 40,60 – 10,20 of a.jpg ends before it begins"
    assert faults[2].words == "faces.csv:5: box 90,10 – 130,50 of b.jpg leaves its 100 × 100 pixels"
    assert found.pictures == ("a.jpg", "b.jpg", "c.jpg")


@pytest.mark.parametrize(("name", "text"), [("faces.csv", CSV), ("val.txt", WIDER)])
def test_a_mended_copy_is_clean(tmp_path, name, text):
    """The copy has no fault, every other box and cell as it was, and the counts say what was done."""
    found = read_boxes(_put(tmp_path, name, text))
    faults = check_boxes(found, SIZES)
    counts = write_mended(found, faults, tmp_path / f"new-{name}")
    again = read_boxes(tmp_path / f"new-{name}")
    assert check_boxes(again, SIZES) == []
    left_out = sum(fault.mended is None for fault in faults)
    assert counts.total() == len(faults)
    assert len(again.boxes) == len(found.boxes) - left_out
    assert again.boxes[0].tail == found.boxes[0].tail
    assert again.form == found.form
    assert "left out" in " ".join(counts)


def test_the_original_is_never_overwritten(tmp_path):
    """--fix onto the file that is read is refused."""
    found = read_boxes(_put(tmp_path, "faces.csv", CSV))
    with pytest.raises(InputError, match="name another one"):
        write_mended(found, [], tmp_path / "faces.csv")


def test_fddb_ellipses_become_boxes(tmp_path):
    """An upright ellipse has its half-axes around its middle; turned by 90° they change places."""
    text = f"2002/img_1\n2\n30 20 {math.pi / 2} 100 80 1\n30 20 0 100 80  1\n"
    found = read_boxes(_put(tmp_path, "FDDB-fold-01-ellipseList.txt", text))
    assert found.form == "fddb"
    assert found.boxes[0].box == pytest.approx((80, 50, 120, 110))
    assert found.boxes[1].box == pytest.approx((70, 60, 130, 100))


def test_all_of_fddb(shared_data):
    """The ten folds hold 5,171 faces in 2,845 pictures, as FDDB's report says."""
    files = sorted((shared_data / "fddb-annotations").glob("*ellipseList.txt"))
    found = [read_boxes(file) for file in files]
    assert sum(len(each.boxes) for each in found) == 5171
    assert sum(len(each.pictures) for each in found) == 2845
    assert not [f for each in found for f in check_boxes(each, {})]


def test_coco(tmp_path):
    """Boxes by image, sizes from the file, a negative width as wrong order; the mended copy keeps everything else."""
    whole = {
        "info": {"year": 2026},
        "images": [{"id": 7, "file_name": "a.jpg", "width": 50, "height": 40}, {"id": 8, "file_name": "none.jpg"}],
        "annotations": [
            {"id": 1, "image_id": 7, "bbox": [10, 10, 20, 20], "area": 400, "keypoints": [1, 2, 2]},
            {"id": 2, "image_id": 7, "bbox": [30, 30, -10, 5], "area": 50},
            {"id": 3, "image_id": 7, "bbox": [45, 30, 10, 5], "area": 50},
        ],
    }
    found = read_boxes(_put(tmp_path, "coco.json", json.dumps(whole)))
    faults = check_boxes(found, {})
    assert [(f.kind, f.words.split(":")[1]) for f in faults] == [
        ("wrong order", " annotation 2"),
        ("beyond the border", " annotation 3"),
    ]
    write_mended(found, faults, tmp_path / "new.json")
    new = json.loads((tmp_path / "new.json").read_text())
    assert new["annotations"][0] == whole["annotations"][0]
    assert new["annotations"][1]["bbox"] == [20, 30, 10, 5]
    assert new["annotations"][2]["bbox"] == [45, 30, 5, 5]
    assert new["info"] == whole["info"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "a.jpg\nfour\n", r"a\.txt:2: expected the number of boxes of a\.jpg, got 'four'"),
        ("a.txt", "a.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n", "the file ends before"),
        ("a.txt", "a.jpg\n1\n1 2 3\n", r"a\.txt:3: expected x y width height"),
        ("a.txt", "", "empty"),
        ("a.csv", "picture,x,y\n", r"a\.csv:1: expected columns"),
        ("a.csv", "file,x1,y1,x2,y2\na.jpg,1,2\n", r"a\.csv:2: expected 5 cells, got 3"),
        ("a.json", "{", "expected COCO"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 3, "bbox": [1,2,3,4]}]}', "does not list"),
    ],
)
def test_what_is_no_file_of_boxes(tmp_path, name, text, words):
    """The file and the line that cannot be read are named."""
    with pytest.raises(InputError, match=words):
        read_boxes(_put(tmp_path, name, text))


def test_no_picture_outside_the_folder(tmp_path):
    """Names that lead out of the folder are never followed; an ending may be missing."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
    assert find_picture(tmp_path / "in", "a") == tmp_path / "in" / "a.jpg"
    assert find_picture(tmp_path / "in", "../b.jpg") is None
    assert find_picture(tmp_path / "in", str(tmp_path / "b.jpg")) is None


def test_wider_matlab(shared_data):
    """The official file gives the same faces as text does, for the pictures that are there."""
    found = read_boxes(
        shared_data / "wider" / "wider_face_split" / "wider_face_val.mat",
        shared_data / "wider" / "WIDER_val" / "images",
    )
    assert len(found.pictures) == 176
    assert len(found.boxes) == 2032
