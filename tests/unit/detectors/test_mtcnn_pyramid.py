"""Levels and crops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.detectors.mtcnn.options import MtcnnOptions
from mien.detectors.mtcnn.pyramid import ExactSource, FastSource, level_size, scales


def adaptive_average(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Torch's adaptive average pooling, by its definition: (height, width, 3) float32."""
    rows, columns = image.shape[:2]
    out = np.empty((height, width, 3), np.float32)
    for y in range(height):
        top, bottom = y * rows // height, -(-(y + 1) * rows // height)
        for x in range(width):
            left, right = x * columns // width, -(-(x + 1) * columns // width)
            out[y, x] = image[top:bottom, left:right].reshape(-1, 3).mean(axis=0, dtype=np.float64)
    return out


@settings(max_examples=25, deadline=None)
@given(st.integers(12, 50), st.integers(12, 50), st.floats(0.15, 1.6))
def test_exact_levels_are_adaptive_averages(height, width, scale):
    """A level of the exact source is the adaptive average of the image, shrunk or enlarged."""
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    rows, columns = level_size(height, width, scale)
    level = ExactSource(image).level(scale)(0, rows)
    np.testing.assert_allclose(level[0].transpose(1, 2, 0), adaptive_average(image, rows, columns), atol=1e-3)


@pytest.mark.parametrize("side", [24, 48])
def test_exact_crops_end_at_the_edge(astronaut, side):
    """A crop of the exact source is the adaptive average of the part of the box inside the image."""
    boxes = np.array([[181.4, 62.2, 268.9, 172.1], [-20.5, -3, 60.2, 77], [480, 470, 560, 550]], np.float32)
    crops = ExactSource(astronaut).crops(boxes, side)
    for crop, (x1, y1, x2, y2) in zip(crops, [(180, 61, 268, 172), (0, 0, 60, 77), (479, 469, 512, 512)], strict=True):
        expected = adaptive_average(astronaut[y1:y2, x1:x2], side, side)
        np.testing.assert_allclose(crop.transpose(1, 2, 0), expected, atol=1e-3)


@pytest.mark.parametrize("source", [ExactSource, FastSource])
def test_strips_join_to_the_level(astronaut, source):
    """Rows read in two strips are those read at once."""
    level = source(astronaut).level(0.37)
    whole = level(0, 190)
    np.testing.assert_array_equal(np.concatenate([level(0, 70), level(70, 190)], axis=2), whole)
    assert whole.dtype == np.float32


def test_fast_crops_look_like_exact_ones(astronaut):
    """A crop from a mipmap differs from the exact one by a few grey levels, whatever its size."""
    boxes = np.array(
        [[c - s, 115 - s, c + s, 115 + s] for c, s in ((224, 8), (224, 20), (210, 45), (230, 90))], np.float32
    )
    exact, fast = (source(astronaut).crops(boxes, 24) for source in (ExactSource, FastSource))
    assert np.abs(exact - fast).mean(axis=(1, 2, 3)).max() < 8


def test_fast_crops_are_black_outside(astronaut):
    """What a crop shows beyond the image is black."""
    crop = FastSource(astronaut).crops(np.array([[-99, -99, 101, 101]], np.float32), 24)[0]
    assert crop[:, :11, :].max() == 0
    assert crop[:, 13:, 13:].mean() > 20


def test_no_crops_are_an_empty_batch(astronaut):
    """No box gives a batch of none."""
    for source in (ExactSource(astronaut), FastSource(astronaut)):
        assert source.crops(np.zeros((0, 4), np.float32), 24).shape == (0, 3, 24, 24)


@pytest.mark.parametrize(("size", "count"), [((19, 100), 0), ((20, 20), 1), ((480, 640), 10), ((30, 4000), 2)])
def test_levels_begin_at_the_smallest_face_and_end_at_the_image(size, count):
    """The first level brings the smallest face to 12 pixels, the last still holds one window."""
    factors = scales(*size, MtcnnOptions(min_face=20))
    assert len(factors) == count
    assert all(min(level_size(*size, f)) >= 12 for f in factors)


def test_the_largest_face_ends_the_pyramid_early():
    """With a largest face the levels for larger ones are left out, never all of them."""
    every, some = (scales(480, 640, MtcnnOptions(min_face=20, max_face=m)) for m in (None, 80))
    assert some == every[: len(some)]
    assert len(some) == 5
