"""The part of a photograph around one face, to be kept and read again: what another embedder needs to see the face too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError
from mien.core.faces import Faces, Picture, check_image
from mien.core.people import FacePhoto

__all__ = ["cut_photo", "read_photo"]

CONTEXT = 0.75
"""How far the part reaches beyond the box, as a share of its longer side: more than any alignment of ours shows."""

LARGEST = 320
"""Pixels. A larger face is made so large: twice what an embedder sees of it."""

QUALITY = 95
"""Of the JPEG, with colours at full resolution (docs/decisions/124)."""


def cut_photo(image: NDArray[np.uint8], face: Faces) -> FacePhoto:
    """The surroundings of one face as a JPEG, with its box and landmarks in them.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        face: a table of one row, pixels of ``image``.
    """
    height, width = check_image(image).shape[:2]
    box = face.boxes[0]
    reach = CONTEXT * float((box[2:] - box[:2]).max())
    low = np.clip(np.floor(box[:2] - reach), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(box[2:] + reach), low + 1, [width, height]).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    scale = min(1.0, LARGEST / max(float(face.sizes[0]), 1.0))
    inside = face.shifted(-float(low[0]), -float(low[1]))
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in part.shape[1::-1])
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        inside = inside.scaled(scale)
    x1, y1, x2, y2 = (float(v) for v in inside.boxes[0])
    options = [
        *(cv2.IMWRITE_JPEG_QUALITY, QUALITY),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(part, cv2.COLOR_RGB2BGR), options)[1]
    landmarks = None if inside.landmarks is None else inside.landmarks[0]
    return FacePhoto(encoded.tobytes(), (x1, y1, x2, y2), landmarks)


def read_photo(photo: FacePhoto, source: str = "") -> tuple[Picture, Faces]:
    """The part as a picture, and the face in it as a table of one row.

    Args:
        photo: as it was kept.
        source: what the photograph was called.

    Raises:
        ImageError: the JPEG was damaged.
    """
    decoded = cv2.imdecode(np.frombuffer(photo.jpeg, np.uint8), cv2.IMREAD_COLOR_BGR) if photo.jpeg else None
    if decoded is None:
        raise ImageError(f"what was kept of the photograph {source!r} cannot be read; enrol a new one")
    pixels = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    landmarks = None if photo.landmarks is None else photo.landmarks[np.newaxis]
    face = Faces(np.array([photo.box], np.float32), np.ones(1, np.float32), landmarks)
    return Picture(pixels, source=source), face
