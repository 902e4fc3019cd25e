"""One picture altered by known numbers: turned, scaled, moved, sheared, mirrored, lit otherwise, inverted, blurred, with noise.

OpenCV does the work; who chooses the numbers (``datasets.augmentation``) is no concern of this module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.faces import check_image

__all__ = ["LIBRARY", "Change", "transform"]

Pixels = NDArray[np.uint8]

LIBRARY = f"opencv {cv2.__version__}"
"""Whose transforms these are: written down beside what was made with them."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a picture; the defaults do nothing.

    Args:
        mirror: left and right change places.
        upend: top and bottom change places.
        rotation: degrees about the middle, positive = clockwise.
        zoom: 1.2 shows everything a fifth larger, cut at the border.
        shift_x: to the right, share of the width.
        shift_y: downwards, share of the height.
        shear: degrees by which upright lines lean.
        brightness: added to every value, share of the range (0.1 adds 25.5).
        contrast: distance of every value from middle grey, times this.
        invert: the negative.
        blur: standard deviation of a Gaussian, pixels.
        noise: standard deviation of the noise of each value, share of the range.
        noise_seed: of the noise.
    """

    mirror: bool = False
    upend: bool = False
    rotation: float = 0.0
    zoom: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 1.0
    invert: bool = False
    blur: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


def transform(pixels: Pixels, change: Change) -> Pixels:
    """The picture after ``change``: ``(H, W, 3)`` uint8 RGB of the same size, a new array.

    Geometry comes first, in one resampling; what comes in from outside mirrors the picture at its border.

    Raises:
        ImageError: no ``(H, W, 3)`` uint8 array.
    """
    return _noisy(_lit(_moved(check_image(pixels), change), change), change)


def _moved(pixels: Pixels, change: Change) -> Pixels:
    height, width = pixels.shape[:2]
    matrix = _matrix(height, width, change)
    if np.array_equal(matrix, np.eye(2, 3)):
        return pixels.copy()
    moved = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def _matrix(height: int, width: int, change: Change) -> NDArray[np.float64]:
    """``(2, 3)`` from places in the old picture to places in the new one, about the middle."""
    angle = math.radians(change.rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    lean = np.array([[1.0, math.tan(math.radians(change.shear))], [0.0, 1.0]])
    mirror = np.diag([-1.0 if change.mirror else 1.0, -1.0 if change.upend else 1.0])
    linear = change.zoom * turn @ lean @ mirror
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = np.array([change.shift_x * width, change.shift_y * height])
    return np.column_stack([linear, middle - linear @ middle + shift])


def _lit(pixels: Pixels, change: Change) -> Pixels:
    """Contrast about middle grey, then brightness, then the negative: one table for all values."""
    values = (np.arange(256) - 127.5) * change.contrast + 127.5 + 255 * change.brightness
    table = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if change.invert:
        table = 255 - table
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def _noisy(pixels: Pixels, change: Change) -> Pixels:
    if change.blur > 0:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), change.blur), np.uint8)
    if change.noise > 0:
        grain = np.random.default_rng(change.noise_seed).standard_normal(pixels.shape, np.float32)
        grain *= np.float32(255 * change.noise)
        pixels = np.asarray(cv2.add(pixels, np.rint(grain).astype(np.int16), dtype=cv2.CV_8U), np.uint8)
    return pixels
