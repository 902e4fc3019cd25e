"""FDDB's discrete and continuous score."""

import numpy as np
import pytest

from mien.core.faces import Faces
from mien.evaluation.ellipses import ellipse_curve, ellipse_overlap

CIRCLE = np.array([[50.0, 50.0, 0.0, 100.0, 100.0]])


def faces(*rows):
    return Faces(np.array([r[:4] for r in rows], np.float32).reshape(-1, 4), np.array([r[4] for r in rows], np.float32))


def test_a_circle_fills_pi_quarters_of_its_square():
    """Counted in pixels the overlap of a circle with the box around it is near pi / 4; turning a circle changes nothing."""
    square = np.array([[50, 50, 150, 150]], np.float32)
    turned = CIRCLE + np.array([0, 0, 1.0, 0, 0])
    assert ellipse_overlap(square, CIRCLE)[0, 0] == pytest.approx(np.pi / 4, abs=0.002)
    assert ellipse_overlap(square, turned)[0, 0] == pytest.approx(np.pi / 4, abs=0.002)


def test_an_upright_ellipse_is_upright():
    """The major axis at a right angle is the height; boxes that do not touch have no overlap."""
    upright = np.array([[60.0, 30.0, np.pi / 2, 100.0, 100.0]])
    boxes = np.array([[70, 40, 130, 160], [40, 70, 160, 130], [300, 300, 310, 310]], np.float32)
    tall, wide, far = ellipse_overlap(boxes, upright)[:, 0]
    assert tall == pytest.approx(np.pi / 4, abs=0.005)
    assert wide < 0.55
    assert far == 0


def test_both_scores_of_a_set():
    """One good detection, one false, one poor match: discrete counts the good one, continuous adds up the overlaps."""
    found = faces((50, 50, 150, 150, 0.9), (300, 300, 320, 320, 0.8), (480, 500, 580, 600, 0.7))
    marked = np.concatenate([CIRCLE, [[50.0, 50.0, 0.0, 500.0, 500.0]]])
    curve = ellipse_curve([found], [marked])
    assert curve.levels.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert curve.false_positives.tolist() == [0, 1, 2]
    assert curve.discrete.tolist() == [0.5, 0.5, 0.5]
    assert curve.continuous[2] > curve.continuous[1] == pytest.approx(np.pi / 8, abs=0.002)
    assert curve.at(0) == (0.5, pytest.approx(np.pi / 8, abs=0.002))


def test_one_face_is_matched_once():
    """Two detections on one face: the better match counts, the other is a false positive."""
    curve = ellipse_curve([faces((50, 50, 150, 150, 0.9), (52, 50, 152, 150, 0.8))], [CIRCLE])
    assert curve.discrete.tolist() == [1, 1]
    assert curve.false_positives.tolist() == [0, 1]


def test_nothing_found_is_an_empty_curve():
    """No detection at all gives rates of 0, not an error."""
    assert ellipse_curve([faces()], [CIRCLE]).at(100) == (0.0, 0.0)
