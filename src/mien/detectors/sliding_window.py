"""A fully convolutional classifier as a detector: an image pyramid, a window at every few pixels, non-maximum suppression.

The classic sliding window, with one run of the network per level in place of one per window. ``mien train region`` makes
such networks (docs/decisions/103).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SettingError
from mien.core.faces import Faces, check_image
from mien.core.geometry import nms
from mien.core.protocols import Network

__all__ = ["SOFTNESS", "SlidingWindowDetector", "SlidingWindowOptions", "scores_of"]

SOFTNESS = 4.0
"""The lead of the face's logit is divided by this before the logistic function, or sure faces would all score 1.0."""

_PIXELS = 1 << 20
"""Pixels of a level that go through the network at once: 128 MB for the maps of its first layer."""

_CANDIDATES = 2000
"""So many windows of a picture, the surest, are compared with each other; a threshold near 0 lets tens of thousands by."""

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SlidingWindowOptions:
    """Settings of the search, and what the network was made for.

    Args:
        min_face: side of the smallest face to search for, pixels: the root of its area.
        max_face: side of the largest; None = as large as the image.
        factor: how much smaller each level of the pyramid is, below 1.
        threshold: score a window needs.
        overlap: a window goes when it shares more than this (intersection over union) with a surer one.
        most: keep only so many of the surest faces of a picture; 0 for all.
        aspect: width over height of the boxes; their area is that of the window.
        window: side of the network's window, pixels.
        stride: pixels between windows.
        mean: subtracted from each pixel.
        scale: what the difference is divided by.

    Raises:
        SettingError: for a value out of range.
    """

    min_face: float = 20.0
    max_face: float | None = None
    factor: float = 0.709
    threshold: float = 0.5
    overlap: float = 0.3
    most: int = 0
    aspect: float = 1.0
    window: int = 32
    stride: int = 4
    mean: float = 127.5
    scale: float = 127.5

    def __post_init__(self) -> None:
        if not self.min_face >= 1:
            raise SettingError(f"min face {self.min_face} must be at least 1 pixel")
        if self.max_face is not None and not self.max_face >= self.min_face:
            raise SettingError(f"max face {self.max_face} must not be smaller than min face {self.min_face}")
        if not 0.1 < self.factor < 1:
            raise SettingError(f"pyramid factor {self.factor} must lie in 0.1 … 1, e.g. 0.709")
        if not (0 <= self.threshold <= 1 and 0 <= self.overlap <= 1):
            raise SettingError(f"threshold {self.threshold} and overlap {self.overlap} must lie in 0 … 1")
        if not 0.2 <= self.aspect <= 5:
            raise SettingError(f"aspect {self.aspect} must lie in 0.2 … 5, e.g. 0.8 for faces")

    def tuned(self, tuning: Mapping[str, float]) -> SlidingWindowOptions:
        """With what a record says the network was tuned to: ``threshold`` and ``aspect``."""
        threshold, aspect = tuning.get("threshold", self.threshold), tuning.get("aspect", self.aspect)
        return replace(self, threshold=threshold, aspect=aspect)


