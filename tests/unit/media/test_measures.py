"""Measures rise and fall with what they measure."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import ImageError
from mien.core.geometry import ARCFACE_112
from mien.media.crops import crop_boxes
from mien.media.measures import brightness, contrast, hamming, perceptual_hash, roll, sharpness, yaw

HEAD = np.array([[-1, 0, 0], [1, 0, 0], [0, 1.1, 1.2], [-0.8, 2.2, 0.3], [0.8, 2.2, 0.3]])
"""Eyes, nose and mouth corners of a head, x right, y down, z towards the viewer, half eye distances."""


@pytest.fixture(scope="module")
def chip(astronaut):
    """The astronaut's face, (1, 160, 160, 3)."""
    return crop_boxes(astronaut, np.array([[178, 65, 270, 176]], np.float32), size=160, margin=32)


def test_sharpness_falls_with_blur(chip):
    """The more a face is blurred, the lower its sharpness; enlarging it from few pixels counts as blur."""
    blurred = [cv2.GaussianBlur(chip[0], (0, 0), s) for s in (1, 2, 4)]
    few = cv2.resize(cv2.resize(chip[0], (24, 24), interpolation=cv2.INTER_AREA), (160, 160))
    values = sharpness(np.stack([chip[0], *blurred, few]))
    assert (np.diff(values[:4]) < 0).all()
    assert values[0] > 10 * values[3]
    assert values[4] < values[0] / 5


def test_sharpness_does_not_depend_on_the_size_of_the_chip(chip):
    """The same face in a larger chip measures the same within a tenth."""
    large = cv2.resize(chip[0], (320, 320), interpolation=cv2.INTER_CUBIC)[None]
    assert sharpness(large)[0] == pytest.approx(sharpness(chip)[0], rel=0.15)


def test_light():
    """Black, white and half-and-half faces measure 0, 1 and the known contrast."""
    chips = np.zeros((3, 112, 112, 3), np.uint8)
    chips[1] = 255
    chips[2, :, 56:] = 255
    assert brightness(chips) == pytest.approx([0, 1, 0.5])
    assert contrast(chips) == pytest.approx([0, 0, 0.5])


def test_no_faces_have_no_measures():
    """No chips give empty arrays, never an error or a warning."""
    none = np.zeros((0, 160, 160, 3), np.uint8)
    points = np.zeros((0, 5, 2), np.float32)
    for values in (sharpness(none), brightness(none), contrast(none), roll(points), yaw(points)):
        assert values.shape == (0,)
        assert values.dtype == np.float32


def seen(turn: float, tilt: float = 0.0) -> np.ndarray:
    """Landmarks of a head turned and tilted by degrees, seen from afar: (1, 5, 2)."""
    a, b = np.deg2rad([turn, tilt])
    x = HEAD[:, 0] * np.cos(a) + HEAD[:, 2] * np.sin(a)
    points = np.stack([x, HEAD[:, 1]], -1) @ np.array([[np.cos(b), np.sin(b)], [-np.sin(b), np.cos(b)]])
    return (100 + 30 * points[None]).astype(np.float32)


@given(turn=st.floats(-80, 80), tilt=st.floats(-170, 170))
def test_yaw_and_roll_of_a_turned_head(turn, tilt):
    """A head turned and tilted by known angles measures those angles, each without the other."""
    assert yaw(seen(turn, tilt))[0] == pytest.approx(turn, abs=1)
    assert roll(seen(turn, tilt))[0] == pytest.approx(tilt, abs=1)


def test_yaw_of_real_landmarks(astronaut):
    """The astronaut and ArcFace's mean face look ahead; a profile, both eyes nearly in one place, measures over 35°."""
    found = np.array([[203.4, 103.6], [247.5, 104.4], [224.1, 127.7], [204.0, 143.1], [242.9, 143.7]], np.float32)
    assert np.abs(yaw(np.stack([found, ARCFACE_112]))).max() < 6
    profile = np.array([[[100, 100], [112, 100], [128, 118], [104, 140], [112, 140]]], np.float32)
    assert yaw(profile)[0] > 35
    assert yaw(np.full((1, 5, 2), 3, np.float32))[0] == 0


def test_copies_have_near_hashes_and_others_far_ones(astronaut):
    """Scaled, recompressed and brightened copies differ in at most 8 bits; other pictures in more than 16."""
    from skimage import data

    kept = cv2.imdecode(cv2.imencode(".jpg", astronaut, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    copies = [cv2.resize(astronaut, (200, 180)), kept, np.clip(astronaut * 0.9 + 20, 0, 255).astype(np.uint8)]
    others = [astronaut[:, ::-1].copy(), astronaut[::-1].copy(), np.stack([data.camera()] * 3, -1), data.chelsea()]
    mine = perceptual_hash(astronaut)
    assert max(hamming(mine, perceptual_hash(c)) for c in copies) <= 8
    assert min(hamming(mine, perceptual_hash(o)) for o in others) > 16


def test_hash_takes_pictures_only():
    """A one-pixel picture has a hash, an array of floats is refused."""
    assert 0 <= perceptual_hash(np.zeros((1, 1, 3), np.uint8)) < 2**64
    with pytest.raises(ImageError):
        perceptual_hash(np.zeros((4, 4, 3)))
