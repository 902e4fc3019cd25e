"""Haar cascade of OpenCV (Viola & Jones 2001): fast on weak machines, frontal faces only, no landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import local

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SettingError, WeightsError
from mien.core.faces import Faces, check_image

__all__ = ["HaarDetector", "HaarOptions"]


@dataclass(frozen=True, slots=True)
class HaarOptions:
    """Settings of the Haar cascade; the defaults are OpenCV's usual ones.

    Args:
        min_face: side of the smallest face to search for, pixels; the cascade's own window is 24.
        max_face: side of the largest, pixels; None = as large as the image.
        factor: how much the search window grows from scale to scale, above 1.
        neighbours: how many windows must agree on a face.

    Raises:
        SettingError: for a value out of range.
    """

    min_face: float = 30.0
    max_face: float | None = None
    factor: float = 1.1
    neighbours: int = 5

    def __post_init__(self) -> None:
        if not self.min_face >= 1:
            raise SettingError(f"min face {self.min_face} must be at least 1 pixel")
        if self.max_face is not None and not self.max_face >= self.min_face:
            raise SettingError(f"max face {self.max_face} must not be smaller than min face {self.min_face}")
        if not 1.01 <= self.factor <= 2:
            raise SettingError(f"factor {self.factor} must lie in 1.01 … 2, e.g. 1.1")
        if self.neighbours < 0:
            raise SettingError(f"neighbours {self.neighbours} must be 0 or more")


class HaarDetector:
    """Frontal faces by Haar features; ``Refiner``s such as MTCNN supply landmarks and better boxes.

    A ``cv2.CascadeClassifier`` keeps its scratch memory between calls, so each thread has its own.

    Args:
        options: settings.
        cascade: an XML file; None = ``haarcascade_frontalface_default`` of the installed OpenCV.

    Raises:
        WeightsError: at the first use, if the file is missing or no cascade.
    """

    name = "haar"

    def __init__(self, options: HaarOptions | None = None, cascade: Path | None = None) -> None:
        self.options = options or HaarOptions()
        self.cascade = cascade or Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._of_thread = local()

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB, surest first.

        The score is w / (1 + w) of the weight w that the last stage gave; it is no probability.

        Raises:
            ImageError: if ``image`` is no such array.
        """
        grey = cv2.cvtColor(check_image(image), cv2.COLOR_RGB2GRAY)
        side = round(self.options.min_face)
        largest = (0, 0) if self.options.max_face is None else (round(self.options.max_face),) * 2
        found, _, weights = self._classifier().detectMultiScale3(
            cv2.equalizeHist(grey),
            scaleFactor=self.options.factor,
            minNeighbors=self.options.neighbours,
            minSize=(side, side),
            maxSize=largest,
            outputRejectLevels=True,
        )
        if not len(found):
            return Faces.empty()
        boxes = np.asarray(found, np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        w = np.maximum(np.asarray(weights, np.float32).ravel(), 0)
        return Faces(boxes=boxes, scores=w / (1 + w)).sorted()

    def at_scale(self, scale: float) -> HaarDetector:
        """The same for images with ``scale`` pixels per pixel of the original."""
        if scale == 1:
            return self
        o = self.options
        largest = None if o.max_face is None else o.max_face * scale
        return HaarDetector(replace(o, min_face=max(1.0, o.min_face * scale), max_face=largest), self.cascade)

    def detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """One table per image, equal to ``detect`` on each."""
        return [self.detect(image) for image in images]

    def _classifier(self) -> cv2.CascadeClassifier:
        if not hasattr(self._of_thread, "classifier"):
            made = cv2.CascadeClassifier()
            if not self.cascade.is_file() or not made.load(str(self.cascade)):
                raise WeightsError(
                    f"{self.cascade} is no Haar cascade; install opencv-python-headless 4, whose wheels carry them"
                )
            self._of_thread.classifier = made
        classifier: cv2.CascadeClassifier = self._of_thread.classifier
        return classifier
