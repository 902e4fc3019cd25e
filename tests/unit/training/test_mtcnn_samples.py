"""What the cascade learns from: every window keeps the rules, and its labels undo exactly what the cascade will do."""

import numpy as np
import pytest

from mien.core.errors import ImageError, InputError, SettingError
from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.datasets.annotations import MarkedPicture
from mien.detectors.mtcnn.boxes import offset
from mien.detectors.mtcnn.cascade import Windows, _landmarks
from mien.detectors.mtcnn.pyramid import FastSource
from mien.training import mtcnn_samples
from mien.training.mtcnn_landmarks import pseudo_labelled, unlabelled
from mien.training.mtcnn_samples import (
    KINDS,
    CascadeRules,
    Taught,
    cut_samples,
    labels_of,
    load_cascade_samples,
    proposer,
    save_cascade_samples,
)
from mien.wiring.bootstrap import House
from mien.wiring.detectors import open_mtcnn_detector
from mien.wiring.settings import load_settings
from mien.zoo.runtime import Workers

BOXES = np.array([[180, 65, 268, 173], [400, 20, 410, 32]], np.float32)
POINTS = np.array([[205, 105], [243, 105], [224, 128], [208, 145], [240, 145]], np.float32)


@pytest.fixture
def taught(tmp_path):
    """The astronaut twice, her face and its points known, and a badge marked that is too small to learn from."""
    points = np.stack([POINTS, np.full((5, 2), np.nan, np.float32)])
    return [Taught(MarkedPicture(tmp_path / name, "", BOXES), points) for name in ("a.png", "b.png")]


@pytest.fixture
def chosen(monkeypatch):
    """Windows and kinds of every photograph, in order."""
    seen = []
    choose = mtcnn_samples._choose

    def spy(*given):
        seen.append(choose(*given))
        return seen[-1]

    monkeypatch.setattr(mtcnn_samples, "_choose", spy)
    return seen


@pytest.fixture(scope="module")
def house(cache_dir):
    """The published cascade."""
    return House(load_settings(cache_dir=cache_dir, threads=1))


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def test_every_window_keeps_the_papers_overlaps(taught, chosen, astronaut):
    """Positive and landmark faces from 0.65, part faces 0.4 to 0.65, negatives below 0.3 with the badge too."""
    samples = finish(cut_samples("pnet", taught, lambda _: astronaut, CascadeRules()))
    assert min(samples.counts().values()) > 0
    for one in chosen:
        overlap = iou(one.windows, BOXES)
        best = overlap.max(axis=1)
        kind = {name: one.kinds == number for number, name in enumerate(KINDS)}
        assert (best[kind["positive"] | kind["landmark"]] >= 0.65).all()
        assert ((best[kind["part"]] >= 0.4) & (best[kind["part"]] < 0.65)).all()
        assert (best[kind["negative"]] < 0.3).all()
        assert (one.faces[~kind["negative"]] == 0).all()


def test_each_kind_is_told_what_is_known_of_it(taught, astronaut):
    """Negatives their class, positives class and offsets, part faces offsets, landmark faces their points alone."""
    samples = finish(cut_samples("rnet", taught, lambda _: astronaut, CascadeRules()))
    known = ~np.isnan(samples.labels)
    expected = {"negative": (0, 1), "positive": (0, 5), "part": (1, 5), "landmark": (5, 15)}
    for number, kind in enumerate(KINDS):
        begin, end = expected[kind]
        row = np.zeros(15, bool)
        row[begin:end] = True
        assert (known[samples.kinds == number] == row).all(), kind
    classes = samples.labels[:, 0]
    assert set(classes[samples.kinds == KINDS.index("positive")]) == {1.0}
    assert set(classes[samples.kinds == KINDS.index("negative")]) == {0.0}


@pytest.mark.parametrize("stage", ["rnet", "onet"])
def test_labels_undo_what_the_cascade_does(stage):
    """A network that answers with the labels has its windows moved onto the marked face and points."""
    window = np.array([[170, 60, 270, 160]], np.float32)
    told = labels_of(stage, window, BOXES[:1], POINTS[None])
    inclusive = window + np.array([1, 1, 0, 0], np.float32)
    assert np.allclose(offset(inclusive, told[:, :4], extra=1), BOXES[:1], atol=1e-3)
    moved = _landmarks(Windows(inclusive, np.ones(1, np.float32), told, np.zeros(1, np.intp)))
    assert np.allclose(moved.reshape(2, 5).T, POINTS, atol=1e-3)


