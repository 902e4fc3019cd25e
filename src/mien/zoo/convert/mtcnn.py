"""MTCNN's three networks as ONNX: from the ``mtcnn`` package's weight files, or from bare arrays after training.

The graphs compute what the original layers compute (Zhang et al. 2016, https://arxiv.org/abs/1604.02878; layers as in
the ``mtcnn`` package), written so that ONNX Runtime's blocked convolutions never leave their memory layout, which made
P-Net 1.9 times as fast as the plain graph (docs/decisions/010-mtcnn-graphs.md):

- the normalisation ``(x - 127.5) / 128`` is part of the first convolution: networks take pixels 0 … 255
- PReLU is ``relu((1 - a) x) + a x``, three operators that stay in the layout, moved behind a pooling where that pays
- all heads are one: column 0 is the logit of "face", 1 … 4 the box offsets, 5 … 14 (O-Net) five x, then five y
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import WeightsError

__all__ = ["SHA256", "build_mtcnn", "build_onet", "build_pnet", "build_rnet", "convert_mtcnn", "read_arrays"]

SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
"""Digests of ``mtcnn/assets/weights/{pnet,rnet,onet}.lz4`` of the ``mtcnn`` package 1.0.0 (MIT)."""

_SHAPES: dict[str, list[tuple[int, ...]]] = {
    "pnet": [
        *((3, 3, 3, 10), (10,), (1, 1, 10), (3, 3, 10, 16), (16,), (1, 1, 16), (3, 3, 16, 32), (32,), (1, 1, 32)),
        *((1, 1, 32, 4), (4,), (1, 1, 32, 2), (2,)),
    ],
    "rnet": [
        *((3, 3, 3, 28), (28,), (1, 1, 28), (3, 3, 28, 48), (48,), (1, 1, 48), (2, 2, 48, 64), (64,), (1, 1, 64)),
        *((576, 128), (128,), (128,), (128, 4), (4,), (128, 2), (2,)),
    ],
    "onet": [
        *((3, 3, 3, 32), (32,), (1, 1, 32), (3, 3, 32, 64), (64,), (1, 1, 64), (3, 3, 64, 64), (64,), (1, 1, 64)),
        *((2, 2, 64, 128), (128,), (1, 1, 128)),
        *((1152, 256), (256,), (256,), (256, 4), (4,), (256, 10), (10,), (256, 2), (2,)),
    ],
}

BLOCK = 16
"""Channels per block of ONNX Runtime's layout (8 without AVX-512); pooling stays in it only for whole blocks."""

Arrays = Sequence[NDArray[np.float32]]
Array = NDArray[Any]


def convert_mtcnn(pnet: bytes, rnet: bytes, onet: bytes) -> dict[str, bytes]:
    """ONNX models ``{"pnet": …, "rnet": …, "onet": …}`` of the three files of the ``mtcnn`` package.

    Raises:
        WeightsError: if a file is not the one that is known, byte for byte.
    """
    files = {"pnet": pnet, "rnet": rnet, "onet": onet}
    for name, data in files.items():
        found = hashlib.sha256(data).hexdigest()
        if found != SHA256[name]:
            raise WeightsError(
                f"{name}.lz4 has sha256 {found}, expected {SHA256[name]}; install the original: pip install mtcnn==1.0.0"
            )
    return build_mtcnn({name: read_arrays(data) for name, data in files.items()})


def build_mtcnn(arrays: Mapping[str, Arrays]) -> dict[str, bytes]:
    """ONNX models of the arrays of all three networks, keyed ``pnet``, ``rnet``, ``onet``; see the three builders."""
    return {
        "pnet": build_pnet(arrays["pnet"]),
        "rnet": build_rnet(arrays["rnet"]),
        "onet": build_onet(arrays["onet"]),
    }


