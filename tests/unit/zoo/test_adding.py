"""A user's own weights become a record beside an ONNX file."""

import numpy as np
import pytest

from mien.core.errors import DuplicateError, InputError, WeightsError
from mien.zoo.adding import AddOptions, add
from mien.zoo.catalog import Alignment, Catalog
from mien.zoo.convert.graph import Graph
from mien.zoo.runtime import OnnxNetwork
from mien.zoo.weights import ensure
from tests.unit.zoo.tensorflow_graph import training_graph


def model(shape, width=4):
    """An ONNX model that averages pictures of ``shape`` and gives ``width`` numbers."""
    graph = Graph()
    channels = 3
    pixels = "pixels"
    if shape[3] == 3:
        pixels = graph.add("Transpose", "pixels", perm=[0, 3, 1, 2])
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", pixels), axis=1)
    weights = graph.constant(np.ones((width, channels)))
    out = graph.add("Gemm", flat, weights, graph.constant(np.zeros(width)), transB=1)
    return graph.to_onnx("mean", {"pixels": shape}, {out: ("n", width)})


@pytest.mark.parametrize(
    ("shape", "size", "layout"),
    [(("n", 3, 112, 112), 112, "nchw"), (("n", 96, 96, 3), 96, "nhwc"), (("n", 3, "h", "w"), 160, "nchw")],
)
def test_an_onnx_file_is_taken_in(tmp_path, shape, size, layout):
    """Size, layout and length of the vectors are read off the file; the catalog finds it from then on."""
    (tmp_path / "brought.onnx").write_bytes(model(shape))
    models = tmp_path / "models"
    record = add(tmp_path / "brought.onnx", models, AddOptions(name="mine"))
    assert (record.preprocessing.size, record.preprocessing.layout, record.dimensions) == (size, layout, 4)
    found = Catalog(models).get("mine")
    assert found == record
    assert ensure(found, cache=tmp_path, models=models)["embedder"].read_bytes() == model(shape)


def test_a_frozen_graph_is_converted(tmp_path):
    """A FaceNet graph as training leaves it, phase_train and all, becomes ONNX; the file names it."""
    (tmp_path / "small.pb").write_bytes(training_graph(np.random.default_rng(2))[0])
    record = add(tmp_path / "small.pb", tmp_path / "models", AddOptions(size=8))
    assert record.name == "small"
    assert (record.preprocessing.size, record.dimensions) == (8, 6)
    assert (tmp_path / "models" / "small.onnx").is_file()


def test_a_name_is_not_taken_twice(tmp_path):
    """Weights are replaced only when asked to."""
    (tmp_path / "a.onnx").write_bytes(model(("n", 3, 8, 8)))
    add(tmp_path / "a.onnx", tmp_path)
    with pytest.raises(DuplicateError, match="'a'"):
        add(tmp_path / "a.onnx", tmp_path)
    with pytest.raises(DuplicateError, match="facenet"):
        add(tmp_path / "a.onnx", tmp_path, AddOptions(name="facenet"))
    add(tmp_path / "a.onnx", tmp_path, AddOptions(replace=True))


def test_a_model_for_one_picture_at_a_time_is_taken_in(tmp_path):
    """What was exported with a batch of one runs for every picture in turn, as SFace's file does."""
    (tmp_path / "one.onnx").write_bytes(model((1, 3, 8, 8)))
    record = add(tmp_path / "one.onnx", tmp_path / "models")
    (file,) = ensure(record, cache=tmp_path, models=tmp_path / "models").values()
    pictures = np.random.default_rng(0).uniform(size=(3, 3, 8, 8)).astype(np.float32)
    (together,) = OnnxNetwork(file).run(pictures)
    assert together.shape == (3, 4)
    np.testing.assert_allclose(together[:, 0], pictures.mean(axis=(2, 3)).sum(axis=1), rtol=1e-5)


