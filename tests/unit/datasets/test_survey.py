"""Copies, contradictions and leaks of real pictures are found; what only looks a little alike is not."""

import cv2
import numpy as np
import pytest

from mien.core.errors import InputError, SettingError
from mien.datasets.labelled import read_labelled
from mien.datasets.survey import refuse_leaks, survey
from mien.media.images import write_image


@pytest.fixture
def scenes(astronaut):
    """Real photographs that are not alike, 160 × 160 each."""
    from skimage import data

    whole = [astronaut, data.chelsea(), data.coffee(), data.rocket()]
    return [np.ascontiguousarray(cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA)) for picture in whole]


@pytest.fixture
def make(tmp_path):
    """Writes pictures by name and surveys them."""

    def write(pictures, **options):
        for name, pixels in pictures.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            write_image(tmp_path / name, pixels)
        seen = survey(read_labelled(tmp_path))
        return type(seen)(seen.found, seen.looks, seen.corrupt, **options)

    return write


def test_copies_and_near_duplicates(make, scenes):
    """The same file twice is a copy; made smaller and lighter it is a near-duplicate; other photographs are neither."""
    a, b, c, d = scenes
    small = cv2.convertScaleAbs(cv2.resize(a, (80, 80), interpolation=cv2.INTER_AREA), beta=30)
    seen = make({"x/a.png": a, "x/copy.png": a, "x/small.png": small, "x/b.png": b, "y/c.png": c, "y/d.png": d})
    names = seen.found.names
    assert [[names[r] for r in rows] for rows in seen.copies] == [["x/a.png", "x/copy.png"]]
    assert [[names[r] for r in rows] for rows in seen.alike] == [["x/a.png", "x/copy.png", "x/small.png"]]
    assert seen.in_two_classes == []


def test_a_picture_in_two_classes(make, scenes):
    """One photograph under two labels is found, as the same file and as a smaller copy."""
    a, b, c, _ = scenes
    seen = make({"cats/a.png": a, "dogs/other.png": a[::2, ::2].copy(), "cats/b.png": b, "dogs/c.png": c})
    assert [[seen.found.names[r] for r in rows] for rows in seen.in_two_classes] == [["cats/a.png", "dogs/other.png"]]


def test_blurred_and_corrupt(make, scenes, tmp_path):
    """A blurred picture measures so, a damaged one is listed with its reason and the others stay."""
    a, b, *_ = scenes
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    seen = make({"x/a.png": a, "x/soft.png": cv2.GaussianBlur(b, (0, 0), 6)})
    assert [seen.found.names[r] for r in seen.blurred] == ["x/soft.png"]
    assert [problem.name.endswith("x/cut.png") for problem in seen.corrupt] == [True]
    assert len(seen.rows) == 2


def test_a_video_on_both_sides(make, scenes):
    """Frames of one video in train and test are a leak that says how many, of which video, and where."""
    a, b, c, d = scenes
    seen = make(
        {
            "train/Ada/v7_frame_1.png": a,
            "train/Ada/v7_frame_2.png": b,
            "test/Ada/v7_frame_3.png": c,
            "test/Bo/v7_frame_1.png": d,  # another person's video of that name
        }
    )
    assert [leak.words() for leak in seen.leaks] == ["leak: 3 frames of video v7 in both (train 2, test 1)"]
    with pytest.raises(InputError, match=r"3 frames of video v7 in both.*--allow-leak"):
        refuse_leaks(seen.leaks)
    refuse_leaks([])


def test_a_person_a_copy_and_a_version_on_both_sides(make, scenes):
    """A person's folder inside a class, a copy under another name and a version of a picture leak too, each once."""
    a, b, c, d = scenes
    seen = make(
        {
            "train/not_me/Eve/1.png": a,
            "test/not_me/Eve/2.png": b,
            "train/me/c.png": c,
            "test/me/renamed.png": c,
            "train/me/d~a1.png": d[:, ::-1].copy(),
            "val/me/d.png": d,
        }
    )
    assert [leak.words() for leak in seen.leaks] == [
        "leak: 2 pictures of not_me/Eve in both (train 1, test 1)",
        "leak: 2 versions of me/d in both (train 1, val 1)",
        "leak: 2 copies of train/me/c.png in both (train 1, test 1)",
    ]


def test_a_pattern_ties_by_name(make, scenes):
    """What the pattern's group finds in a name ties pictures; one that is no regular expression is refused."""
    a, b, c, _ = scenes
    pictures = {"x/Ada_1.png": a, "x/Ada_2.png": b, "x/Bo_1.png": c}
    assert make(pictures, pattern=r"/(\w+)_\d").groups().tolist() == [0, 0, 1]
    assert make(pictures).groups().tolist() == [0, 1, 2]
    with pytest.raises(SettingError, match="no regular expression"):
        make(pictures, pattern="(")


def test_a_manifest_of_frames_tells_the_video(make, scenes):
    """Names that say nothing are tied by the manifest."""
    a, b, c, _ = scenes
    seen = make({"x/1.png": a, "x/2.png": b, "x/3.png": c}, videos={"x/1.png": "x/v.mp4", "x/3.png": "x/v.mp4"})
    assert seen.groups().tolist() == [0, 1, 0]


def test_near_hashes_of_different_photographs_are_no_copies(shared_data):
    """LFW: two photographs of different people whose hashes differ in 4 bits are told apart by their thumbnails."""
    from mien.datasets.labelled import LabelledSet
    from mien.media.measures import hamming

    names = ("Saddam_Hussein/Saddam_Hussein_0011.jpg", "Teruaki_Masumoto/Teruaki_Masumoto_0001.jpg")
    seen = survey(LabelledSet(shared_data / "lfw" / "images", names, ("a", "b"), ("", "")))
    assert hamming(seen.looks[0].hash, seen.looks[1].hash) == 4
    assert seen.alike == []
    assert seen.groups().tolist() == [0, 0]


def test_two_pictures_of_one_name_are_two_pictures(make, scenes):
    """Train and test sets are often numbered alike: a name alone ties nothing where no version was made."""
    a, b, c, d = scenes
    assert make({"train/x/1.png": a, "test/x/1.png": b, "train/y/1.png": c, "test/y/1.png": d}).leaks == []
