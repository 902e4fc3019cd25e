"""Detector and embedder judged together, on plugs that know the answer."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.faces import Faces, Picture
from mien.core.people import EmbeddingSpace
from mien.core.vectors import unit
from mien.datasets.annotations import MarkedPicture
from mien.datasets.pairs import Pairs
from mien.evaluation.calibration import measure_calibration
from mien.evaluation.pipeline import (
    VerificationOptions,
    detect_all,
    detection_curves,
    embed_located,
    evaluate_verification,
    locate_faces,
    nearest_centre,
)
from mien.evaluation.records import subject_of

SPACE = EmbeddingSpace("fake", 2, "00", "box", "none")
BOX = np.array([[10, 10, 30, 30]], np.float32)


@dataclass(frozen=True)
class FakeOptions:
    min_face: float = 20


class FakeDetector:
    """Finds one face in every picture whose first pixel is not 0."""

    name = "fake"
    options = FakeOptions()

    def detect(self, image):
        return Faces(boxes=BOX, scores=np.ones(1)) if image[0, 0, 0] else Faces.empty()

    def detect_batch(self, images):
        return [self.detect(image) for image in images]


class FakeEmbedder:
    """Turns the first pixel's red, in degrees, into a direction."""

    space = SPACE
    needs_landmarks = False

    def crop(self, image, faces):
        return np.repeat(image[None, :1, :1], len(faces), axis=0)

    def embed_chips(self, chips):
        angle = np.deg2rad(chips[:, 0, 0, 0].astype(np.float32))
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def embed(self, image, faces):
        return self.embed_chips(self.crop(image, faces))


def read(path):
    """A picture of 40 × 40 pixels whose red is the number in the path."""
    return Picture(np.full((40, 40, 3), int(Path(path).stem), np.uint8), source=str(path))


def pairs(*rows, people):
    """Pairs from (left, right, fold) rows over pictures whose red is given with its person."""
    left, right, fold = (np.array(c, np.intp) for c in zip(*rows, strict=True))
    who = np.array([person for _, person in people], np.intp)
    return Pairs(
        pictures=tuple(Path(str(red)) for red, _ in people),
        people=who,
        names=tuple(f"person {i}" for i in range(who.max() + 1)),
        left=left,
        right=right,
        same=who[left] == who[right],
        fold=fold,
    )


def test_face_nearest_the_centre_is_taken():
    """Of several faces the one nearest the picture's centre must be taken, whatever its score or size."""
    boxes = np.array([[0, 0, 90, 90], [45, 45, 55, 60], [80, 80, 99, 99]], np.float32)
    faces = Faces(boxes=boxes, scores=np.array([0.9, 0.1, 0.95]))
    assert nearest_centre(faces, 100, 100).boxes.tolist() == [boxes[1].tolist()]
    assert len(nearest_centre(Faces.empty(), 100, 100)) == 0


def test_missed_picture_has_zeros():
    """A picture without a face must have an empty table and an embedding of zeros, in its place."""
    paths = [Path("90"), Path("0"), Path("45")]
    located = locate_faces(FakeDetector(), paths, read=read)
    assert [len(faces) for faces in located] == [1, 0, 1]
    embeddings = embed_located(FakeEmbedder(), paths, located, read=read)
    assert embeddings == pytest.approx(np.array([[0, 1], [0, 0], [0.5**0.5, 0.5**0.5]]), abs=1e-6)


def test_no_pictures_give_no_rows():
    """Without pictures the embeddings must keep their width."""
    assert embed_located(FakeEmbedder(), [], [], read=read).shape == (0, 2)


