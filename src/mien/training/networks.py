"""Networks that recipes train: the small one from scratch, and what is put on top of a backbone."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.training.keras_backend import load_keras

__all__ = ["Head", "head_on", "joined", "small_cnn"]

Head = Literal["linear", "wide"]


def small_cnn(size: int, classes: int, *, width: int = 16) -> Any:
    """A small convolutional network for pictures, to be trained from scratch: 98,418 parameters for two classes.

    Four times convolution 3 × 3, batch normalisation, ReLU and max-pooling (16, 32, 64, 128 maps), then the mean over the
    picture, dropout and one dense layer. The classic cat/dog network of two convolutions and a dense layer of 128 has
    eight times as many weights, nearly all of them in the dense layer.

    Args:
        size: side of a picture, pixels; 32 or more.
        classes: how many.
        width: maps of the first convolution.

    Returns:
        A Keras model: ``(n, size, size, 3)`` RGB 0–255 -> ``(n, classes)`` probabilities.
    """
    layers = load_keras().layers
    pixels = layers.Input((size, size, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for maps in (width, 2 * width, 4 * width, 8 * width):
        x = layers.Conv2D(maps, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return load_keras().Model(pixels, layers.Dense(classes, activation="softmax", name="classes")(x))


def head_on(features: NDArray[np.float32], classes: int, kind: Head = "linear") -> Any:
    """What is put on a backbone: each feature brought to mean 0 and spread 1, then dense layers.

    Args:
        features: ``(n, d)`` of the training pictures, whose mean and spread are kept in the network.
        classes: how many.
        kind: ``"linear"`` is dropout and one dense layer; ``"wide"`` two dense layers of 1,024 before it, as Nikolaev
            puts on VGG16 in place of its 4,096.

    Returns:
        A Keras model: ``(n, d)`` -> ``(n, classes)`` probabilities.
    """
    layers = load_keras().layers
    given = layers.Input((features.shape[1],), name="features")
    spread = features.var(axis=0, dtype=np.float64)
    floor = max(1e-3 * float(spread.mean()), 1e-12)  # a feature that hardly ever moves must not be blown up
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    x = layers.Normalization(mean=mean, variance=np.maximum(spread, floor).astype(np.float32))(given)
    for _ in range(2 if kind == "wide" else 0):
        x = layers.Dense(1024, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    return load_keras().Model(given, layers.Dense(classes, activation="softmax", name="classes")(x))


def joined(backbone: Any, head: Any) -> Any:
    """Backbone and head as one Keras model that shares their weights; batch statistics of the backbone stay as they are."""
    keras = load_keras()
    pixels = keras.layers.Input(backbone.input_shape[1:], name="pixels")
    return keras.Model(pixels, head(backbone(pixels, training=False)))
