"""How good a region detector is: on cuts of one scale, as "Face Detectors" judges its own, and on whole pictures."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mien.core.errors import MienError
from mien.core.faces import Faces
from mien.core.protocols import Detector, Network
from mien.datasets.annotations import MarkedPicture
from mien.evaluation.detection import DetectionCurve, Truth, detection_curve
from mien.media.crops import crop_context
from mien.training.marked import Read
from mien.training.region_networks import STRIDE, WINDOW
from mien.training.samples import sides

__all__ = ["CUT", "LARGE", "Scene", "WindowByWindow", "best_threshold", "cut_scenes", "judge_scenes", "judge_whole"]

CUT = 176
"""Side of the cuts, pixels."""
LARGE = 60.0
"""Side (root of the area, pixels) from which a face of a whole picture is counted."""
_INSIDE = 0.8
"""A face of which a smaller share lies inside its cut is neither right nor wrong to find."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture to search and what is to be found in it.

    Args:
        pixels: ``(h, w, 3)`` uint8 RGB.
        truth: its faces.
    """

    pixels: Pixels
    truth: Truth


def cut_scenes(
    marked: Sequence[MarkedPicture], read: Read, seed: int = 0
) -> Generator[tuple[int, int], None, list[Scene]]:
    """Cuts of 176 × 176 pixels from the pictures with one or two faces, all of 60 pixels or more.

    Each picture is scaled so that the mean side of its faces is 32 pixels and cut at a random offset, among those at which
    one of its faces, chosen at random, is whole. What of a cut lies outside its picture is black.
    """
    few = [p for p in marked if 1 <= len(p.boxes) <= 2 and p.usable.all() and sides(p.boxes).min() >= LARGE]
    scenes = []
    for number, picture in enumerate(few):
        yield number, len(few)
        try:
            image = read(picture.path)
        except MienError:  # said when samples were drawn
            continue
        scenes.append(_cut(image, picture.boxes, np.random.default_rng([seed, number])))
    return scenes


def judge_scenes(scenes: Sequence[Scene], detector: Detector) -> Generator[tuple[int, int], None, DetectionCurve]:
    """Precision and recall at IoU 0.5 over ``scenes``."""
    found = []
    for index, scene in enumerate(scenes):
        yield index, len(scenes)
        found.append(detector.detect(scene.pixels))
    return detection_curve(found, [scene.truth for scene in scenes])


def judge_whole(
    marked: Sequence[MarkedPicture], read: Read, detector: Detector
) -> Generator[tuple[int, int], None, DetectionCurve]:
    """Precision and recall at IoU 0.5 over whole pictures as they are; faces of 60 pixels or more are counted."""
    found: list[Faces] = []
    truth: list[Truth] = []
    for index, picture in enumerate(marked):
        yield index, len(marked)
        try:
            image = read(picture.path)
        except MienError:  # said when samples were drawn
            continue
        found.append(detector.detect(image))
        truth.append(Truth(picture.boxes, picture.usable & (sides(picture.boxes) >= LARGE)))
    return detection_curve(found, truth)


def best_threshold(curve: DetectionCurve) -> float:
    """The score at which the harmonic mean of precision and recall is largest."""
    total = curve.precision + curve.recall
    f1 = np.divide(2 * curve.precision * curve.recall, total, out=np.zeros_like(total), where=total > 0)
    return float(curve.levels[f1.argmax()])


class WindowByWindow:
    """The classifier asked about each window on its own: what the fully convolutional form is held against.

    Args:
        classifier: ``(n, 32, 32, 3)`` RGB 0–255 -> ``(n, 2)`` probabilities.
        batch: windows per run.
    """

    def __init__(self, classifier: Network, batch: int = 64) -> None:
        self._classifier = classifier
        self._batch = batch

    def run(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """As the fully convolutional form: ``(n, 3, h, w)`` of (RGB - 127.5) / 127.5 -> ``(n, 2, rows, columns)``.

        The logarithms of the probabilities stand for the logits: their difference is the same.
        """
        return (np.stack([self._logits(picture.transpose(1, 2, 0)) for picture in batch]),)

    def _logits(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        windows = sliding_window_view(picture, (WINDOW, WINDOW), axis=(0, 1))[::STRIDE, ::STRIDE]
        rows, columns = windows.shape[:2]
        inputs = windows.transpose(0, 1, 3, 4, 2).reshape(-1, WINDOW, WINDOW, 3) * 127.5 + 127.5
        parts = [self._classifier.run(inputs[i : i + self._batch])[0] for i in range(0, len(inputs), self._batch)]
        logs = np.log(np.concatenate(parts).clip(1e-30))
        answers: NDArray[np.float32] = logs.reshape(rows, columns, 2).transpose(2, 0, 1).astype(np.float32)
        return answers


def _cut(image: Pixels, boxes: NDArray[np.float32], draw: np.random.Generator) -> Scene:
    """One cut, around a face chosen at random."""
    scale = WINDOW / float(sides(boxes).mean())
    side = CUT / scale  # of the cut, in pixels of the picture
    face = boxes[draw.integers(len(boxes))]
    corner = np.array(
        [
            _offset(image.shape[1], side, (face[0], face[2]), draw.uniform),
            _offset(image.shape[0], side, (face[1], face[3]), draw.uniform),
        ]
    )
    window = np.concatenate([corner, corner + side])[None].astype(np.float32)
    moved = (boxes - np.tile(corner, 2)) * scale
    inside = moved.clip(0, CUT)
    seen = sides(inside) ** 2 / np.maximum(sides(moved) ** 2, 1e-6)
    truth = Truth(moved[seen > 0].astype(np.float32), seen[seen > 0] >= _INSIDE)
    return Scene(crop_context(image, window, size=CUT, context=0)[0], truth)


def _offset(length: int, side: float, face: tuple[float, float], draw: Callable[[float, float], float]) -> float:
    """Where a cut of ``side`` begins along an axis of ``length`` so that it holds ``face`` and leaves the picture least."""
    if length <= side:
        return 0.0
    low, high = max(0.0, face[1] - side), min(length - side, face[0])
    return draw(min(low, high), max(low, high))
