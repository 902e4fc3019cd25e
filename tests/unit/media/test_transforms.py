"""Known numbers do to a picture what they say, at its size, and nothing else."""

import numpy as np
import pytest

from mien.core.errors import ImageError
from mien.media.transforms import Change, transform


def _middle(pixels):
    """Where a bright spot on black is: x, y."""
    rows, columns = np.nonzero(pixels[..., 0] > 100)
    return columns.mean(), rows.mean()


@pytest.fixture
def spot():
    """Black, with a spot of 5 × 5 pixels about (60, 40) in 101 × 101."""
    pixels = np.zeros((101, 101, 3), np.uint8)
    pixels[38:43, 58:63] = 255
    return pixels


def test_nothing_asked_for_nothing_changed(astronaut):
    """The default change gives an equal, new array."""
    same = transform(astronaut, Change())
    assert np.array_equal(same, astronaut)
    assert not np.shares_memory(same, astronaut)


@pytest.mark.parametrize(
    ("change", "x", "y"),
    [
        (Change(mirror=True), 40, 40),
        (Change(upend=True), 60, 60),
        (Change(rotation=90), 60, 60),  # clockwise: what was up and right is right and down
        (Change(zoom=2), 70, 30),
        (Change(shift_x=0.2, shift_y=-0.1), 80.2, 29.9),
        (Change(shear=45), 50, 40),
    ],
)
def test_a_spot_goes_where_it_must(spot, change, x, y):
    """Each transform of the plane moves a spot right of and above the middle to the known place."""
    assert _middle(transform(spot, change)) == pytest.approx((x, y), abs=0.6)


def test_mirroring_is_exact(astronaut):
    """A mirrored picture is that of NumPy, value by value, also with an odd width."""
    odd = astronaut[:, :511]
    assert np.array_equal(transform(odd, Change(mirror=True)), odd[:, ::-1])
    assert np.array_equal(transform(odd, Change(upend=True)), odd[::-1])


def test_light_and_its_limits(astronaut):
    """Brightness is added, contrast is about middle grey, the negative is 255 minus; values stop at 0 and 255."""
    values = astronaut.astype(int)
    assert np.array_equal(transform(astronaut, Change(invert=True)), 255 - astronaut)
    assert np.array_equal(transform(astronaut, Change(brightness=0.2)), np.clip(values + 51, 0, 255))
    flat = transform(astronaut, Change(contrast=0.0))
    assert flat.min() == flat.max() == 128


def test_what_comes_in_is_the_picture_mirrored(astronaut):
    """No black corners: what a rotation brings in from outside has the light of the border."""
    white = np.full((64, 64, 3), 200, np.uint8)
    assert (transform(white, Change(rotation=30, shift_x=0.2, zoom=0.7)) == 200).all()


def test_blur_takes_edges_and_noise_adds_them(astronaut):
    """Blur lowers, noise raises the differences between neighbours; noise has the deviation asked for and its seed."""
    rough = [
        np.abs(np.diff(p.astype(int), axis=1)).mean()
        for p in (transform(astronaut, Change(blur=3)), astronaut, transform(astronaut, Change(noise=0.1)))
    ]
    assert rough[0] < 0.7 * rough[1] < rough[1] < rough[2]
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = transform(grey, Change(noise=0.04, noise_seed=7))
    assert noisy.std() == pytest.approx(10.2, rel=0.03)
    assert np.array_equal(noisy, transform(grey, Change(noise=0.04, noise_seed=7)))
    assert not np.array_equal(noisy, transform(grey, Change(noise=0.04, noise_seed=8)))


def test_no_picture_no_transform():
    """Grey or floating pictures are refused by the usual error."""
    with pytest.raises(ImageError):
        transform(np.zeros((4, 4), np.uint8), Change(mirror=True))
