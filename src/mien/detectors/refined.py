"""Two detectors as one: the first finds boxes, the second refines them and supplies landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.core.protocols import Detector, Refiner

__all__ = ["RefinedDetector"]


class RefinedDetector:
    """A detector whose boxes go through a refiner: landmarks for Haar's boxes, and a second opinion on them.

    Args:
        detector: finds boxes.
        refiner: gives better boxes and landmarks, and drops what is no face.
    """

    def __init__(self, detector: Detector, refiner: Refiner) -> None:
        self.inner = detector
        self._refiner = refiner

    @property
    def name(self) -> str:
        """The name of the detector that finds the boxes."""
        return self.inner.name

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB with landmarks, surest first."""
        return self._refiner.refine(image, self.inner.detect(image)).sorted("score")

    def at_scale(self, scale: float) -> RefinedDetector:
        """The same for images with ``scale`` pixels per pixel of the original."""
        return RefinedDetector(self.inner.at_scale(scale), self._refiner)

    def detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """One table per image."""
        return [self.detect(image) for image in images]
