"""SCRFD (Guo et al. 2021, "Sample and Computation Redistribution for Efficient Face Detection"): one network, five landmarks.

The decoding is that of insightface's ``scrfd.py``: distances from each place to the four sides of the box, and to the five
landmarks, in strides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.detectors.single_shot import Head, places

__all__ = ["SCRFD"]

Floats = NDArray[np.float32]


def _feed(pixels: NDArray[np.uint8]) -> Floats:
    """Red, green, blue, ``(x - 127.5) / 128``."""
    planes = np.ascontiguousarray(pixels[None].transpose(0, 3, 1, 2), np.float32)
    planes -= 127.5
    planes /= 128
    return planes


def _read(outputs: Sequence[Floats], size: tuple[int, int], threshold: float) -> Faces:
    """Faces of the outputs: scores, boxes and, if the network has them, landmarks, each at three strides or more."""
    height, width = size
    levels = {k: _by_size(outputs, k) for k in (1, 4, 10)}
    found = []
    for i, (score, box) in enumerate(zip(levels[1], levels[4], strict=True)):
        stride = 8 << i
        rows, columns = height // stride, width // stride
        (sure,) = np.nonzero(score[:, 0] >= threshold)
        place = places(rows, columns, each=len(score) // (rows * columns))[sure]
        boxes = np.concatenate([place - box[sure, :2], place + box[sure, 2:]], axis=1) * stride
        points = (place[:, None] + levels[10][i][sure].reshape(-1, 5, 2)) * stride if levels[10] else None
        found.append(Faces(boxes, np.clip(score[sure, 0], 0, 1), points))
    return Faces.concat(found)


def _by_size(outputs: Sequence[Floats], columns: int) -> list[Floats]:
    """The outputs of so many columns ``(places, columns)``, the finest level first."""
    wanted = (output.reshape(-1, columns) for output in outputs if output.shape[-1] == columns)
    return sorted(wanted, key=len, reverse=True)


SCRFD = Head("scrfd", _feed, _read, threshold=0.5, smallest=20, largest=320)
"""How SCRFD is fed and read."""