def test_labels_of_p_net_undo_its_cells():
    """Likewise for a cell of the pyramid, whose first corner the original counts a pixel of the level further in."""
    scale = 0.25
    cell = np.array([40, 16], np.float32) / scale  # left and top of the window, pixels of the picture
    window = np.concatenate([cell, cell + 12 / scale])[None]
    numbered = np.concatenate([cell + 1 / scale, cell + 12 / scale])[None]
    told = labels_of("pnet", window, BOXES[:1], POINTS[None])
    assert np.allclose(offset(numbered, told[:, :4], extra=0), BOXES[:1], atol=1e-3)


@pytest.mark.parametrize("stage", ["pnet", "onet"])
def test_a_mirrored_window_is_told_the_mirrored_face(stage, taught, astronaut, monkeypatch):
    """The same windows of the mirrored photograph, cut plainly, have the same pixels and labels."""
    sizes = []

    class Never:
        def uniform(self, size):
            sizes.append(size)
            return np.ones(size)

    class Always(Never):
        def uniform(self, size):
            return np.zeros(size)

    window = np.array([[172, 60, 276, 164], [180, 66, 270, 156]], np.float32)
    both = mtcnn_samples._Chosen(window, np.array([1, 3]), np.zeros(2, np.intp))
    turned = window.copy()
    turned[:, [0, 2]] = 512 - window[:, [2, 0]]
    face = BOXES.copy()
    face[:, [0, 2]] = 512 - BOXES[:, [2, 0]]
    points = taught[0].points[:, [1, 0, 2, 4, 3]].copy()
    points[..., 0] = 512 - points[..., 0]
    other = Taught(MarkedPicture(taught[0].marked.path, "", face), points)
    plain = mtcnn_samples._Chosen(turned, both.kinds, both.faces)
    mirrored = mtcnn_samples._cut(stage, taught[0], FastSource(astronaut), both, Always(), 0)
    source = FastSource(np.ascontiguousarray(astronaut[:, ::-1]))
    expected = mtcnn_samples._cut(stage, other, source, plain, Never(), 0)
    assert np.allclose(mirrored.labels, expected.labels, atol=1e-4, equal_nan=True)
    assert np.abs(mirrored.chips.astype(int) - expected.chips.astype(int)).max() <= 3
    assert sizes == [2]


def test_mined_windows_are_those_the_cascade_lets_through(house, taught, chosen, astronaut):
    """R-Net's come from P-Net, O-Net's from both; the face is among them and few others reach O-Net."""
    files = house.weights("mtcnn")
    networks = {stage: house.network(files[stage]) for stage in ("pnet", "rnet")}
    through = []
    for count, stage in ((1, "rnet"), (2, "onet")):
        propose = proposer(dict(list(networks.items())[:count]), CascadeRules(), Workers(1))
        windows = propose(FastSource(astronaut))
        assert iou(windows, BOXES[:1]).max() > 0.65
        finish(cut_samples(stage, taught, lambda _: astronaut, CascadeRules(negatives=8), propose))
        negatives = chosen[-1].windows[chosen[-1].kinds == 0]
        mined = [(np.abs(windows - row).max(axis=1) < 1e-3).any() for row in negatives]
        wrong = int((iou(windows, BOXES).max(axis=1) < 0.3).sum())
        assert sum(mined) == min(8, wrong)
        assert len(mined) == max(min(8, wrong), 2)
        through.append(len(windows))
    assert 0 < through[1] < through[0]


def test_a_photograph_whose_faces_are_not_all_marked_gives_landmarks_only(taught, astronaut):
    """What else is in it may be a face, so nothing in it is negative."""
    partly = Taught(taught[1].marked, taught[1].points, complete=False)
    samples = finish(cut_samples("onet", [taught[0], partly], lambda _: astronaut, CascadeRules(most=4000)))
    assert set(samples.kinds[samples.pictures == 1]) == {KINDS.index("landmark")}


def test_a_photograph_may_give_any_number_of_windows(taught, astronaut):
    """Hundreds from one crowd: more rows of pixels than OpenCV samples at once; their chips are the same as one by one."""
    windows = np.repeat(np.array([[172, 60, 276, 164], [10, 300, 90, 380]], np.float32), 400, axis=0)
    many = mtcnn_samples._Chosen(windows, np.zeros(800, np.intp), np.zeros(800, np.intp))
    source, draw = FastSource(astronaut), np.random.default_rng(0)
    samples = mtcnn_samples._cut("onet", taught[0], source, many, draw, 0)
    plain = source.crops(windows[:1] + np.array([1, 1, 0, 0], np.float32), 48)[0].transpose(1, 2, 0)
    assert samples.chips.shape == (800, 48, 48, 3)
    assert all(np.array_equal(chip, plain) or np.array_equal(chip[:, ::-1], plain) for chip in samples.chips[:400])


