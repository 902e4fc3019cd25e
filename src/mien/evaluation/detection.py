"""How good a detector is: precision, recall and average precision by WIDER FACE's official rules.

The rules (WIDER FACE eval_tools, ``evaluation.m``, ``boxoverlap.m``, ``VOCap.m``; Yang et al. 2016), one picture at a
time and surest detection first:

1. A detection belongs to the marked face it overlaps most, if the overlap reaches ``iou``. Overlap is counted in whole
   pixels: a box from x1 to x2 is x2 - x1 + 1 wide.
2. If that face is not counted in this set, the detection is neither right nor wrong.
3. The first detection of a counted face is right; every other one is wrong.
4. Scores of the whole set are stretched to 0 … 1 and cut at 1,000 evenly spaced levels.
5. Average precision is the area under the precision that is never exceeded at a higher recall.

A picture without any marked face takes no part: what is found there is not held against the detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.faces import Faces

__all__ = ["DetectionCurve", "Truth", "detection_curve", "face_scores", "recall_at_false_positives"]

_LEVELS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The marked faces of one picture.

    Args:
        boxes: ``(m, 4)`` float32 x1, y1, x2, y2 pixels.
        counted: ``(m,)`` bool, the faces to be found; the others are ignored.
    """

    boxes: NDArray[np.float32]
    counted: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.counted), 4):
            raise InputError(
                f"expected one flag per box (m, 4), got {len(self.counted)} flags, shape {self.boxes.shape}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class DetectionCurve:
    """Precision over recall, from the highest score level to the lowest.

    Args:
        levels: ``(1000,)`` float64 scores at which the detections were cut, descending.
        precision: ``(1000,)`` float64; 0 where nothing was found yet.
        recall: ``(1000,)`` float64, ascending.
        faces: how many faces were to be found.
    """

    levels: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    faces: int

    @property
    def average_precision(self) -> float:
        """Area under the curve, 0 to 1; 0 where there was nothing to find."""
        recall = np.concatenate([[0.0], self.recall, [1.0]])
        precision = np.concatenate([[0.0], self.precision, [0.0]])
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float((np.diff(recall) * envelope[1:]).sum())

    @property
    def final_recall(self) -> float:
        """Share of the faces that were found at all, 0 to 1."""
        return float(self.recall[-1])

    def level_at(self, recall: float) -> float | None:
        """The highest score at which ``recall`` is reached; None if it never is."""
        reached = np.flatnonzero(self.recall >= recall)
        return float(self.levels[reached[0]]) if len(reached) else None


def detection_curve(
    found: Sequence[Faces], truth: Sequence[Truth], *, iou: float = 0.5, empty_count: bool = False
) -> DetectionCurve:
    """Compare what was found in each picture with what is there.

    Args:
        found: one table per picture, in any order of scores.
        truth: the marked faces of the same pictures.
        iou: the least overlap of a detection with its face, above 0 and up to 1.
        empty_count: what is found in a picture without any marked face is wrong, against WIDER FACE's rule.

    Raises:
        InputError: of different lengths, or an ``iou`` out of range.
    """
    if len(found) != len(truth):
        raise InputError(f"expected one table of faces per picture, got {len(found)} tables for {len(truth)} pictures")
    if not 0 < iou <= 1:
        raise InputError(f"expected an iou above 0 and up to 1, got {iou}")
    judged = [_judge(f, t, iou, empty_count=empty_count) for f, t in zip(found, truth, strict=True)]
    scores = np.concatenate([np.zeros(0), *(j[0] for j in judged)])
    right = np.concatenate([np.zeros(0, bool), *(j[1] for j in judged)])
    wrong = np.concatenate([np.zeros(0, bool), *(j[2] for j in judged)])
    return _curve(scores, right, wrong, faces=sum(int(t.counted.sum()) for t in truth))


def recall_at_false_positives(
    found: Sequence[Faces],
    truth: Sequence[Truth],
    counts: Sequence[int],
    *,
    iou: float = 0.5,
    empty_count: bool = False,
) -> dict[int, tuple[float, float]]:
    """Recall, and the score it is reached at, where a set has at most so many wrong detections.

    Args:
        found: one table per picture.
        truth: the marked faces of the same pictures.
        counts: of wrong detections, over all pictures.
        iou: the least overlap of a detection with its face.
        empty_count: as for ``detection_curve``.

    Returns:
        By count; detections of equal score are taken together or not at all. The score is infinite where none may be taken.
    """
    judged = [_judge(f, t, iou, empty_count=empty_count) for f, t in zip(found, truth, strict=True)]
    scores, right, wrong = (np.concatenate([np.zeros(0), *(j[k] for j in judged)]) for k in range(3))
    order = np.argsort(-scores, kind="stable")
    scores, rights, wrongs = scores[order], np.cumsum(right[order]), np.cumsum(wrong[order])
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) if len(scores) else np.zeros(0, np.intp)
    faces = max(sum(int(t.counted.sum()) for t in truth), 1)
    result = {}
    for count in counts:
        taken = last[wrongs[last] <= count]
        at = int(taken[-1]) if len(taken) else -1
        result[count] = (float(rights[at] / faces), float(scores[at])) if at >= 0 else (0.0, float("inf"))
    return result


