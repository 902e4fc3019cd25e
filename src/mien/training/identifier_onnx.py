"""A fitted identifier as ONNX: unit vectors in, one probability per person out. No pickle anywhere.

Written operator by operator rather than with skl2onnx: a machine per person would repeat the same support vectors in each
node (a hundred people: a hundred times the file), while all of them are two matrix products; and a nearest-neighbour model
of scikit-learn gives shares that add up to one even for a stranger.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mien.core.errors import TrainingError
from mien.training.identifier_models import Scorer

__all__ = ["to_onnx"]

_OPSET = 17
_IR = 8
"""Versions that ONNX Runtime 1.20, the oldest we admit, and older ones read."""


def to_onnx(scorer: Scorer, slope: float, offset: float) -> bytes:
    """The model ``(n, d)`` float32 -> ``(n, c)`` float32: ``sigmoid(slope * scores + offset)``.

    Raises:
        TrainingError: the cosine kind, which asks the gallery itself and needs no file.
    """
    graph = _Graph()
    wide = scorer.weights.shape[0] if scorer.form == "linear" else scorer.vectors.shape[1]
    if scorer.form == "linear":
        scores = graph.add(
            "Add", graph.add("MatMul", "faces", graph.constant(scorer.weights)), graph.constant(scorer.bias)
        )
    else:
        cosines = graph.add("MatMul", "faces", graph.constant(np.ascontiguousarray(scorer.vectors.T)))
        scores = _rbf(graph, cosines, scorer) if scorer.form == "rbf" else _knn(graph, cosines, scorer)
    scaled = graph.add("Mul", scores, graph.constant(np.array(slope, np.float32)))
    graph.add("Sigmoid", graph.add("Add", scaled, graph.constant(np.array(offset, np.float32))), to="probabilities")
    return graph.model(wide, scorer.weights.shape[1])


def _rbf(graph: _Graph, cosines: str, scorer: Scorer) -> str:
    near = graph.add("Sub", cosines, graph.constant(np.array(1, np.float32)))
    kernel = graph.add("Exp", graph.add("Mul", near, graph.constant(np.array(2 * scorer.gamma, np.float32))))
    return graph.add("Add", graph.add("MatMul", kernel, graph.constant(scorer.weights)), graph.constant(scorer.bias))


def _knn(graph: _Graph, cosines: str, scorer: Scorer) -> str:
    if scorer.form != "knn":
        raise TrainingError("the cosine identifier asks the gallery itself: it needs no training (--identifier cosine)")
    near, which = graph.top(cosines, scorer.k)
    votes = graph.add("Unsqueeze", graph.add("Relu", near), graph.constant(np.array([1], np.int64)))
    owners = graph.add("Gather", graph.constant(scorer.weights), which)
    summed = graph.add("Squeeze", graph.add("MatMul", votes, owners), graph.constant(np.array([1], np.int64)))
    return graph.add("Div", summed, graph.constant(np.array(scorer.k, np.float32)))


class _Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, *inputs: str, to: str = "") -> str:
        name = to or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name]))
        return name

    def top(self, values: str, k: int) -> tuple[str, str]:
        names = ("nearest", "whose")
        self._nodes.append(helper.make_node("TopK", [values, self.constant(np.array([k], np.int64))], list(names)))
        return names

    def model(self, wide: int, people: int) -> bytes:
        graph = helper.make_graph(
            self._nodes,
            "identifier",
            [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", wide])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", people])],
            self._constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        onnx.checker.check_model(made)
        data: bytes = made.SerializeToString()
        return data
