"""Numbers about a face or a picture: sharpness, light, pose, likeness. They judge nothing; recognition holds limits against them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.faces import check_image

__all__ = [
    "appearance",
    "brightness",
    "contrast",
    "grey_faces",
    "hamming",
    "perceptual_hash",
    "roll",
    "sharpness",
    "thumbnail",
    "yaw",
]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

NOSE_DEPTH = 0.60
"""How far the tip of the nose stands before the line between the eyes, in eye distances of a frontal face.

From MediaPipe's canonical face model: nose tip at z 7.5 cm, middles of the eyes at z 3.5 … 4 and 6.3 cm apart. On 257 of
LFW's photographs with MTCNN's landmarks the median is 0.0° and nine in ten lie within 21° of it, the same to both sides.
Detectors draw strongly turned faces towards the front: three-quarter views measure 30° to 40°."""


def grey_faces(chips: Pixels, side: int = 112) -> Pixels:
    """Chips ``(n, size, size, 3)`` RGB as grey ``(n, side, side)``, so that measures of unlike chips can be compared."""
    grey = np.zeros((len(chips), side, side), np.uint8)
    for out, chip in zip(grey, chips, strict=True):
        shrinks = chip.shape[0] > side
        cv2.resize(
            cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY),
            (side, side),
            dst=out,
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
    return grey


def sharpness(chips: Pixels) -> Floats:
    """Variance of the Laplacian of each chip ``(n, size, size, 3)`` RGB, grey and scaled to 112 × 112: ``(n,)`` float32.

    A face enlarged from few pixels is as unsharp as one out of focus, and measures so (Pech-Pacheco et al. 2000).
    """
    return appearance(chips)[0]


def brightness(chips: Pixels) -> Floats:
    """Mean grey level of each chip, 0 to 1: ``(n,)`` float32."""
    return appearance(chips)[1]


def contrast(chips: Pixels) -> Floats:
    """Standard deviation of each chip's grey level, 0 to 1 (0.5 is half black, half white): ``(n,)`` float32."""
    return appearance(chips)[2]


def appearance(chips: Pixels) -> tuple[Floats, Floats, Floats]:
    """Sharpness, brightness and contrast of each chip, in one go: a follower asks for all three in every frame."""
    measured = np.zeros((3, len(chips)), np.float32)
    for i, grey in enumerate(grey_faces(chips)):
        edges = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1]
        measured[:, i] = edges[0, 0] ** 2, cv2.mean(grey)[0] / 255, grey.std() / 255
    return measured[0], measured[1], measured[2]


def roll(landmarks: Floats) -> Floats:
    """Tilt of the line between the eyes in degrees, -180 to 180, positive = clockwise: ``(n,)`` float32.

    Args:
        landmarks: ``(n, 5, 2)`` pixels.
    """
    across = landmarks[:, 1] - landmarks[:, 0]
    return _float32(np.degrees(np.arctan2(across[:, 1], across[:, 0])))


def yaw(landmarks: Floats) -> Floats:
    """How far each head is turned, degrees, -90 to 90, 0 = frontal, positive = towards the image's right: ``(n,)`` float32.

    The head is a rigid body whose nose stands ``NOSE_DEPTH`` eye distances before the middle of the eyes. Turned by φ
    (and seen from afar), the eyes' distance shrinks to d·cos φ and the nose moves sideways by d·NOSE_DEPTH·sin φ, so
    that tan φ = shift / (NOSE_DEPTH · distance seen). Both are measured along the line between the eyes, which takes
    roll out. Eyes in one place count as a full profile.

    Args:
        landmarks: ``(n, 5, 2)`` pixels.
    """
    points = landmarks.astype(np.float64)
    across = points[:, 1] - points[:, 0]
    distance = np.linalg.norm(across, axis=1)
    nose = points[:, 2] - (points[:, 0] + points[:, 1]) / 2
    shift = (nose * across).sum(axis=1) / np.where(distance > 0, distance, 1)
    return _float32(np.degrees(np.arctan2(shift, NOSE_DEPTH * distance)))


def perceptual_hash(pixels: Pixels) -> int:
    """64 bits that stay nearly the same when a picture is scaled, recompressed or lit a little differently.

    The signs of the 8 × 8 lowest frequencies of the picture at 32 × 32 grey, against their median (pHash, Zauner 2010).
    Compare with ``hamming``: copies of one picture differ in 0 to 8 bits, unrelated ones in about 32.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
    """
    grey = cv2.cvtColor(check_image(pixels), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    low[0] = 0.0  # the mean: brightness is no likeness
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnail(pixels: Pixels) -> Floats:
    """The picture at 16 × 16 grey as a unit vector about its mean, ``(256,)`` float32: two multiply to their correlation.

    A flat picture gives zeros. Slower to compare than ``perceptual_hash`` and surer.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
    """
    grey = cv2.cvtColor(check_image(pixels), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return _float32(small / max(float(np.linalg.norm(small)), 1e-6))


def hamming(a: int, b: int) -> int:
    """How many of the bits of two hashes differ, 0 to 64."""
    return (a ^ b).bit_count()


def _float32(values: NDArray[np.floating]) -> Floats:
    return values.astype(np.float32)
