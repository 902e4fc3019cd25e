"""The losses of MTCNN (Zhang et al. 2016, section 3.1): per sample those it has labels for, and only the hardest samples.

A sample's labels are 15 numbers: 1 for a face, 0 for none; four offsets; ten landmarks. What nobody knows of a sample is
NaN and costs nothing: a part face has offsets only, a negative its class only. The loss of a sample is

    a · cross-entropy of its class + b · squared distance of its offsets + c · squared distance of its landmarks

with the weights (a, b, c) of the paper: (1, 0.5, 0.5), for O-Net (1, 0.5, 1). Online hard sample mining: of each batch
the 70 % with the largest losses carry gradient, the others none at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.training.keras_backend import load_keras

__all__ = ["LABELS", "OUTPUTS", "StageLoss", "task_figures"]

LABELS = 15
"""Numbers per sample that a network is told: class, four offsets, five x and five y."""
OUTPUTS = 16
"""Numbers per sample that it answers: the class takes two, logits of no face and face."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StageLoss:
    """The loss of one network.

    Args:
        weights: of class, offsets, landmarks.
        mining: share of each batch that carries gradient, the hardest; None for all.
    """

    weights: tuple[float, float, float] = (1.0, 0.5, 0.5)
    mining: float | None = 0.7

    def per_sample(self, labels: Any, outputs: Any) -> Any:
        """``(n,)`` loss of each sample, over the tasks it has labels for.

        Args:
            labels: ``(n, 15)`` tensor, NaN where nothing is known.
            outputs: ``(n, 16)`` tensor.
        """
        ops = load_keras().ops
        known = ops.logical_not(ops.isnan(labels))
        given = ops.where(known, labels, ops.zeros_like(labels))
        counts = ops.cast(known, outputs.dtype)
        lead = outputs[:, 1] - outputs[:, 0]
        entropy = (ops.softplus(lead) - given[:, 0] * lead) * counts[:, 0]
        squared = ops.square(outputs[:, 2:] - given[:, 1:]) * counts[:, 1:]
        a, b, c = self.weights
        return a * entropy + b * ops.sum(squared[:, :4], axis=1) + c * ops.sum(squared[:, 4:], axis=1)

    def __call__(self, labels: Any, outputs: Any, *, training: bool = True) -> Any:
        """The mean loss of a batch; in training of its hardest samples, and no gradient reaches the others."""
        ops = load_keras().ops
        each = self.per_sample(labels, outputs)
        if not training or self.mining is None:
            return ops.mean(each)
        count = max(1, round(self.mining * each.shape[0]))
        hardest, _ = ops.top_k(each, count, sorted=False)
        return ops.mean(hardest)

    @property
    def compute_loss(self) -> Any:
        """As a method of a Keras model."""
        loss = self

        def compute_loss(
            model: Any,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Any = None,
            training: bool = True,
        ) -> Any:
            del model, x, sample_weight
            return loss(y, y_pred, training=training)

        return compute_loss

    @property
    def metrics(self) -> Any:
        """As a method of a Keras model: the loss, and the accuracy over the samples whose class is known."""

        def compute_metrics(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
            del x, sample_weight
            ops = load_keras().ops
            known = ops.logical_not(ops.isnan(y[:, 0]))
            right = ops.equal(y_pred[:, 1] > y_pred[:, 0], y[:, 0] > 0.5)
            counted = ops.sum(ops.cast(known, y_pred.dtype))
            hits = ops.sum(ops.cast(ops.logical_and(known, right), y_pred.dtype))
            return {**model.get_metrics_result(), "accuracy": hits / ops.maximum(counted, 1)}

        return compute_metrics


def task_figures(labels: Floats, outputs: Floats) -> Mapping[str, float]:
    """How well each task is done over samples: accuracy, and root mean squared errors in shares of the window's side.

    Args:
        labels: ``(n, 15)``.
        outputs: ``(n, 16)``.

    Returns:
        ``accuracy``, ``recall`` (of faces), ``offsets`` and ``landmarks``; NaN where no sample has the label.
    """
    known = ~np.isnan(labels[:, 0])
    said, true = outputs[known, 1] > outputs[known, 0], labels[known, 0] > 0.5
    errors = outputs[:, 2:].astype(np.float64) - labels[:, 1:]
    return {
        "accuracy": _mean(said == true),
        "recall": _mean(said[true]),
        "offsets": _root(errors[:, :4]),
        "landmarks": _root(errors[:, 4:]),
    }


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _root(errors: NDArray[np.float64]) -> float:
    known = errors[~np.isnan(errors)]
    return float(np.sqrt((known**2).mean())) if known.size else float("nan")
