"""Huge pictures in tiles, and two detectors as one."""

import numpy as np
import pytest

from mien.core.faces import Faces
from mien.detectors.refined import RefinedDetector
from mien.detectors.tiled import TiledDetector
from tests.fakes.plugs import FakeDetector, frontal


class WhiteSquares:
    """Finds axis-aligned white rectangles of one size range, as a detector finds faces; whole or cut by the edge."""

    name = "white"

    def __init__(self):
        self.largest_image = 0

    def detect(self, image):
        import cv2

        self.largest_image = max(self.largest_image, image.shape[0] * image.shape[1])
        _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 128).astype(np.uint8))
        boxes = np.array([[x, y, x + w, y + h] for x, y, w, h, _ in stats[1:]], np.float32).reshape(-1, 4)
        return Faces(boxes=boxes, scores=np.full(len(boxes), 0.9), landmarks=frontal(boxes))

    def detect_batch(self, images):
        return [self.detect(image) for image in images]

    def at_scale(self, scale):
        return self


def picture(*boxes) -> np.ndarray:
    image = np.zeros((1500, 2000, 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        image[y1:y2, x1:x2] = 255
    return image


BOXES = [(0, 0, 40, 50), (480, 300, 540, 360), (1940, 1440, 2000, 1500), (1000, 900, 1030, 930), (600, 20, 1100, 520)]


def test_every_face_is_found_once_wherever_the_tiles_are_cut():
    """At the edges of the picture, across tiles, and larger than a tile's overlap: once each, at its place."""
    detector = TiledDetector(WhiteSquares(), side=512, above=1.0, overlap=128)
    found = detector.detect(picture(*BOXES))
    assert len(found) == len(BOXES)
    order = np.argsort([b[0] * 1e4 + b[1] for b in found.boxes.round().tolist()])
    expected = sorted(BOXES, key=lambda b: b[0] * 1e4 + b[1])
    assert np.abs(found.boxes[order] - np.array(expected)).max() <= 4  # the overview shrinks about fourfold
    assert np.allclose(found.landmarks[:, 2], frontal(found.boxes)[:, 2], atol=4)


def test_no_more_than_a_tile_is_searched_at_once():
    """Memory is that of one tile, whatever the picture."""
    inner = WhiteSquares()
    TiledDetector(inner, side=512, above=1.0, overlap=128).detect(picture(*BOXES))
    assert inner.largest_image <= 512 * 512


def test_small_pictures_go_through_whole():
    """Below the limit the detector inside gets the picture itself, alone or in a batch."""
    inner = WhiteSquares()
    detector = TiledDetector(inner, side=512, above=100.0)
    image = picture(*BOXES)
    assert len(detector.detect(image)) == len(detector.detect_batch([image])[0]) == len(BOXES)
    assert inner.largest_image == 2000 * 1500


def test_haars_boxes_get_landmarks_from_a_refiner(astronaut):
    """What the refiner keeps is returned, surest first; what it drops is gone."""

    class Halves:
        def refine(self, image, faces):
            kept = faces[faces.boxes[:, 0] < 100]
            return kept.with_columns(scores=kept.scores[::-1].copy())

    detector = RefinedDetector(FakeDetector([[0, 0, 50, 50], [60, 0, 90, 50], [200, 0, 250, 50]]), Halves())
    faces = detector.detect(astronaut)
    assert len(faces) == 2
    assert list(faces.scores) == sorted(faces.scores, reverse=True)
    assert detector.name == "fake"


@pytest.mark.weights
def test_haar_with_mtcnns_landmarks_finds_the_astronaut(astronaut, cache_dir, monkeypatch, tmp_path):
    """The combination that --detector haar gives has landmarks near those of MTCNN alone."""
    import mien

    monkeypatch.setenv("MIEN_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("MIEN_DATA_DIR", str(tmp_path))
    haar = mien.detector(detector="haar", min_face=60).detect(astronaut)[:1]
    mtcnn = mien.detector().detect(astronaut)[:1]
    assert np.abs(haar.landmarks - mtcnn.landmarks).max() < 6


@pytest.mark.weights
def test_a_photograph_decoded_at_half_size_finds_the_same_smallest_face(astronaut, cache_dir, monkeypatch, tmp_path):
    """min_face stays in pixels of the original: a 90-pixel face is found at half size with min_face 80, not with 300."""
    import cv2

    import mien

    monkeypatch.setenv("MIEN_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("MIEN_DATA_DIR", str(tmp_path))
    half = cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert len(mien.detector(min_face=80).at_scale(0.5).detect(half)) == 1
    assert len(mien.detector(min_face=300).at_scale(0.5).detect(half)) == 0


def test_a_strip_far_longer_than_wide_is_searched_too():
    """The overview of a picture of 3 × 9,000 pixels has at least one row."""
    assert (
        len(TiledDetector(WhiteSquares(), side=512, above=0.01, overlap=128).detect(np.zeros((3, 9000, 3), np.uint8)))
        == 0
    )