def build_pnet(arrays: Arrays) -> bytes:
    """P-Net: pixels ``(n, 3, h, w)`` float32 RGB 0 … 255 -> ``(n, 5, (h - 1) // 2 - 4, (w - 1) // 2 - 4)``.

    Args:
        arrays: 13 float32 arrays in the order of Keras: kernel (rows, columns, in, out), bias and slope of three
            convolutions, kernel and bias of the offsets, kernel and bias of the two classes.

    Raises:
        WeightsError: if a shape does not fit.
    """
    _check("pnet", arrays)
    graph = _Graph("n", 3, "h", "w")
    x, sign = _trunk(graph, arrays[:9], pools=(2, 0, 0))
    offsets, b_offsets, classes, b_classes = arrays[9:]
    kernel = np.concatenate([_logit(classes), offsets], axis=3)
    bias = np.concatenate([_logit(b_classes), b_offsets])
    return graph.finish(graph.conv(x, _oihw(kernel) * sign[:, None, None], bias), "n", 5, "rows", "columns")


def build_rnet(arrays: Arrays) -> bytes:
    """R-Net: pixels ``(n, 3, 24, 24)`` float32 RGB 0 … 255 -> ``(n, 5)``.

    Args:
        arrays: 16 float32 arrays in the order of Keras, as for P-Net; then kernel, bias and slope of the dense layer,
            kernel and bias of the offsets and of the two classes.

    Raises:
        WeightsError: if a shape does not fit.
    """
    _check("rnet", arrays)
    graph = _Graph("n", 3, 24, 24)
    x, sign = _trunk(graph, arrays[:9], pools=(3, 3, 0))
    x = graph.dense(x, *arrays[9:12], sign=sign, side=3)
    offsets, b_offsets, classes, b_classes = arrays[12:]
    weights = np.concatenate([_logit(classes), offsets], axis=1)
    return graph.finish(graph.gemm(x, weights, np.concatenate([_logit(b_classes), b_offsets])), "n", 5)


def build_onet(arrays: Arrays) -> bytes:
    """O-Net: pixels ``(n, 3, 48, 48)`` float32 RGB 0 … 255 -> ``(n, 15)``.

    Args:
        arrays: 21 float32 arrays in the order of Keras, as for R-Net with four convolutions; the heads are offsets,
            landmarks, classes.

    Raises:
        WeightsError: if a shape does not fit.
    """
    _check("onet", arrays)
    graph = _Graph("n", 3, 48, 48)
    x, sign = _trunk(graph, arrays[:12], pools=(3, 3, 2, 0))
    x = graph.dense(x, *arrays[12:15], sign=sign, side=3)
    offsets, b_offsets, points, b_points, classes, b_classes = arrays[15:]
    weights = np.concatenate([_logit(classes), offsets, points], axis=1)
    return graph.finish(graph.gemm(x, weights, np.concatenate([_logit(b_classes), b_offsets, b_points])), "n", 15)


def read_arrays(data: bytes) -> list[NDArray[np.float32]]:
    """Arrays of an lz4-packed joblib file; nothing but numpy arrays is admitted.

    Raises:
        WeightsError: if the file is damaged or holds anything else.
    """
    import lz4.frame

    try:
        stored = _ArrayUnpickler(io.BytesIO(lz4.frame.decompress(data))).load()
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, TypeError) as e:
        raise WeightsError(f"not a file of packed numpy arrays ({e}); take the weights of the mtcnn package") from e
    if not isinstance(stored, list) or not all(isinstance(item, _Stored) for item in stored):
        raise WeightsError(
            f"expected a list of numpy arrays, got {type(stored).__name__}; take those of the mtcnn package"
        )
    return [item.array for item in stored]


# --- the graph -------------------------------------------------------------------------------------------------------


