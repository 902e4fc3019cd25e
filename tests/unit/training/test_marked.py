"""Photographs with marked faces: what is wrong in a file of boxes is told by file and line, or stops the run."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.media.images import read_image, write_image
from mien.training.marked import Place, find_wider, held_out, read_marked, shared_by
from tests.fakes.region import write_marked


def read(path):
    return read_image(path).pixels


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


@pytest.fixture
def photographs(tmp_path):
    """Four photographs of one face, and their file of boxes."""
    return write_marked(tmp_path / "photos")


def more(file, *lines):
    file.write_text(file.read_text(encoding="utf-8") + "\n".join(lines) + "\n", encoding="utf-8")
    return Place(file, file.parent)


def test_boxes_come_with_their_photographs(photographs):
    """In the order of the file, and nothing to complain about."""
    found = finish(read_marked(Place(photographs, photographs.parent), read))
    assert [p.path.stem for p in found.pictures] == ["plain", "mirrored", "grey", "darker"]
    np.testing.assert_array_equal(found.pictures[0].boxes, [[180, 65, 268, 173]])
    assert (found.absent, found.problems) == (0, ())


def test_boxes_that_cannot_be_used_are_left_out_by_line(photographs):
    """No area, or outside: named by file and line; beyond the border: cut off; an absent picture: counted."""
    place = more(
        photographs, "plain.png,5,5,5,9", "grey.png,600,10,700,90", "grey.png,480,480,560,560", "no.png,1,1,9,9"
    )
    found = finish(read_marked(place, read))
    assert [problem.name for problem in found.problems] == ["boxes.csv:6", "boxes.csv:7"]
    assert "has no area" in found.problems[0].reason
    assert "512 × 512" in found.problems[1].reason
    np.testing.assert_array_equal(found.pictures[2].boxes[-1], [480, 480, 512, 512])
    assert found.absent == 1


def test_boxes_in_the_wrong_order_stop_the_run(photographs):
    """With the line, the count and the command that mends them: the others may be wrong as well."""
    place = more(photographs, "plain.png,90,90,20,20", "grey.png,9,9,2,2")
    with pytest.raises(InputError, match=r"boxes\.csv:6.*ends before it begins \(2 wrong order in all\).*--fix"):
        finish(read_marked(place, read))


def test_a_damaged_photograph_is_listed(photographs):
    """The others are used."""
    (photographs.parent / "grey.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = finish(read_marked(Place(photographs, photographs.parent), read))
    assert len(found.pictures) == 3
    assert "grey.png" in found.problems[0].name


def test_no_picture_there_is_said(photographs, tmp_path):
    """Another folder than the pictures' is named with the option that gives the right one."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="--pictures"):
        finish(read_marked(Place(photographs, tmp_path / "empty"), read))
    with pytest.raises(InputError, match="there is no folder"):
        finish(read_marked(Place(photographs, tmp_path / "absent"), read))


def test_invalid_faces_of_wider_are_not_usable(photographs, tmp_path):
    """A face that WIDER marks as invalid stays in its picture and is not learnt from."""
    file = tmp_path / "wider_face_train_bbx_gt.txt"
    file.write_text("plain.png\n2\n180 65 88 108 0 0 0 0 0 0\n20 20 40 40 0 0 0 1 0 0\n", encoding="utf-8")
    (picture,) = finish(read_marked(Place(file, photographs.parent), read)).pictures
    assert picture.usable.tolist() == [True, False]


def test_a_folder_of_wider_is_known_by_its_parts(shared_data, tmp_path):
    """Training and validation; any other folder is answered with what was expected."""
    training, validation = find_wider(shared_data / "wider")
    assert training.boxes.name == "wider_face_train.mat"
    assert validation.pictures.parent.name == "WIDER_val"
    with pytest.raises(InputError, match="expected WIDER_train/images"):
        find_wider(tmp_path)


def frames_of(folder, *names):
    """One photograph under several names, with its boxes; each file differs by a byte behind the picture."""
    folder.mkdir()
    pixels = np.zeros((40, 40, 3), np.uint8)
    for index, name in enumerate(names):
        write_image(folder / name, pixels)
        with (folder / name).open("ab") as file:
            file.write(f"{folder.name}{index}".encode())
    (folder / "boxes.csv").write_text(
        "file,x1,y1,x2,y2\n" + "".join(f"{name},4,4,30,30\n" for name in names), encoding="utf-8"
    )
    place = Place(folder / "boxes.csv", folder)
    return place, finish(read_marked(place, read))


def test_frames_of_one_video_on_both_sides_are_told(tmp_path):
    """By the video's name; photographs whose names merely look alike are none."""
    learnt = frames_of(tmp_path / "learnt", "clip@1.000s.png", "walk@1.000s.png", "Ada_0001.png")
    judged = frames_of(tmp_path / "judged", "clip@9.000s.png", "Ada_0002.png")
    assert shared_by(learnt, judged) == ["frames of video clip"]
    assert shared_by(judged, frames_of(tmp_path / "others", "Bob_0001.png")) == []


def test_frames_of_one_video_are_held_out_together(tmp_path):
    """Whatever the seed; single photographs as many as the share says; one video alone cannot be divided."""
    names = [f"clip@{n}.000s.png" for n in range(5)] + [f"{n}.png" for n in range(5)]
    place, marked = frames_of(tmp_path / "mixed", *names)
    for seed in range(8):
        held = set(held_out(place, marked, 0.2, seed).tolist())
        assert held & set(range(5)) in (set(), set(range(5)))
        assert 2 <= len(held) < 10
    place, marked = frames_of(tmp_path / "alone", *names[:5])
    with pytest.raises(InputError, match=r"frames of two videos.*add others"):
        held_out(place, marked, 0.2, 0)