class SlidingWindowDetector:
    """Faces by a network that gives two logits, no face and face, for every window of a picture.

    Args:
        name: what a user calls it.
        network: ``(1, 3, h, w)`` -> ``(1, 2, rows, columns)`` logits, a window of ``options.window`` pixels every
            ``options.stride``; what a window's logits are may depend on ``stride`` pixels around it.
        options: settings.
    """

    def __init__(self, name: str, network: Network, options: SlidingWindowOptions | None = None) -> None:
        self.name = name
        self.options = options or SlidingWindowOptions()
        self._network = network

    def detect(self, image: Pixels) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB, surest first, without landmarks.

        The score is ``scores_of`` of the window's logits; it is no probability.

        Raises:
            ImageError: if ``image`` is no such array.
        """
        check_image(image)
        levels = [self._search(image, side) for side in self._sides(image)]
        faces = Faces.concat([Faces.empty(), *levels]).sorted()[:_CANDIDATES]
        kept = nms(faces.boxes, faces.scores, self.options.overlap)
        return faces[kept[: self.options.most or None]]

    def at_scale(self, scale: float) -> SlidingWindowDetector:
        """The same for images with ``scale`` pixels per pixel of the original; shares the network."""
        if scale == 1:
            return self
        o = self.options
        largest = None if o.max_face is None else o.max_face * scale
        options = replace(o, min_face=max(1.0, o.min_face * scale), max_face=largest)
        return SlidingWindowDetector(self.name, self._network, options)

    def detect_batch(self, images: Sequence[Pixels]) -> list[Faces]:
        """One table per image, equal to ``detect`` on each."""
        return [self.detect(image) for image in images]

    def heat(self, image: Pixels) -> Floats:
        """Scores ``(rows, columns)`` float32 of all windows of an image as it is, without a pyramid.

        Window ``(i, j)`` begins at the pixel ``(stride * i, stride * j)``. An image smaller than the window has none.
        """
        o = self.options
        height, width = ((side - o.window) // o.stride + 1 for side in image.shape[:2])
        if min(height, width) < 1:
            return np.zeros((0, 0), np.float32)
        rows = max(1, (_PIXELS // image.shape[1] - o.window) // o.stride)
        return np.concatenate([self._strip(image, top, min(top + rows, height)) for top in range(0, height, rows)])

    def _strip(self, image: Pixels, first: int, last: int) -> Floats:
        """Scores of the rows of windows ``first`` … ``last - 1``: the same whatever strips a level is cut into."""
        o = self.options
        above = 1 if first else 0  # a row of windows more on either side, for what the windows see around them
        top, bottom = o.stride * (first - above), o.stride * last + o.window
        part = np.ascontiguousarray(image[top:bottom].transpose(2, 0, 1)).astype(np.float32)
        part -= o.mean
        part /= o.scale
        scores = scores_of(self._network.run(part[None])[0][0])
        return scores[above : above + last - first]

    def _sides(self, image: Pixels) -> Iterator[float]:
        """Sides of the faces that each level of the pyramid searches for, in pixels of ``image``."""
        o, side = self.options, self.options.min_face
        largest = min(*image.shape[:2], o.max_face or np.inf)
        while side <= largest:
            yield side
            side /= o.factor

    def _search(self, image: Pixels, side: float) -> Faces:
        """The windows of one level that reach the threshold, as boxes in pixels of ``image``."""
        o = self.options
        heat = self.heat(_resized(image, o.window / side, o.stride))
        rows, columns = np.nonzero(heat >= o.threshold)
        if not len(rows):
            return Faces.empty()
        stretch = np.sqrt(o.aspect) * np.array([1, 1 / o.aspect])  # width and height of a box of the window's area
        centres = np.stack([columns, rows], axis=1) * o.stride + o.window / 2
        half = o.window * stretch / 2
        boxes = np.concatenate([centres - half, centres + half], axis=1) * (side / o.window)
        return Faces(boxes.astype(np.float32), heat[rows, columns])


def scores_of(logits: Floats) -> Floats:
    """Logits ``(2, …)`` of no face and face to scores 0 to 1: the logistic function of a ``SOFTNESS``-th of the lead.

    0.5 is where both are equal; the order is that of the probabilities, which reach 1.0 in float32 long before.
    """
    lead = (logits[1] - logits[0]) / SOFTNESS
    scores: Floats = (0.5 * (1 + np.tanh(lead / 2))).astype(np.float32)
    return scores


def _resized(image: Pixels, scale: float, stride: int) -> Pixels:
    """The image scaled, then filled up with its last row and column to whole steps of ``stride``."""
    if scale != 1:
        size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
        image = np.asarray(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8
        )
    below, right = (-side % stride for side in image.shape[:2])
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else image
