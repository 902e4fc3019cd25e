"""From Keras to ONNX, and the proof that both say the same."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import compose

from mien.core.errors import TrainingError
from mien.training.keras_backend import load_keras

__all__ = ["TOLERANCE", "check_equal", "stitched", "to_onnx"]

TOLERANCE = 1e-4
"""How far an output of the exported network may lie from Keras's."""

_NEWEST_IR = 10
"""ONNX's file version that ONNX Runtime 1.20, the oldest we admit, still reads."""


def to_onnx(model: Any) -> bytes:
    """A Keras model as ONNX, for batches of any number of rows."""
    keras = load_keras()
    model(keras.ops.zeros((2, *model.input_shape[1:])))  # an exporter needs a model that was called once
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras and torch say to each other about the tracing
        path = Path(folder) / "model.onnx"
        model.export(str(path), format="onnx", verbose=False)
        exported = onnx.load(path)
    return _checked(exported)


def stitched(backbone: bytes, head: bytes) -> bytes:
    """Two ONNX networks as one: the first output of ``backbone`` becomes the only input of ``head``."""
    below = compose.add_prefix(onnx.load_from_string(backbone), "backbone/")
    above = compose.add_prefix(onnx.load_from_string(head), "head/")
    opset = max(m.opset_import[0].version for m in (below, above))
    below, above = (onnx.version_converter.convert_version(m, opset) for m in (below, above))
    above.ir_version = below.ir_version
    joint = compose.merge_models(
        below,
        above,
        io_map=[(below.graph.output[0].name, above.graph.input[0].name)],
        outputs=[above.graph.output[0].name],
    )
    return _checked(joint)


def check_equal(ours: NDArray[np.float32], exported: NDArray[np.float32]) -> float:
    """The largest difference of the exported network's outputs from the trained one's, on the same pictures.

    Raises:
        TrainingError: more than ``TOLERANCE``.
    """
    difference = float(np.abs(ours - exported).max()) if ours.shape == exported.shape else float("inf")
    if not difference <= TOLERANCE:
        raise TrainingError(
            f"the exported network differs from the trained one by {difference:.2g}, more than {TOLERANCE:g}; nothing was"
            " stored: report this with the versions of keras and its backend"
        )
    return difference


def _checked(model: onnx.ModelProto) -> bytes:
    model.ir_version = min(model.ir_version, _NEWEST_IR)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
