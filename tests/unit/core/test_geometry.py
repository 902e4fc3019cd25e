"""Boxes, suppression, tiles and alignment."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.core.geometry import ARCFACE_112, clip, enlarge, iou, nms, similarity_transform, square, tiles

coordinates = st.integers(0, 60).map(float)


@st.composite
def box_arrays(draw, most=8):
    n = draw(st.integers(0, most))
    rows = [
        [x, y, x + w, y + h] for x, y, w, h in draw(st.lists(st.tuples(*[coordinates] * 4), min_size=n, max_size=n))
    ]
    return np.array(rows, np.float32).reshape(-1, 4)


@given(box_arrays(), box_arrays())
def test_iou_is_symmetric_and_within_bounds(a, b):
    """Overlap does not depend on who is asked, and lies in 0 … 1."""
    forth, back = iou(a, b), iou(b, a)
    assert np.allclose(forth, back.T)
    assert ((forth >= 0) & (forth <= 1)).all()


def test_iou_of_known_boxes():
    """Half of a box against the whole is one half; boxes that touch do not overlap."""
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[0, 0, 10, 5], [10, 0, 20, 10], [3, 3, 3, 8]], np.float32)
    assert iou(a, b).tolist() == [[0.5, 0.0, 0.0]]


@given(box_arrays(12), st.floats(0, 1), st.sampled_from(["union", "min"]), st.randoms())
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(boxes, threshold, over, random):
    """What is kept overlaps nothing kept beyond the threshold; what goes overlaps a better kept one."""
    scores = np.array([random.random() for _ in boxes], np.float32)
    kept = nms(boxes, scores, threshold, over=over)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    shared = (
        (np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2]))
        .clip(0)
        .prod(2)
    )
    whole = np.minimum(areas[:, None], areas[None]) if over == "min" else areas[:, None] + areas[None] - shared
    too_near = shared > np.float32(threshold) * whole
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for position, k in enumerate(kept):
        assert not too_near[k, kept[position + 1 :]].any()
    for gone in set(range(len(boxes))) - set(kept.tolist()):
        assert any(too_near[gone, k] and scores[k] >= scores[gone] for k in kept)


@given(box_arrays())
def test_squares_share_the_centre_and_hold_the_box(boxes):
    """The square of a box has its centre and its longer side."""
    made = square(boxes)
    assert np.allclose(made[:, :2] + made[:, 2:], boxes[:, :2] + boxes[:, 2:], atol=1e-3)
    assert np.allclose((made[:, 2:] - made[:, :2]).T, (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0), atol=1e-3)


def test_clipping_and_enlarging_known_boxes():
    """Clipping stops at the edges; enlarging by a half adds a quarter on each side."""
    box = np.array([[-5, 2, 30, 40]], np.float32)
    assert clip(box, 20, 30).tolist() == [[0, 2, 20, 30]]
    assert enlarge(np.array([[0, 0, 10, 20]], np.float32), 0.5).tolist() == [[-2.5, -5, 12.5, 25]]


@given(st.integers(1, 500), st.integers(1, 500), st.integers(20, 200), st.integers(0, 19))
def test_tiles_cover_every_pixel_and_share_the_overlap(width, height, side, overlap):
    """No pixel is left out, no tile is too large, neighbours overlap enough."""
    covered = np.zeros((height, width), bool)
    cut = tiles(width, height, side, overlap)
    for x1, y1, x2, y2 in cut:
        assert x2 - x1 <= side
        assert y2 - y1 <= side
        covered[y1:y2, x1:x2] = True
    assert covered.all()
    starts = sorted({x1 for x1, *_ in cut})
    assert all(b + overlap <= a + side for a, b in itertools.pairwise(starts))


def test_tiles_refuse_an_overlap_as_large_as_a_tile():
    """An impossible overlap is an error, not an endless loop."""
    with pytest.raises(ValueError, match="overlap 10"):
        tiles(100, 100, 10, 10)


@given(st.floats(0.2, 5), st.floats(-3, 3), st.floats(-50, 50), st.floats(-50, 50))
def test_a_similarity_is_recovered_exactly(scale, angle, dx, dy):
    """Points moved by a similarity are laid back on the template."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (ARCFACE_112 @ turn.T + [dx, dy]).astype(np.float32)[None]
    matrix = similarity_transform(points, ARCFACE_112)[0]
    assert np.allclose(points[0] @ matrix[:, :2].T + matrix[:, 2], ARCFACE_112, atol=0.02)


@given(arrays(np.float32, (1, 5, 2), elements=st.floats(0, 100, width=32)))
def test_alignment_never_mirrors(points):
    """Whatever the points, the transform turns and scales but does not reflect."""
    matrix = similarity_transform(points, ARCFACE_112)[0]
    assert np.linalg.det(matrix[:, :2]) >= -1e-6
