"""The cascade's own box arithmetic, step for step that of the original (facenet-pytorch 2.6, ``detect_face.py``).

The original counts pixels from one and its ends are inclusive: a window (x1, y1, x2, y2) covers columns x1 - 1 … x2 - 1
counted from zero. These numbers are handed out unchanged, as every port of MTCNN does (docs/decisions). float32 all
through: float64 moves a box by a pixel here and there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "STRIDE", "from_cells", "offset", "probability", "square", "suppress", "suppress_inside"]

CELL = 12
"""Side of P-Net's window, pixels of the level."""
STRIDE = 2
"""Distance of P-Net's windows, pixels of the level."""

_cv2_nms: Callable[..., Any] = cv2.dnn.NMSBoxes  # its stub wants sequences, the function takes arrays

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]


def probability(logits: NDArray[np.float32]) -> Scores:
    """Softmax over "no face" and "face", given the difference of their two inputs."""
    with np.errstate(over="ignore"):  # a network that is very sure: 1 / infinity is 0, as it should be
        return np.float32(1) / (np.float32(1) + np.exp(-logits))


def from_cells(columns: NDArray[np.intp], rows: NDArray[np.intp], scale: float) -> Boxes:
    """Windows ``(n, 4)`` in the image of P-Net's output cells on the level of this scale, cut to whole pixels."""
    corner = np.stack([columns, rows], axis=1).astype(np.float32) * np.float32(STRIDE)
    ends = np.concatenate([corner + np.float32(1), corner + np.float32(CELL)], axis=1)
    return np.floor(ends / np.float32(scale))


def offset(boxes: Boxes, offsets: NDArray[np.float32], *, extra: int) -> Boxes:
    """Boxes moved by offsets ``(n, 4)`` in units of their sides; ``extra`` = 1 counts the last pixel to the side."""
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(extra)
    return boxes + offsets * np.tile(sides, 2)


def square(boxes: Boxes) -> Boxes:
    """Squares around the same centres with the longer side of each box."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, initial=0, keepdims=True)
    corner = boxes[:, :2] + sides * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([corner, corner + side], axis=1)


def suppress(boxes: Boxes, scores: Scores, limit: float) -> NDArray[np.intp]:
    """Indices kept by greedy non-maximum suppression over the union, highest score first; ties in the given order.

    Scores must be above 0.

    Equal to torchvision's (tests compare it with ``core.geometry.nms``), about ten times as fast as numpy.
    """
    if len(boxes) < 2:
        return np.arange(len(boxes))
    corners = boxes.astype(np.float64)
    corners[:, 2:] -= corners[:, :2]
    return np.asarray(_cv2_nms(corners, scores, 0.0, limit), np.intp)


def suppress_inside(boxes: Boxes, scores: Scores, limit: float) -> NDArray[np.intp]:
    """As ``suppress``, but over the smaller of the two, ends inclusive: a box inside a better one goes too."""
    order = np.argsort(scores, kind="stable")[::-1]
    areas = (boxes[:, 2:] - boxes[:, :2] + np.float32(1)).prod(axis=1)
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        overlap = np.minimum(boxes[rest, 2:], boxes[best, 2:]) - np.maximum(boxes[rest, :2], boxes[best, :2])
        shared = (overlap + np.float32(1)).clip(0).prod(axis=1)
        order = rest[shared / np.minimum(areas[rest], areas[best]) <= limit]
    return np.array(kept, np.intp)
