"""What every classifier must do, whatever it is made of."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.classifiers.network import ClassifierOptions, NetworkClassifier
from mien.core.errors import ImageError
from mien.core.faces import Faces
from mien.zoo.adding import AddOptions, add
from mien.zoo.catalog import Alignment, Catalog
from mien.zoo.convert.graph import Graph
from mien.zoo.runtime import OnnxNetwork
from mien.zoo.weights import ensure

FACE = Faces(boxes=np.array([[170, 60, 280, 205]], np.float32), scores=np.ones(1, np.float32))


def colour_model():
    """An ONNX model whose two numbers are how red and how blue a picture is."""
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "pixels"), axis=1)
    out = graph.add(
        "Gemm", flat, graph.constant(np.array([[1.0, 0, 0], [0, 0, 1]])), graph.constant(np.zeros(2)), transB=1
    )
    return graph.to_onnx("colours", {"pixels": ("n", 3, 32, 32)}, {out: ("n", 2)})


@pytest.fixture(scope="module", params=["a user's own", "minifasnet"])
def classifier(request, tmp_path_factory):
    """One made here, which every machine has, and the real network where it is."""
    folder = tmp_path_factory.mktemp("models")
    options = AddOptions(
        name="mine", kind="classifier", classes=("live", "spoof"), mean=(0, 0, 0), scale=255.0,
        alignment=Alignment("context", context=0.5),
    )  # fmt: skip
    if request.param == "minifasnet":
        shared_data = request.getfixturevalue("shared_data")
        file = shared_data / "models" / "antispoof" / "minifas_128_best98.20.onnx"
    else:
        file = folder / "colours.onnx"
        file.write_bytes(colour_model())
    add(file, folder / "models", options)
    record = Catalog(folder / "models").get("mine")
    (path,) = ensure(record, cache=folder, models=folder / "models").values()
    return NetworkClassifier(OnnxNetwork(path), ClassifierOptions.from_record(record))


def many(n):
    """The face n times, each a little further right."""
    return Faces.concat([FACE.shifted(3.0 * i, 0) for i in range(n)])


def test_probabilities_of_its_classes(classifier, astronaut):
    """Float32 rows, as long as the classes, that sum to one."""
    found = classifier.classify(astronaut, many(3))
    assert (found.dtype, found.shape) == (np.float32, (3, len(classifier.classes)))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found >= 0).all()


def test_no_faces_no_rows(classifier, astronaut):
    """Without faces there is an empty table of the right width."""
    assert classifier.classify(astronaut, Faces.empty()).shape == (0, len(classifier.classes))


def test_a_batch_is_its_faces_one_by_one(classifier, astronaut):
    """What else is in a table does not change a row."""
    faces = many(40)
    alone = np.concatenate([classifier.classify(astronaut, faces[i]) for i in (0, 33, 39)])
    np.testing.assert_allclose(classifier.classify(astronaut, faces)[[0, 33, 39]], alone, atol=1e-5)


def test_a_box_beyond_the_edge_is_classified(classifier, astronaut):
    """Boxes may leave the picture."""
    assert np.isfinite(classifier.classify(astronaut, FACE.shifted(-200, -100))).all()


def test_what_is_no_picture_is_refused(classifier):
    """With our own error."""
    with pytest.raises(ImageError):
        classifier.classify(np.zeros((10, 10), np.uint8), FACE)


def test_threads_share_it(classifier, astronaut):
    """The same answers from two threads at once."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: classifier.classify(astronaut, FACE), range(4)))
    assert all(np.array_equal(found[0], f) for f in found)
