"""Windows with and without a face: the rules hold for every one of them, whatever photograph they are from."""

import numpy as np
import pytest

from mien.core.errors import ImageError, InputError, SettingError
from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.datasets.annotations import MarkedPicture
from mien.media.crops import crop_context
from mien.training import samples
from mien.training.samples import Rules, draw_samples, load_samples, mine, save_samples, sides, squares

BOXES = np.array([[180, 65, 268, 173], [400, 20, 410, 32]], np.float32)


@pytest.fixture
def marked(tmp_path):
    """The astronaut with her face marked, and a badge too small to learn from; twice, and a picture without a face."""
    faces = [MarkedPicture(tmp_path / name, "", BOXES) for name in ("a.png", "b.png")]
    return [*faces, MarkedPicture(tmp_path / "none.png", "", np.zeros((0, 4), np.float32))]


@pytest.fixture
def cut(monkeypatch):
    """Every window that is cut, in order."""
    seen = []

    def spy(image, boxes, **how):
        seen.append(boxes)
        return crop_context(image, boxes, **how)

    monkeypatch.setattr(samples, "crop_context", spy)
    return seen


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def test_every_window_keeps_the_rules(marked, astronaut, cut):
    """Positive ones overlap a face that is large enough by 0.65 or more, negative ones overlap every face by less than 0.3."""
    rules = Rules(versions=20, negatives=60)
    drawn = finish(draw_samples(marked, lambda _: astronaut, rules))
    windows = np.concatenate(cut)
    faces = squares(BOXES)
    overlap = np.where((drawn.pictures < 2)[:, None], iou(windows, faces), 0)
    assert drawn.chips.shape == (len(windows), 32, 32, 3)
    assert (overlap[drawn.targets == 1, 0] >= 0.65).all()
    assert overlap[drawn.targets == 0].max() < 0.3
    assert np.bincount(drawn.pictures[drawn.targets == 1]).tolist() == [20, 20]
    assert np.bincount(drawn.pictures[drawn.targets == 0]).tolist() == [60, 60, 60]
    assert overlap[drawn.targets == 1, 0].max() == pytest.approx(1)  # the face itself is among them
    assert (overlap[drawn.targets == 0, 0] > 0.1).sum() > 10  # and windows that hold a part of it


def test_a_seed_draws_the_same_whatever_the_order(marked, astronaut):
    """What a picture gives depends on the seed and its number; two pictures give different windows."""
    one, two = (finish(draw_samples(marked, lambda _: astronaut, Rules())) for _ in range(2))
    np.testing.assert_array_equal(one.chips, two.chips)
    other = finish(draw_samples(marked, lambda _: astronaut, Rules(seed=1)))
    assert not np.array_equal(one.chips, other.chips)
    first, second = (one.chips[(one.pictures == n) & (one.targets == 0)] for n in (0, 1))
    assert not np.array_equal(first, second)


def test_hard_negatives_are_what_a_detector_takes_for_faces(marked, astronaut):
    """The surest finds that are no face, at most so many of each picture; a find on a face is none."""

    class Eager:
        def detect(self, image):
            boxes = np.array([BOXES[0], [300, 300, 360, 360], [50, 400, 90, 440], [180, 300, 240, 360]], np.float32)
            return Faces(boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32))

    drawn = finish(mine(marked[:1], lambda _: astronaut, Eager(), Rules(hard=2)))
    expected = crop_context(
        astronaut, np.array([[300, 300, 360, 360], [50, 400, 90, 440]], np.float32), size=32, context=0
    )
    np.testing.assert_array_equal(drawn.chips, expected)
    assert drawn.targets.tolist() == [0, 0]


def test_what_cannot_be_read_is_listed(marked, astronaut):
    """A damaged picture is named and the others are used."""

    def read(path):
        if path.name == "a.png":
            raise ImageError("it is cut short")
        return astronaut

    drawn = finish(draw_samples(marked, read, Rules()))
    assert [problem.reason for problem in drawn.problems] == ["it is cut short"]
    assert set(drawn.pictures.tolist()) == {1, 2}


def test_no_face_to_learn_from_is_said(marked, astronaut):
    """All faces too small: the limit and the option that moves it are named."""
    with pytest.raises(InputError, match=r"no face of 200 pixels .* --smallest"):
        finish(draw_samples(marked, lambda _: astronaut, Rules(smallest=200)))


def test_samples_are_kept_for_what_they_were_made_from(marked, astronaut, tmp_path):
    """They come back as they were; under another key, or damaged, they are made again."""
    drawn = finish(draw_samples(marked, lambda _: astronaut, Rules()))
    save_samples(tmp_path / "s.npz", drawn, "one")
    again = load_samples(tmp_path / "s.npz", "one")
    np.testing.assert_array_equal(again.chips, drawn.chips)
    np.testing.assert_array_equal(again.pictures, drawn.pictures)
    assert load_samples(tmp_path / "s.npz", "two") is None
    (tmp_path / "s.npz").write_bytes(b"PK damaged")
    assert load_samples(tmp_path / "s.npz", "one") is None
    assert load_samples(tmp_path / "absent.npz", "one") is None


def test_squares_keep_area_and_centre():
    """A face of 80 × 125 pixels is the square of 100; a box without area has side 0."""
    boxes = np.array([[10, 10, 90, 135], [5, 5, 5, 9], [9, 9, 3, 3]], np.float32)
    np.testing.assert_allclose(squares(boxes)[0], [0, 22.5, 100, 122.5], atol=1e-4)
    assert sides(boxes).tolist() == [100, 0, 0]


def test_rules_out_of_range_are_refused():
    """Overlaps must leave a gap between a face and none."""
    with pytest.raises(SettingError, match=r"negative 0.7 must lie below positive 0.65"):
        Rules(negative=0.7)
    with pytest.raises(SettingError, match="versions 0"):
        Rules(versions=0)
