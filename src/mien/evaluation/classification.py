"""How well classes are told apart: confusion, precision and recall of each class, and what was missed most surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError

__all__ = ["ClassFigures", "Classification", "judge", "wilson"]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class.

    Args:
        name: of the class.
        pictures: how many there are.
        precision: share of the pictures taken for it that are; NaN if none was.
        recall: share of its pictures that were recognised; NaN if there are none.
        f1: harmonic mean of the two.
    """

    name: str
    pictures: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """Probabilities held against the truth.

    Args:
        confusion: ``(k, k)`` int64: pictures of the row's class that were taken for the column's.
        classes: their figures, in order.
        accuracy: share of pictures that were taken for what they are.
        balanced_accuracy: mean recall of the classes that have pictures: a class of few counts as much as one of many.
        mistakes: rows of the wrong answers, the surest first.
    """

    confusion: NDArray[np.int64]
    classes: tuple[ClassFigures, ...]
    accuracy: float
    balanced_accuracy: float
    mistakes: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "pictures": int(self.confusion.sum()),
            "accuracy": round(self.accuracy, 4),
            "accuracy_95": [round(v, 4) for v in wilson(self.accuracy, int(self.confusion.sum()))],
            "balanced_accuracy": round(self.balanced_accuracy, 4),
            "confusion": self.confusion.tolist(),
            "classes": [
                {
                    "class": c.name,
                    "pictures": c.pictures,
                    "precision": _plain(c.precision),
                    "recall": _plain(c.recall),
                    "f1": _plain(c.f1),
                }
                for c in self.classes
            ],
        }


def judge(
    probabilities: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]], names: Sequence[str]
) -> Classification:
    """Hold answers against the truth; the likeliest class is the answer, the first of several.

    Args:
        probabilities: ``(n, k)``.
        targets: ``(n,)`` index of the true class.
        names: of the k classes.

    Raises:
        InputError: shapes that do not fit, or no picture.
    """
    if probabilities.shape != (len(targets), len(names)) or not len(targets):
        raise InputError(
            f"expected probabilities of {len(names)} classes for one picture or more, got {probabilities.shape} for"
            f" {len(targets)}"
        )
    answers = probabilities.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (targets, answers), 1)
    figures = tuple(_figures(confusion, i, name) for i, name in enumerate(names))
    recalls = [f.recall for f in figures if f.pictures]
    wrong = np.flatnonzero(answers != targets)
    surest = wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")]
    return Classification(
        confusion, figures, float((answers == targets).mean()), float(np.mean(recalls)), tuple(surest.tolist())
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share seen in ``count`` trials (Wilson 1927)."""
    z, n = 1.96, max(count, 1)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _figures(confusion: NDArray[np.int64], index: int, name: str) -> ClassFigures:
    right, there = int(confusion[index, index]), int(confusion[index].sum())
    taken = int(confusion[:, index].sum())
    return ClassFigures(
        name,
        there,
        right / taken if taken else math.nan,
        right / there if there else math.nan,
        2 * right / (taken + there) if taken + there else math.nan,
    )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
