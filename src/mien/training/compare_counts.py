"""How large an exported network is, counted from its ONNX: the same way for every backbone, whoever made it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import onnx

__all__ = ["Counts", "count_network"]

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedMatMul"})
"""Operators that are layers in the textbook's sense where one of their inputs is constant."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Size of a network.

    Args:
        parameters: numbers it stores, statistics of batch normalisation included; shapes and other whole numbers not.
        layers: convolutions and dense layers in all.
        depth: how many of them lie one behind the other at most: VGG16 has 16.
        bytes: of the file.
    """

    parameters: int
    layers: int
    depth: int
    bytes: int


def count_network(data: bytes) -> Counts:
    """Count the network of one ONNX file."""
    graph = onnx.load_from_string(data).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {node.output[0]: _value(node) for node in graph.node if node.op_type == "Constant"}
    stored = {name: tensor for name, tensor in constants.items() if tensor is not None and _is_float(tensor)}
    fixed = _fixed(graph.node, constants)
    depth: dict[str, int] = {}
    layers = 0
    for node in graph.node:  # ONNX keeps nodes in the order of their inputs
        weighted = node.op_type in _WEIGHTED and any(name in fixed for name in node.input)
        layers += weighted
        reached = max((depth.get(name, 0) for name in node.input), default=0) + weighted
        depth.update(dict.fromkeys(node.output, reached))
    deepest = max((depth.get(output.name, 0) for output in graph.output), default=0)
    return Counts(sum(prod(tensor.dims) for tensor in stored.values()), layers, deepest, len(data))


def _fixed(nodes: Iterable[Any], constants: Iterable[str]) -> set[str]:
    """Names of values that no input of the network moves: constants, and what is made of constants alone."""
    fixed = set(constants)
    for node in nodes:
        if node.input and all(name in fixed or not name for name in node.input):
            fixed.update(node.output)
    return fixed


def _value(node: Any) -> Any:
    """The tensor of a Constant node, None where it is a plain number or text."""
    return next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)


def _is_float(tensor: Any) -> bool:
    kinds = onnx.TensorProto
    return tensor.data_type in {kinds.FLOAT, kinds.FLOAT16, kinds.DOUBLE, kinds.BFLOAT16}