def test_whole_pipeline_by_hand():
    """Two people 70 degrees apart and one missed picture: its pair wrong, all other pairs right."""
    people = [(5, 0), (10, 0), (80, 1), (85, 1), (0, 1)]
    listed = pairs((0, 1, 0), (0, 2, 0), (2, 3, 1), (1, 3, 1), (2, 4, 1), people=people)
    options = VerificationOptions(far=(0.5, 1e-3), draws=50)
    result = evaluate_verification(FakeDetector(), FakeEmbedder(), listed, read=read, options=options)
    figures = result.figures()
    assert figures["accuracy"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["missed_pictures"] == 1
    assert figures["impostor_comparisons"] == 4
    assert figures["tar"] == {}, "4 comparisons support no rate"
    assert result.roc.auc == pytest.approx(2 / 3)


def test_true_accepts_are_given_at_the_rates_the_pictures_support():
    """A rate with ten expected events must be reported with its interval, a smaller one left out."""
    people = [(red, red // 2) for red in range(2, 82)]
    rows = [(i, i + 1, i // 2 % 2) for i in range(0, 80, 2)] + [(i, (i + 40) % 80, i % 2) for i in range(40)]
    options = VerificationOptions(far=(0.1, 1e-3), draws=50)
    listed = pairs(*rows, people=people)
    result = evaluate_verification(FakeDetector(), FakeEmbedder(), listed, read=read, options=options)
    assert result.figures()["tar"] == {"0.1": 1.0}
    assert result.figures()["tar_95"] == {"0.1": [1.0, 1.0]}


def test_detections_are_given_in_pixels_of_the_original():
    """A picture decoded at half size must be judged in the pixels its faces were marked in."""
    marked = [MarkedPicture(Path("9"), "event", BOX * 2, {"easy": np.ones(1, bool)})]

    def read_half(path):
        return Picture(read(path).pixels, scale=0.5)

    found = detect_all(FakeDetector(), marked, read=read_half)
    curves = detection_curves(found, marked)
    assert list(curves) == ["easy"]
    assert curves["easy"].average_precision == 1


def test_levels_are_those_of_the_pictures():
    """Pictures without lists have no levels, and no pictures no curves."""
    assert detection_curves([Faces.empty()], [MarkedPicture(Path("9"), "event", BOX)]) == {}
    assert detection_curves([], []) == {}


def test_subject_states_detector_options_and_space():
    """A record must say with which options the faces were found and where the embeddings live."""
    subject = subject_of(FakeDetector(), FakeEmbedder())
    assert subject["detector"] == "fake"
    assert subject["detector_options"] == {"min_face": 20}
    assert subject["space"] == SPACE.id
    assert subject["weights"] == "00"


def test_options_of_a_wrapped_detector_are_stated():
    """A detector around a detector must not hide with which options the faces are searched."""
    wrapped = SimpleNamespace(name="fake", inner=FakeDetector())
    assert subject_of(wrapped)["detector_options"] == {"min_face": 20}


class TestCalibration:
    def test_states_rates_and_quantiles(self):
        """A share ``far`` of the strangers must lie above the stated cosine, and all genuine pairs above the lowest."""
        random = np.random.default_rng(3)
        centres = random.normal(size=(60, 8))
        people = np.repeat(np.arange(60), 2)
        vectors = unit((centres[people] + 0.1 * random.normal(size=(120, 8))).astype(np.float32))
        measured = measure_calibration(vectors, people, space=SPACE, data="made up", date="2026-11-22")
        cosines = (vectors @ vectors.T)[people[:, None] < people[None, :]]
        assert measured.comparisons == len(cosines) == 7080
        assert measured.far[-1] >= measured.smallest_far
        assert measured.space_id == SPACE.id
        assert (np.diff(measured.similarity) >= 0).all()
        assert (cosines > measured.similarity_at(0.01)).mean() == pytest.approx(0.01, abs=2e-4)
        own = np.einsum("nd,nd->n", vectors[::2], vectors[1::2])
        assert measured.genuine[0] == pytest.approx(own.min(), abs=1e-5)
        assert measured.genuine_lost(float(np.median(own))) == pytest.approx(0.5, abs=0.02)

    def test_people_weigh_alike(self):
        """One person on many pictures must not outvote the others."""
        alike = np.tile([[1, 0]], (20, 1))
        apart = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
        people = np.array([*[0] * 20, 1, 1, 2, 2])
        vectors = np.concatenate([alike, apart]).astype(np.float32)
        measured = measure_calibration(vectors, people, space=SPACE, data="made up", date="2026-11-22")
        assert measured.genuine[measured.genuine_at.index(0.6)] == pytest.approx(0)
        assert measured.genuine[measured.genuine_at.index(0.7)] == pytest.approx(1)

    def test_nobody_twice_is_refused(self):
        """Without two pictures of a person nothing is known about genuine pairs."""
        with pytest.raises(InputError, match="at least one person on two pictures"):
            measure_calibration(np.eye(2, dtype=np.float32), np.arange(2), space=SPACE, data="x", date="2026-11-22")
