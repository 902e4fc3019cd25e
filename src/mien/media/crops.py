"""Faces cut out of a picture as chips ``(n, size, size, 3)`` uint8 RGB: by landmarks, or by box with a margin or context."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.faces import check_image
from mien.core.geometry import enlarge, similarity_transform

__all__ = ["align", "crop_boxes", "crop_context", "crop_facenet", "margin_boxes"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def align(image: Pixels, landmarks: Floats, template: Floats, size: int) -> Pixels:
    """Chips in which each face's five landmarks lie as near as can be on ``template``; black outside the picture.

    The transform is the least-squares rotation, scale and shift (Umeyama 1991), with pixel centres at whole numbers in
    picture and template alike, as insightface's ``face_align`` and dlib's chips have it. A face more than twice as large as its
    chip is shrunk by area averaging first: bilinear sampling alone would alias.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        landmarks: ``(n, 5, 2)`` float32 pixels.
        template: ``(5, 2)`` float32 pixels of a chip of ``size``.
        size: side of a chip, pixels.

    Returns:
        ``(n, size, size, 3)`` uint8.
    """
    check_image(image)
    chips = np.zeros((len(landmarks), size, size, 3), np.uint8)
    for chip, matrix in zip(chips, similarity_transform(landmarks, template), strict=True):
        _warp(image, matrix, chip)
    return chips


def crop_boxes(image: Pixels, boxes: Floats, *, size: int, margin: int = 0) -> Pixels:
    """Chips of boxes grown by a margin, cut off at the picture's edges and scaled to a square (the aspect is not kept).

    ``margin`` is counted in pixels of the chip, as facenet-pytorch does: a face fills ``size - margin`` of ``size``
    pixels however large it was, 128 of 160 with margin 32. Facenet's own script (``crop_facenet``) counts it in pixels
    of the photograph, so that a face of 40 pixels gets far more surroundings than one of 400.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        boxes: ``(n, 4)`` float32 x1, y1, x2, y2 pixels.
        size: side of a chip, pixels.
        margin: pixels of the chip, both sides together; less than ``size``.

    Raises:
        InputError: a margin that leaves no face.
    """
    return _resized(image, _clipped(image, margin_boxes(boxes, size=size, margin=margin)), size)


def margin_boxes(boxes: Floats, *, size: int, margin: int) -> Floats:
    """The boxes ``(n, 4)`` that ``crop_boxes`` cuts, before they are clipped to the picture."""
    if not 0 <= margin < size:
        raise InputError(f"margin {margin} must lie in 0 … size - 1 ({size - 1}), it is counted in pixels of the chip")
    return enlarge(boxes, margin / (size - margin))


def crop_facenet(image: Pixels, boxes: Floats, *, size: int, margin: int) -> Pixels:
    """Chips exactly as facenet's ``align_dataset_mtcnn.py`` cuts them: ``margin / 2`` pixels of the PHOTOGRAPH each side.

    For data sets that were made that way; see ``crop_boxes`` for the default and the reason.
    """
    half = np.array([-margin / 2, -margin / 2, margin / 2, margin / 2], np.float32)
    return _resized(image, _clipped(image, (boxes + half).astype(np.float32)), size)


def crop_context(image: Pixels, boxes: Floats, *, size: int, context: float) -> Pixels:
    """Square chips of boxes grown by the share ``context`` of their sides, zeros where they leave the picture.

    The square has the side of the longer side and the same centre: nothing is stretched (liveness networks and region
    classifiers are fed so; 1.7 means 2.7 times the box).
    """
    check_image(image)
    grown = enlarge(boxes, context)
    side = (grown[:, 2:] - grown[:, :2]).max(axis=1, initial=1.0)
    corner = (grown[:, :2] + grown[:, 2:] - side[:, None]) / 2
    chips = np.zeros((len(boxes), size, size, 3), np.uint8)
    for chip, scale, (x, y) in zip(chips, size / side, corner, strict=True):
        half = (scale - 1) / 2  # from pixel edges, as boxes count, to pixel centres, as cv2 counts
        _warp(image, np.array([[scale, 0, half - x * scale], [0, scale, half - y * scale]], np.float32), chip)
    return chips


def _warp(image: Pixels, matrix: Floats, chip: Pixels) -> None:
    """Fill ``chip`` through ``matrix`` ``(2, 3)`` (pixel centres at whole numbers), reading only what it shows."""
    size = chip.shape[0]
    part, corner = _part(image, matrix, size)
    if part.size == 0:
        return
    linear, shift = matrix[:, :2].astype(np.float64), matrix[:, 2].astype(np.float64)
    part, factor = _shrunk(part, float(np.hypot(linear[0, 0], linear[1, 0])))
    shift = shift + linear @ (corner + (factor - 1) / 2)  # where the centre of the part's first pixel lies
    cv2.warpAffine(part, np.column_stack([linear * factor, shift]), (size, size), dst=chip, flags=cv2.INTER_LINEAR)


def _part(image: Pixels, matrix: Floats, size: int) -> tuple[Pixels, NDArray[np.float64]]:
    """The piece of ``image`` that a chip of ``size`` shows (two pixels more at each side), and its corner x, y."""
    linear, shift = matrix[:, :2].astype(np.float64), matrix[:, 2].astype(np.float64)
    if abs(np.linalg.det(linear)) < 1e-12:  # all landmarks in one place
        return image[:0], np.zeros(2)
    ends = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    seen = (ends - shift) @ np.linalg.inv(linear).T
    limit = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(seen.min(axis=0)) - 2, 0, limit).astype(int)
    high = np.clip(np.ceil(seen.max(axis=0)) + 2, 0, limit).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], low.astype(np.float64)


def _shrunk(part: Pixels, scale: float) -> tuple[Pixels, NDArray[np.float64]]:
    """``part`` averaged down so that what is left to the warp is less than a halving; and its true factors x, y."""
    steps = int(1 / scale)
    if steps < 2:
        return part, np.ones(2)
    height, width = part.shape[:2]
    to = max(1, round(width / steps)), max(1, round(height / steps))
    return cv2.resize(part, to, interpolation=cv2.INTER_AREA), np.array([width / to[0], height / to[1]])


def _clipped(image: Pixels, boxes: Floats) -> NDArray[np.intp]:
    """Boxes inside the picture, truncated to whole pixels as facenet does, each at least one pixel wide and high."""
    height, width = check_image(image).shape[:2]
    low = np.clip(boxes[:, :2], 0, [width - 1, height - 1]).astype(np.intp)
    high = np.clip(boxes[:, 2:], low + 1, [width, height]).astype(np.intp)
    return np.concatenate([low, high], axis=1)


def _resized(image: Pixels, boxes: NDArray[np.intp], size: int) -> Pixels:
    chips = np.zeros((len(boxes), size, size, 3), np.uint8)
    for chip, (x1, y1, x2, y2) in zip(chips, boxes, strict=True):
        shrinks = x2 - x1 > size or y2 - y1 > size
        cv2.resize(
            image[y1:y2, x1:x2], (size, size), dst=chip, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    return chips
