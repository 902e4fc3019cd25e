"""MTCNN as detector, refiner and explainer."""

import cv2
import numpy as np
import pytest

from mien.core.errors import InputError, SettingError
from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.core.protocols import Explainer, Refiner
from mien.detectors.haar import HaarDetector
from mien.detectors.mtcnn import MtcnnDetector, MtcnnOptions, open_mtcnn
from mien.detectors.mtcnn.cascade import CHUNK
from mien.zoo.catalog import Catalog
from mien.zoo.runtime import RuntimeOptions, Workers
from mien.zoo.weights import ensure

FACE = (178.0, 59.0, 268.0, 175.0)
"""Where the astronaut's face is."""


@pytest.fixture(scope="module")
def files(cache_dir):
    return ensure(Catalog().get("mtcnn"), cache=cache_dir, models=cache_dir / "models")


@pytest.fixture(scope="module")
def mtcnn(files):
    """MTCNN with one option changed, or none."""
    return lambda **options: open_mtcnn(files, options=MtcnnOptions(**options))


def shrunk(image, share):
    return cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)


def test_it_has_all_three_abilities(mtcnn):
    """MTCNN can detect, refine and explain."""
    assert isinstance(mtcnn(), Refiner)
    assert isinstance(mtcnn(), Explainer)


def test_the_number_of_threads_changes_nothing(files, astronaut):
    """Strips and chunks spread over one, two or four threads give the same faces to the last bit."""
    found = [open_mtcnn(files, runtime=RuntimeOptions(threads=n)).detect(astronaut) for n in (1, 2, 4)]
    for faces in found[1:]:
        np.testing.assert_array_equal(faces.boxes, found[0].boxes)
        np.testing.assert_array_equal(faces.landmarks, found[0].landmarks)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_thread_judges_as_many_crops(files, astronaut, threads):
    """R-Net's crops come in runs alike in size, as many for each thread, so that none waits for another."""
    pnet, rnet, onet, _ = open_mtcnn(files)._parts
    runs = []

    class Counted:
        def run(self, crops):
            runs.append(len(crops))
            return rnet.run(crops)

    MtcnnDetector(pnet, Counted(), onet, workers=Workers(threads)).detect(astronaut)
    assert len(runs) % threads == 0
    assert max(runs) - min(runs) <= 1
    assert max(runs) <= CHUNK["rnet"] < sum(runs)


def test_landmarks_lie_in_the_face_in_order(mtcnn, astronaut):
    """Eyes above the nose above the mouth, the eye on the image's left first."""
    left_eye, right_eye, nose, mouth_left, mouth_right = mtcnn().detect(astronaut).landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_red_and_blue_are_not_swapped(mtcnn, astronaut):
    """The networks were trained on RGB: the same picture as BGR scores differently."""
    detector = mtcnn(thresholds=(0.6, 0.7, 0.5))
    assert detector.detect(astronaut).scores[0] != detector.detect(astronaut[:, :, ::-1]).scores[0]


def test_a_face_at_the_edge_is_found_whole(mtcnn, astronaut):
    """A face cut by the edge is found, and its box may leave the image."""
    faces = mtcnn().detect(np.ascontiguousarray(astronaut[:, 205:]))
    best = int(iou(np.array([[FACE[0] - 205, *FACE[1:2], FACE[2] - 205, FACE[3]]], np.float32), faces.boxes).argmax())
    assert faces.boxes[best, 0] < 5


def test_a_huge_picture_needs_bounded_memory(mtcnn, astronaut):
    """Twelve megapixels at min face 20: P-Net never sees more than a strip at a time, and the face is found."""
    detector = mtcnn()
    seen = []
    run = detector._cascade.pnet.run
    detector._cascade.pnet.run = lambda batch: seen.append(batch.nbytes) or run(batch)
    huge = np.zeros((3000, 4000, 3), np.uint8)
    huge[1000:1512, 2000:2512] = astronaut
    faces = detector.detect(huge)
    assert max(seen) < 2e6
    x, y = (faces.boxes[0, :2] + faces.boxes[0, 2:]) / 2
    assert np.hypot(x - 2224, y - 1115) < 15


def test_a_very_long_picture_is_searched(mtcnn, astronaut):
    """A strip longer than OpenCV can sample from is searched all the same, its face found."""
    long = np.zeros((300, 33_000, 3), np.uint8)
    long[:, 30_000:30_512] = astronaut[:300]
    assert np.abs(mtcnn(min_face=60).detect(long).boxes[0] - np.add(FACE, (30_000, 0, 30_000, 0))).max() < 15


# refine


def test_refining_a_found_face_stays_there(mtcnn, astronaut):
    """From the box of the last frame R-Net and O-Net find the face again."""
    detector = mtcnn()
    faces = detector.detect(astronaut)
    refined = detector.refine(astronaut, faces)
    assert len(refined) == len(faces)
    assert iou(refined.boxes, faces.boxes).max() > 0.75
    assert np.abs(refined.landmarks - faces.landmarks).max() < 5


def test_refining_gives_landmarks_to_haars_boxes(mtcnn, astronaut):
    """A Haar box of the face becomes an MTCNN face; those elsewhere are gone."""
    faces = HaarDetector().detect(astronaut)
    refined = mtcnn().refine(astronaut, faces)
    assert len(refined) == 1
    assert refined.landmarks.shape == (1, 5, 2)
    assert iou(refined.boxes, np.array([FACE], np.float32))[0, 0] > 0.7


