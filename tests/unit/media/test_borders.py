"""Frames of real pictures are found to within two pixels; pictures without one stay whole."""

import cv2
import numpy as np
import pytest

from mien.media.borders import FrameOptions, find_frame


@pytest.fixture(params=["chelsea", "coffee", "rocket"])
def photograph(request):
    """A real photograph without a frame."""
    from skimage import data

    return np.ascontiguousarray(getattr(data, request.param)())


def _framed(pixels, top, bottom, left, right, value):
    return cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_CONSTANT, value=value)


def _near(found, expected, tolerance=2):
    inside = np.array(found) - expected
    return (inside[:2] >= 0).all() and (inside[2:] <= 0).all() and np.abs(inside).max() <= tolerance


def test_no_frame_nothing_cut(photograph, astronaut):
    """A photograph to its edges stays whole."""
    for pixels in (photograph, astronaut):
        height, width = pixels.shape[:2]
        assert find_frame(pixels) == (0, 0, width, height)


@pytest.mark.parametrize(
    ("sides", "value"),
    [
        ((30, 35, 40, 50), (250,) * 3),
        ((12, 12, 12, 12), (5,) * 3),
        ((60, 60, 0, 0), (0,) * 3),
        ((0, 0, 40, 40), (20, 90, 30)),
    ],
)
def test_a_frame_is_found(photograph, sides, value):
    """White, black and coloured frames of unlike sides, and bars at two sides only."""
    height, width = photograph.shape[:2]
    top, bottom, left, right = sides
    found = find_frame(_framed(photograph, top, bottom, left, right, value))
    assert _near(found, (left, top, left + width, top + height))


def test_two_frames_with_grain(photograph):
    """A black line inside a white margin, scanned with grain: both go."""
    height, width = photograph.shape[:2]
    framed = _framed(_framed(photograph, *(10,) * 4, (10,) * 3), *(30,) * 4, (240,) * 3)
    grain = np.random.default_rng(0).normal(0, 4, framed.shape)
    noisy = np.clip(framed + grain, 0, 255).astype(np.uint8)
    assert _near(find_frame(noisy), (40, 40, 40 + width, 40 + height))


def test_a_line_on_one_side_is_no_frame(photograph):
    """A horizon or a table's edge near one side is part of the picture."""
    height, width = photograph.shape[:2]
    assert find_frame(_framed(photograph, 40, 0, 0, 0, (0,) * 3)) == (0, 0, width, height + 40)


def test_a_frame_deeper_than_allowed_stays(photograph):
    """More than a quarter at a side is no frame, unless said so."""
    wide = _framed(photograph, 0, 0, 450, 450, (255,) * 3)
    whole = (0, 0, wide.shape[1], wide.shape[0])
    assert find_frame(wide) == whole
    assert find_frame(wide, FrameOptions(deepest=0.45)) != whole


def test_tiny_pictures():
    """Three pixels have no frame and raise nothing."""
    assert find_frame(np.zeros((3, 3, 3), np.uint8)) == (0, 0, 3, 3)


def test_real_framed_photographs(shared_data):
    """WIDER: a letterboxed film still and a mounted photograph are cut, of 176 pictures nine in all."""
    from mien.media.images import read_image

    pictures = shared_data / "wider" / "WIDER_val" / "images" / "13--Interview"
    still = read_image(pictures / "13_Interview_Interview_Sequences_13_884.jpg").pixels
    assert find_frame(still)[::2] == (0, 1024)
    assert 70 <= find_frame(still)[1] <= 74
    mounted = read_image(pictures / "13_Interview_Interview_On_Location_13_56.jpg").pixels
    assert _near(find_frame(mounted), (57, 44, 967, 724), 3)
