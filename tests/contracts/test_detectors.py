"""What every detector must do, whatever it is made of."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.core.errors import ImageError
from mien.core.faces import Faces
from mien.detectors.haar import HaarDetector
from mien.detectors.mtcnn import MtcnnOptions, open_mtcnn
from mien.detectors.scrfd import SCRFD
from mien.detectors.single_shot import SingleShotDetector
from mien.detectors.sliding_window import SlidingWindowDetector, SlidingWindowOptions
from mien.detectors.tiled import TiledDetector
from mien.detectors.yunet import YUNET
from mien.zoo.catalog import Catalog
from mien.zoo.convert.single_shot import free_size
from mien.zoo.runtime import OnnxNetwork
from mien.zoo.weights import ensure
from tests.fakes.region import astronaut_network

DETECTORS = ("mtcnn-fast", "mtcnn-parity", "haar", "tiled", "sliding-window", "yunet", "yunet-640", "scrfd")
SINGLE_SHOT = {
    "yunet": ("yunet/yunet_n_dynamic.onnx", YUNET),
    "yunet-640": ("yunet/yunet_n_640_640.onnx", YUNET),
    "scrfd": ("scrfd/scrfd_500m_kps.onnx", SCRFD),
}


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request, cache_dir, tmp_path_factory):
    """Each detector with the settings of a user who set none."""
    if request.param == "haar":
        return HaarDetector()
    if request.param == "sliding-window":
        if importlib.util.find_spec("keras") is None:
            pytest.skip("a sliding window is trained first, and the extra train is not installed")
        file = tmp_path_factory.mktemp("region") / "region.onnx"
        file.write_bytes(astronaut_network())
        return SlidingWindowDetector("astronauts", OnnxNetwork(file), SlidingWindowOptions(min_face=60, threshold=0.6))
    if request.param in SINGLE_SHOT:
        where, head = SINGLE_SHOT[request.param]
        brought = request.getfixturevalue("shared_data") / "models" / where
        file = tmp_path_factory.mktemp("brought") / "detector.onnx"
        file.write_bytes(free_size(brought.read_bytes(), head.name, brought.name))
        return SingleShotDetector(request.param, OnnxNetwork(file), head)
    files = ensure(Catalog().get("mtcnn"), cache=cache_dir, models=cache_dir / "models")
    if request.param == "tiled":
        return TiledDetector(open_mtcnn(files), side=300, above=0.1, overlap=160)
    return open_mtcnn(files, options=MtcnnOptions(mode=request.param.removeprefix("mtcnn-")))


def same(a: Faces, b: Faces) -> bool:
    """Whether two tables hold exactly the same faces."""
    return all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("boxes", "scores") if len(a) == len(b)
    ) and len(a) == len(b)


def test_it_has_a_name(detector):
    """A detector can be called by a name."""
    assert detector.name


def test_the_astronaut_is_found(detector, astronaut):
    """The one face of a real photograph is found where it is."""
    faces = detector.detect(astronaut)
    assert len(faces) >= 1
    x, y = (faces.boxes[0, :2] + faces.boxes[0, 2:]) / 2
    assert np.hypot(x - 224, y - 115) < 15
    assert 60 < faces.sizes[0] < 140
    if faces.landmarks is not None:
        left, right = faces.landmarks[0, :2, 0]
        assert left < right


def test_no_face_is_an_empty_table(detector):
    """A picture without a face gives an empty table, never None."""
    faces = detector.detect(np.full((120, 160, 3), 90, np.uint8))
    assert isinstance(faces, Faces)
    assert len(faces) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (11, 13), (12, 12), (20, 20), (21, 33), (127, 251)])
def test_any_size_is_searched(detector, astronaut, size):
    """Odd and tiny pictures are searched like any other; what is found is finite and scored from 0 to 1."""
    height, width = size
    faces = detector.detect(np.ascontiguousarray(np.resize(astronaut[60:180, 170:280], (height, width, 3))))
    assert np.isfinite(faces.boxes).all()
    assert ((faces.scores >= 0) & (faces.scores <= 1)).all()


def test_grey_in_three_channels_is_a_picture(detector, astronaut):
    """A photograph without colour is searched too, and its face found."""
    grey = astronaut.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    assert len(detector.detect(grey)) >= 1


def test_the_surest_face_comes_first(detector, astronaut):
    """Faces are ordered by score."""
    scores = detector.detect(np.hstack([astronaut, astronaut[:, ::-1]])).scores
    assert len(scores) >= 2
    assert (np.diff(scores) <= 0).all()


def test_the_same_picture_gives_the_same_faces(detector, astronaut):
    """Nothing is remembered from call to call."""
    first = detector.detect(astronaut)
    detector.detect(astronaut[::-1, :200].copy())
    assert same(first, detector.detect(astronaut))


def test_a_batch_equals_its_pictures(detector, astronaut):
    """A batch of pictures of different sizes gives what each gives alone."""
    pictures = [astronaut, np.ascontiguousarray(astronaut[:300, 50:400]), astronaut[::2, ::2].copy()]
    batch = detector.detect_batch(pictures)
    assert all(same(faces, detector.detect(picture)) for faces, picture in zip(batch, pictures, strict=True))
    assert detector.detect_batch([]) == []


def test_a_view_is_as_good_as_a_copy(detector, astronaut):
    """Strided views (a flip, a crop) are searched as if they were copied, and never written to."""
    view = astronaut[:, ::-1]
    before = astronaut.copy()
    assert same(detector.detect(view), detector.detect(view.copy()))
    np.testing.assert_array_equal(astronaut, before)


def test_threads_may_share_it(detector, astronaut):
    """Four threads that search different pictures at once find what one alone finds."""
    pictures = [np.ascontiguousarray(astronaut[:, k : 400 + k]) for k in (0, 30, 60, 90)]
    alone = [detector.detect(p) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector.detect, pictures * 3))
    assert all(same(faces, alone[i % 4]) for i, faces in enumerate(together))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 40, 3), np.float32),
        np.full((40, 40, 3), np.nan, np.float32),
        np.zeros((40, 40), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((0, 40, 3), np.uint8),
        [[1, 2, 3]],
        None,
    ],
    ids=["float", "NaN", "grey", "alpha", "empty", "list", "None"],
)
def test_what_is_no_picture_is_refused(detector, image):
    """Anything but (H, W, 3) uint8 is answered with what was found and how to mend it."""
    with pytest.raises(ImageError, match="expected"):
        detector.detect(image)
