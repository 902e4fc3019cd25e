"""A small ONNX graph under construction, and the two clean-ups every conversion wants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

__all__ = ["OPSET", "Graph", "Node"]

OPSET = 17
"""Old enough for every runtime in use, new enough for the quantised operators."""
IR_VERSION = 8


@dataclass(slots=True)
class Node:
    """One ONNX operation with one output."""

    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any] = field(default_factory=dict)


class Graph:
    """Nodes in the order they run, and the constants they read; values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._taken: Counter[str] = Counter()

    def name(self, wish: str) -> str:
        """A value name that nothing else has, as near to ``wish`` as may be."""
        clean = re.sub(r"[^0-9A-Za-z_./]", "_", wish) or "value"
        self._taken[clean] += 1
        count = self._taken[clean]
        return clean if count == 1 else self.name(f"{clean}_{count}")

    def constant(self, value: ArrayLike, wish: str = "constant") -> str:
        """Adds a constant and returns its name; float64 becomes float32."""
        array = np.asarray(value)
        name = self.name(wish)
        self.constants[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
        return name

    def add(self, op: str, *inputs: str, wish: str = "", **attributes: Any) -> str:
        """Adds an operation and returns the name of its output."""
        output = self.name(wish or op)
        self.nodes.append(Node(op, list(inputs), output, attributes))
        return output

    def fold_affine(self) -> None:
        """Multiplications and additions by channel go into the convolution or dense layer before them.

        Looks at ``Mul`` and ``Add`` whose second input is a constant; ``Conv`` weights are (out, in, h, w), ``Gemm``
        weights (out, in), both with a bias. Exact up to float32 rounding.
        """
        uses = Counter(name for node in self.nodes for name in node.inputs)
        makers = {node.output: node for node in self.nodes}
        kept = []
        for node in self.nodes:
            maker = makers.get(node.inputs[0])
            if maker is not None and uses[node.inputs[0]] == 1 and self._absorb(maker, node):
                maker.output = node.output
                makers[node.output] = maker
            else:
                kept.append(node)
        self.nodes = kept

    def _absorb(self, maker: Node, node: Node) -> bool:
        """Whether the affine ``node`` could be taken into ``maker``, which then does both."""
        if node.op not in {"Mul", "Add"} or maker.op not in {"Conv", "Gemm"} or node.inputs[1] not in self.constants:
            return False
        weights, bias = (self.constants[name] for name in maker.inputs[1:3])
        factor = self.constants[node.inputs[1]].reshape(-1)
        if factor.size not in {1, len(bias)}:
            return False
        if node.op == "Add":
            self.constants[maker.inputs[2]] = bias + factor
            return True
        by_row = np.broadcast_to(factor, bias.shape)
        self.constants[maker.inputs[1]] = weights * by_row.reshape(-1, *[1] * (weights.ndim - 1))
        self.constants[maker.inputs[2]] = bias * by_row
        return True

    def prune(self, *outputs: str) -> None:
        """Drops every node and constant that none of ``outputs`` depends on."""
        needed = set(outputs)
        kept = []
        for node in reversed(self.nodes):
            if node.output in needed:
                needed.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = {name: value for name, value in self.constants.items() if name in needed}

    def to_onnx(
        self, name: str, inputs: Mapping[str, Sequence[int | str]], outputs: Mapping[str, Sequence[int | str]]
    ) -> bytes:
        """The graph as a serialised, checked ONNX model; float32 inputs and outputs with the given shapes."""

        def described(values: Mapping[str, Sequence[int | str]]) -> list[Any]:
            return [helper.make_tensor_value_info(v, onnx.TensorProto.FLOAT, shape) for v, shape in values.items()]

        graph = helper.make_graph(
            [helper.make_node(n.op, n.inputs, [n.output], name=n.output, **n.attributes) for n in self.nodes],
            name,
            described(inputs),
            described(outputs),
            [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in self.constants.items()],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="mien"
        )
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
