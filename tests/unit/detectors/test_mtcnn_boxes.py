"""MTCNN's box arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.geometry import nms
from mien.detectors.mtcnn.boxes import from_cells, offset, probability, square, suppress, suppress_inside


@st.composite
def windows(draw):
    """Whole-pixel windows as P-Net gives them, with scores without ties."""
    n = draw(st.integers(0, 40))
    corners = draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=n, max_size=n))
    sides = draw(st.lists(st.sampled_from([10, 14, 20, 21, 28]), min_size=n, max_size=n))
    order = draw(st.permutations(range(1, n + 1)))
    low = np.array(corners, np.float32).reshape(-1, 2)
    return np.hstack([low, low + np.array(sides, np.float32)[:, None]]), np.array(order, np.float32) / 64


@given(windows(), st.sampled_from([0.3, 0.5, 0.6, 0.7]))
def test_compiled_suppression_equals_ours(found, limit):
    """OpenCV's suppression keeps what the definition keeps, in the same order, overlaps equal to the limit included."""
    boxes, scores = found
    expected = nms(boxes.astype(np.float64), scores, np.float64(limit) + 1e-7)
    np.testing.assert_array_equal(suppress(boxes, scores, limit), expected)


def test_overlap_equal_to_the_limit_stays():
    """A window is suppressed above the limit, not at it: 7/10 of 0.7 and 1/2 of 0.5 stay."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 7, 10]], np.float32)
    assert len(suppress(boxes, np.array([0.9, 0.8], np.float32), 0.7)) == 2
    boxes = np.array([[0, 0, 10, 10], [0, 0, 5, 10]], np.float32)
    assert len(suppress(boxes, np.array([0.9, 0.8], np.float32), 0.5)) == 2


def test_a_box_inside_a_better_one_goes():
    """The last suppression compares with the smaller box: a nose inside a face is no second face."""
    boxes = np.array([[0, 0, 100, 100], [40, 40, 60, 60], [200, 200, 300, 300]], np.float32)
    kept = suppress_inside(boxes, np.array([0.9, 0.8, 0.95], np.float32), 0.7)
    assert kept.tolist() == [2, 0]


@pytest.mark.parametrize("n", [0, 1, 5])
def test_squares_keep_the_centre(n):
    """A square has the box's centre and its longer side."""
    boxes = np.array([[10, 20, 30, 60]] * n, np.float32).reshape(-1, 4)
    np.testing.assert_allclose(square(boxes), np.array([[0, 20, 40, 60]] * n).reshape(-1, 4))


def test_cells_are_windows_of_twelve_pixels():
    """Output cell (column, row) of a level at half size covers twelve of its pixels, counted from one."""
    boxes = from_cells(np.array([0, 3]), np.array([0, 1]), 0.5)
    np.testing.assert_array_equal(boxes, [[2, 2, 24, 24], [14, 6, 36, 28]])


def test_offsets_are_in_units_of_the_sides():
    """An offset of a tenth moves an edge by a tenth of the side."""
    boxes = np.array([[0, 0, 20, 10]], np.float32)
    moved = offset(boxes, np.array([[0.1, 0.1, -0.1, 0]], np.float32), extra=0)
    np.testing.assert_allclose(moved, [[2, 1, 18, 10]])


def test_probability_is_a_softmax():
    """Equal inputs give one half, and nothing overflows."""
    with np.errstate(over="raise"):
        assert probability(np.array([0], np.float32))[0] == 0.5
        assert probability(np.array([200, -200], np.float32)).round(6).tolist() == [1, 0]
