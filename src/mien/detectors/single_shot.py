"""What detectors of one network share: the picture at a few sizes through the network, then non-maximum suppression.

Such a network looks at each place of a picture once and gives score, box and landmarks of a face there (``yunet.py``,
``scrfd.py``). It finds faces from some ten to some hundred pixels; a smaller copy of the picture finds the larger ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SettingError
from mien.core.faces import Faces, check_image
from mien.core.geometry import nms
from mien.core.protocols import Network

__all__ = ["Head", "SingleShotDetector", "SingleShotOptions", "places"]

STEP = 32
"""Both sides of what the network sees are multiples of this: of the stride of its coarsest level."""

_CANDIDATES = 5000
"""So many places of a picture, the surest, are compared with each other; a threshold near 0 lets tens of thousands by."""

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SingleShotOptions:
    """Settings of the search.

    Args:
        min_face: longer side of the smallest face to find, pixels; smaller ones are dropped.
        max_face: longer side of the largest; None = as large as the image.
        threshold: score a face needs; None = the network's own.
        overlap: a box goes when it shares more than this (intersection over union) with a surer one.

    Raises:
        SettingError: for a value out of range.
    """

    min_face: float = 20.0
    max_face: float | None = None
    threshold: float | None = None
    overlap: float = 0.3

    def __post_init__(self) -> None:
        if not self.min_face >= 1:
            raise SettingError(f"min face {self.min_face} must be at least 1 pixel")
        if self.max_face is not None and not self.max_face >= self.min_face:
            raise SettingError(f"max face {self.max_face} must not be smaller than min face {self.min_face}")
        if not (0 <= (self.threshold or 0) <= 1 and 0 <= self.overlap <= 1):
            raise SettingError(f"threshold {self.threshold} and overlap {self.overlap} must lie in 0 … 1")


@dataclass(frozen=True, slots=True)
class Head:
    """How one family of networks is fed and read.

    Args:
        name: of the family.
        feed: ``(h, w, 3)`` uint8 RGB -> ``(1, 3, h, w)`` float32.
        read: outputs of the network for ``h`` and ``w`` -> faces in pixels of what was fed, unordered, unsuppressed;
            keeps those that reach the given score.
        threshold: score a face needs if nobody says another.
        smallest: longer side of the smallest face that the network finds well, pixels of what it is fed.
        largest: longer side of the largest.
    """

    name: str
    feed: Callable[[Pixels], Floats]
    read: Callable[[Sequence[Floats], tuple[int, int], float], Faces]
    threshold: float
    smallest: float
    largest: float


class SingleShotDetector:
    """Faces with landmarks by one network.

    Args:
        name: what a user calls it.
        network: ``(1, 3, h, w)`` float32 of any size in steps of 32 -> whatever ``head`` reads.
        head: how it is fed and read.
        options: settings.
    """

    def __init__(self, name: str, network: Network, head: Head, options: SingleShotOptions | None = None) -> None:
        self.name = name
        self.options = options or SingleShotOptions()
        self._network = network
        self._head = head

    def detect(self, image: Pixels) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB, surest first; with landmarks if the network gives them.

        Raises:
            ImageError: if ``image`` is no such array.
        """
        check_image(image)
        faces = Faces.concat(self._search(image, scale) for scale in self._scales(image)).sorted()[:_CANDIDATES]
        kept = nms(faces.boxes, faces.scores, self.options.overlap)
        return self._of_size(faces[kept])

    def at_scale(self, scale: float) -> SingleShotDetector:
        """The same for images with ``scale`` pixels per pixel of the original; shares the network."""
        if scale == 1:
            return self
        o = self.options
        largest = None if o.max_face is None else o.max_face * scale
        options = replace(o, min_face=max(1.0, o.min_face * scale), max_face=largest)
        return SingleShotDetector(self.name, self._network, self._head, options)

    def detect_batch(self, images: Sequence[Pixels]) -> list[Faces]:
        """One table per image, equal to ``detect`` on each."""
        return [self.detect(image) for image in images]

    def _scales(self, image: Pixels) -> Iterator[float]:
        """By what the image is scaled for each search: the smallest wanted faces as small as the network finds well, then
        quarters of that until the largest possible face is no larger than it finds well. Nothing is enlarged.
        """
        o = self.options
        scale = min(1.0, self._head.smallest / o.min_face)
        yield scale
        while min(max(image.shape[:2]), o.max_face or np.inf) * scale > self._head.largest:
            scale /= 4
            yield scale

    def _search(self, image: Pixels, scale: float) -> Faces:
        """Faces of the image scaled by ``scale``, in pixels of ``image``; both its sides are filled up to whole steps."""
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        if scale != 1:
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        below, right = -height % STEP, -width % STEP
        fed = self._head.feed(np.pad(image, ((0, below), (0, right), (0, 0))) if below or right else image)
        threshold = self._head.threshold if self.options.threshold is None else self.options.threshold
        faces = self._head.read(self._network.run(fed), (height + below, width + right), threshold)
        centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
        inside = (centres < (width, height)).all(axis=1)  # nobody's face lies in what was filled up
        return faces[np.flatnonzero(inside)].scaled(1 / scale)

    def _of_size(self, faces: Faces) -> Faces:
        """Those that are as large as was asked for."""
        o = self.options
        sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).max(axis=1, initial=0)
        return faces[np.flatnonzero((sides >= o.min_face) & (sides <= (o.max_face or np.inf)))]


def places(rows: int, columns: int, each: int = 1) -> Floats:
    """Column and row of every place of a level, ``(rows * columns * each, 2)`` float32, row by row, ``each`` times in turn."""
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    return np.repeat(grid, each, axis=0).astype(np.float32)
