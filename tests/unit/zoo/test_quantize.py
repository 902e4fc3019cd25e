"""8-bit models stay near their originals."""

import numpy as np
import onnx
import pytest

from mien.core.errors import WeightsError
from mien.zoo.convert.facenet import convert_facenet
from mien.zoo.convert.graph import Graph
from mien.zoo.convert.quantize import measurable, quantize
from mien.zoo.runtime import OnnxNetwork
from tests.unit.zoo.tensorflow_graph import training_graph


def measured(model, batch, tmp_path):
    """Ranges of every value that needs one, by running the model with all of them as outputs."""
    loaded = onnx.load_from_string(model)
    names = [name for name in measurable(model) if name != "input"]
    loaded.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    (tmp_path / "all.onnx").write_bytes(loaded.SerializeToString())
    values = OnnxNetwork(tmp_path / "all.onnx").run(batch)[1:]
    found = {name: (float(v.min()), float(v.max())) for name, v in zip(names, values, strict=True)}
    return found | {"input": (float(batch.min()), float(batch.max()))}


def test_eight_bits_stay_near(tmp_path):
    """The vectors of the 8-bit model point where the exact ones do, and its weights are bytes."""
    rng = np.random.default_rng(5)
    model = convert_facenet(training_graph(rng)[0], size=8)
    batch = rng.normal(size=(16, 3, 8, 8)).astype(np.float32).clip(-2, 2)
    small = quantize(model, measured(model, batch, tmp_path))
    (tmp_path / "small.onnx").write_bytes(small)
    (tmp_path / "exact.onnx").write_bytes(model)
    a, b = (OnnxNetwork(tmp_path / f"{name}.onnx").run(batch)[0] for name in ("small", "exact"))
    assert (a * b).sum(axis=1).min() > 0.98
    stored = {c.data_type for c in onnx.load_from_string(small).graph.initializer if len(c.dims) == 4}
    assert stored == {onnx.TensorProto.INT8}


def test_ranges_of_another_model_are_refused():
    """Ranges that lack a value of this model are refused."""
    model = convert_facenet(training_graph(np.random.default_rng(5))[0], size=8)
    with pytest.raises(WeightsError, match="another model"):
        quantize(model, {"input": (-1, 1)})


def test_folding_keeps_shared_values():
    """A value that somebody else reads too is not folded away."""
    graph = Graph()
    weights, bias = graph.constant(np.ones((2, 3))), graph.constant(np.zeros(2))
    dense = graph.add("Gemm", "x", weights, bias, transB=1)
    scaled = graph.add("Mul", dense, graph.constant(np.array([2.0])))
    both = graph.add("Add", scaled, dense)
    graph.fold_affine()
    graph.prune(both)
    assert [node.op for node in graph.nodes] == ["Gemm", "Mul", "Add"]


def test_names_are_never_given_twice():
    """Two values that wish for one name get two."""
    graph = Graph()
    names = [graph.name(wish) for wish in ("a", "a", "a_2", "b:0", "b 0")]
    assert len(set(names)) == 5
