"""YuNet (Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector"): one small network, faces with five landmarks.

The decoding is that of OpenCV's ``FaceDetectorYN`` and of libfacedetection.train, whose landmarks have the order of ours: the
"right eye" there is that of the person, on the image's left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.detectors.single_shot import Head, places

__all__ = ["YUNET"]

STRIDES = (8, 16, 32)

Floats = NDArray[np.float32]


def _feed(pixels: NDArray[np.uint8]) -> Floats:
    """Blue, green, red from 0 to 255."""
    return np.ascontiguousarray(pixels[None, ..., ::-1].transpose(0, 3, 1, 2), np.float32)


def _read(outputs: Sequence[Floats], size: tuple[int, int], threshold: float) -> Faces:
    """Faces of 12 outputs: class, objectness, box and landmarks, each at three strides."""
    height, width = size
    found = []
    for level, stride in enumerate(STRIDES):
        kind, there, box, points = (output.reshape(-1, output.shape[-1]) for output in outputs[level::3])
        scores = np.sqrt(np.clip(kind[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
        (sure,) = np.nonzero(scores >= threshold)
        place = places(height // stride, width // stride)[sure]
        centre = place + box[sure, :2]
        half = np.exp(np.minimum(box[sure, 2:], 10)) / 2  # e to the 10 strides is larger than any picture
        landmarks = place[:, None] + points[sure].reshape(-1, 5, 2)
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        found.append(Faces(boxes * stride, scores[sure], landmarks * stride))
    return Faces.concat(found)


YUNET = Head("yunet", _feed, _read, threshold=0.6, smallest=20, largest=320)
"""How YuNet is fed and read."""
