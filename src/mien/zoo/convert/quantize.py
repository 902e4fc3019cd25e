"""A float32 ONNX model in 8 bits: weights by channel, activations by ranges that were measured beforehand.

The ranges come with the package, so no picture is needed where the weights are made. Written in ONNX's QDQ form
(a QuantizeLinear and a DequantizeLinear around each value), which ONNX Runtime runs as integer operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from mien.core.errors import WeightsError

__all__ = ["measurable", "quantize"]

_QUANTISED = ("Conv", "Add", "Concat", "MaxPool", "AveragePool", "Relu")


def measurable(model: bytes) -> list[str]:
    """Names of the values whose ranges ``quantize`` needs: the input and what every quantised operation gives."""
    graph = onnx.load_from_string(model).graph
    inside = [node.output[0] for node in graph.node if node.op_type in _QUANTISED]
    return [graph.input[0].name, *inside]


def quantize(model: bytes, ranges: Mapping[str, tuple[float, float]]) -> bytes:
    """The model with 8-bit weights (signed, by channel) and activations (unsigned).

    Args:
        model: a serialised ONNX model.
        ranges: lowest and highest value of everything ``measurable`` names.

    Raises:
        WeightsError: if ranges are missing, that is: were measured on another model.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    missing = [name for name in measurable(model) if name not in ranges]
    if missing:
        raise WeightsError(
            f"no range was measured for {missing[0]} and {len(missing) - 1} others: they are of another model"
        )
    bounds: dict[str, Any] = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in ranges.items()
    }
    loaded = onnx.load_from_string(model)
    quantizer = QDQQuantizer(
        loaded,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, bounds),
        nodes_to_quantize=[node.name for node in loaded.graph.node if node.op_type in _QUANTISED],
        nodes_to_exclude=[],
        op_types_to_quantize=list(_QUANTISED),
        extra_options={},
    )
    quantizer.quantize_model()
    data: bytes = quantizer.model.model.SerializeToString(deterministic=True)
    return data
