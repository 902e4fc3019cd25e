"""FaceNet's frozen TensorFlow graphs to ONNX, without TensorFlow.

Two forms are read: graphs optimised for inference such as ``graph_final.pb`` (20180408-102900, batch norm folded), and
graphs as ``freeze_graph`` leaves them (20180402-114759.pb: batch norm apart, ``phase_train`` input, ``Switch`` and
``Merge``). Everything that depends on constants alone is computed at once, with every boolean input False, so that the
training branches fall away; what is left is written as ONNX with channels first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import WeightsError
from mien.zoo.convert.graph import Graph
from mien.zoo.convert.graphdef import TensorNode, read_graph

__all__ = ["convert_facenet"]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A value known only at run time: its ONNX name and rank.

    Rank 4 is (n, channels, h, w). TensorFlow's (n, 1, 1, channels) made from a matrix stays the matrix (n, channels).
    """

    name: str
    rank: int


@dataclass(frozen=True, slots=True)
class _Missing:
    """A value that inference has no use for, or that cannot be converted; harmless unless the output needs it."""

    why: str


_Value = _Tensor | _Missing | NDArray[Any]
_DEAD = _Missing("it is computed in training only")

_PASSED = {"Identity", "StopGradient", "CheckNumerics", "Snapshot", "PlaceholderWithDefault", "EnsureShape"}
_SHAPES = {"Shape", "StridedSlice", "Pack"}
_FOLDED: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Maximum": np.maximum,
    "Neg": np.negative,
    "Square": np.square,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "LogicalNot": np.logical_not,
}


def convert_facenet(data: bytes, *, size: int = 160, output: str = "") -> bytes:
    """A frozen graph as an ONNX model: ``(n, 3, size, size)`` float32 pixels in, ``(n, d)`` out.

    Args:
        data: a serialised ``GraphDef``.
        size: side of the input in pixels.
        output: the node whose value is wanted; by default ``embeddings``, or the graph's only sink.

    Raises:
        WeightsError: no frozen graph, several inputs or outputs, or an operation that is not known.
    """
    nodes = read_graph(data)
    source = _find_input(nodes)
    return _Converter(nodes, source).run(output or _find_output(nodes), size)


def _find_input(nodes: dict[str, TensorNode]) -> str:
    """The node that pictures are fed to: the one called ``input``, else the only placeholder that is no flag."""
    if "input" in nodes:
        return "input"
    found = [n.name for n in nodes.values() if n.op == "Placeholder" and not n.is_flag]
    if len(found) != 1:
        raise WeightsError(
            f"expected one input placeholder in the graph, found {len(found)}: {', '.join(found) or 'none'}"
        )
    return found[0]


def _find_output(nodes: dict[str, TensorNode]) -> str:
    """The node called ``embeddings``, else the only one that nothing reads."""
    if "embeddings" in nodes:
        return "embeddings"
    read = {name.partition(":")[0] for node in nodes.values() for name in node.inputs}
    sinks = [name for name in nodes if name not in read]
    if len(sinks) != 1:
        raise WeightsError(f"expected one output in the graph, found {len(sinks)}: {', '.join(sinks[:5])}; name one")
    return sinks[0]


def _reachable(nodes: dict[str, TensorNode], output: str, source: str) -> list[TensorNode]:
    """What ``output`` depends on, inputs before their readers, not looking behind ``source``."""
    if output not in nodes:
        raise WeightsError(f"the graph has no node {output!r}")
    order: list[TensorNode] = []
    done: set[str] = set()
    stack = [(output, False)]
    while stack:
        name, entered = stack.pop()
        if entered:
            order.append(nodes[name])
        elif name not in done:
            if name not in nodes:
                raise WeightsError(f"the graph reads {name!r}, which it does not have: truncated?")
            done.add(name)
            stack.append((name, True))
            if name != source:
                stack += [(i.partition(":")[0], False) for i in nodes[name].inputs]
    return order


