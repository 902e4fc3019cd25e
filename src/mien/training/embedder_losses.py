"""Losses that draw one person's embeddings together and push others' away, and what each puts on the network.

- ``triplet``: Schroff et al. 2015 (FaceNet, arXiv 1503.03832): all pairs of one person in the batch, each with a negative
  chosen online. ``semi-hard``: the nearest one that is farther than the positive (3.2: hard ones can collapse a model early);
  a pair that has none takes the farthest negative, so that it still learns. ``hard``: the nearest of all.
- ``arcface``: Deng et al. 2019 (arXiv 1801.07698): softmax over cosines with an angle added to the true class.
- ``centre``: Wen et al. 2016: softmax and the distance to a learnt centre of each class, before unit length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.training.keras_backend import load_keras

__all__ = ["LOSSES", "SELECTIONS", "arcface_loss", "centre_loss", "learner", "share_active", "triplet_loss"]

Loss = Literal["triplet", "arcface", "centre"]
Selection = Literal["semi-hard", "hard"]
LOSSES: tuple[str, ...] = get_args(Loss)
SELECTIONS: tuple[str, ...] = get_args(Selection)

ANGLE = 0.5
"""Radians that ArcFace adds to the angle to the true class; the paper's."""

SCALE = 30.0
"""What ArcFace's cosines are multiplied by; the paper takes 64 for 85,000 classes, a recipe here has tens."""

CENTRE = 0.01
"""How much the distance to the centres counts beside the softmax; 0.003 to 0.01 in the paper."""

_FAR = 9.0
"""Farther than any squared distance of unit vectors (4)."""

Function = Callable[[Any, Any], Any]


def triplet_loss(margin: float, selection: str) -> Function:
    """Mean over the triplets that are active, of squared distances: to the positive, less that to the negative, plus margin.

    The function takes labels ``(n,)`` and embeddings ``(n, d)`` of unit length.
    """

    def loss(labels: Any, embeddings: Any) -> Any:
        ops = load_keras().ops
        left, _ = _left(labels, embeddings, margin, selection)
        return ops.sum(left) / ops.maximum(ops.sum(ops.cast(left > 0, left.dtype)), 1.0)

    return loss


def share_active(margin: float, selection: str) -> Function:
    """The share of the triplets chosen whose negative is not yet farther than the positive by the margin, 0 to 1."""

    def active(labels: Any, embeddings: Any) -> Any:
        ops = load_keras().ops
        left, pairs = _left(labels, embeddings, margin, selection)
        return ops.sum(ops.cast(left > 0, left.dtype)) / ops.maximum(ops.sum(pairs), 1.0)

    return active


def _left(labels: Any, embeddings: Any, margin: float, selection: str) -> tuple[Any, Any]:
    """What each pair ``(n, n)`` of one person still lacks (zero for pairs of two), and which pairs are of one person."""
    ops = load_keras().ops
    labels = ops.reshape(labels, (-1,))
    distances = ops.maximum(2.0 - 2.0 * ops.matmul(embeddings, ops.transpose(embeddings)), 0.0)
    same = ops.equal(labels[:, None], labels[None, :])
    pairs = ops.cast(same, distances.dtype) - ops.eye(ops.shape(labels)[0], dtype=distances.dtype)
    to_others = ops.where(same, _FAR, distances)
    if selection == "hard":
        chosen = ops.min(to_others, axis=1, keepdims=True)
    else:
        farther = to_others[:, None, :] > distances[:, :, None]  # (anchor, positive, negative)
        nearest = ops.min(ops.where(farther, to_others[:, None, :], _FAR), axis=2)
        farthest = ops.max(ops.where(same, 0.0, distances), axis=1, keepdims=True)
        chosen = ops.where(nearest < _FAR, nearest, farthest)
    return ops.relu(distances - chosen + margin) * pairs, pairs


def arcface_loss(labels: Any, cosines: Any) -> Any:
    """Cross-entropy over cosines ``(n, k)`` to each class, with ``ANGLE`` added to the angle to the true one."""
    keras = load_keras()
    ops = keras.ops
    true = ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), ops.shape(cosines)[1])
    cosines = ops.clip(cosines, -1 + 1e-6, 1 - 1e-6)
    turned = cosines * np.cos(ANGLE) - ops.sqrt(1 - cosines * cosines) * np.sin(ANGLE)
    # beyond half a turn the cosine would rise again: a straight line goes on falling, as the authors' code does
    turned = ops.where(cosines > -np.cos(ANGLE), turned, cosines - ANGLE * np.sin(ANGLE))
    logits = SCALE * (true * turned + (1 - true) * cosines)
    return ops.mean(keras.losses.categorical_crossentropy(true, logits, from_logits=True))


def centre_loss(labels: Any, found: Any) -> Any:
    """Cross-entropy and half the squared distance to the own centre; ``found`` is logits and distances ``(n, 2 k)``."""
    keras = load_keras()
    ops = keras.ops
    classes = ops.shape(found)[1] // 2
    true = ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), classes)
    logits, distances = found[:, :classes], found[:, classes:]
    softmax = ops.mean(keras.losses.categorical_crossentropy(true, logits, from_logits=True))
    return softmax + CENTRE * 0.5 * ops.mean(ops.sum(true * distances, axis=1))


def learner(loss: str, raw: Any, embedder: Any, means: NDArray[np.float32]) -> Any:
    """The network that is fitted: the embedder, with what the loss needs on it.

    Args:
        loss: of ``LOSSES``.
        raw: Keras model that gives embeddings before unit length.
        embedder: the same, of unit length.
        means: ``(k, d)`` mean of each class's embeddings before unit length, to begin with.
    """
    keras = load_keras()
    if loss == "triplet":
        return embedder
    if loss == "arcface":
        kernel = (means / np.linalg.norm(means, axis=1, keepdims=True)).T
        head = keras.layers.Dense(len(means), use_bias=False, kernel_constraint=keras.constraints.UnitNorm(axis=0))
        cosines = head(embedder.output)
        head.set_weights([kernel])
        return keras.Model(embedder.input, cosines)
    centres = _centres(means)
    joint = keras.layers.Concatenate()([keras.layers.Dense(len(means))(raw.output), centres(raw.output)])
    return keras.Model(raw.input, joint)


def _centres(means: NDArray[np.float32]) -> Any:
    """A layer: squared distances ``(n, k)`` to learnt centres."""
    keras = load_keras()

    class Centres(keras.layers.Layer):  # type: ignore[misc,name-defined]  # Keras is imported when it is needed
        def build(self, shape: Any) -> None:
            self.centres = self.add_weight(shape=(len(means), shape[-1]), name="centres")

        def call(self, x: Any) -> Any:
            return keras.ops.sum(keras.ops.square(x[:, None, :] - self.centres[None]), axis=2)

    layer = Centres()
    layer.build((None, means.shape[1]))
    layer.set_weights([means])
    return layer
