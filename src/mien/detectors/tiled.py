"""Huge pictures: a detector around a detector that searches overlapping tiles and one overview."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces, check_image
from mien.core.geometry import nms, tiles
from mien.core.protocols import Detector

__all__ = ["TiledDetector"]


class TiledDetector:
    """Searches pictures above a size in tiles; smaller ones go to the detector as they are.

    Small faces are found in the tiles, those larger than the overlap in an overview shrunk to the side of a tile.
    Memory stays that of one tile, whatever the picture.

    Args:
        detector: what searches each tile.
        side: side of a tile, pixels.
        above: megapixels from which pictures are tiled.
        overlap: pixels that neighbouring tiles share: the largest face a tile is sure to hold whole.
    """

    def __init__(self, detector: Detector, *, side: int = 4096, above: float = 40.0, overlap: int = 512) -> None:
        self.inner = detector
        self._side = side
        self._above = above
        self._overlap = overlap

    @property
    def name(self) -> str:
        """The name of the detector inside."""
        return self.inner.name

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB, surest first."""
        height, width = check_image(image).shape[:2]
        if width * height <= self._above * 1e6:
            return self.inner.detect(image)
        found = [self._overview(image)]
        for x1, y1, x2, y2 in tiles(width, height, self._side, self._overlap):
            faces = self.inner.detect(np.ascontiguousarray(image[y1:y2, x1:x2]))
            found.append(_whole(faces.shifted(x1, y1), (x1, y1, x2, y2), (width, height)))
        faces = Faces.concat(found)
        return faces[nms(faces.boxes, faces.scores, 0.5, over="min")]

    def at_scale(self, scale: float) -> TiledDetector:
        """The same for images with ``scale`` pixels per pixel of the original."""
        if scale == 1:
            return self
        inner = self.inner.at_scale(scale)
        return TiledDetector(inner, side=self._side, above=self._above, overlap=self._overlap)

    def detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """One table per image."""
        if all(image.shape[0] * image.shape[1] <= self._above * 1e6 for image in images):
            return self.inner.detect_batch(images)
        return [self.detect(image) for image in images]

    def _overview(self, image: NDArray[np.uint8]) -> Faces:
        factor = self._side / max(image.shape[:2])
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return self.inner.detect(small).scaled(1 / factor)


def _whole(faces: Faces, tile: tuple[int, int, int, int], size: tuple[int, int]) -> Faces:
    """Without the faces that a tile's edge inside the picture cuts; a neighbour or the overview has them whole."""
    x1, y1, x2, y2 = tile
    low = np.array([x1 + 2 if x1 else -np.inf, y1 + 2 if y1 else -np.inf])
    high = np.array([x2 - 2 if x2 < size[0] else np.inf, y2 - 2 if y2 < size[1] else np.inf])
    inside = np.concatenate([faces.boxes[:, :2] > low, faces.boxes[:, 2:] < high], axis=1)
    return faces[np.flatnonzero(inside.all(axis=1))]
