"""The gate: is this face good enough to be learnt, or to be named?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from mien.core.answers import Quality
from mien.core.faces import Faces, Picture
from mien.core.reasons import Reason
from mien.media import measures
from mien.media.crops import crop_boxes

__all__ = ["QualityLimits", "judge", "measure"]


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """What a face must reach; the settings are named as on the command line.

    Args:
        size: shorter side of the box, pixels of the original.
        sharpness: variance of the Laplacian of the face as measured by ``media.measures``.
        darkest: least mean grey level, 0 to 1.
        brightest: greatest mean grey level.
        contrast: least standard deviation of the grey level.
        yaw: greatest turn of the head to either side, degrees.
        roll: greatest tilt in the image plane, degrees.
    """

    size: float = 40.0
    sharpness: float = 30.0
    darkest: float = 0.12
    brightest: float = 0.92
    contrast: float = 0.05
    yaw: float = 40.0
    roll: float = 60.0

    @classmethod
    def for_naming(cls) -> Self:
        """What a face must have to be compared at all: milder than for learning, since a poor look may still be told."""
        return cls(size=20.0, sharpness=4.0, darkest=0.04, brightest=0.97, contrast=0.02, yaw=75.0, roll=180.0)


def measure(picture: Picture, faces: Faces, *, limits: QualityLimits) -> Faces:
    """``faces`` (in pixels of ``picture.pixels``) with their quality, sizes told in pixels of the original.

    Without landmarks the head counts as upright and frontal: nothing is known against it.
    """
    chips = crop_boxes(picture.pixels, faces.boxes, size=112)
    straight = np.zeros(len(faces), np.float32)
    sizes = faces.sizes / picture.scale
    sharpness, light, contrast = measures.appearance(chips)
    yaw = straight if faces.landmarks is None else measures.yaw(faces.landmarks)
    roll = straight if faces.landmarks is None else measures.roll(faces.landmarks)
    qualities = (
        Quality(
            float(sizes[i]), float(sharpness[i]), float(light[i]), float(contrast[i]), float(yaw[i]), float(roll[i])
        )
        for i in range(len(faces))
    )
    return faces.with_columns(quality=tuple(judge(q, limits=limits) for q in qualities))


def judge(quality: Quality, *, limits: QualityLimits) -> Quality:
    """``quality`` with a reason for every limit it misses."""
    return replace(quality, reasons=tuple(r for rule in _RULES if (r := rule(quality, limits)) is not None))


def _too_small(q: Quality, limits: QualityLimits) -> Reason | None:
    return Reason("gate", "face size", q.size, limits.size, "--min-size", unit="px") if q.size < limits.size else None


def _blurred(q: Quality, limits: QualityLimits) -> Reason | None:
    missed = q.sharpness < limits.sharpness
    return Reason("gate", "sharpness", q.sharpness, limits.sharpness, "--min-sharpness") if missed else None


def _too_dark(q: Quality, limits: QualityLimits) -> Reason | None:
    return (
        Reason("gate", "brightness", q.brightness, limits.darkest, "--darkest")
        if q.brightness < limits.darkest
        else None
    )


def _blown_out(q: Quality, limits: QualityLimits) -> Reason | None:
    missed = q.brightness > limits.brightest
    return Reason("gate", "brightness", q.brightness, limits.brightest, "--brightest", side="above") if missed else None


def _flat(q: Quality, limits: QualityLimits) -> Reason | None:
    return (
        Reason("gate", "contrast", q.contrast, limits.contrast, "--min-contrast")
        if q.contrast < limits.contrast
        else None
    )


def _turned_away(q: Quality, limits: QualityLimits) -> Reason | None:
    turn = abs(q.yaw)
    return (
        Reason("gate", "turn of the head", turn, limits.yaw, "--max-yaw", "above", "°") if turn > limits.yaw else None
    )


def _tilted(q: Quality, limits: QualityLimits) -> Reason | None:
    tilt = abs(q.roll)
    return (
        Reason("gate", "tilt of the head", tilt, limits.roll, "--max-roll", "above", "°")
        if tilt > limits.roll
        else None
    )


_RULES: tuple[Callable[[Quality, QualityLimits], Reason | None], ...] = (
    _too_small, _blurred, _too_dark, _blown_out, _flat, _turned_away, _tilted,
)  # fmt: skip
