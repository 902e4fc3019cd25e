"""Faces cut out of a picture as chips ``(n, size, size, 3)`` uint8 RGB: by landmarks, or by box with a margin or context."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.faces import check_image
from mien.core.geometry import enlarge, similarity_transform, widen

__all__ = ["align", "crop_boxes", "crop_context", "crop_extended", "crop_facenet", "crop_jpegs", "margin_boxes"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def align(image: Pixels, landmarks: Floats, template: Floats, size: int) -> Pixels:
    """Chips in which each face's five landmarks lie as near as can be on ``template``; black outside the picture.

    The transform is the least-squares rotation, scale and shift (Umeyama 1991), with pixel centres at whole numbers in
    picture and template alike, as insightface's ``face_align`` and dlib's chips have it. A face half again as large as
    its chip, or larger, is averaged down first: bilinear sampling alone would alias.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        landmarks: ``(n, 5, 2)`` float32 pixels.
        template: ``(5, 2)`` float32 pixels of a chip of ``size``.
        size: side of a chip, pixels.

    Returns:
        ``(n, size, size, 3)`` uint8.
    """
    return _warped(check_image(image), similarity_transform(landmarks, template), size)


def crop_boxes(image: Pixels, boxes: Floats, *, size: int, margin: int = 0) -> Pixels:
    """Chips of boxes grown by a margin, cut off at the picture's edges and scaled to a square (the aspect is not kept).

    ``margin`` is counted in pixels of the chip: a square face fills ``size - margin`` of ``size`` pixels however large it
    was, 128 of 160 with margin 32. The same number of the picture's pixels goes to every side, whatever the box's shape
    (``core.geometry.widen``), as FaceNet does best with (docs/decisions/024). Facenet's own script (``crop_facenet``)
    counts the margin in pixels of the photograph, so that a face of 40 pixels gets far more surroundings than one of 400.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        boxes: ``(n, 4)`` float32 x1, y1, x2, y2 pixels.
        size: side of a chip, pixels.
        margin: pixels of the chip, both sides together; less than ``size``.

    Raises:
        InputError: a margin that leaves no face.
    """
    return _resized(image, _clipped(image, margin_boxes(boxes, size=size, margin=margin)), size)


def crop_jpegs(image: Pixels, boxes: Floats, *, size: int = 160, quality: int = 85) -> list[bytes]:
    """Each face with a little around it as a JPEG of ``size`` pixels: enough to tell who it was, and as little as can be.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        boxes: ``(n, 4)`` float32 x1, y1, x2, y2 pixels.
        size: side of a crop, pixels.
        quality: of the JPEG, 1 to 100.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    chips = crop_boxes(image, boxes, size=size, margin=size // 5)
    encoded = (cv2.imencode(".jpg", cv2.cvtColor(chip, cv2.COLOR_RGB2BGR), options)[1] for chip in chips)
    return [data.tobytes() for data in encoded]


def margin_boxes(boxes: Floats, *, size: int, margin: int) -> Floats:
    """The boxes ``(n, 4)`` that ``crop_boxes`` cuts, before they are clipped to the picture."""
    if not 0 <= margin < size:
        raise InputError(f"margin {margin} must lie in 0 … size - 1 ({size - 1}), it is counted in pixels of the chip")
    return widen(boxes, margin / (size - margin))


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
    grown = enlarge(boxes, context)
    side = (grown[:, 2:] - grown[:, :2]).max(axis=1, initial=1.0)
    corner = (grown[:, :2] + grown[:, 2:] - side[:, None]) / 2
    return _warped(check_image(image), _box_matrices(corner, corner + side[:, None], size), size)


def crop_extended(image: Pixels, boxes: Floats, *, size: int, context: float) -> Pixels:
    """Chips of boxes grown by the share ``context`` of width and height on each side, cut off at the picture's edges.

    What is left is scaled to a square: ``get_extended_image`` of Nikolaev's me / not me detector, with k = ``context``.
    """
    return _resized(image, _clipped(image, enlarge(boxes, 2 * context)), size)


def _box_matrices(low: NDArray[Any], high: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Matrices ``(n, 2, 3)`` that lay boxes (corners x, y ``(n, 2)``) on a chip: from pixel edges to pixel centres."""
    scale = size / (high.astype(np.float64) - low)
    matrices = np.zeros((len(low), 2, 3))
    matrices[:, [0, 1], [0, 1]] = scale
    matrices[:, :, 2] = (scale - 1) / 2 - low * scale
    return matrices


def _warped(image: Pixels, matrices: NDArray[np.floating], size: int) -> Pixels:
    """Chips of ``image`` through ``matrices`` ``(n, 2, 3)`` (pixel centres at whole numbers), black outside.

    Each reads only the part of the picture that it shows. What shrinks to less than two thirds is first averaged down by
    a whole number of pixels, so that bilinear sampling neither aliases nor skips pixels.
    """
    chips = np.zeros((len(matrices), size, size, 3), np.uint8)
    linear, shift = matrices[:, :, :2].astype(np.float64), matrices[:, :, 2].astype(np.float64)
    steps, low, high = _parts(linear, shift, size, np.array(image.shape[1::-1]))
    start = low + (steps - 1) / 2  # where the centre of the first averaged pixel lies
    shift = shift + np.einsum("nij,nj->ni", linear, start)
    inner = np.concatenate([linear * steps[:, None, :], shift[:, :, None]], axis=2)
    for chip, matrix, (x1, y1), (x2, y2), step in zip(
        chips, inner, low.tolist(), high.tolist(), steps.tolist(), strict=True
    ):
        if x1 < x2 and y1 < y2:
            part = _averaged(image[y1:y2, x1:x2], *step)
            cv2.warpAffine(part, matrix, (size, size), dst=chip, flags=cv2.INTER_LINEAR)
    return chips


def _parts(
    linear: NDArray[np.float64], shift: NDArray[np.float64], size: int, limit: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """For each chip: pixels to average per axis, and the corners of the part of the picture it shows, two pixels more.

    All ``(n, 2)``, x first. A matrix without extent (all landmarks in one place) shows nothing: an empty part.
    """
    a, b, c, d = (linear[:, i, j] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    area = a * d - b * c
    flat = np.abs(area) < 1e-12
    inverse = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2) / np.where(flat, 1, area)[:, None, None]
    ends = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    seen = np.einsum("nij,nkj->nki", inverse, ends - shift[:, None, :])  # (n, 4, 2)
    scale = np.hypot(linear[:, 0], linear[:, 1])  # (n, 2) chip pixels per pixel of the picture
    steps = np.clip(np.round(1 / np.maximum(scale, 1e-6)), 1, limit).astype(np.intp)
    low = np.clip(np.floor(seen.min(axis=1)) - 2, 0, limit).astype(np.intp)
    high = np.clip(np.ceil(seen.max(axis=1)) + 2, 0, limit).astype(np.intp)
    high = np.minimum(high + (low - high) % steps, limit)  # whole steps where the picture allows
    return steps, low, np.where(flat[:, None], low, high)


def _averaged(part: Pixels, step_x: int, step_y: int) -> Pixels:
    """``part`` made smaller by whole numbers; at the picture's edge its last pixels are repeated to fill a step."""
    if step_x == step_y == 1:
        return part
    height, width = part.shape[:2]
    more_x, more_y = -width % step_x, -height % step_y
    if more_x or more_y:
        part = cv2.copyMakeBorder(part, 0, more_y, 0, more_x, cv2.BORDER_REPLICATE)
    to = part.shape[1] // step_x, part.shape[0] // step_y
    averaged: Pixels = cv2.resize(part, to, interpolation=cv2.INTER_AREA)
    return averaged


def _clipped(image: Pixels, boxes: Floats) -> NDArray[np.intp]:
    """Boxes inside the picture, truncated to whole pixels as facenet does, each at least one pixel wide and high."""
    height, width = check_image(image).shape[:2]
    low = np.clip(boxes[:, :2], 0, [width - 1, height - 1]).astype(np.intp)
    high = np.clip(boxes[:, 2:], low + 1, [width, height]).astype(np.intp)
    return np.concatenate([low, high], axis=1)


def _resized(image: Pixels, boxes: NDArray[np.intp], size: int) -> Pixels:
    """Boxes inside the picture scaled to squares: averaged where they shrink, bilinear where they grow."""
    sides = boxes[:, 2:] - boxes[:, :2]
    large = (sides >= 2 * size).any(axis=1) & (sides >= size).all(axis=1)
    chips = np.zeros((len(boxes), size, size, 3), np.uint8)
    chips[large] = _warped(image, _box_matrices(boxes[large, :2], boxes[large, 2:], size), size)
    for i in np.flatnonzero(~large).tolist():
        x1, y1, x2, y2 = boxes[i].tolist()
        how = cv2.INTER_AREA if (sides[i] > size).any() else cv2.INTER_LINEAR
        cv2.resize(image[y1:y2, x1:x2], (size, size), dst=chips[i], interpolation=how)
    return chips