class _Converter:
    """Walks the graph once and keeps what each node's output has become."""

    def __init__(self, nodes: dict[str, TensorNode], source: str) -> None:
        self._nodes = nodes
        self._source = source
        self._graph = Graph()
        self._input = _Tensor(self._graph.name("input"), 4)
        self._values: dict[str, _Value] = {}

    def run(self, output: str, size: int) -> bytes:
        """Converts what ``output`` depends on, folds, prunes and serialises."""
        for node in _reachable(self._nodes, output, self._source):
            self._values[node.name] = self._convert(node)
        value = self._values[output]
        if not isinstance(value, _Tensor):
            why = value.why if isinstance(value, _Missing) else "it does not depend on the input"
            raise WeightsError(f"cannot convert {output!r}: {why}")
        matrix = _flatten(self._graph, value, output)
        self._graph.fold_affine()
        self._graph.prune(matrix.name)
        shapes = {self._input.name: ("n", 3, size, size)}, {matrix.name: ("n", self._width())}
        return self._graph.to_onnx("facenet", *shapes)

    def _width(self) -> int | str:
        """How many columns the output has: those of the last dense layer."""
        dense = [n for n in self._graph.nodes if n.op == "Gemm"]
        return self._graph.constants[dense[-1].inputs[1]].shape[0] if dense else "d"

    def _read(self, reference: str) -> _Value:
        """The value behind ``node`` or ``node:port``."""
        key = reference.removesuffix(":0")
        return self._values.get(key, _Missing(f"nothing is known of the output {reference}"))

    def _convert(self, node: TensorNode) -> _Value:
        """What the first output of ``node`` becomes."""
        if node.name == self._source:
            return self._input
        if node.op == "Const":
            value = node.attributes.get("value")
            return _Missing(f"the constant {node.name} is of an unknown type") if value is None else value
        if node.is_flag:
            return np.array(0, bool)  # phase_train and its like
        inputs = [self._read(name) for name in node.inputs]
        if node.op == "Merge":
            return next((v for v in inputs if not isinstance(v, _Missing)), inputs[0])
        if node.op == "Switch":
            return self._switch(node.name, *inputs)
        missing = next((v for v in inputs if isinstance(v, _Missing)), None)
        return missing or self._compute(node, inputs)

    def _switch(self, name: str, data: _Value, flag: _Value) -> _Value:
        """The first port carries the data when the flag is False, the second when it is True."""
        if not isinstance(flag, np.ndarray):
            return _Missing(f"{name} depends on a flag that is not known beforehand")
        self._values[f"{name}:1"] = data if flag else _DEAD
        return _DEAD if flag else data

    def _compute(self, node: TensorNode, inputs: list[Any]) -> _Value:
        """An ordinary operation: at once if all inputs are constants, else as ONNX."""
        if node.op in _PASSED:
            return cast("_Value", inputs[0])
        if all(isinstance(v, np.ndarray) for v in inputs) and node.op in _FOLDED:
            return np.asarray(_FOLDED[node.op](*inputs))
        if node.op in _SHAPES:
            return np.array([-1, 1])  # asked for only to flatten: any matrix shape will do
        if node.op not in _OPERATIONS:
            return _Missing(f"the operation {node.op} ({node.name}) is not known")
        return _OPERATIONS[node.op](self._graph, node, inputs)


# Each of the following writes one TensorFlow operation; ``inputs`` are _Tensor or constant arrays, none missing.


def _affine(
    graph: Graph, node: TensorNode, x: _Tensor, *, scale: NDArray[Any] | None = None, shift: NDArray[Any] | None = None
) -> _Tensor:
    """``x * scale + shift``, both a number or one value per channel."""
    name = x.name
    for op, constant in (("Mul", scale), ("Add", shift)):
        if constant is None:
            continue
        flat = constant.reshape(-1)
        by_channel = flat.reshape(1, -1, 1, 1) if x.rank == 4 else flat.reshape(1, -1)
        name = graph.add(op, name, graph.constant(by_channel, f"{node.name}/{op.lower()}"), wish=node.name)
    return _Tensor(name, x.rank)


