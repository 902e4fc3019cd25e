"""Boxes and points: overlap, suppression, squares, tiles, and the transform that aligns a face."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ARCFACE_112",
    "DLIB_150",
    "clip",
    "enlarge",
    "iou",
    "nms",
    "similarity_transform",
    "square",
    "tiles",
    "widen",
]

Boxes = NDArray[np.float32]

ARCFACE_112: NDArray[np.float32] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""Where ArcFace's five landmarks lie in a 112 × 112 chip (insightface, ``face_align.py``)."""

DLIB_150: NDArray[np.float32] = np.array(
    [[47.7, 45.0], [101.0, 44.1], [70.8, 80.0], [51.9, 102.7], [99.1, 101.8]], np.float32
)
"""Where MTCNN's five landmarks lie in dlib's 150 × 150 chip, measured on dlib's own chips (docs/decisions)."""


def iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Intersection over union of every box of ``a`` ``(n, 4)`` with every box of ``b`` ``(m, 4)``: ``(n, m)`` in [0, 1].

    Boxes are x1, y1, x2, y2 with exclusive ends; a box without area overlaps nothing.
    """
    overlap = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = overlap.clip(0).prod(axis=2)
    union = _areas(a)[:, None] + _areas(b)[None, :] - shared
    ratio: NDArray[np.float32] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def nms(
    boxes: Boxes, scores: NDArray[np.float32], threshold: float, *, over: Literal["union", "min"] = "union"
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the boxes kept, highest score first.

    A box goes when its overlap with a kept one exceeds ``threshold``: shared area over the union, or over the smaller of
    the two with ``over="min"`` (which also removes small boxes inside large ones).
    """
    order = np.argsort(-scores, kind="stable")
    areas = _areas(boxes)
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        overlap = np.minimum(boxes[rest, 2:], boxes[best, 2:]) - np.maximum(boxes[rest, :2], boxes[best, :2])
        shared = overlap.clip(0).prod(axis=1)
        whole = np.minimum(areas[rest], areas[best]) if over == "min" else areas[rest] + areas[best] - shared
        order = rest[~(shared > threshold * whole)]
    return np.array(kept, np.intp)


def clip(boxes: Boxes, width: int, height: int) -> Boxes:
    """Boxes cut off at the edges of an image of ``width`` × ``height`` pixels; one wholly outside loses its area."""
    ends = np.array([width, height, width, height], boxes.dtype)
    clipped: Boxes = np.minimum(np.maximum(boxes, 0), ends)
    return clipped


def square(boxes: Boxes) -> Boxes:
    """The squares with the same centres whose side is the longer side of each box ``(n, 4)``."""
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0, keepdims=True) / 2
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(boxes.dtype)


def enlarge(boxes: Boxes, share: float) -> Boxes:
    """Boxes grown by ``share`` of their width and height, half on each side; negative shrinks."""
    grow = (boxes[:, 2:] - boxes[:, :2]) * (share / 2)
    return np.concatenate([boxes[:, :2] - grow, boxes[:, 2:] + grow], axis=1).astype(boxes.dtype)


def widen(boxes: Boxes, share: float) -> Boxes:
    """Boxes grown by the same number of pixels on each side: ``share`` of the mean of width and height, half a side.

    Makes narrow boxes less narrow, as a fixed margin in pixels does, yet does not depend on the size of the picture.
    """
    grow = (boxes[:, 2:] - boxes[:, :2]).mean(axis=1, keepdims=True) * (share / 2)
    return np.concatenate([boxes[:, :2] - grow, boxes[:, 2:] + grow], axis=1).astype(boxes.dtype)


def tiles(width: int, height: int, side: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Tiles (x1, y1, x2, y2) of at most ``side`` pixels that cover the image, neighbours sharing ``overlap`` or more.

    Raises:
        ValueError: if ``overlap`` is not smaller than ``side``.
    """
    if not 0 <= overlap < side:
        raise ValueError(f"overlap {overlap} must lie in 0 … side - 1 ({side - 1})")

    def starts(length: int) -> list[int]:
        if length <= side:
            return [0]
        count = -(-(length - overlap) // (side - overlap))
        return [round(i * (length - side) / (count - 1)) for i in range(count)]

    return [(x, y, min(x + side, width), min(y + side, height)) for y in starts(height) for x in starts(width)]


def similarity_transform(points: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotation, uniform scale and shift that lay each set of points on ``target`` with the least squared error.

    Args:
        points: ``(n, k, 2)`` x, y pixels.
        target: ``(k, 2)`` x, y pixels.

    Returns:
        ``(n, 2, 3)`` float32 matrices M with ``target ≈ M[:, :2] @ point + M[:, 2]``; scale 0 only where
        all points of a set coincide. Without reflection (Umeyama 1991, for the plane in closed form).
    """
    p = points.astype(np.float64)
    t = target.astype(np.float64)
    p_mean, t_mean = p.mean(axis=1), t.mean(axis=0)
    p0, t0 = p - p_mean[:, None], t - t_mean
    norm = (p0**2).sum(axis=(1, 2))
    norm = np.where(norm > 1e-6, norm, 1.0)  # points that coincide have no direction: scale 0
    a = (p0 * t0).sum(axis=(1, 2)) / norm  # scale * cos
    b = (p0[..., 0] * t0[:, 1] - p0[..., 1] * t0[:, 0]).sum(axis=1) / norm  # scale * sin
    linear = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], -2)  # (n, 2, 2)
    shift = t_mean - np.einsum("nij,nj->ni", linear, p_mean)
    return np.concatenate([linear, shift[..., None]], axis=2).astype(np.float32)


def _areas(boxes: Boxes) -> NDArray[np.float32]:
    areas: NDArray[np.float32] = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    return areas
