"""FaceNet's graphs become ONNX that computes the same."""

import cv2
import numpy as np
import onnx
import pytest

from mien.core.errors import WeightsError
from mien.zoo.convert.facenet import convert_facenet
from mien.zoo.runtime import OnnxNetwork
from tests.unit.zoo.tensorflow_graph import GraphWriter, numpy_forward, training_graph


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def run(model, batch, tmp_path):
    """The model's first output of pictures (n, h, w, 3)."""
    (tmp_path / "model.onnx").write_bytes(model)
    return OnnxNetwork(tmp_path / "model.onnx").run(batch.transpose(0, 3, 1, 2).astype(np.float32))[0]


@pytest.mark.parametrize("form", ["switch", "arithmetic"])
def test_training_graph_equals_numpy(rng, tmp_path, form):
    """A graph as training leaves it, with phase_train, gives what numpy computes with the moving statistics."""
    data, weights = training_graph(rng, form=form)
    batch = rng.normal(size=(5, 8, 8, 3)).astype(np.float32)
    vectors = run(convert_facenet(data, size=8), batch, tmp_path)
    np.testing.assert_allclose(vectors, numpy_forward(weights, batch), atol=2e-6)


def test_training_graph_folds(rng):
    """Batch norm and residual scale end up inside the convolutions, the training branches are gone."""
    data, _ = training_graph(rng)
    graph = onnx.load_from_string(convert_facenet(data, size=8)).graph
    ops = [node.op_type for node in graph.node]
    assert ops.count("Conv") == 2
    assert ops[:5] == ["Conv", "Relu", "Conv", "Add", "AveragePool"]
    assert [value.name for value in graph.input] == ["input"]
    assert [d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == [0, 6]


def test_arithmetic_graph_equals_opencv(rng, tmp_path):
    """Where OpenCV can read a graph, it computes the same."""
    g = GraphWriter()
    kernel = g.node("k", "Const", value=rng.normal(size=(3, 3, 3, 4)).astype(np.float32), dtype=1)
    bias = g.node("b", "Const", value=rng.normal(size=4).astype(np.float32), dtype=1)
    x = g.node(
        "conv",
        "Conv2D",
        g.placeholder("x", np.float32),
        kernel,
        strides=[1, 1, 1, 1],
        padding=b"SAME",
        data_format=b"NHWC",
    )
    x = g.node("bias", "BiasAdd", x, bias)
    x = g.node("relu", "Relu", x)
    g.node("pool", "MaxPool", x, ksize=[1, 8, 8, 1], strides=[1, 1, 1, 1], padding=b"VALID", data_format=b"NHWC")
    batch = rng.normal(size=(1, 8, 8, 3)).astype(np.float32)
    net = cv2.dnn.readNetFromTensorflow(np.frombuffer(g.bytes(), np.uint8))
    net.setInput(batch.transpose(0, 3, 1, 2))
    expected = net.forward().reshape(1, -1)
    np.testing.assert_allclose(run(convert_facenet(g.bytes(), size=8), batch, tmp_path), expected, atol=1e-5)


def test_batch_equals_single(rng, tmp_path):
    """A picture's vector does not depend on what else is in the batch."""
    data, _ = training_graph(rng)
    model = convert_facenet(data, size=8)
    batch = rng.normal(size=(4, 8, 8, 3)).astype(np.float32)
    together = run(model, batch, tmp_path)
    alone = np.concatenate([run(model, one[None], tmp_path) for one in batch])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("cut", [0, 3, 200])
def test_rubbish_is_refused(rng, cut):
    """What is no whole graph is refused in one line, never half converted."""
    data, _ = training_graph(rng)
    with pytest.raises(WeightsError):
        convert_facenet(data[:cut], size=8)
    with pytest.raises(WeightsError):
        convert_facenet(b"\x07 not a graph at all", size=8)


def test_unknown_operation_is_named(rng):
    """An operation that the output needs and nobody can convert is named."""
    g = GraphWriter()
    g.node("strange", "FancyNewOp", g.placeholder("input", np.float32))
    with pytest.raises(WeightsError, match="FancyNewOp"):
        convert_facenet(g.bytes())


def test_several_outputs_must_be_chosen_from():
    """With two sinks and none called embeddings, the error lists them."""
    g = GraphWriter()
    x = g.placeholder("x", np.float32)
    g.node("one", "Relu", x)
    g.node("two", "Relu", x)
    with pytest.raises(WeightsError, match="one, two"):
        convert_facenet(g.bytes())
