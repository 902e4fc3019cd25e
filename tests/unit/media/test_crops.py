"""Chips: what lands where, at every scale, inside and outside the picture."""

import cv2
import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.geometry import ARCFACE_112, similarity_transform
from mien.media.crops import align, crop_boxes, crop_context, crop_extended, crop_facenet, margin_boxes

ASTRONAUT = np.array([[[205, 108], [244, 109], [223, 135], [206, 150], [241, 150]]], np.float32)  # read off the picture
"""Roughly where the eyes, nose and mouth corners are."""


def dots(points: np.ndarray, shape: tuple[int, int], radius: float) -> np.ndarray:
    """A smooth white dot at every point of a black picture."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    bumps = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2)) for px, py in points]
    return np.repeat((255 * np.max(bumps, axis=0)).astype(np.uint8)[..., None], 3, axis=2)


def centre_of_light(chip: np.ndarray, near: np.ndarray, reach: int) -> np.ndarray:
    """Centre of mass of the light around a point."""
    x0, y0 = (round(v) - reach for v in near.tolist())
    window = chip[max(y0, 0) : y0 + 2 * reach + 1, max(x0, 0) : x0 + 2 * reach + 1, 0].astype(float)
    y, x = np.mgrid[: window.shape[0], : window.shape[1]]
    return np.array([(window * x).sum(), (window * y).sum()]) / window.sum() + [max(x0, 0), max(y0, 0)]


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.7, 6.0, 15.0])
@pytest.mark.parametrize("angle", [0, 25, -160])
def test_landmarks_land_on_the_template(scale, angle):
    """Landmarks of a face of any size and tilt lie on the template to within half a pixel of the chip."""
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (ARCFACE_112 - 56) @ rotation.T * scale
    points = (points - points.min(axis=0) + 20 * scale).astype(np.float32)
    width, height = np.ceil(points.max(axis=0) + 20 * scale).astype(int)
    chip = align(dots(points, (height, width), 2.5 * scale), points[None], ARCFACE_112, 112)[0]
    for wanted in ARCFACE_112:
        assert np.abs(centre_of_light(chip, wanted, 8) - wanted).max() < 0.5


def test_align_equals_the_plain_warp_where_nothing_is_shrunk(astronaut):
    """At a scale near one the chip is that of one bilinear warp of the whole picture."""
    matrix = similarity_transform(ASTRONAUT, ARCFACE_112)[0]
    plain = cv2.warpAffine(astronaut, matrix, (112, 112))
    assert np.abs(align(astronaut, ASTRONAUT, ARCFACE_112, 112)[0].astype(int) - plain).max() <= 2


def test_align_does_not_alias_a_large_face(astronaut):
    """A face eight times enlarged gives the chip of the face itself, not a pattern of skipped pixels."""
    rng = np.random.default_rng(0)
    large = cv2.resize(astronaut[60:200, 150:300], None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    grain = rng.integers(-60, 60, large.shape[:2])[..., None]  # averages out, unless pixels are skipped
    grainy = np.clip(large.astype(int) + grain, 0, 255).astype(np.uint8)
    landmarks = (ASTRONAUT - [150, 60]) * 8
    clean = align(large, landmarks.astype(np.float32), ARCFACE_112, 112).astype(int)
    chip = align(grainy, landmarks.astype(np.float32), ARCFACE_112, 112)
    assert np.abs(chip - clean).mean() < 5  # measured 3.0; a plain bilinear warp 17.8


def test_outside_the_picture_is_black():
    """Chips that reach over the edge are padded with black; one wholly outside, or without extent, is all black."""
    white = np.full((40, 40, 3), 255, np.uint8)
    inside = align(white, ARCFACE_112[None] - 56, ARCFACE_112, 112)[0]
    assert inside[:50].max() == 0
    assert inside[60:90, 60:90].min() == 255
    assert align(white, ARCFACE_112[None] + 5000, ARCFACE_112, 112).max() == 0
    assert align(white, np.full((1, 5, 2), 7, np.float32), ARCFACE_112, 112).max() == 0


def test_margin_counts_in_pixels_of_the_chip():
    """With margin 32 of 160 a face fills 128 pixels of its chip, whatever its size; with 0 it fills the chip."""
    for side in (40, 400):
        box = np.array([[500, 500, 500 + side, 500 + side]], np.float32)
        grown = margin_boxes(box, size=160, margin=32)[0]
        assert np.allclose(grown[2:] - grown[:2], side * 160 / 128)
    assert np.array_equal(margin_boxes(box, size=160, margin=0), box)


def test_margin_of_facenet_counts_in_pixels_of_the_photograph(astronaut):
    """The compatible crop is the slice that facenet's script takes, clipped to the picture."""
    box = np.array([[10, 70, 280, 170]], np.float32)
    expected = cv2.resize(astronaut[54:186, 0:296], (160, 160), interpolation=cv2.INTER_AREA)
    assert np.array_equal(crop_facenet(astronaut, box, size=160, margin=32)[0], expected)