def test_samples_are_the_papers_proportion_and_the_same_for_the_same_seed(taught, astronaut):
    """3 : 1 : 1 : 2 where there are enough, another draw for another seed."""
    rules = CascadeRules(most=28, negatives=20)
    first, again = (finish(cut_samples("pnet", taught, lambda _: astronaut, rules)) for _ in range(2))
    assert first.counts() == {"negative": 12, "positive": 4, "part": 4, "landmark": 8}
    assert np.array_equal(first.chips, again.chips)
    other = finish(cut_samples("pnet", taught, lambda _: astronaut, CascadeRules(most=28, negatives=20, seed=1)))
    assert not np.array_equal(first.chips, other.chips)


def test_points_by_the_pretrained_o_net_where_it_is_sure(house, tmp_path, astronaut):
    """The face gets points within its box, the badge none; an unreadable picture none and no error."""
    marked = [MarkedPicture(tmp_path / "a.png", "", BOXES), MarkedPicture(tmp_path / "gone.png", "", BOXES)]

    def read(path):
        if path.stem == "gone":
            raise ImageError("gone")
        return astronaut

    (found, gone) = finish(pseudo_labelled(marked, read, open_mtcnn_detector(house)))
    assert np.abs(found.points[0] - POINTS).max() < 12
    assert np.isnan(found.points[1]).all()
    assert np.isnan(gone.points).all()


def test_points_elsewhere_than_the_marked_face_are_left_out(tmp_path, astronaut):
    """A network that sees another face than people marked, or is not sure, labels nothing."""

    class Elsewhere:
        def __init__(self, boxes, score):
            self.boxes, self.score = boxes, np.float32(score)

        def refine(self, _, faces):
            found = Faces(self.boxes, np.array([self.score]), np.zeros((1, 5, 2), np.float32))
            return found.with_columns(track_ids=faces.track_ids[:1])

    marked = [MarkedPicture(tmp_path / "a.png", "", BOXES)]
    for refiner in (Elsewhere(BOXES[:1] + 200, 0.99), Elsewhere(BOXES[:1], 0.5)):
        (found,) = finish(pseudo_labelled(marked, lambda _: astronaut, refiner))
        assert np.isnan(found.points).all()


def test_kept_samples_are_read_only_for_what_they_were_made_from(taught, astronaut, tmp_path):
    """Equal when read again; none with another key, none when damaged."""
    samples = finish(cut_samples("pnet", taught, lambda _: astronaut, CascadeRules(most=40)))
    file = tmp_path / "run" / "pnet.npz"
    save_cascade_samples(file, samples, "key")
    again = load_cascade_samples(file, "key")
    assert again is not None
    assert np.array_equal(again.labels, samples.labels, equal_nan=True)
    assert load_cascade_samples(file, "other") is None
    file.write_bytes(b"damaged")
    assert load_cascade_samples(file, "key") is None


def test_photographs_nothing_can_be_learnt_from_are_one_line(tmp_path, astronaut):
    """No face, and no room beside the face, each with a remedy; a picture that cannot be read is told."""
    none = unlabelled([MarkedPicture(tmp_path / "a.png", "", np.zeros((0, 4), np.float32))])
    with pytest.raises(InputError, match="no face of 20 pixels"):
        finish(cut_samples("pnet", none, lambda _: astronaut, CascadeRules()))
    tight = unlabelled([MarkedPicture(tmp_path / "a.png", "", np.array([[0, 0, 30, 30]], np.float32))])
    with pytest.raises(InputError, match="no window without a face"):
        finish(
            cut_samples(
                "rnet",
                tight,
                lambda _: astronaut[65:95, 190:220],
                CascadeRules(windows=1),
                lambda _: tight[0].marked.boxes,
            )
        )

    def unreadable(path):
        raise ImageError(f"{path.name} is broken")

    with pytest.raises(InputError):
        finish(cut_samples("pnet", none, unreadable, CascadeRules()))


@pytest.mark.parametrize(
    "given", [{"negative": 0.5}, {"positive": 0.3}, {"smallest": 5}, {"windows": 0}, {"most": 2}, {"negative": 0}]
)
def test_rules_that_cannot_be_are_refused(given):
    """With the values and what they must be."""
    with pytest.raises(SettingError, match="must"):
        CascadeRules(**given)
