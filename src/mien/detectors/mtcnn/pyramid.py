"""Where the networks' pixels come from: levels of a pyramid for P-Net, square crops for R-Net and O-Net.

Two sources with one face (``Source``). ``ExactSource`` averages as facenet-pytorch does, through an integral image.
``FastSource`` halves the image again and again (mipmaps) and samples each level and crop bilinearly from the mipmap
just larger than it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.detectors.mtcnn.boxes import CELL, Boxes
from mien.detectors.mtcnn.options import MtcnnOptions

__all__ = ["ExactSource", "FastSource", "Rows", "Source", "level_size", "scales"]

Pixels = NDArray[np.float32]
Rows = Callable[[int, int], Pixels]
"""Rows [start, stop) of a level as a batch ``(1, 3, stop - start, width)`` float32 RGB 0 … 255."""


def scales(height: int, width: int, options: MtcnnOptions) -> tuple[float, ...]:
    """Factors that bring faces of ``min_face``, ``min_face / factor`` … pixels to P-Net's 12, largest factor first."""
    scale = CELL / options.min_face
    side = min(height, width) * scale
    found: list[float] = []
    while side >= CELL:
        if options.max_face is None or not found or scale * options.max_face >= CELL:
            found.append(scale)
        scale *= options.factor
        side *= options.factor
    return tuple(found)


def level_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width of the level of this scale."""
    return int(height * scale + 1), int(width * scale + 1)


class Source(Protocol):
    """One image as the networks want to see it."""

    height: int
    width: int

    def level(self, scale: float) -> Rows:
        """A reader of the level of this scale."""
        ...

    def crops(self, boxes: Boxes, side: int) -> Pixels:
        """The pixels in each box: ``(n, 3, side, side)`` float32 RGB 0 … 255."""
        ...


class ExactSource:
    """Averages over all pixels a target pixel touches, as torch's adaptive average pooling does.

    Sums are differences of an integral image. It overflows beyond 8 megapixels, which does no harm: the differences
    come out right modulo 2³². Crops end at the image's edge.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.height, self.width = image.shape[:2]
        self._integral = cv2.integral(image, sdepth=cv2.CV_32S)  # (H + 1, W + 1, 3)

    def level(self, scale: float) -> Rows:
        """A reader of the level of this scale."""
        height, width = level_size(self.height, self.width, scale)
        top, bottom = _bins(np.array([self.height]), height)
        left, right = _bins(np.array([self.width]), width)

        def rows(start: int, stop: int) -> Pixels:
            band = self._integral[bottom[0, start:stop]] - self._integral[top[0, start:stop]]
            sums = np.take(band, right[0], axis=1) - np.take(band, left[0], axis=1)
            tall = (bottom - top)[0, start:stop, None, None]
            average = sums.astype(np.float32) / tall.astype(np.float32)
            average /= (right - left)[0, :, None].astype(np.float32)
            return np.ascontiguousarray(average.transpose(2, 0, 1)[None])

        return rows

    def crops(self, boxes: Boxes, side: int) -> Pixels:
        """The pixels in each box cut to whole pixels and the image: ``(n, 3, side, side)`` float32 RGB 0 … 255."""
        whole = boxes.astype(np.int64)
        low = np.maximum(whole[:, :2], 1) - 1
        high = np.minimum(whole[:, 2:], [self.width, self.height])
        left, right = (b + low[:, :1] for b in _bins(high[:, 0] - low[:, 0], side))
        top, bottom = ((b + low[:, 1:]) * (self.width + 1) for b in _bins(high[:, 1] - low[:, 1], side))
        flat = self._integral.reshape(-1, 3)

        def at(y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.int32]:
            return np.take(flat, y[:, :, None] + x[:, None, :], axis=0)

        sums = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)  # (n, side, side, 3)
        tall = ((bottom - top) // (self.width + 1))[:, :, None, None].astype(np.float32)
        average = sums.astype(np.float32) / tall
        average /= (right - left)[:, None, :, None].astype(np.float32)
        return np.ascontiguousarray(average.transpose(0, 3, 1, 2))


def _bins(lengths: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last-plus-one pixel of each of ``count`` bins over each length: two arrays ``(n, count)``."""
    i = np.arange(count)
    lengths = lengths[:, None]
    return i * lengths // count, -(-(i + 1) * lengths // count)


class FastSource:
    """Bilinear samples from the mipmap between one and two times as fine as wanted.

    Beyond the image's edge crops are black, as the original authors had it.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
    """

    LONGEST = 2**15 - 2
    """Longest side of an image, pixels: ``cv2.remap`` takes no longer one."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.height, self.width = image.shape[:2]
        self._mipmaps = [image]
        while min(image.shape[:2]) >= 2 * CELL:
            image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
            self._mipmaps.append(image)

    def level(self, scale: float) -> Rows:
        """A reader of the level of this scale."""
        height, width = level_size(self.height, self.width, scale)
        mipmap = self._mipmaps[int(self._finer(np.array(scale)))]
        level = cv2.resize(mipmap, (width, height), interpolation=cv2.INTER_LINEAR)

        def rows(start: int, stop: int) -> Pixels:
            return np.ascontiguousarray(level[start:stop].transpose(2, 0, 1)[None], dtype=np.float32)

        return rows

    def crops(self, boxes: Boxes, side: int) -> Pixels:
        """The pixels in each box, black outside of the image: ``(n, 3, side, side)`` float32 RGB 0 … 255."""
        crops = np.empty((len(boxes), side, side, 3), np.uint8)
        which = self._finer(side / (boxes[:, 2] - boxes[:, 0] + 1))
        for i in np.unique(which):
            chosen = which == i
            crops[chosen] = self._sample(int(i), boxes[chosen], side)
        return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), dtype=np.float32)

    def _finer(self, scale: NDArray[np.floating]) -> NDArray[np.intp]:
        """Index of the coarsest mipmap that is at least as fine as this scale."""
        halvings = np.floor(-np.log2(np.maximum(scale, 1e-6)) + 1e-6)
        index: NDArray[np.intp] = halvings.clip(0, len(self._mipmaps) - 1).astype(np.intp)
        return index

    def _sample(self, i: int, boxes: Boxes, side: int) -> NDArray[np.uint8]:
        """``(n, side, side, 3)`` uint8 from mipmap ``i``."""
        mipmap = self._mipmaps[i]
        factor = np.array([mipmap.shape[1] / self.width, mipmap.shape[0] / self.height], np.float32)
        corner = (boxes[:, :2] - np.float32(1)) * factor
        step = (boxes[:, 2:] * factor - corner) / np.float32(side)
        steps = np.arange(side, dtype=np.float32) + np.float32(0.5)
        x, y = (corner[:, k, None] + step[:, k, None] * steps - np.float32(0.5) for k in (0, 1))  # (n, side) each
        shape = (len(boxes), side, side)
        map_x = np.broadcast_to(x[:, None, :], shape).reshape(-1, side)
        map_y = np.broadcast_to(y[:, :, None], shape).reshape(-1, side)
        sampled = cv2.remap(mipmap, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        crops: NDArray[np.uint8] = sampled.reshape(*shape, 3)
        return crops
