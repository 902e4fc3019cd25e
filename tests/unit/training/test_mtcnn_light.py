"""Windows are shown in new light in every epoch; what they show stays where it is."""

import numpy as np

from mien.training.mtcnn import _relit


def test_windows_differ_in_light_and_tint_and_some_are_grey():
    """Three hundred copies of one window: no two alike, some without colour, none beyond 0 to 255, the same by the same seed."""
    chip = np.random.default_rng(0).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    chips = np.repeat(chip[None], 300, axis=0)
    relit = _relit(chips, np.random.default_rng(1))
    assert relit.dtype == np.float32
    assert relit.shape == chips.shape
    assert relit.min() >= 0
    assert relit.max() <= 255
    assert len(np.unique(relit.reshape(300, -1), axis=0)) == 300
    grey = (relit == relit[..., :1]).all(axis=(1, 2, 3))
    assert 10 < grey.sum() < 60
    contrast = relit[~grey].std(axis=(1, 2))
    assert np.ptp(contrast[:, 0] / contrast[:, 2]) > 0.2
    bright = chip.astype(np.float32).mean(axis=2)
    likeness = [np.corrcoef(bright.ravel(), each.mean(axis=2).ravel())[0, 1] for each in relit]
    assert min(likeness) > 0.9
    np.testing.assert_array_equal(relit, _relit(chips, np.random.default_rng(1)))
