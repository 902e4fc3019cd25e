"""Pictures that stand in a frame (scanned prints, plates, screenshots with black bars): where the picture itself is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.faces import check_image

__all__ = ["FrameOptions", "find_frame"]

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Cut = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """What counts as a frame.

    Args:
        deepest: share of the width or height that a frame takes on one side at most.
        straight: share of a row or column that must be an edge for it to be the frame's inner line.
        plain: grey levels that nine in ten pixels of the frame lie within; more is part of the picture.
        low: Canny's lower threshold, grey levels of gradient.
        high: Canny's upper threshold.
    """

    deepest: float = 0.25
    straight: float = 0.6
    plain: float = 40.0
    low: float = 40.0
    high: float = 120.0


def find_frame(pixels: Pixels, options: FrameOptions = FrameOptions()) -> Cut:
    """The picture inside its frame: x1, y1, x2, y2 in pixels, x2 and y2 exclusive; the whole where there is no frame.

    Canny's edges (1986) are counted along rows and columns. On each side the frame ends at the innermost straight line that
    has nothing but plain ground between itself and the side; opposite sides have one both, or neither. A second frame
    inside the first is cut too. Up to 2 pixels of the picture go with the frame, which are mixed of both.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        options: limits.
    """
    height, width = check_image(pixels).shape[:2]
    x1, y1, x2, y2 = 0, 0, width, height
    for _ in range(3):
        grey = cv2.cvtColor(pixels[y1:y2, x1:x2], cv2.COLOR_RGB2GRAY)
        edges = cv2.Canny(grey, options.low, options.high) > 0
        top, bottom = _pair(grey, edges, options)
        left, right = _pair(grey.T, edges.T, options)
        if not (top or left):
            break
        x1, y1, x2, y2 = x1 + left, y1 + top, x2 - right, y2 - bottom
    return x1, y1, x2, y2


def _pair(grey: NDArray[Any], edges: Mask, options: FrameOptions) -> tuple[int, int]:
    """Rows of frame at the top and at the bottom; what has a line on one side only is no frame."""
    depths = _depth(grey, edges, options), _depth(grey[::-1], edges[::-1], options)
    return depths if all(depths) else (0, 0)


def _depth(grey: NDArray[Any], edges: Mask, options: FrameOptions) -> int:
    """Rows of frame at the top; 0 where there is none."""
    rows = edges[: max(1, round(options.deepest * len(edges)))]
    thick = rows.copy()  # a line that slants by a pixel is still one
    thick[1:] |= rows[:-1]
    thick[:-1] |= rows[1:]
    lines = np.flatnonzero(thick.mean(axis=1) >= options.straight)
    for line in lines[::-1].tolist():
        ground = grey[: max(line - 2, 0)]
        if ground.size and np.ptp(np.percentile(ground, (5, 95))) <= options.plain:
            return int(line) + 1
    return 0