class _Graph:
    """An ONNX graph under construction; methods add operators and return the name of their output."""

    def __init__(self, *input_shape: str | int) -> None:
        self.input_shape = list(input_shape)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Array) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def conv(self, x: str, kernel: Array, bias: Array | None = None, group: int = 1) -> str:
        """Convolution without padding; ``kernel`` is (out, in / group, rows, columns)."""
        bias = np.zeros(len(kernel)) if bias is None else bias
        return self.add("Conv", x, self.constant(kernel), self.constant(bias), group=group)

    def pool(self, x: str, side: int) -> str:
        """Maximum over ``side`` × ``side`` windows two pixels apart, the last ones cut off at the edge."""
        return self.add("MaxPool", x, kernel_shape=[side, side], strides=[2, 2], ceil_mode=1)

    def gemm(self, x: str, weights: Array, bias: Array) -> str:
        return self.add("Gemm", x, self.constant(weights), self.constant(bias))

    def dense(self, x: str, weights: Array, bias: Array, slope: Array, *, sign: Array, side: int) -> str:
        """Dense layer with PReLU on a map (n, c, side, side); rows of ``weights`` run over column, row, channel."""
        channels = len(sign)
        rows = weights.reshape(side, side, channels, -1).transpose(2, 1, 0, 3) * sign[:, None, None, None]
        x = self.gemm(self.add("Flatten", x), rows.reshape(len(weights), -1), bias)
        return self.add("PRelu", x, self.constant(slope))

    def finish(self, output: str, *shape: str | int) -> bytes:
        """The model with its single input ``pixels`` and single output ``output``, serialised."""
        from onnx import TensorProto, checker, helper

        inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, self.input_shape)]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, list(shape))]
        graph = helper.make_graph(self.nodes, "mtcnn", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        checker.check_model(model)
        serialised: bytes = model.SerializeToString()
        return serialised


def _trunk(graph: _Graph, arrays: Arrays, pools: Sequence[int]) -> tuple[str, Array]:
    """All convolutions with PReLU and max-pooling (window side per layer, 0 = none); the last output and its signs.

    The output of a channel may be negated (sign -1): the reader multiplies the weights it applies to that channel.
    """
    x = "pixels"
    sign: Array = np.ones(3)
    for i, pool in enumerate(pools):
        kernel, bias, slope = (a.astype(np.float64) for a in arrays[3 * i : 3 * i + 3])
        kernel = _oihw(kernel) * sign[:, None, None]
        if i == 0:  # pixels come as they are: (x - 127.5) / 128 happens here
            bias = bias - (127.5 / 128) * kernel.sum(axis=(1, 2, 3))
            kernel = kernel / 128
        behind = pool > 0 and _commutes(slope)
        layer = _prelu(slope.ravel(), pooled=behind)
        x = graph.conv(x, kernel[layer.source] * layer.scale[:, None, None, None], bias[layer.source] * layer.scale)
        x = graph.pool(x, pool) if behind else x
        x, sign = _activate(graph, x, layer, depthwise=not behind), layer.sign
        x = graph.pool(x, pool) if pool and not behind else x
    return x, sign


def _commutes(slope: Array) -> bool:
    """Whether PReLU is better computed behind the max-pool that follows it, on a quarter of the pixels.

    The price is twice the channels of negative slope: too much if it takes another block. A slope above 1 leaves no
    choice, for the activation comes out negated.
    """
    channels = slope.size
    blocks, more = (-(-n // BLOCK) for n in (channels, channels + int((slope < 0).sum())))
    return more == blocks or bool((slope > 1).any())


@dataclass(frozen=True)
class _Prelu:
    """PReLU as ``sign * y = straight @ x + relu(bent @ x)``, x being the convolution's channels named by ``source``.

    Attributes:
        source, scale: (k,) which original channel each convolved one comes from, and times what; 0 for spare ones that fill a block.
        straight, bent: (c, k).
        sign: (c,) -1 where the activation comes out negated.
    """

    source: NDArray[np.intp]
    scale: Array
    straight: Array
    bent: Array
    sign: Array


def _prelu(slope: Array, *, pooled: bool) -> _Prelu:
    """How to compute PReLU with these slopes ``(c,)`` after a max-pool that stood behind it.

    A slope in 0 … 1 only grows, so the pool commutes with it. One below 0 is max(x, a x): both are pooled, which takes
    the channel twice. One above 1 is min(x, a x) = -((-x) + relu((a - 1)(-x))), negated.
    """
    count = len(slope)
    twice = np.flatnonzero(slope < 0) if pooled else np.zeros(0, np.intp)
    spare = -(count + len(twice)) % BLOCK if pooled else 0
    source = np.concatenate([np.arange(count), twice, np.zeros(spare, np.intp)])
    scale = np.concatenate([np.ones(count), slope[twice], np.zeros(spare)])
    sign = np.where(slope > 1, -1.0, 1.0)
    straight, bent = np.zeros((2, count, len(source)))
    here = np.arange(count)
    straight[here, here] = np.where(slope > 1, -1, slope)
    bent[here, here] = 1 - slope
    there = count + np.arange(len(twice))
    straight[twice, twice], straight[twice, there] = 0, 1
    bent[twice, twice], bent[twice, there] = 1, -1
    return _Prelu(source, scale, straight, bent, sign)


def _activate(graph: _Graph, x: str, layer: _Prelu, *, depthwise: bool) -> str:
    """Both terms of ``layer`` as 1 × 1 convolutions and their sum, which ONNX Runtime fuses into the second."""

    def mix(matrix: Array) -> str:
        if depthwise:
            return graph.conv(x, matrix.diagonal()[:, None, None, None], group=len(matrix))
        return graph.conv(x, matrix[:, :, None, None])

    bent = graph.add("Relu", mix(layer.bent))
    return graph.add("Add", mix(layer.straight), bent)


def _oihw(kernel: Array) -> Array:
    """A Keras kernel (rows, columns, in, out) as ONNX wants it: (out, in, rows, columns)."""
    return kernel.transpose(3, 2, 0, 1)


def _logit(classes: Array) -> Array:
    """Weights of "no face" and "face" (…, 2) as those of the logit, their difference (…, 1)."""
    return classes[..., 1:] - classes[..., :1]


def _check(name: str, arrays: Arrays) -> None:
    found = [tuple(a.shape) for a in arrays]
    if found != _SHAPES[name]:
        raise WeightsError(f"{name}: expected {len(_SHAPES[name])} arrays of shapes {_SHAPES[name]}, got {found}")


# --- the files of the mtcnn package ----------------------------------------------------------------------------------


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles a list of arrays as joblib writes them, and refuses every other class or function by name.

    joblib writes a description of each array, then its bytes, then the rest of the pickle. Without a ``peek`` method
    on the file the unpickler reads no further than it must, so each description, when it is built, finds its array.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._file = file

    def find_class(self, module: str, name: str) -> Any:
        """What stands for the class ``name``: numpy's arrays and types, nothing else."""
        admitted: dict[str, Any] = {
            "joblib.numpy_pickle.NumpyArrayWrapper": type("_StoredHere", (_Stored,), {"file": self._file}),
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
        }
        if f"{module}.{name}" not in admitted:
            raise pickle.UnpicklingError(f"{module}.{name} is no numpy array")
        return admitted[f"{module}.{name}"]


class _Stored:
    """Stands in for joblib's ``NumpyArrayWrapper``: the description of an array whose bytes follow in ``file``."""

    file: io.BytesIO
    array: NDArray[np.float32]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read the array: one byte that counts the padding, the padding, the numbers."""
        shape, dtype = state["shape"], state["dtype"]
        self.file.seek(self.file.read(1)[0], io.SEEK_CUR)
        numbers = np.frombuffer(self.file.read(math.prod(shape) * dtype.itemsize), dtype)
        self.array = numbers.reshape(shape, order=state["order"]).astype(np.float32)