def test_the_licence_of_a_known_file_is_kept(tmp_path):
    """A file that the catalog knows under another name brings its licence along, unless another is said; others have none."""
    (tmp_path / "a.onnx").write_bytes(model(("n", 3, 8, 8)))
    models = tmp_path / "models"
    assert add(tmp_path / "a.onnx", models).licence.startswith("unknown")
    add(tmp_path / "a.onnx", models, AddOptions(replace=True, licence="for research only"))
    assert add(tmp_path / "a.onnx", models, AddOptions(name="b")).licence == "for research only"
    assert add(tmp_path / "a.onnx", models, AddOptions(name="c", licence="MIT")).licence == "MIT"


def test_scrfds_file_is_known_as_not_for_commerce(tmp_path, shared_data):
    """Whoever adds InsightFace's weights sees their terms, though they name none."""
    file = shared_data / "models" / "scrfd" / "scrfd_500m_kps.onnx"
    record = add(file, tmp_path, AddOptions(name="mine", kind="detector", format="scrfd"))
    assert "non-commercial research only" in record.licence
    assert record.trained_on == "WIDER FACE"


@pytest.mark.parametrize("name", ["../a", ".hidden", "a/b"])
def test_a_name_stays_in_its_folder(tmp_path, name):
    """A name cannot lead out of the models folder."""
    (tmp_path / "a.onnx").write_bytes(model(("n", 3, 8, 8)))
    with pytest.raises(InputError, match="name"):
        add(tmp_path / "a.onnx", tmp_path / "models", AddOptions(name=name))


@pytest.mark.parametrize(
    ("shape", "why"),
    [((4, 3, 8, 8), "4 pictures at a time"), (("n", 3, 8, 9), "square"), (("n", 8, 8, 1), "batch of pictures")],
)
def test_networks_that_do_not_fit_are_refused(tmp_path, shape, why):
    """A network that cannot be fed is refused, naming its input."""
    graph = Graph()
    out = graph.add("Flatten", "pixels", axis=1)
    (tmp_path / "a.onnx").write_bytes(graph.to_onnx("flat", {"pixels": shape}, {out: ("n", "d")}))
    with pytest.raises(WeightsError, match=why):
        add(tmp_path / "a.onnx", tmp_path / "models")


def test_rubbish_is_refused(tmp_path):
    """A file that is no ONNX model, no known kind, or not there is refused in one line."""
    (tmp_path / "a.onnx").write_bytes(b"rubbish")
    (tmp_path / "a.h5").write_bytes(b"rubbish")
    for name, error in (("a.onnx", WeightsError), ("a.h5", InputError), ("absent.onnx", WeightsError)):
        with pytest.raises(error, match="a"):
            add(tmp_path / name, tmp_path / "models")


def test_a_classifier_is_taken_in(tmp_path):
    """With its classes, its activation and how faces are cut for it; the catalog reads the same again."""
    (tmp_path / "brought.onnx").write_bytes(model(("n", 3, 32, 32), width=2))
    options = AddOptions(
        name="mine", kind="classifier", classes=("live", "spoof"), alignment=Alignment("context", context=0.5)
    )
    record = add(tmp_path / "brought.onnx", tmp_path, options)
    assert Catalog(tmp_path).get("mine") == record
    assert Catalog(tmp_path).names("classifier") == ("mine",)
    assert (record.classes, record.activation, record.alignment.context) == (("live", "spoof"), "softmax", 0.5)


@pytest.mark.parametrize(
    ("width", "classes", "error"),
    [
        (3, ("live", "spoof"), WeightsError),
        (2, ("live",), InputError),
        (2, ("a", "a"), InputError),
        (1, ("a", "b", "c"), WeightsError),
    ],
)
def test_outputs_and_classes_must_fit(tmp_path, width, classes, error):
    """A classifier that gives another number of outputs than it has classes is refused; one output is two classes."""
    (tmp_path / "brought.onnx").write_bytes(model(("n", 3, 32, 32), width=width))
    with pytest.raises(error):
        add(tmp_path / "brought.onnx", tmp_path, AddOptions(name="mine", kind="classifier", classes=classes))