def _combine(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    """Add, Sub, Mul, Maximum … of two values, one of which may be constant."""
    a, b = inputs
    op = {"AddV2": "Add", "RealDiv": "Div", "Maximum": "Max"}.get(node.op, node.op)
    if isinstance(a, _Tensor) and isinstance(b, _Tensor):
        return _Tensor(graph.add(op, a.name, b.name, wish=node.name), max(a.rank, b.rank))
    if isinstance(a, np.ndarray) and op in {"Add", "Mul", "Max"}:
        a, b = b, a
    if isinstance(a, np.ndarray):  # constant - x
        negated = _affine(graph, node, b, scale=np.array(-1.0)) if op == "Sub" else None
        return (
            _affine(graph, node, negated, shift=a)
            if negated
            else _Missing(f"{node.name} divides a constant by a value")
        )
    if op == "Max":
        return _Tensor(graph.add("Max", a.name, graph.constant(b), wish=node.name), a.rank)
    return {
        "Add": lambda: _affine(graph, node, a, shift=b),
        "Sub": lambda: _affine(graph, node, a, shift=-b),
        "Mul": lambda: _affine(graph, node, a, scale=b),
        "Div": lambda: _affine(graph, node, a, scale=1 / b),
    }[op]()


def _bias_add(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    return _affine(graph, node, inputs[0], shift=inputs[1])


def _batch_norm(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    """Inference form: ``gamma (x - mean) / sqrt(variance + epsilon) + beta``."""
    x, gamma, beta, mean, variance = inputs
    scale = gamma / np.sqrt(variance.astype(np.float64) + node.attributes["epsilon"])
    return _affine(graph, node, x, scale=scale, shift=beta - mean * scale)


def _window(node: TensorNode, kernel: tuple[int, int], strides: list[int]) -> dict[str, Any]:
    """Strides and padding of a convolution or pool; SAME with stride 1 is written out, else left to the runtime."""
    window: dict[str, Any] = {"strides": strides[1:3]}
    if node.attributes["padding"] == b"SAME":
        if strides[1:3] == [1, 1]:
            dilations = node.attributes.get("dilations") or [1, 1, 1, 1]
            total = [(k - 1) * d for k, d in zip(kernel, dilations[1:3], strict=True)]
            window["pads"] = [t // 2 for t in total] + [t - t // 2 for t in total]
        else:
            window["auto_pad"] = "SAME_UPPER"
    return window


def _convolution(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    x, weights = inputs  # (h, w, in, out)
    w = graph.constant(weights.transpose(3, 2, 0, 1), f"{node.name}/weights")
    bias = graph.constant(np.zeros(weights.shape[3], np.float32), f"{node.name}/bias")
    window = _window(node, weights.shape[:2], node.attributes["strides"])
    dilations = (node.attributes.get("dilations") or [1, 1, 1, 1])[1:3]
    name = graph.add(
        "Conv", x.name, w, bias, wish=node.name, kernel_shape=weights.shape[:2], dilations=dilations, **window
    )
    return _Tensor(name, 4)


def _pool(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    """MaxPool and AvgPool; the average leaves padding out, as TensorFlow's does."""
    kernel = node.attributes["ksize"][1:3]
    op = {"MaxPool": "MaxPool", "AvgPool": "AveragePool"}[node.op]
    window = _window(node, kernel, node.attributes["strides"])
    return _Tensor(graph.add(op, inputs[0].name, wish=node.name, kernel_shape=kernel, **window), 4)


def _dense(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    x, weights = inputs  # (in, out)
    rows = weights if node.attributes.get("transpose_b") else weights.T
    w = graph.constant(rows, f"{node.name}/weights")
    bias = graph.constant(np.zeros(len(rows), np.float32), f"{node.name}/bias")
    return _Tensor(graph.add("Gemm", x.name, w, bias, wish=node.name, transB=1), 2)


def _concat(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    *parts, axis = inputs
    if not all(isinstance(p, _Tensor) for p in parts) or int(axis) not in {3, -1}:
        return _Missing(f"{node.name} joins along axis {axis}, only channels are known")
    return _Tensor(graph.add("Concat", *(p.name for p in parts), wish=node.name, axis=1), parts[0].rank)


def _reduce(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    """Sum over the columns of a matrix, or mean over the area of a feature map."""
    x, axes = inputs
    keep = int(bool(node.attributes.get("keep_dims")))
    wanted = sorted(int(a) % x.rank for a in np.atleast_1d(axes))
    if x.rank == 4 and wanted == [1, 2] and node.op == "Mean":
        pooled = _Tensor(graph.add("GlobalAveragePool", x.name, wish=node.name), 4)
        return pooled if keep else _flatten(graph, pooled, node.name)
    if x.rank == 2 and wanted == [1] and node.op == "Sum":
        along = graph.constant(np.array([1], np.int64), f"{node.name}/axes")
        return _Tensor(graph.add("ReduceSum", x.name, along, wish=node.name, keepdims=keep), 2)
    return _Missing(f"{node.name} ({node.op}) reduces the axes {wanted}, which is not known")


def _simple(op: str) -> Callable[[Graph, TensorNode, list[Any]], _Value]:
    """An operation on each number by itself."""

    def write(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
        return _Tensor(graph.add(op, inputs[0].name, wish=node.name), inputs[0].rank)

    return write


def _square(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    (x,) = inputs
    return _Tensor(graph.add("Mul", x.name, x.name, wish=node.name), x.rank)


def _rsqrt(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    root = graph.add("Sqrt", inputs[0].name, wish=f"{node.name}/sqrt")
    return _Tensor(graph.add("Reciprocal", root, wish=node.name), inputs[0].rank)


def _reshape(graph: Graph, node: TensorNode, inputs: list[Any]) -> _Value:
    """Feature map to matrix; matrix to (n, 1, 1, channels) and back changes nothing here."""
    return _flatten(graph, inputs[0], node.name) if not _keeps_map(inputs) else cast("_Value", inputs[0])


def _keeps_map(inputs: list[Any]) -> bool:
    """Whether a reshape leaves the rank as it is, told by a constant target shape of four numbers."""
    return inputs[0].rank == 4 and len(inputs) > 1 and isinstance(inputs[1], np.ndarray) and inputs[1].size == 4


def _flatten(graph: Graph, x: _Tensor, wish: str) -> _Tensor:
    """The matrix (n, h·w·channels) in TensorFlow's order."""
    if x.rank == 2:
        return x
    last = graph.add("Transpose", x.name, wish=f"{wish}/nhwc", perm=[0, 2, 3, 1])
    return _Tensor(graph.add("Flatten", last, wish=wish, axis=1), 2)


_OPERATIONS: dict[str, Callable[[Graph, TensorNode, list[Any]], _Value]] = {
    **dict.fromkeys(("Add", "AddV2", "Sub", "Mul", "RealDiv", "Maximum"), _combine),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm),
    **dict.fromkeys(("MaxPool", "AvgPool"), _pool),
    **dict.fromkeys(("Sum", "Mean"), _reduce),
    **dict.fromkeys(("Reshape", "Squeeze"), _reshape),
    **{op: _simple(op) for op in ("Relu", "Neg", "Sqrt", "Sigmoid", "Tanh")},
    "BiasAdd": _bias_add,
    "Conv2D": _convolution,
    "MatMul": _dense,
    "ConcatV2": _concat,
    "Square": _square,
    "Rsqrt": _rsqrt,
}
