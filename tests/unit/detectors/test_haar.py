"""The Haar cascade."""

import pytest

from mien.core.errors import SettingError, WeightsError
from mien.detectors.haar import HaarDetector, HaarOptions


def test_a_face_below_the_smallest_is_not_searched(astronaut):
    """The smallest face limits the search from below, the largest from above."""
    assert len(HaarDetector().detect(astronaut)) >= 1
    assert HaarDetector(HaarOptions(min_face=150)).detect(astronaut).sizes.min(initial=150) >= 150
    assert HaarDetector(HaarOptions(max_face=60)).detect(astronaut).sizes.max(initial=60) <= 61


def test_it_has_no_landmarks(astronaut):
    """Haar finds boxes only; the column stays empty."""
    assert HaarDetector().detect(astronaut).landmarks is None


def test_a_file_that_is_no_cascade_is_named(astronaut, tmp_path):
    """A missing or wrong file is an error at the first use, not a detector that finds nothing."""
    detector = HaarDetector(cascade=tmp_path / "none.xml")
    with pytest.raises(WeightsError, match=r"none\.xml"):
        detector.detect(astronaut)


@pytest.mark.parametrize("options", [{"min_face": 0}, {"max_face": 10}, {"factor": 1.0}, {"neighbours": -1}])
def test_options_out_of_range_are_refused(options):
    """A setting that cannot work is refused."""
    with pytest.raises(SettingError):
        HaarOptions(**options)
