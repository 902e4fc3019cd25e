"""``mien calibrate``: a gallery's own threshold."""

import pytest


@pytest.fixture
def strangers(home, shared_data):
    """Sixty pictures of LFW, one per person."""
    folder = home / "strangers"
    folder.mkdir()
    for picture in sorted((shared_data / "lfw/images").glob("*/*_0001.jpg"))[:60]:
        (folder / picture.name).symlink_to(picture)
    return folder


def test_a_calibration_is_kept_with_its_provenance(mien, family, strangers):
    """Measured, told, kept with the gallery and used from then on; gone with one of the people it was measured on."""
    assert mien("enroll", "--from", family).code == 0
    result = mien("calibrate", strangers, "--strangers", "2", "--json")
    assert result.code == 0, result.err
    told = result.json()
    assert told["stored"]
    assert "strangers from strangers" in told["calibration"]["data"]
    before, now = told["thresholds"]
    assert before["measured on"].startswith("LFW")
    assert now["measured on"].startswith(told["calibration"]["data"])
    kept = mien("calibrate", "--strangers", "2", "--json").json()
    assert kept["calibration"] == told["calibration"]
    assert kept["thresholds"][0]["threshold"] == now["threshold"] != before["threshold"]
    assert mien("calibrate", strangers, "--remove").code == 2
    back = mien("calibrate", "--strangers", "2", "--remove", "--json")
    assert back.code == 0, back.err
    assert back.json()["calibration"] is None
    assert back.json()["thresholds"][0]["threshold"] == before["threshold"]
    assert mien("calibrate", "--remove").code == 1
    assert mien("calibrate", strangers, "--strangers", "2").code == 0
    assert mien("people", "remove", "Family1-Dad", "--yes").code == 0
    assert mien("calibrate", "--json").json()["calibration"] is None


def test_too_few_strangers_change_nothing(mien, family, strangers):
    """A sample that cannot support the rate wanted is not stored unless asked for, and says how many are needed."""
    assert mien("enroll", "--from", family).code == 0
    refused = mien("calibrate", strangers, "--strangers", "1000")
    assert refused.code == 1
    assert "strangers are needed, 60 were found" in refused.err
    assert mien("calibrate", "--json").json()["calibration"] is None
    assert mien("calibrate", strangers, "--strangers", "1000", "--allow-small", "--dry-run").code == 0
    assert mien("calibrate", "--json").json()["calibration"] is None
    assert mien("calibrate", strangers, "--strangers", "1000", "--allow-small").code == 0
    assert mien("calibrate", "--json").json()["calibration"] is not None


def test_enrolled_photographs_are_no_strangers(mien, photo):
    """A photograph somebody was enrolled from is left out and named; without any stranger there is nothing to measure."""
    picture = photo("ada.jpg")
    assert mien("calibrate", picture).code == 1
    assert mien("enroll", "Ada", picture).code == 0
    result = mien("calibrate", picture)
    assert result.code == 1
    assert "ada.jpg is a photograph that Ada was enrolled from" in result.err
    assert "no usable face of a stranger" in result.err
