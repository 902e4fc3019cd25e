"""FDDB's two scores: detections against ellipses, discrete (overlap above one half) and continuous (the overlap itself).

Jain and Learned-Miller 2010, FDDB: A benchmark for face detection in unconstrained settings, section 5. At every score
level detections and faces of a picture are matched one to one so that the sum of their overlaps is greatest. A match adds 1 to the
discrete score if its overlap is above 0.5, and its overlap to the continuous one. A detection that is no discrete match is
a false positive in both curves. Overlap is intersection over union, counted in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.recognition.assignment import assign

__all__ = ["EllipseCurve", "ellipse_curve", "ellipse_overlap"]


@dataclass(frozen=True, slots=True, eq=False)
class EllipseCurve:
    """True positive rates over false positives, from the highest score level to the lowest.

    Args:
        levels: ``(t,)`` float64 scores, descending.
        false_positives: ``(t,)`` int64, of the whole set.
        discrete: ``(t,)`` float64, 0 to 1.
        continuous: ``(t,)`` float64, 0 to 1.
    """

    levels: NDArray[np.float64]
    false_positives: NDArray[np.int64]
    discrete: NDArray[np.float64]
    continuous: NDArray[np.float64]

    def at(self, false_positives: int) -> tuple[float, float]:
        """Discrete and continuous rate with at most so many false positives."""
        taken = np.flatnonzero(self.false_positives <= false_positives)
        return (float(self.discrete[taken[-1]]), float(self.continuous[taken[-1]])) if len(taken) else (0.0, 0.0)


def ellipse_overlap(boxes: NDArray[np.float32], ellipses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union ``(n, m)`` of boxes and ellipses, counted in pixels whose centre lies inside.

    Args:
        boxes: ``(n, 4)`` float32 x1, y1, x2, y2 pixels.
        ellipses: ``(m, 5)`` float64 half the major axis, half the minor, angle in radians, centre x, y.
    """
    overlap = np.zeros((len(boxes), len(ellipses)))
    areas = _pixels(boxes[:, 0], boxes[:, 2]) * _pixels(boxes[:, 1], boxes[:, 3])
    for j, (major, minor, angle, x, y) in enumerate(ellipses.tolist()):
        half = (
            np.hypot(major * np.cos(angle), minor * np.sin(angle)),
            np.hypot(major * np.sin(angle), minor * np.cos(angle)),
        )
        xs = np.arange(np.floor(x - half[0]), np.ceil(x + half[0]) + 1) + 0.5
        ys = np.arange(np.floor(y - half[1]), np.ceil(y + half[1]) + 1) + 0.5
        along = (xs[None, :] - x) * np.cos(angle) + (ys[:, None] - y) * np.sin(angle)
        across = (ys[:, None] - y) * np.cos(angle) - (xs[None, :] - x) * np.sin(angle)
        inside = (along / max(major, 1e-9)) ** 2 + (across / max(minor, 1e-9)) ** 2 <= 1
        total = int(inside.sum())
        for i, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            shared = int(inside[np.ix_((ys >= y1) & (ys < y2), (xs >= x1) & (xs < x2))].sum())
            overlap[i, j] = shared / max(areas[i] + total - shared, 1)
    return overlap


def ellipse_curve(found: Sequence[Faces], ellipses: Sequence[NDArray[np.float64]]) -> EllipseCurve:
    """Both scores of a set of pictures at every score of a detection.

    Args:
        found: one table per picture.
        ellipses: ``(m, 5)`` of the same pictures, see ``ellipse_overlap``.
    """
    faces = max(sum(map(len, ellipses)), 1)
    steps: list[
        tuple[float, int, int, float]
    ] = []  # at this score: detections, discrete and continuous more than before
    for table, marked in zip(found, ellipses, strict=True):
        steps += _steps(table, marked)
    if not steps:
        empty = np.zeros(0)
        return EllipseCurve(empty, np.zeros(0, np.int64), empty, empty)
    rows = np.array(sorted(steps, key=lambda s: -s[0]))
    last = np.flatnonzero(np.append(rows[1:, 0] < rows[:-1, 0], True))
    detections, discrete, continuous = (np.cumsum(rows[:, k])[last] for k in (1, 2, 3))
    return EllipseCurve(
        rows[last, 0], np.rint(detections - discrete).astype(np.int64), discrete / faces, continuous / faces
    )


def _steps(found: Faces, ellipses: NDArray[np.float64]) -> list[tuple[float, int, int, float]]:
    """What each score level of one picture adds."""
    order = np.argsort(-found.scores, kind="stable")
    scores = found.scores[order].astype(np.float64)
    overlap = ellipse_overlap(found.boxes[order], ellipses)
    steps, before = [], (0, 0, 0.0)
    for count in np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) + 1 if len(scores) else ():
        pairs = assign(overlap[:count])
        matched = [float(overlap[pair]) for pair in pairs]
        now = (int(count), sum(value > 0.5 for value in matched), sum(matched))
        steps.append((float(scores[count - 1]), now[0] - before[0], now[1] - before[1], now[2] - before[2]))
        before = now
    return steps


def _pixels(low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float64]:
    """How many pixel centres lie from ``low`` to ``high``."""
    return np.asarray(np.maximum(np.ceil(high.astype(float) - 0.5) - np.ceil(low.astype(float) - 0.5), 0), np.float64)
