"""Inception-ResNet-v1 in Keras says what our converted FaceNet says, whole and cut anywhere."""

import numpy as np
import pytest

from mien.core.errors import WeightsError
from mien.training.backbones import OnnxFile
from mien.training.embedder_sources import open_source
from mien.training.exporting import stitched, to_onnx
from mien.training.fitting import start
from mien.training.inception_resnet import BLOCKS, below, inception_resnet_v1, read_weights, tail
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings

CHIPS = np.random.default_rng(0).normal(size=(2, 3, 160, 160)).astype(np.float32)


@pytest.fixture(scope="module")
def facenet(cache_dir):
    """The verified ONNX file, a network over it, its record."""
    house = House(load_settings(cache_dir=cache_dir, embedder="facenet"))
    (path,) = house.weights("facenet").values()
    start(0, threads=1)
    return OnnxFile(house.catalog.get("facenet"), path, house.network(path)), house


def test_the_whole_network_is_equal(facenet):
    """Keras with the converted weights differs from the ONNX file by less than 1e-4 (it is 1e-7)."""
    file, _ = facenet
    ours = np.asarray(inception_resnet_v1(read_weights(file.path)).predict_on_batch(CHIPS))
    assert np.abs(ours - file.network.run(CHIPS)[0]).max() < 1e-4


@pytest.mark.parametrize("blocks", [0, 2, BLOCKS])
def test_cut_and_joined_again_it_is_equal(facenet, tmp_path, blocks):
    """What lies below the last blocks, and these in Keras, exported and joined on, give what the whole gives."""
    file, house = facenet
    expected = file.network.run(CHIPS)[0]
    part = below(file.path, blocks)
    (tmp_path / "below.onnx").write_bytes(part)
    features = house.network(tmp_path / "below.onnx").run(CHIPS)[0]
    _, embedder = tail(read_weights(file.path), blocks)
    assert np.abs(np.asarray(embedder.predict_on_batch(features)) - expected).max() < 1e-4
    (tmp_path / "joined.onnx").write_bytes(stitched(part, to_onnx(embedder)))
    assert np.abs(house.network(tmp_path / "joined.onnx").run(CHIPS)[0] - expected).max() < 1e-4


def test_another_network_is_refused(cache_dir, tmp_path):
    """An embedder of another kind is named as none that can be gone on from."""
    house = House(load_settings(cache_dir=cache_dir))
    (path,) = house.weights("dlib").values()
    with pytest.raises(WeightsError, match="no Inception-ResNet-v1"):
        below(path, 1)
    with pytest.raises(WeightsError, match="no Inception-ResNet-v1"):
        open_source(1, (tmp_path, house.network, 150), OnnxFile(house.catalog.get("dlib"), path, house.network(path)))
    with pytest.raises(WeightsError, match="is missing"):
        tail({}, 1)
