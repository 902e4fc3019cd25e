"""Inception-ResNet-v1 in Keras with the weights of our converted FaceNet, whole or its last blocks alone.

Szegedy et al. 2016 (arXiv 1602.07261) as facenet has it. In the ONNX file every batch normalisation is folded into its
convolution, and the scale of each residual too: what is trained on has its statistics frozen by construction, and the true
ones are lost (a training that re-estimated them would begin with wrong numbers).

The last blocks are trained on what the ones below give, which is computed once by ONNX Runtime: ``below`` cuts the file at
the same place at which ``tail`` begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from mien.core.errors import WeightsError
from mien.training.keras_backend import load_keras

__all__ = ["BLOCKS", "DIMENSIONS", "below", "inception_resnet_v1", "read_weights", "tail"]

BLOCKS = 6
"""How many last blocks may be trained: the six 8 × 8 blocks (3 × 3 at 160 pixels); 0 is the dense layer alone."""

DIMENSIONS = 512

_ROOT = "InceptionResnetV1/"
_LAST = ("Repeat_2/block8_1", "Repeat_2/block8_2", "Repeat_2/block8_3", "Repeat_2/block8_4", "Repeat_2/block8_5", "Block8")  # fmt: skip

Arrays = Mapping[str, NDArray[np.float32]]


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of an ONNX file by name."""
    return {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


def inception_resnet_v1(weights: Arrays, *, size: int = 160) -> Any:
    """The whole network.

    Args:
        weights: from ``read_weights``.
        size: side of a chip, pixels.

    Returns:
        A Keras model: ``(n, 3, size, size)`` float32, (x - 127.5) / 128, as the ONNX file takes it -> ``(n, 512)`` of unit
        length.

    Raises:
        WeightsError: weights of another network.
    """
    keras = load_keras()
    build = _Builder(keras.layers, weights)
    pixels = keras.layers.Input((3, size, size), name="pixels")
    x = build.mixed_7a(build.trunk(keras.layers.Permute((2, 3, 1))(pixels)))
    for name in _LAST:
        x = build.block8(x, name)
    return keras.Model(pixels, build.embeddings(build.raw(build.pooled(x))), name="inception-resnet-v1")


def tail(weights: Arrays, blocks: int) -> tuple[Any, Any]:
    """The last blocks and the dense layer, to be trained.

    Args:
        weights: from ``read_weights``.
        blocks: how many, 0 to ``BLOCKS``.

    Returns:
        Two Keras models that share their layers, from what ``below`` gives, ``(n, 1792, 3, 3)`` or ``(n, 1792)`` for no
        block: to ``(n, 512)`` before they are brought to unit length, and to unit length.

    Raises:
        WeightsError: weights of another network.
    """
    keras = load_keras()
    build = _Builder(keras.layers, weights)
    given = keras.layers.Input((1792, 3, 3) if blocks else (1792,), name="features")
    x = given
    if blocks:
        x = keras.layers.Permute((2, 3, 1))(x)
        for name in _LAST[BLOCKS - blocks :]:
            x = build.block8(x, name)
        x = build.pooled(x)
    raw = build.raw(x)
    return keras.Model(given, raw), keras.Model(given, build.embeddings(raw))


def below(path: Path, blocks: int) -> bytes:
    """ONNX of everything that lies below the last ``blocks``; its output is what ``tail`` takes.

    Raises:
        WeightsError: a file of another network.
    """
    cut = _output(blocks)
    try:
        whole = onnx.shape_inference.infer_shapes(onnx.load(path))
        part = onnx.utils.Extractor(whole).extract_model([whole.graph.input[0].name], [cut])
        onnx.checker.check_model(part)
    except (KeyError, ValueError, onnx.checker.ValidationError) as error:
        raise WeightsError(f"{path} is no Inception-ResNet-v1 of ours: {cut} is missing") from error
    data: bytes = part.SerializeToString()
    return data


def _output(blocks: int) -> str:
    """What the output below the last ``blocks`` is called in the file."""
    if blocks == 0:
        return f"{_ROOT}Logits/Flatten/flatten/Reshape"
    return f"{_ROOT}Mixed_7a/concat" if blocks == BLOCKS else f"{_ROOT}{_LAST[BLOCKS - blocks - 1]}/Relu"


class _Builder:
    """Makes layers whose weights are set at once; pictures are channels last inside."""

    def __init__(self, layers: Any, weights: Arrays) -> None:
        self._layers = layers
        self._weights = weights

    def conv(self, x: Any, name: str, *, stride: int = 1, same: bool = True, relu: bool = True) -> Any:
        """A convolution with the batch normalisation that was folded into it; (out, in, h, w) there, (h, w, in, out) here."""
        kernels = self._get(f"{name}/Conv2D/weights").transpose(2, 3, 1, 0)
        height, width, _, maps = kernels.shape
        padding = "same" if same else "valid"
        activation = "relu" if relu else None
        layer = self._layers.Conv2D(maps, (height, width), stride, padding=padding, activation=activation)
        return self._with(layer, x, [kernels, self._get(f"{name}/Conv2D/bias")])

    def chain(self, x: Any, name: str, *parts: str) -> Any:
        """Convolutions one after the other; those called 1a have stride 2 and no padding."""
        for part in parts:
            halves = part.startswith("Conv2d_1a")
            x = self.conv(x, f"{name}/{part}", stride=2 if halves else 1, same=not halves)
        return x

    def pool(self, x: Any) -> Any:
        """The greatest of 3 × 3, every other one."""
        return self._layers.MaxPooling2D(3, 2)(x)

    def joined(self, *branches: Any) -> Any:
        """Maps side by side."""
        return self._layers.Concatenate()(list(branches))

    def residual(self, x: Any, name: str, *branches: Any, relu: bool = True) -> Any:
        """What the branches give, added to what came in."""
        x = self._layers.Add()([x, self.conv(self.joined(*branches), f"{name}/Conv2d_1x1", relu=False)])
        return self._layers.ReLU()(x) if relu else x

    def trunk(self, x: Any) -> Any:
        """Stem, five blocks of 35, a reduction, ten blocks of 17."""
        for name, stride, same in (("1a_3x3", 2, False), ("2a_3x3", 1, False), ("2b_3x3", 1, True)):
            x = self.conv(x, f"Conv2d_{name}", stride=stride, same=same)
        x = self.pool(x)
        for name, stride in (("3b_1x1", 1), ("4a_3x3", 1), ("4b_3x3", 2)):
            x = self.conv(x, f"Conv2d_{name}", stride=stride, same=False)
        for number in range(1, 6):
            name = f"Repeat/block35_{number}"
            x = self.residual(
                x,
                name,
                self.chain(x, f"{name}/Branch_0", "Conv2d_1x1"),
                self.chain(x, f"{name}/Branch_1", "Conv2d_0a_1x1", "Conv2d_0b_3x3"),
                self.chain(x, f"{name}/Branch_2", "Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3"),
            )
        x = self.joined(
            self.chain(x, "Mixed_6a/Branch_0", "Conv2d_1a_3x3"),
            self.chain(x, "Mixed_6a/Branch_1", "Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_1a_3x3"),
            self.pool(x),
        )
        for number in range(1, 11):
            name = f"Repeat_1/block17_{number}"
            x = self.residual(
                x,
                name,
                self.chain(x, f"{name}/Branch_0", "Conv2d_1x1"),
                self.chain(x, f"{name}/Branch_1", "Conv2d_0a_1x1", "Conv2d_0b_1x7", "Conv2d_0c_7x1"),
            )
        return x

    def mixed_7a(self, x: Any) -> Any:
        """The reduction before the last blocks."""
        return self.joined(
            self.chain(x, "Mixed_7a/Branch_0", "Conv2d_0a_1x1", "Conv2d_1a_3x3"),
            self.chain(x, "Mixed_7a/Branch_1", "Conv2d_0a_1x1", "Conv2d_1a_3x3"),
            self.chain(x, "Mixed_7a/Branch_2", "Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_1a_3x3"),
            self.pool(x),
        )

    def block8(self, x: Any, name: str) -> Any:
        """One of the last blocks; the very last has no ReLU."""
        return self.residual(
            x,
            name,
            self.chain(x, f"{name}/Branch_0", "Conv2d_1x1"),
            self.chain(x, f"{name}/Branch_1", "Conv2d_0a_1x1", "Conv2d_0b_1x3", "Conv2d_0c_3x1"),
            relu=name != "Block8",
        )

    def pooled(self, x: Any) -> Any:
        """The mean over what is left of the picture."""
        return self._layers.GlobalAveragePooling2D()(x)

    def raw(self, x: Any) -> Any:
        """The dense layer, its batch normalisation folded in."""
        kernel = self._get("Bottleneck/MatMul/weights").T
        return self._with(self._layers.Dense(kernel.shape[1]), x, [kernel, self._get("Bottleneck/MatMul/bias")])

    def embeddings(self, raw: Any) -> Any:
        """Brought to unit length."""
        return self._layers.UnitNormalization()(raw)

    def _with(self, layer: Any, x: Any, weights: list[NDArray[np.float32]]) -> Any:
        out = layer(x)
        try:
            layer.set_weights(weights)
        except ValueError as error:
            raise WeightsError(f"these are no weights of Inception-ResNet-v1: {error}") from error
        return out

    def _get(self, name: str) -> NDArray[np.float32]:
        full = f"{_ROOT}{name}"
        if full not in self._weights:
            raise WeightsError(f"these are no weights of Inception-ResNet-v1 as we convert it: {full} is missing")
        return np.asarray(self._weights[full], np.float32)
