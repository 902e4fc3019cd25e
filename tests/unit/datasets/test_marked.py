"""Marked faces from any file as one set."""

import json

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.datasets.annotations import read_wider
from mien.datasets.marked import read_marked


@pytest.fixture
def pictures(tmp_path):
    """Files that are there; nobody looks into them here."""
    for name in ("a.jpg", "b.jpg", "2002/08/img_1.jpg", "0--Parade/p.jpg"):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).touch()
    return tmp_path / "pictures"


def test_csv_with_columns_of_its_own(pictures, tmp_path):
    """Other columns are labels of the faces, ``ignore`` is not counted, a picture without a face stays."""
    file = tmp_path / "boxes.csv"
    file.write_text(
        "file,x1,y1,x2,y2,light,ignore\na.jpg,1,2,11,22,dark,\na.jpg,5,5,9,9,bright,1\nb.jpg,,,,,,\ngone.jpg,1,1,2,2,dark,\n"
        "a.jpg,7,7,7,9,dark,\n",
        encoding="utf-8",
    )
    found = read_marked(file, pictures=pictures)
    assert (found.form, found.levels, found.absent, found.example) == ("csv", ("all",), 1, "gone.jpg")
    assert found.unusable == 1
    assert "boxes.csv:6" in found.examples[0]
    a, b = found.pictures
    assert a.counted["all"].tolist() == [True, False, False]
    assert a.labels == {"light": ("dark", "bright", "dark")}
    assert len(b.boxes) == 0


def test_coco_crowds_need_not_be_found(pictures, tmp_path):
    """An annotation with iscrowd is neither right nor wrong to find."""
    marks = [{"image_id": 1, "bbox": [1, 2, 10, 20], "iscrowd": c} for c in (0, 1)]
    file = tmp_path / "coco.json"
    file.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": marks}), encoding="utf-8")
    (a,) = read_marked(file, pictures=pictures).pictures
    assert a.boxes.tolist() == [[1, 2, 11, 22]] * 2
    assert a.counted["all"].tolist() == [True, False]


def test_fddb_keeps_its_ellipses(pictures, tmp_path):
    """A folder of FDDB's lists is one set; each face has its ellipse and the box around it."""
    folder = tmp_path / "fddb"
    folder.mkdir()
    (folder / "FDDB-fold-01-ellipseList.txt").write_text("2002/08/img_1\n1\n20 10 0 50 60  1\n", encoding="utf-8")
    (folder / "FDDB-fold-02-ellipseList.txt").write_text("2002/08/img_2\n1\n20 10 0 50 60  1\n", encoding="utf-8")
    found = read_marked(folder, pictures=pictures)
    assert (found.form, found.absent, len(found.pictures)) == ("fddb", 1, 1)
    assert found.pictures[0].ellipses.tolist() == [[20, 10, 0, 50, 60]]
    assert found.pictures[0].boxes.tolist() == [[30, 50, 70, 70]]


def test_wider_text_has_its_attributes(pictures, tmp_path):
    """Blur and the others are read in the order of the file; a face marked invalid or without area is not counted."""
    file = tmp_path / "wider_face_val_bbx_gt.txt"
    file.write_text(
        "0--Parade/p.jpg\n3\n1 2 10 20 2 0 1 0 1 0 \n3 3 0 5 0 0 0 0 0 0 \n5 5 9 9 0 0 0 1 0 1 \n", encoding="utf-8"
    )
    (p,) = read_marked(file, pictures=pictures).pictures
    assert p.event == "0--Parade"
    assert p.counted["all"].tolist() == [True, False, False]
    assert {name: int(values[0]) for name, values in p.attributes.items()} == {
        "blur": 2, "expression": 0, "illumination": 1, "invalid": 0, "occlusion": 1, "pose": 0
    }  # fmt: skip


def test_pictures_of_another_folder_are_said(pictures, tmp_path):
    """A list none of whose pictures is there names one and the remedy."""
    file = tmp_path / "boxes.csv"
    file.write_text("file,x1,y1,x2,y2\nx/y.jpg,1,2,3,4\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"none of the 1 pictures .* e\.g\. x/y\.jpg; give the folder"):
        read_marked(file, pictures=pictures)


def test_a_mat_file_of_version_7_3_is_said(pictures, tmp_path):
    """SciPy does not read HDF5: one line with the version and the remedy."""
    pytest.importorskip("scipy")
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "wider_face_val.mat").write_bytes(head + bytes(512))
    with pytest.raises(InputError, match=r"version 7\.3"):
        read_marked(tmp_path / "wider_face_val.mat", pictures=pictures)


def test_text_and_mat_of_wider_are_the_same_set(shared_data, tmp_path):
    """The official lists count the same faces whether boxes come from the .mat or the text file."""
    split, pictures = shared_data / "wider/wider_face_split", shared_data / "wider/WIDER_val/images"
    marked, _ = read_wider(split / "wider_face_val.mat", pictures=pictures, lists=split / "ground_truth")
    lines = []
    for m in marked[::10]:
        rows = np.concatenate([m.boxes[:, :2], m.boxes[:, 2:] - m.boxes[:, :2]], axis=1).astype(int)
        attributes = np.stack(list(m.attributes.values()), axis=1)
        body = [" ".join(map(str, (*r, *a))) for r, a in zip(rows.tolist(), attributes.tolist(), strict=True)]
        lines += [f"{m.event}/{m.path.name}", str(len(body)), *body]
    (tmp_path / "gt.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read_marked(tmp_path / "gt.txt", pictures=pictures, lists=split / "ground_truth")
    assert found.levels == ("easy", "medium", "hard")
    for ours, theirs in zip(found.pictures, marked[::10], strict=True):
        for level in found.levels:
            assert ours.counted[level].tolist() == theirs.counted[level].tolist()
