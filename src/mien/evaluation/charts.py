"""Curves as pictures: PNG or SVG through matplotlib (extra ``lab``), without a display and without global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import MissingExtraError
from mien.evaluation.detection import DetectionCurve
from mien.evaluation.verification import RocCurve

__all__ = ["draw_confusion", "draw_history", "draw_precision_recall", "draw_roc"]


def draw_precision_recall(curves: Mapping[str, DetectionCurve], file: Path) -> None:
    """Precision over recall, one line per name, with its average precision in the legend.

    Args:
        curves: by the name to show.
        file: ``.png`` or ``.svg``.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("recall", "precision")
    for name, curve in curves.items():
        recall, precision = [0, *curve.recall], [curve.precision[0], *curve.precision]
        axes.plot(recall, precision, label=f"{name} ({curve.average_precision:.3f})")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    _finish(figure, axes, file)


def draw_roc(curves: Mapping[str, RocCurve], file: Path) -> None:
    """True over false accept rate, the latter on a logarithmic axis, one line per name.

    Args:
        curves: by the name to show.
        file: ``.png`` or ``.svg``.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("false accept rate", "true accept rate")
    for name, curve in curves.items():
        axes.step(curve.far, curve.tar, where="post", label=f"{name} (AUC {curve.auc:.4f})")
    smallest = min((curve.far[curve.far > 0].min() for curve in curves.values()), default=1e-3)
    axes.set(xscale="log", xlim=(min(smallest, 0.1), 1))
    _finish(figure, axes, file)


def draw_history(columns: Mapping[str, Sequence[float]], best: int, file: Path, *, y: str = "loss") -> None:
    """What was measured after each epoch, one line per name, with the best epoch marked.

    Args:
        columns: one value per epoch, by the name to show.
        best: number of the epoch that was kept, from 1.
        file: ``.png`` or ``.svg``.
        y: what the values are.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("epoch", y)
    for name, values in columns.items():
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.axvline(best, color="grey", linestyle=":", label=f"kept: epoch {best}")
    _finish(figure, axes, file)


def draw_confusion(matrix: NDArray[np.integer[Any]], classes: Sequence[str], file: Path) -> None:
    """How many pictures of each class (rows) were taken for which (columns).

    Args:
        matrix: ``(k, k)`` counts.
        classes: their names.
        file: ``.png`` or ``.svg``.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("taken for", "is")
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=45 if len(classes) > 4 else 0)
    axes.set_yticks(places, classes)
    if len(classes) <= 20:
        for i in places:
            for j in places:
                axes.text(
                    j, i, int(matrix[i, j]), ha="center", va="center", color="white" if share[i, j] > 0.5 else "black"
                )
    _finish(figure, axes, file)


def _axes(x: str, y: str) -> tuple[Any, Any]:
    """A figure with one pair of labelled axes."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtraError("charts", "lab") from None
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _finish(figure: Any, axes: Any, file: Path) -> None:
    """Write the figure; the same curves give the same file, byte for byte."""
    if axes.lines:
        axes.legend()
    figure.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else {"Software": None})
