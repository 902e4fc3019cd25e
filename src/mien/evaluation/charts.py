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

__all__ = [
    "draw_bars",
    "draw_confusion",
    "draw_curves",
    "draw_distributions",
    "draw_heat",
    "draw_history",
    "draw_precision_recall",
    "draw_roc",
    "draw_spread",
]


def draw_precision_recall(curves: Mapping[str, DetectionCurve], file: Path, *, until: float = 1.0) -> None:
    """Precision over recall, one line per name, with its average precision in the legend.

    Args:
        curves: by the name to show.
        file: ``.png`` or ``.svg``.
        until: the recall at which the lines end, and a dotted one stands; the legend is about the whole curves.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("recall", "precision")
    for name, curve in curves.items():
        shown = curve.recall <= until
        found = curve.precision[curve.recall > 0]
        recall, precision = [0, *curve.recall[shown]], [found[0] if len(found) else 0, *curve.precision[shown]]
        axes.plot(recall, precision, label=f"{name} ({curve.average_precision:.3f})")
    if until < 1:
        axes.axvline(until, color="grey", linestyle=":", label=f"recall {until:g}")
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


def draw_heat(
    pixels: NDArray[np.uint8], heat: NDArray[np.float32], file: Path, *, window: int = 32, stride: int = 4
) -> None:
    """A picture, and beside it the scores of its windows, each where its middle is.

    Args:
        pixels: ``(h, w, 3)`` uint8 RGB.
        heat: ``(rows, columns)`` scores 0 to 1 of windows that begin every ``stride`` pixels.
        file: ``.png`` or ``.svg``.
        window: side of a window, pixels.
        stride: pixels from window to window.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("", "")
    figure.set_size_inches(10, 4.4)
    axes.remove()
    left, right = figure.subplots(1, 2)
    low = (window - stride) / 2
    rows, columns = heat.shape
    extent = (low, low + stride * columns, low + stride * rows, low)
    for each in (left, right):
        each.imshow(pixels, extent=(0, pixels.shape[1], pixels.shape[0], 0))
        each.set_axis_off()
    drawn = right.imshow(heat, extent=extent, cmap="inferno", vmin=0, vmax=1)
    figure.colorbar(drawn, ax=right, label="score")
    figure.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else {"Software": None})


def draw_curves(
    curves: Mapping[Any, Sequence[tuple[float, float]]], file: Path, *, labels: tuple[str, str], log: bool = False
) -> None:
    """One line per name through its points.

    Args:
        curves: points (x, y) by the name to show.
        file: ``.png`` or ``.svg``.
        labels: of both axes.
        log: whether x is logarithmic.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes(*labels)
    for name, points in curves.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=str(name))
    if log:
        ticks = sorted({x for points in curves.values() for x, _ in points})
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
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


def draw_spread(
    series: Mapping[str, Sequence[tuple[float, Sequence[float]]]],
    file: Path,
    *,
    x: str,
    y: str,
    ticks: Sequence[str] = (),
) -> None:
    """Means with the range of the runs behind each, every run a dot: one colour per name.

    Args:
        series: by the name to show, for each place on the x axis the values of its runs.
        file: ``.png`` or ``.svg``.
        x: what the places are.
        y: what the values are.
        ticks: names of the places 0, 1, 2 … where they are no quantity; then no line joins them.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes(x, y)
    for i, (name, points) in enumerate(series.items()):
        beside = 0.12 * (i - (len(series) - 1) / 2) if ticks else 0.0
        at = [place + beside for place, _ in points]
        means = [float(np.mean(values)) for _, values in points]
        ranges = [
            [m - min(v) for m, (_, v) in zip(means, points, strict=True)],
            [max(v) - m for m, (_, v) in zip(means, points, strict=True)],
        ]
        bars = axes.errorbar(at, means, yerr=ranges, label=name, marker="o", capsize=4, linestyle="" if ticks else "-")
        for place, (_, values) in zip(at, points, strict=True):
            axes.plot([place] * len(values), values, ".", color=bars[0].get_color(), alpha=0.4)
    if ticks:
        axes.set_xticks(range(len(ticks)), ticks)
    _finish(figure, axes, file)


def draw_distributions(
    counts: Mapping[str, Sequence[float]], edges: Sequence[float], file: Path, *, marks: Mapping[str, float] = {}
) -> None:
    """Shares of each kind of score, as steps over each other, and upright lines where thresholds are.

    Args:
        counts: by the name to show, one count per bin.
        edges: of the bins, one more than counts.
        file: ``.png`` or ``.svg``.
        marks: where upright lines stand, by the name to show.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("cosine", "share per bin")
    seen = [i for i in range(len(edges) - 1) if any(each[i] for each in counts.values())]
    for name, each in counts.items():
        axes.stairs([count / max(sum(each), 1) for count in each], edges, fill=True, alpha=0.5, label=name)
    for line, (name, at) in zip((":", "--", "-.", "-"), marks.items(), strict=False):
        axes.axvline(at, color="black", linestyle=line, linewidth=1, label=f"{name} ({at:.3f})")
    if seen:
        axes.set_xlim(edges[seen[0]], edges[seen[-1] + 1])
    axes.legend()
    _finish(figure, axes, file)


def draw_bars(groups: Mapping[str, Mapping[str, float]], file: Path, *, y: str, stacked: bool = False) -> None:
    """Bars side by side, or on each other: for each name on the x axis one bar per kind.

    Args:
        groups: by the kind that a colour stands for, values by the name on the x axis.
        file: ``.png`` or ``.svg``.
        y: what the values are.
        stacked: on each other.

    Raises:
        MissingExtraError: without matplotlib.
    """
    figure, axes = _axes("", y)
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    places, floor = np.arange(len(names)), np.zeros(len(names))
    width = 0.8 if stacked else 0.8 / max(len(groups), 1)
    for i, (kind, values) in enumerate(groups.items()):
        heights = np.array([values.get(name, 0) for name in names], float)
        at = places if stacked else places + (i - (len(groups) - 1) / 2) * width
        axes.bar(at, heights, width, bottom=floor if stacked else None, label=kind)
        floor += heights if stacked else 0
    axes.set_xticks(places, names, rotation=30 if sum(map(len, names)) > 50 else 0)
    if len(groups) > 1:
        axes.legend()
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