def face_scores(found: Faces, boxes: NDArray[np.float32], *, iou: float = 0.5) -> NDArray[np.float64]:
    """Score ``(m,)`` of the surest detection that belongs to each marked face; -inf where none does.

    Args:
        found: the detections of one picture.
        boxes: ``(m, 4)`` float32 x1, y1, x2, y2 pixels.
        iou: the least overlap.
    """
    best = np.full(len(boxes), -np.inf)
    if len(boxes) and len(found):
        overlap = _overlap_whole_pixels(found.boxes.astype(np.float64), boxes.astype(np.float64))
        hit = overlap.max(axis=1) >= iou
        np.maximum.at(best, overlap.argmax(axis=1)[hit], found.scores[hit].astype(np.float64))
    return best


def _judge(
    found: Faces, truth: Truth, iou: float, *, empty_count: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Score ``(n,)``, right ``(n,)`` and wrong ``(n,)`` of each detection of a picture; both false = ignored."""
    if not len(truth.boxes):  # takes no part, but its scores belong to those of the set
        return found.scores.astype(np.float64), np.zeros(len(found), bool), np.full(len(found), empty_count)
    order = np.argsort(-found.scores, kind="stable")
    overlap = _overlap_whole_pixels(found.boxes[order].astype(np.float64), truth.boxes.astype(np.float64))
    face = overlap.argmax(axis=1)  # (n,)
    hit = overlap.max(axis=1) >= iou
    ignored = hit & ~truth.counted[face]
    right = np.zeros(len(order), bool)
    candidates = np.flatnonzero(hit & ~ignored)
    right[candidates[np.unique(face[candidates], return_index=True)[1]]] = True  # the first of each face
    return found.scores[order].astype(np.float64), right, ~right & ~ignored


def _overlap_whole_pixels(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union ``(n, m)`` as ``boxoverlap.m`` counts it: both ends of a box belong to it."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2]) + 1
    shared = np.where((sides > 0).all(axis=2), sides.prod(axis=2), 0)
    area_a, area_b = ((x[:, 2:] - x[:, :2] + 1).prod(axis=1) for x in (a, b))
    overlap: NDArray[np.float64] = shared / (area_a[:, None] + area_b[None, :] - shared)
    return overlap


def _curve(
    scores: NDArray[np.float64], right: NDArray[np.bool_], wrong: NDArray[np.bool_], *, faces: int
) -> DetectionCurve:
    """Cut all detections of the set at 1,000 levels of the stretched score."""
    low, high = (scores.min(), scores.max()) if len(scores) else (0.0, 1.0)
    stretched = (scores - low) / (high - low) if high > low else np.ones_like(scores)
    levels = 1 - np.arange(1, _LEVELS + 1) / _LEVELS
    order = np.argsort(-stretched, kind="stable")
    kept = np.searchsorted(-stretched[order], -levels, side="right")  # detections at or above each level
    rights = np.concatenate([[0], np.cumsum(right[order])])[kept]
    wrongs = np.concatenate([[0], np.cumsum(wrong[order])])[kept]
    total = rights + wrongs
    precision = np.divide(rights, total, out=np.zeros(_LEVELS), where=total > 0)
    return DetectionCurve(low + levels * (high - low), precision, rights / max(faces, 1), faces)
