"""dlib's face recognition ResNet, ``dlib_face_recognition_resnet_model_v1.dat``, to ONNX, without dlib.

The file's layout was read off dlib's ``serialize.h`` and ``dnn/layers.h``, the topology off its example
``dnn_face_recognition_ex.cpp``: a 7×7 convolution and a pool, residual blocks of two 3×3 convolutions (some halve the
area), global average, a matrix to 128 numbers. Layers lie from input to output, each behind its tag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import WeightsError
from mien.zoo.convert.graph import Graph

__all__ = ["convert_dlib"]

SIZE = 150
_TAG = re.compile(rb"\x01[\x04-\x0a](con_4|affine_|relu_|max_pool_2|avg_pool_2|add_prev_|fc_2)")


def convert_dlib(data: bytes) -> bytes:
    """The network as an ONNX model: ``(n, 3, 150, 150)`` float32 in, ``(n, 128)`` raw descriptors out.

    The input is ``(x - mean) / 256``, RGB, means 122.782, 117.001, 104.298; the output is not normalised.

    Raises:
        WeightsError: if ``data`` is not such a file.
    """
    try:
        return _Converter(data).run()
    except (IndexError, ValueError, KeyError) as error:
        raise WeightsError(f"expected dlib's face recognition ResNet (.dat), could not read it: {error}") from error


class _Reader:
    """dlib's portable serialisation, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next_tag(self) -> str | None:
        """The next layer's tag, reading on from behind it; None after the last."""
        match = _TAG.search(self._data, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match.group(1).decode("ascii")

    def integer(self) -> int:
        """A control byte (low nibble: how many bytes, top bit: negative), then that many bytes, lowest first."""
        control = self._data[self._at]
        start, self._at = self._at + 1, self._at + 1 + (control & 0x0F)
        value = int.from_bytes(self._data[start : self._at], "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> list[int]:
        return [self.integer() for _ in range(count)]

    def tensor(self) -> NDArray[np.float32]:
        """Format version 2: four dimensions, then little-endian float32."""
        version = self.integer()
        if version != 2:
            raise ValueError(f"a tensor of format version {version}, only 2 is known")
        shape = self.integers(4)
        count = int(np.prod(shape))
        start, self._at = self._at, self._at + 4 * count
        return np.frombuffer(self._data, "<f4", count, start).reshape(shape)


@dataclass(frozen=True, slots=True)
class _Map:
    """A feature map (n, channels, side, side) under its ONNX name."""

    name: str
    channels: int
    side: int


class _Converter:
    """Follows the layers of the file, keeping the value they have reached and the one the block began with."""

    def __init__(self, data: bytes) -> None:
        self._reader = _Reader(data)
        self._graph = Graph()
        self._x = _Map(self._graph.name("input"), 3, SIZE)
        self._block = self._x
        self._skip: _Map | None = None

    def run(self) -> bytes:
        source = self._x.name
        while (tag := self._reader.next_tag()) is not None:
            {
                "con_4": self._convolution,
                "affine_": self._affine,
                "relu_": self._relu,
                "max_pool_2": self._max_pool,
                "avg_pool_2": self._average,
                "add_prev_": self._join,
                "fc_2": self._dense,
            }[tag]()
        if self._x.side:
            raise ValueError("no dense layer in it")
        self._graph.fold_affine()
        self._graph.prune(self._x.name)
        shapes = {source: ("n", 3, SIZE, SIZE)}, {self._x.name: ("n", self._x.channels)}
        return self._graph.to_onnx("dlib_resnet", *shapes)

    def _convolution(self) -> None:
        flat = self._reader.tensor().reshape(-1)
        filters, rows, columns, stride, _, pad, _ = self._reader.integers(7)
        weights = flat[:-filters].reshape(filters, self._x.channels, rows, columns)
        w, b = self._graph.constant(weights, "weights"), self._graph.constant(flat[-filters:], "bias")
        name = self._graph.add(
            "Conv", self._x.name, w, b, kernel_shape=[rows, columns], strides=[stride] * 2, pads=[pad] * 4
        )
        self._x = _Map(name, filters, (self._x.side + 2 * pad - rows) // stride + 1)

    def _affine(self) -> None:
        """Batch norm as dlib leaves it after training: gamma, then beta."""
        gamma, beta = self._reader.tensor().reshape(2, 1, -1, 1, 1)
        scaled = self._graph.add("Mul", self._x.name, self._graph.constant(gamma, "gamma"))
        shifted = self._graph.add("Add", scaled, self._graph.constant(beta, "beta"))
        self._x = _Map(shifted, self._x.channels, self._x.side)

    def _relu(self) -> None:
        self._x = _Map(self._graph.add("Relu", self._x.name), self._x.channels, self._x.side)

    def _max_pool(self) -> None:
        self._x = self._pooled("MaxPool", self._x)
        self._block = self._x

    def _pooled(self, op: str, x: _Map) -> _Map:
        rows, columns, stride, _, pad, _ = self._reader.integers(6)
        name = self._graph.add(op, x.name, kernel_shape=[rows, columns], strides=[stride] * 2, pads=[pad] * 4)
        return _Map(name, x.channels, (x.side + 2 * pad - rows) // stride + 1)

    def _average(self) -> None:
        """Before an addition it shrinks what the block began with; at the end it averages the whole map."""
        if self._x.name == self._block.name:
            name = self._graph.add("GlobalAveragePool", self._x.name)
            self._x = _Map(self._graph.add("Flatten", name, axis=1), self._x.channels, 1)
        else:
            self._skip = self._pooled("AveragePool", self._block)

    def _join(self) -> None:
        """Adds what the block began with; where one of the two is smaller it is filled up with zeros."""
        a, b = self._x, self._skip or self._block
        channels, side = max(a.channels, b.channels), max(a.side, b.side)
        name = self._graph.add("Add", self._padded(a, channels, side), self._padded(b, channels, side))
        # The activation that follows ends the block.
        self._x = _Map(self._graph.add("Relu", name), channels, side)
        if self._reader.next_tag() != "relu_":
            raise ValueError("an addition without the activation that ends its block")
        self._block, self._skip = self._x, None

    def _padded(self, x: _Map, channels: int, side: int) -> str:
        if (x.channels, x.side) == (channels, side):
            return x.name
        more = [
            0,
            0,
            0,
            0,
            0,
            channels - x.channels,
            side - x.side,
            side - x.side,
        ]  # behind: n, channels, bottom, right
        return self._graph.add("Pad", x.name, self._graph.constant(np.array(more, np.int64), "pads"))

    def _dense(self) -> None:
        self._reader.integers(2)  # outputs, inputs: the tensor says so too
        weights = self._reader.tensor().reshape(self._x.channels, -1)  # (in, out)
        outputs = weights.shape[1]
        w, b = self._graph.constant(weights.T, "weights"), self._graph.constant(np.zeros(outputs), "bias")
        self._x = _Map(self._graph.add("Gemm", self._x.name, w, b, wish="descriptor", transB=1), outputs, 0)
