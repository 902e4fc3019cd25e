"""YuNet and SCRFD: what the networks are fed, where boxes and landmarks are, limits of size."""

import numpy as np
import pytest

from mien.core.errors import SettingError
from mien.detectors.scrfd import SCRFD
from mien.detectors.single_shot import SingleShotDetector, SingleShotOptions
from mien.detectors.yunet import YUNET
from mien.zoo.convert.single_shot import free_size
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions
from tests.fakes.single_shot import BOX, LANDMARKS, scrfd_file, yunet_file

HEADS = {"yunet": (YUNET, yunet_file), "scrfd": (SCRFD, scrfd_file)}


class Watched:
    """A network that remembers what it was fed."""

    def __init__(self, network):
        self.network, self.fed = network, []

    def run(self, batch):
        self.fed.append(batch)
        return self.network.run(batch)


@pytest.fixture(params=HEADS)
def family(request):
    """Each family."""
    return request.param


@pytest.fixture
def network(family, tmp_path):
    """A network of the family that finds white squares."""
    (tmp_path / "white.onnx").write_bytes(free_size(HEADS[family][1](), family, "white"))
    return Watched(OnnxNetwork(tmp_path / "white.onnx", RuntimeOptions(threads=1)))


def detector(family, network, **options):
    return SingleShotDetector("white", network, HEADS[family][0], SingleShotOptions(**{"threshold": 0.9} | options))


def square(height, width, x, y, side):
    """Black with a white square whose top left corner is at (x, y)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y : y + side, x : x + side] = 255
    return pixels


def test_boxes_and_landmarks_are_where_the_face_is(family, network):
    """A place of the finest level gives the box around its middle and the landmarks in our order."""
    faces = detector(family, network).detect(square(96, 128, 40, 56, 8))
    assert len(faces) == 1
    centre, stride = np.array([44, 60]), 8
    np.testing.assert_allclose(faces.boxes[0], [*(centre - BOX * stride / 2), *(centre + BOX * stride / 2)], atol=1e-3)
    np.testing.assert_allclose(faces.landmarks[0], centre + LANDMARKS * stride, atol=1e-3)
    assert faces.scores[0] == pytest.approx(1, abs=0.01)


def test_coarser_levels_are_read_too(family, network):
    """A large white square makes places of the strides 16 and 32 sure; suppression leaves boxes of different sizes."""
    faces = detector(family, network, overlap=0.3).detect(square(256, 256, 64, 64, 64))
    assert {round(float(size)) for size in faces.sizes} >= {round(BOX * 32)}


def test_a_large_face_is_found_in_a_smaller_copy(family, network):
    """Pictures larger than the network's largest face are searched at a quarter of the size as well, and boxes are those
    of the picture.
    """
    faces = detector(family, network).detect(square(800, 800, 256, 256, 256))
    assert faces.sizes.max() == pytest.approx(BOX * 32 * 4, rel=0.01)
    assert [fed.shape[2:] for fed in network.fed] == [(800, 800), (224, 224)]


def test_a_largest_face_saves_the_smaller_copies(family, network):
    """With max_face no larger than the network's largest, the picture is searched once."""
    detector(family, network, max_face=200).detect(np.zeros((800, 800, 3), np.uint8))
    assert [fed.shape[2:] for fed in network.fed] == [(800, 800)]


def test_a_larger_smallest_face_makes_the_search_smaller(family, network):
    """Faces of 40 pixels and more are searched for at half the size; a smaller one than asked for is dropped."""
    pixels = square(256, 256, 128, 128, 8)
    assert len(detector(family, network, min_face=32).detect(pixels)) in {0, 1}
    network.fed.clear()
    assert len(detector(family, network, min_face=80).detect(pixels)) == 0
    assert network.fed[0].shape[2:] == (64, 64)


def test_limits_shrink_with_the_picture(family, network):
    """A face of 32 pixels passes a limit of 40, and no longer when the picture is half the original: it is one of 64."""
    pixels = square(96, 128, 40, 56, 8)
    limited = detector(family, network, max_face=40)
    assert len(limited.detect(pixels)) == 1
    assert len(limited.at_scale(0.5).detect(pixels)) == 0
    large = detector(family, network, min_face=60)
    assert len(large.detect(pixels)) == 0
    assert large.at_scale(0.5).options.min_face == 30


def test_sides_are_filled_up_and_nothing_is_found_there(family, network):
    """What is fed has sides in steps of 32; a picture that ends in white has no face beyond its edge."""
    pixels = np.full((70, 50, 3), 255, np.uint8)
    faces = detector(family, network).detect(pixels)
    assert network.fed[0].shape == (1, 3, 96, 64)
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    assert len(faces)
    assert (centres < (50, 70)).all()


def test_channels_are_fed_as_the_network_was_trained(family, network):
    """YuNet sees blue, green, red from 0 to 255; SCRFD red, green, blue around 0."""
    detector(family, network).detect(np.full((32, 32, 3), (255, 0, 127), np.uint8))
    expected = {"yunet": [127, 0, 255], "scrfd": [127.5 / 128, -127.5 / 128, -0.5 / 128]}[family]
    np.testing.assert_allclose(network.fed[0][0, :, 5, 7], expected, atol=1e-6)


def test_scores_below_the_threshold_are_no_faces(family, network):
    """A grey square scores less than a white one, and the threshold decides."""
    pixels = square(96, 128, 40, 56, 8)
    pixels[pixels > 0] = 230
    assert len(detector(family, network, threshold=0.95).detect(pixels)) == 0
    assert len(detector(family, network, threshold=0.7).detect(pixels)) == 1


def test_a_network_without_landmarks_gives_none(tmp_path):
    """An SCRFD without landmarks finds boxes, and says that it has no landmarks rather than making them up."""
    (tmp_path / "white.onnx").write_bytes(free_size(scrfd_file(landmarks=False), "scrfd", "white"))
    faces = detector("scrfd", OnnxNetwork(tmp_path / "white.onnx", RuntimeOptions(threads=1))).detect(
        square(96, 128, 40, 56, 8)
    )
    assert len(faces) == 1
    assert faces.landmarks is None


@pytest.mark.parametrize(
    "bad", [{"min_face": 0}, {"min_face": 50, "max_face": 40}, {"threshold": 1.1}, {"overlap": -0.1}]
)
def test_settings_out_of_range_are_refused(bad):
    """An impossible setting is named, with what it should be."""
    with pytest.raises(SettingError, match="must"):
        SingleShotOptions(**bad)
