"""Where the faces that were not found went: the stage of the detector that lost each, from its own trace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import iou
from mien.core.reasons import Trace

__all__ = ["STAGE_WORDS", "lost_at"]

SAME_FACE = 0.3
"""Overlap (intersection over union) from which a window is about the face."""

STAGE_WORDS = {
    "no area": "marked without area: nothing can be found",
    "pyramid": "smaller or larger than was searched for",
    "pnet": "P-Net",
    "rnet": "R-Net",
    "onet": "O-Net",
    "nms": "given up for a better window",
    "box": "found, but the box overlaps too little or is another face's",
}
"""The stages of MTCNN in words; another detector's go by their own names."""


def lost_at(trace: Trace, boxes: NDArray[np.float32]) -> list[str]:
    """The stage that lost each of these faces, by the window about it that came furthest.

    ``"pyramid"`` is said of a face outside the sizes that were searched, unless a window about it passed the first stage
    all the same; a face that no window is about was lost by the first stage.

    Args:
        trace: of the picture.
        boxes: ``(m, 4)`` float32 x1, y1, x2, y2 of faces that were not found, in pixels of the picture that was searched.
    """
    first = next(iter(trace.counts), "search")
    overlaps = iou(trace.boxes(), boxes)
    return [_stage(trace, box, overlaps[:, i], first) for i, box in enumerate(boxes)]


def _stage(trace: Trace, box: NDArray[np.float32], overlap: NDArray[np.floating], first: str) -> str:
    side = float(min(box[2] - box[0], box[3] - box[1]))
    if side <= 0:
        return "no area"
    near = next((trace.candidates[i] for i in np.flatnonzero(overlap >= SAME_FACE)), None)  # the furthest comes first
    if near is not None and near.stage == "face":
        return "box"
    outside = (trace.smallest_face is not None and side < trace.smallest_face) or (
        trace.largest_face is not None and side > trace.largest_face
    )
    if near is None or near.stage == first:
        stage = first if near is None or near.reason is None else near.reason.stage
        return "pyramid" if outside else stage
    return near.stage if near.reason is None else near.reason.stage
