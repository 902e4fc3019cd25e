"""Versions depend on seed and key alone, stay within what was asked, and show every transform."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import ImageError, InputError, SettingError
from mien.datasets.augmentation import Augmentation, AugmentOptions, source_stem, version_stem
from mien.media.transforms import Change

NOTHING = AugmentOptions(**{f.name: 0.0 for f in fields(AugmentOptions)})


@given(st.integers(0, 2**32), st.lists(st.integers(0, 10**6), min_size=1, max_size=3))
def test_numbers_stay_in_their_ranges(seed, key):
    """No version goes beyond the options, whatever the seed and the key."""
    options = AugmentOptions()
    change = Augmentation(options, seed).change(key, 100)
    assert abs(change.rotation) <= options.rotation
    assert abs(change.zoom - 1) <= options.zoom
    assert max(abs(change.shift_x), abs(change.shift_y)) <= options.shift
    assert abs(change.shear) <= options.shear
    assert abs(change.brightness) <= options.brightness
    assert abs(change.contrast - 1) <= options.contrast
    assert 0 <= change.blur <= 100 * options.blur
    assert 0 <= change.noise <= options.noise
    assert not change.upend


def test_shares_are_met():
    """Of 2,000 versions half are mirrored, a twentieth negatives, a fifth blurred, within four standard errors."""
    changes = [Augmentation().change((i,), 100) for i in range(2000)]
    for found, share in (
        (sum(c.mirror for c in changes), 0.5),
        (sum(c.invert for c in changes), 0.05),
        (sum(c.blur > 0 for c in changes), 0.2),
    ):
        assert abs(found - 2000 * share) < 4 * (2000 * share * (1 - share)) ** 0.5


def test_zero_switches_everything_off(astronaut):
    """With every option 0 a version is the picture."""
    augmentation = Augmentation(NOTHING, 3)
    assert np.array_equal(augmentation.one(astronaut, (1, 2)), astronaut)
    assert replace(augmentation.change((1,), 9), noise_seed=0) == Change()


def test_the_same_key_the_same_version_in_any_process(astronaut):
    """A pickled augmentation makes the same version; another seed or key makes another."""
    first = Augmentation(seed=5)
    copy = pickle.loads(pickle.dumps(first))
    face = astronaut[60:188, 160:288]
    assert np.array_equal(first.one(face, (3, 14)), copy.one(face, (3, 14)))
    assert not np.array_equal(first.one(face, (3, 14)), first.one(face, (3, 15)))
    assert not np.array_equal(first.one(face, (3, 14)), Augmentation(seed=6).one(face, (3, 14)))


def test_a_batch_does_not_depend_on_its_order(astronaut):
    """Shuffled rows get the versions they would have got unshuffled; the originals stay as they are."""
    images = np.stack([astronaut[i : i + 64, 160:224] for i in range(0, 256, 64)])
    before = images.copy()
    made = Augmentation().batch(images, range(4), epoch=2)
    back = np.array([2, 0, 3, 1])
    assert np.array_equal(Augmentation().batch(images[back], back, epoch=2), made[back])
    assert not np.array_equal(Augmentation().batch(images, range(4), epoch=3), made)
    assert np.array_equal(images, before)
    assert made.dtype == np.uint8
    assert made.shape == images.shape


def test_wrong_input_is_refused(astronaut):
    """Too few rows, a float picture and values outside their range answer with what was expected."""
    with pytest.raises(InputError, match="expected 1 rows"):
        Augmentation().batch(astronaut[None], [1, 2], epoch=0)
    with pytest.raises(ImageError):
        Augmentation().one(astronaut / 255, (0,))
    with pytest.raises(SettingError, match=r"mirror must lie between 0 and 1, got 1\.5"):
        AugmentOptions(mirror=1.5)
    with pytest.raises(SettingError, match="rotation"):
        AugmentOptions(rotation=float("nan"))


def test_names_tell_the_source():
    """A version's name leads back to its picture, also a version of a version's; other names are their own."""
    assert version_stem("Ada_0001", 3) == "Ada_0001~a3"
    assert source_stem("Ada_0001~a12") == "Ada_0001"
    assert source_stem("Ada_0001") == "Ada_0001"
    assert source_stem("~a1") == "~a1"
