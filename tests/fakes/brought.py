"""Small embedders as a user may bring them: a coarse picture of the face, projected."""

import numpy as np

from mien.zoo.convert.graph import Graph

DIMENSIONS = 24


def embedder_file(*, batch: int | str = "n", size: int = 112) -> bytes:
    """ONNX that takes ``(batch, 3, size, size)`` and gives ``(batch, 24)``: cells of 16 pixels, at random weights."""
    random = np.random.default_rng(5)
    cells = size // 16
    graph = Graph()
    coarse = graph.add("AveragePool", "input.1", kernel_shape=[16, 16], strides=[16, 16])
    flat = graph.add("Flatten", coarse, axis=1)
    weights = random.normal(size=(DIMENSIONS, 3 * cells * cells))
    weights -= weights.mean(axis=1, keepdims=True)  # light alone makes nobody alike
    out = graph.add("Gemm", flat, graph.constant(weights), graph.constant(np.zeros(DIMENSIONS)), transB=1)
    return graph.to_onnx("brought", {"input.1": (batch, 3, size, size)}, {out: (batch, DIMENSIONS)})
