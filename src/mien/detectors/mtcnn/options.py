"""What a user may set on MTCNN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mien.core.errors import SettingError

__all__ = ["SMALLEST_FACE", "MtcnnOptions"]

SMALLEST_FACE = 4.0
"""Below this many pixels a face is enlarged threefold and more before P-Net sees it: it finds nothing but noise."""


@dataclass(frozen=True, slots=True)
class MtcnnOptions:
    """Settings of the cascade; the defaults are those of the original.

    Args:
        min_face: side of the smallest face to search for, pixels.
        max_face: side of the largest face to search for, pixels; None = as large as the image.
        factor: size of each level of the pyramid relative to the one before, 0 to 1.
        thresholds: scores that P-Net, R-Net and O-Net must give, 0 to 1.
        nms: overlaps above which the lower-scoring window goes: within a level, over all levels, after R-Net (all over
            the union), after O-Net (over the smaller of the two).
        mode: ``"parity"`` computes what facenet-pytorch computes; ``"fast"`` takes levels and crops from mipmaps, which
            differs from it less than the mtcnn package does and detects better (docs/benchmarks).

    Raises:
        SettingError: for a value out of range.
    """

    min_face: float = 20.0
    max_face: float | None = None
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    nms: tuple[float, float, float, float] = (0.5, 0.7, 0.7, 0.7)
    mode: Literal["fast", "parity"] = "fast"

    def __post_init__(self) -> None:
        if not self.min_face >= SMALLEST_FACE:
            raise SettingError(f"min face {self.min_face} must be at least {SMALLEST_FACE:g} pixels")
        if self.max_face is not None and not self.max_face >= self.min_face:
            raise SettingError(f"max face {self.max_face} must not be smaller than min face {self.min_face}")
        if not 0.1 <= self.factor <= 0.95:
            raise SettingError(f"factor {self.factor} must lie in 0.1 … 0.95, e.g. 0.709")
        if len(self.thresholds) != 3 or not all(0 < t < 1 for t in self.thresholds):
            raise SettingError(f"thresholds {self.thresholds} must be three numbers between 0 and 1, e.g. 0.6 0.7 0.7")
        if len(self.nms) != 4 or not all(0 < t <= 1 for t in self.nms):
            raise SettingError(f"nms {self.nms} must be four overlaps in 0 … 1, e.g. 0.5 0.7 0.7 0.7")
        if self.mode not in {"fast", "parity"}:
            raise SettingError(f"mode {self.mode!r} must be fast or parity")
