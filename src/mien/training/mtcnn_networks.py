"""P-Net, R-Net and O-Net of Zhang et al. 2016 (https://arxiv.org/abs/1604.02878) in Keras, with all three heads.

Layers are those of the published weights (Caffe, by way of the ``mtcnn`` package): convolutions without padding, PReLU
with a slope per channel, max-pooling that keeps the last column, dense layers that read a map column by column. P-Net is
fully convolutional and learns on single windows of 12 × 12. The paper gives every network a landmark head; the published
P- and R-Net come without theirs, and so do ours once they are converted: there it only helps to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import WeightsError
from mien.training.keras_backend import load_keras
from mien.training.mtcnn_losses import OUTPUTS, StageLoss

__all__ = ["SIDES", "STAGES", "as_published", "cascade_arrays", "cascade_network", "load_arrays"]

STAGES = ("pnet", "rnet", "onet")
SIDES = {"pnet": 12, "rnet": 24, "onet": 48}
"""Sides of what each network sees, pixels."""

Arrays = Sequence[NDArray[np.float32]]

_TRUNKS: dict[str, tuple[tuple[int, int, tuple[int, str] | None], ...]] = {
    "pnet": ((10, 3, (2, "same")), (16, 3, None), (32, 3, None)),
    "rnet": ((28, 3, (3, "same")), (48, 3, (3, "valid")), (64, 2, None)),
    "onet": ((32, 3, (3, "same")), (64, 3, (3, "valid")), (64, 3, (2, "same")), (128, 2, None)),
}
"""Maps, kernel, and pooling window with padding, of each convolution."""
_DENSE = {"rnet": 128, "onet": 256}
_HEADS = {"offsets": 4, "landmarks": 10, "classes": 2}
_STORED = {"pnet": ("offsets", "classes"), "rnet": ("offsets", "classes"), "onet": ("offsets", "landmarks", "classes")}
"""The heads that are kept, in the order of the published files."""


def cascade_network(
    stage: str, *, mining: float | None = 0.7, landmarks: float | None = None, dropout: float = 0.0
) -> Any:
    """One network of the cascade, its weights random, with the loss it learns by.

    Args:
        stage: ``"pnet"``, ``"rnet"`` or ``"onet"``.
        mining: share of each batch that carries gradient, the hardest; None for all of it.
        landmarks: weight of the landmark loss; None for the paper's, 0.5, and 1 for O-Net.
        dropout: share of what R- and O-Net's dense layer says that each step of training does without.

    Returns:
        A Keras model: ``(n, side, side, 3)`` RGB 0–255 -> ``(n, 16)``: logits of no face and face, offsets of x1, y1,
        x2, y2, and five x, then five y of landmarks, all but the logits in shares of the window.
    """
    keras = load_keras()
    layers = keras.layers
    side = SIDES[stage]
    pixels = layers.Input((side, side, 3), name="pixels")
    x = layers.Rescaling(1 / 128, offset=-127.5 / 128)(pixels)
    maps_first = keras.backend.backend() == "torch"  # there O-Net takes 0.63 of the time of maps last
    order = "channels_first" if maps_first else "channels_last"
    x = layers.Permute((3, 1, 2))(x) if maps_first else x
    for number, (maps, kernel, pool) in enumerate(_TRUNKS[stage], 1):
        x = layers.Conv2D(maps, kernel, data_format=order, kernel_initializer="he_normal", name=f"conv{number}")(x)
        x = _prelu(f"prelu{number}", shared_axes=[2, 3] if maps_first else [1, 2])(x)
        if pool is not None:
            x = layers.MaxPooling2D(pool[0], 2, padding=pool[1], data_format=order)(x)
    if stage in _DENSE:
        x = layers.Flatten()(layers.Permute((3, 2, 1) if maps_first else (2, 1, 3))(x))
        x = _prelu("prelu_dense")(layers.Dense(_DENSE[stage], kernel_initializer="he_normal", name="dense")(x))
        x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
    heads = [layers.Flatten()(_head(stage, name)(x)) for name in ("classes", "offsets", "landmarks")]
    weight = landmarks if landmarks is not None else 1.0 if stage == "onet" else 0.5
    loss = StageLoss((1.0, 0.5, weight), mining)
    # a model whose loss is its own; made so because the class of Keras is known at run time only
    stage_model = type("Stage", (keras.Model,), {"compute_loss": loss.compute_loss, "compute_metrics": loss.metrics})
    return stage_model(pixels, layers.Concatenate(name="outputs")(heads), name=stage)


def cascade_arrays(model: Any) -> list[NDArray[np.float32]]:
    """The network's arrays in the order of the published files, as ``zoo.convert.mtcnn`` takes them."""
    return [
        np.asarray(array, np.float32).reshape(_published_shape(array.shape))
        for layer in _stored(model)
        for array in layer.get_weights()
    ]


def load_arrays(model: Any, arrays: Arrays) -> None:
    """Give the network the arrays of a published one; the landmark heads of P- and R-Net stay as they are.

    Raises:
        WeightsError: arrays of another network.
    """
    layers = _stored(model)
    expected = [_published_shape(tuple(w.shape)) for layer in layers for w in layer.weights]
    if expected != [a.shape for a in arrays]:
        raise WeightsError(
            f"{model.name}: expected {len(expected)} arrays of shapes {expected}, got {[a.shape for a in arrays]}"
        )
    rest = list(arrays)
    for layer in layers:
        count = len(layer.weights)
        layer.set_weights([a.reshape(w.shape) for a, w in zip(rest[:count], layer.weights, strict=True)])
        del rest[:count]


def _published_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Slopes of a convolution's PReLU, the only arrays of three sides, are stored maps last."""
    return (1, 1, max(shape)) if len(shape) == 3 else shape


def as_published(stage: str, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network says ``(n, 16)`` as the converted one would: ``(n, 5)``, O-Net ``(n, 15)``; a probability comes first."""
    logit = (outputs[:, 1] - outputs[:, 0]).astype(np.float64)
    rest = outputs[:, 2 : OUTPUTS if stage == "onet" else 6]
    probability = 1 / (1 + np.exp(-logit))
    return np.concatenate([probability[:, None].astype(np.float32), rest], axis=1)


def _prelu(name: str, **options: Any) -> Any:
    keras = load_keras()
    return keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), name=name, **options)


def _head(stage: str, name: str) -> Any:
    """A head of either kind: dense, or a convolution 1 × 1 for P-Net; landmarks begin in the window's middle."""
    keras = load_keras()
    bias = keras.initializers.Constant(0.5 if name == "landmarks" else 0)
    if stage in _DENSE:
        return keras.layers.Dense(_HEADS[name], name=name, bias_initializer=bias)
    order = "channels_first" if keras.backend.backend() == "torch" else "channels_last"
    return keras.layers.Conv2D(_HEADS[name], 1, data_format=order, name=name, bias_initializer=bias)


def _stored(model: Any) -> list[Any]:
    """The layers with weights that a published file has, in its order."""
    names: list[str] = []
    for number in range(1, len(_TRUNKS[model.name]) + 1):
        names += [f"conv{number}", f"prelu{number}"]
    if model.name in _DENSE:
        names += ["dense", "prelu_dense"]
    return [model.get_layer(name) for name in (*names, *_STORED[model.name])]
