"""The sliding window: where its boxes are, limits of size, strips, and what it says about bad settings."""

import numpy as np
import pytest

from mien.core.errors import SettingError
from mien.detectors.sliding_window import SlidingWindowDetector, SlidingWindowOptions, scores_of


class Bright:
    """A network that takes windows for faces whose middle is bright: lead = 8 × the mean of the inner 16 × 16 pixels."""

    def __init__(self):
        self.shapes = []

    def run(self, batch):
        self.shapes.append(batch.shape)
        windows = np.lib.stride_tricks.sliding_window_view(batch.mean(axis=1), (32, 32), axis=(1, 2))[:, ::4, ::4]
        lead = 8 * windows[..., 8:24, 8:24].mean(axis=(-1, -2))
        return (np.stack([-lead / 2, lead / 2], axis=1).astype(np.float32),)


def spot(height, width, x, y, side):
    """Black with a white square around (x, y)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y - side // 4 : y + side // 4, x - side // 4 : x + side // 4] = 255
    return pixels


def test_the_box_is_where_the_face_is():
    """At any scale, in pixels of the original, of the wanted proportion and the window's area."""
    detector = SlidingWindowDetector("spots", Bright(), SlidingWindowOptions(min_face=64, max_face=64, aspect=0.8))
    faces = detector.detect(spot(300, 400, 250, 140, 64))
    box = faces.boxes[0]
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, (250, 140), atol=5)
    width, height = box[2:] - box[:2]
    assert width / height == pytest.approx(0.8, abs=1e-3)
    assert width * height == pytest.approx(64**2, rel=1e-3)


def test_sizes_outside_the_limits_are_not_searched():
    """Levels run from the smallest face to the largest, the factor apart; at half scale the limits are halved too."""
    network = Bright()
    detector = SlidingWindowDetector("spots", network, SlidingWindowOptions(min_face=32, max_face=128, factor=0.5))
    detector.detect(np.zeros((256, 512, 3), np.uint8))
    assert [shape[2:] for shape in network.shapes] == [(256, 512), (128, 256), (64, 128)]
    network.shapes.clear()
    detector.at_scale(0.5).detect(np.zeros((128, 256, 3), np.uint8))
    assert [shape[2:] for shape in network.shapes] == [(256, 512), (128, 256), (64, 128)]


def test_the_last_rows_and_columns_are_searched():
    """A picture whose sides are no multiples of the stride is filled up, not cut off."""
    detector = SlidingWindowDetector("spots", Bright(), SlidingWindowOptions(min_face=32, max_face=32))
    assert len(detector.detect(spot(67, 71, 55, 51, 32)))


def test_only_the_surest_are_kept_where_that_is_asked():
    """``most`` cuts after suppression."""
    pixels = np.maximum(spot(64, 400, 60, 32, 32), spot(64, 400, 300, 32, 32))
    every = SlidingWindowOptions(min_face=32, max_face=32)
    assert len(SlidingWindowDetector("spots", Bright(), every).detect(pixels)) == 2
    one = SlidingWindowOptions(min_face=32, max_face=32, most=1)
    assert len(SlidingWindowDetector("spots", Bright(), one).detect(pixels)) == 1


def test_strips_change_nothing(tmp_path, astronaut, monkeypatch):
    """A level that is searched in strips gives the scores that it gives at once, around the seams too."""
    from mien.detectors import sliding_window
    from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
    from tests.fakes.region import astronaut_network

    (tmp_path / "region.onnx").write_bytes(astronaut_network())
    network = OnnxNetwork(tmp_path / "region.onnx", RuntimeOptions(threads=1))
    detector = SlidingWindowDetector("astronaut", network)
    whole = detector.heat(astronaut[:200, :260])
    monkeypatch.setattr(sliding_window, "_PIXELS", 260 * 50)
    strips = detector.heat(astronaut[:200, :260])
    assert whole.shape == strips.shape == (43, 58)
    np.testing.assert_allclose(strips, whole, atol=1e-5)


def test_scores_tell_sure_faces_apart():
    """Even where the probability is 1.0 in float32 twice, the surer one scores higher; equal logits score a half."""
    logits = np.array([[0, 0, 0], [0, 18, 22]], np.float32)
    scores = scores_of(logits)
    assert scores[0] == 0.5
    assert scores[1] < scores[2] < 1


def test_a_record_tunes_what_it_names():
    """Threshold and aspect come from the record, everything else stays."""
    options = SlidingWindowOptions(min_face=40).tuned({"threshold": 0.7, "aspect": 0.8, "else": 1.0})
    assert (options.threshold, options.aspect, options.min_face) == (0.7, 0.8, 40)
    assert SlidingWindowOptions().tuned({}) == SlidingWindowOptions()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"min_face": 0}, "min face 0"),
        ({"min_face": 50, "max_face": 40}, "max face 40"),
        ({"factor": 1.0}, "pyramid factor 1.0"),
        ({"threshold": 1.5}, "threshold 1.5"),
        ({"aspect": 0}, "aspect 0"),
    ],
)
def test_bad_settings_are_named(given, words):
    """Each says its value and its limits."""
    with pytest.raises(SettingError, match=words):
        SlidingWindowOptions(**given)
