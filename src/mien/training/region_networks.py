"""The region classifier and its fully convolutional form: one network, asked about a window or about every window at once.

The classifier is the one of "Face Detectors" (renjmindy, RegionDetector): two convolutions 3 × 3 with "same" padding, each
with max-pooling, bring 32 × 32 pixels down to a feature patch of 8 × 8 × 64; dense layers of 128, 64 and 2 follow: 552,194
parameters. In the fully convolutional form the first dense layer is a convolution 8 × 8, the others are 1 × 1, the softmax
is gone: on a larger picture it gives two logits for every window of 32 × 32 pixels, 4 pixels apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mien.core.errors import InputError
from mien.training.keras_backend import load_keras

__all__ = [
    "CONVERTED",
    "STRIDE",
    "WINDOW",
    "conversion_difference",
    "copy_weights",
    "fully_convolutional",
    "region_classifier",
    "region_onnx",
    "weights_of",
]

WINDOW = 32
"""Side of what the classifier sees, pixels."""
STRIDE = 4
"""Pixels between neighbouring windows of the fully convolutional form: two max-poolings."""
CONVERTED = ("conv1", "conv2", "dense1", "dense2", "logits")
"""Layers with weights, in order; both forms call them the same."""

_PATCH = WINDOW // STRIDE
_OPSET = 17

Floats = NDArray[np.float32]
Weights = Sequence[tuple[Floats, Floats]]


def region_classifier(*, dropout: float = 0.5) -> Any:
    """Is there a face in this window? 552,194 parameters.

    Returns:
        A Keras model: ``(n, 32, 32, 3)`` RGB 0–255 -> ``(n, 2)`` probabilities of no face and face.
    """
    keras = load_keras()
    layers = keras.layers
    pixels = layers.Input((WINDOW, WINDOW, 3), name="pixels")
    x = layers.Flatten()(_features(pixels))
    for name, units in (("dense1", 128), ("dense2", 64)):
        x = layers.Dropout(dropout)(layers.ReLU()(layers.Dense(units, name=name)(x)))
    return keras.Model(pixels, layers.Softmax(name="face")(layers.Dense(2, name="logits")(x)))


def fully_convolutional(height: int, width: int) -> Any:
    """The fully convolutional form for pictures of one size, its weights still random; see ``copy_weights``.

    Args:
        height, width: pixels, 32 or more; rows and columns beyond a multiple of 4 are not seen.

    Returns:
        A Keras model: ``(n, height, width, 3)`` RGB 0–255 -> ``(n, height // 4 - 7, width // 4 - 7, 2)`` logits.

    Raises:
        InputError: smaller than one window.
    """
    if min(height, width) < WINDOW:
        raise InputError(f"expected {WINDOW} × {WINDOW} pixels or more, got {width} × {height}")
    keras = load_keras()
    layers = keras.layers
    pixels = layers.Input((height, width, 3), name="pixels")
    x = _features(pixels)
    for name, maps, side in (("dense1", 128, _PATCH), ("dense2", 64, 1)):
        x = layers.ReLU()(layers.Conv2D(maps, side, name=name)(x))
    return keras.Model(pixels, layers.Conv2D(2, 1, name="logits")(x))


def copy_weights(classifier: Any, converted: Any) -> None:
    """Give the fully convolutional form the classifier's weights; those of dense layers only change their shape."""
    for name in CONVERTED:
        target = converted.get_layer(name)
        kernel, bias = classifier.get_layer(name).get_weights()
        target.set_weights([kernel.reshape(target.kernel.shape), bias])


def weights_of(classifier: Any) -> Weights:
    """Kernel and bias of each layer in ``CONVERTED``, kernels as Keras has them."""
    found = (classifier.get_layer(name).get_weights() for name in CONVERTED)
    return [(np.asarray(kernel, np.float32), np.asarray(bias, np.float32)) for kernel, bias in found]


def region_onnx(weights: Weights) -> bytes:
    """The fully convolutional form as ONNX, for batches of pictures of any one size from 32 × 32 pixels.

    It takes ``(n, 3, h, w)`` of (RGB - 127.5) / 127.5 and gives ``(n, 2, h // 4 - 7, w // 4 - 7)`` logits of no face and
    face. Written node by node: Keras exports pictures of one size only.
    """
    shapes = [kernel.shape for kernel, _ in weights]
    nodes, arrays, x = [], [], "pixels"
    for name, shape, (kernel, bias) in zip(CONVERTED, shapes, weights, strict=True):
        side = {"dense1": _PATCH}.get(name, shape[0] if len(shape) == 4 else 1)
        square = kernel.reshape(side, side, -1, shape[-1]).transpose(3, 2, 0, 1)
        arrays += [_array(f"{name}.kernel", square), _array(f"{name}.bias", bias)]
        pad = 1 if name.startswith("conv") else 0
        given = [x, f"{name}.kernel", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", given, [name], kernel_shape=[side, side], pads=[pad] * 4))
        x = name
        if name != CONVERTED[-1]:
            nodes.append(helper.make_node("Relu", [x], [f"{name}.relu"]))
            x = f"{name}.relu"
        if name.startswith("conv"):
            nodes.append(helper.make_node("MaxPool", [x], [f"{name}.pool"], kernel_shape=[2, 2], strides=[2, 2]))
            x = f"{name}.pool"
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "region",
        [helper.make_tensor_value_info("pixels", float32, ["n", 3, "height", "width"])],
        [helper.make_tensor_value_info(CONVERTED[-1], float32, ["n", 2, "rows", "columns"])],
        arrays,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def conversion_difference(classifier: Any, picture: NDArray[np.uint8]) -> float:
    """How far the converted head lies from the dense one, at most, over all windows of ``picture``.

    Both are given the same feature patches, those of the whole picture: between a window inside a picture and the same
    window cut out there is a difference by design, for "same" padding shows the first its neighbours and the second
    zeros.

    Args:
        classifier: of ``region_classifier``.
        picture: ``(h, w, 3)`` uint8 RGB, 32 × 32 or larger.
    """
    keras = load_keras()
    converted = fully_convolutional(*picture.shape[:2])
    copy_weights(classifier, converted)
    both = keras.Model(converted.input, [converted.get_layer("features").output, converted.output])
    features, logits = (
        np.asarray(out[0], np.float64) for out in both.predict_on_batch(picture[None].astype(np.float32))
    )
    patches = sliding_window_view(features, (_PATCH, _PATCH), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    x = patches.reshape(*patches.shape[:2], -1)
    for name, (kernel, bias) in list(zip(CONVERTED, weights_of(classifier), strict=True))[2:]:
        x = x @ kernel.astype(np.float64) + bias
        x = x if name == CONVERTED[-1] else np.maximum(x, 0)
    return float(np.abs(x - logits).max())


def _features(pixels: Any) -> Any:
    """Pixels to the feature map, a quarter of their height and width, 64 maps."""
    layers = load_keras().layers
    x = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for name, maps, pool in (("conv1", 32, "pool"), ("conv2", 64, "features")):
        x = layers.ReLU()(layers.Conv2D(maps, 3, padding="same", name=name)(x))
        x = layers.MaxPooling2D(name=pool)(x)
    return x


def _array(name: str, values: Floats) -> Any:
    return numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