@pytest.mark.parametrize("margin", [-1, 160, 999])
def test_a_margin_without_a_face_is_refused(margin, astronaut):
    """A margin that fills the chip is an error that names the limit."""
    with pytest.raises(InputError, match="159"):
        crop_boxes(astronaut, np.array([[0, 0, 9, 9]], np.float32), size=160, margin=margin)


@pytest.mark.parametrize("box", [[-50, -50, -10, -10], [600, 600, 700, 700], [30, 30, 30, 30], [-1e6, -1e6, 1e6, 1e6]])
def test_any_box_gives_a_chip(box, astronaut):
    """Boxes outside, without area or huge give a chip rather than an error."""
    boxes = np.array([box], np.float32)
    assert crop_boxes(astronaut, boxes, size=32, margin=4).shape == (1, 32, 32, 3)
    assert crop_context(astronaut, boxes, size=32, context=1.7).shape == (1, 32, 32, 3)


def test_no_faces_give_no_chips(astronaut):
    """An empty table of faces gives an empty stack of chips, never an error."""
    none = np.zeros((0, 4), np.float32)
    assert crop_boxes(astronaut, none, size=160).shape == (0, 160, 160, 3)
    assert crop_context(astronaut, none, size=80, context=1.0).shape == (0, 80, 80, 3)
    assert align(astronaut, np.zeros((0, 5, 2), np.float32), ARCFACE_112, 112).shape == (0, 112, 112, 3)


def test_context_keeps_the_aspect_and_pads_with_zeros():
    """A context crop is a square around the box: a wide box is not stretched and what lies outside is zero."""
    white = np.full((100, 100, 3), 255, np.uint8)
    chip = crop_context(white, np.array([[0, 40, 50, 60]], np.float32), size=100, context=1.0)[0]
    assert chip[:, :24].max() == 0  # x from -25
    assert chip[50, 26:].min() == 255
    whole = crop_context(white, np.array([[20, 30, 40, 60]], np.float32), size=30, context=0.0)[0]
    assert whole.min() == 255
    exact = np.arange(100, dtype=np.uint8)[None, :, None].repeat(100, 0).repeat(3, 2)
    assert np.array_equal(
        crop_context(exact, np.array([[10, 10, 42, 42]], np.float32), size=32, context=0)[0], exact[10:42, 10:42]
    )


def test_an_extended_crop_ends_at_the_border():
    """A box is grown by k of its side on each side; what would lie outside is cut off, not filled."""
    ramp = np.arange(100, dtype=np.uint8)[None, :, None].repeat(100, 0).repeat(3, 2)
    inside = np.array([[30, 40, 50, 60]], np.float32)
    assert np.array_equal(crop_extended(ramp, inside, size=40, context=0.5)[0], ramp[30:70, 20:60])
    corner = np.array([[0, 0, 20, 20], [80, 80, 100, 100]], np.float32)
    first, last = crop_extended(ramp, corner, size=30, context=0.5)
    assert np.array_equal(first, ramp[:30, :30])
    assert np.array_equal(last, ramp[70:, 70:])


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_large_boxes_give_the_chip_of_the_small_picture(factor, astronaut):
    """A picture enlarged by a whole number gives nearly the chip of the picture itself, box or landmarks, near an edge too."""
    large = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    boxes = np.array([[178, 65, 270, 176], [400, 380, 512, 512]], np.float32)
    small, big = (crop_boxes(p, b, size=40) for p, b in ((astronaut, boxes), (large, boxes * factor)))
    assert np.abs(small.astype(int) - big).mean() < 4
    points = ASTRONAUT * factor + (factor - 1) / 2  # the centre of an enlarged pixel
    one, other = (
        align(astronaut, ASTRONAUT, ARCFACE_112, 112),
        align(large, points.astype(np.float32), ARCFACE_112, 112),
    )
    assert np.abs(one.astype(int) - other).mean() < 4