def test_refining_keeps_order_and_track_ids(mtcnn, astronaut):
    """Rows stay in the given order with their track ids, and what is no face is gone."""
    picture = np.hstack([astronaut, astronaut])
    right = [FACE[0] + 512, FACE[1], FACE[2] + 512, FACE[3]]
    boxes = np.array([right, [20, 400, 100, 480], FACE, [-300, -300, -200, -200]], np.float32)
    given = Faces(boxes=boxes, scores=np.full(4, 0.5, np.float32), track_ids=np.array([7, 8, 9, 10]))
    assert mtcnn().refine(picture, given).track_ids.tolist() == [7, 9]


def test_refining_nothing_is_nothing(mtcnn, astronaut):
    """No box gives no face."""
    assert len(mtcnn().refine(astronaut, Faces.empty())) == 0


# explain


def test_explaining_finds_the_faces_of_detect(mtcnn, astronaut):
    """Looking on changes nothing: the faces of the trace are those of detect."""
    for mode in ("fast", "parity"):
        detector = mtcnn(mode=mode)
        trace = detector.explain(astronaut)
        faces = [c for c in trace.candidates if c.stage == "face"]
        np.testing.assert_allclose([c.box for c in faces], detector.detect(astronaut).boxes)
        assert trace.counts["pnet"] >= trace.counts["rnet"] >= trace.counts["onet"] >= trace.counts["face"] == 1
        assert trace.smallest_face == pytest.approx(20)


def test_every_rejected_window_has_a_reason(mtcnn, astronaut):
    """Whatever is no face says which limit it missed, or which better window took its place."""
    trace = mtcnn().explain(astronaut)
    rejected = [c for c in trace.candidates if c.stage != "face"]
    assert {c.stage for c in rejected} == {"pnet", "rnet", "onet"}
    for c in rejected:
        assert c.reason.words()
        if c.absorbed_by is None:
            assert c.reason.setting == f"--{c.stage}-threshold"
            assert c.reason.measured <= c.reason.limit
        else:
            assert c.reason.stage == "nms"
    assert len(rejected) < 2000


def test_the_furthest_come_first(mtcnn, astronaut):
    """Candidates are ordered by how far they came."""
    order = ["face", "onet", "rnet", "pnet"]
    stages = [order.index(c.stage) for c in mtcnn().explain(astronaut).candidates]
    assert stages == sorted(stages)


def test_a_found_face_is_no_riddle(mtcnn, astronaut):
    """Asked about a face that was found, it says so."""
    assert mtcnn().explain_region(astronaut, FACE).stage == "face"


def test_a_face_too_small_names_min_face_and_the_value_that_finds_it(mtcnn, astronaut):
    """A small face is explained by min face, with the value that finds it, and that value does find it."""
    small, box = shrunk(astronaut, 0.15), tuple(0.15 * v for v in FACE)
    assert len(mtcnn(min_face=40).detect(small)) == 0
    reason = mtcnn(min_face=40).explain_region(small, box)
    assert reason.stage == "pyramid"
    assert reason.setting == "--min-face"
    assert reason.words() == "the face is about 13 px, below min face 40: --min-face 13 finds it"
    assert len(mtcnn(min_face=13).detect(small)) >= 1


def test_a_face_too_large_names_max_face(mtcnn, astronaut):
    """A face above the largest is explained by max face."""
    reason = mtcnn(max_face=45).explain_region(astronaut, FACE)
    assert reason.setting == "--max-face"
    assert "finds it" in reason.words()


@pytest.mark.parametrize("stage", ["pnet", "rnet", "onet"])
def test_a_threshold_too_high_is_named(mtcnn, astronaut, stage):
    """A network that let the face go is named with its best score, its threshold and the setting."""
    thresholds = {"pnet": (0.9999999, 0.7, 0.7), "rnet": (0.6, 0.9999, 0.7), "onet": (0.6, 0.7, 0.9999999)}[stage]
    detector = mtcnn(thresholds=thresholds)
    assert len(detector.detect(astronaut)) == 0
    reason = detector.explain_region(astronaut, FACE)
    assert (reason.stage, reason.setting) == (stage, f"--{stage}-threshold")
    assert reason.words().startswith(f"{stage[0].upper()}-Net's best score here is ")


def test_a_blank_wall_is_seen_as_nothing(mtcnn):
    """Where P-Net sees nothing like a face it says so."""
    wall = np.full((200, 200, 3), 180, np.uint8)
    assert "P-Net sees nothing" in mtcnn().explain_region(wall, (50, 50, 120, 120)).words()


@pytest.mark.parametrize("box", [(10, 10, 10, 40), (600, 10, 700, 90), (50, 50, 20, 20)])
def test_a_region_outside_is_refused(mtcnn, astronaut, box):
    """A region without area in the image is answered with the image's size."""
    with pytest.raises(InputError, match="512 × 512"):
        mtcnn().explain_region(astronaut, box)


# options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_face": 2}, "at least 4"),
        ({"min_face": float("nan")}, "at least 4"),
        ({"min_face": 40, "max_face": 30}, "max face 30"),
        ({"factor": 1.0}, "factor 1.0"),
        ({"thresholds": (0.6, 0.7)}, "three numbers"),
        ({"thresholds": (0.6, 0.7, 1.0)}, "three numbers"),
        ({"nms": (0.5, 0.7, 0.7, 0)}, "four overlaps"),
        ({"mode": "slow"}, "fast or parity"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    """A setting that cannot work names the value and what was expected."""
    with pytest.raises(SettingError, match=words):
        MtcnnOptions(**options)


def test_nothing_is_loaded_before_the_first_picture(tmp_path):
    """Making a detector reads no file."""
    missing = {name: tmp_path / f"{name}.onnx" for name in ("pnet", "rnet", "onet")}
    assert isinstance(open_mtcnn(missing), MtcnnDetector)
