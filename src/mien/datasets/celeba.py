"""Faces with five landmarks in CelebA's format: ``list_landmarks_celeba.txt`` and ``list_bbox_celeba.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.box_files import find_picture
from mien.media.images import printable

__all__ = ["PointedFace", "read_celeba"]


@dataclass(frozen=True, slots=True, eq=False)
class PointedFace:
    """One face of one picture; what else is in the picture nobody marked.

    Args:
        path: where the picture is.
        box: ``(4,)`` float32 x1, y1, x2, y2 pixels, exclusive ends.
        points: ``(5, 2)`` float32 pixels: the eye on the image's left, the other eye, nose, mouth corner on the image's
            left, the other.
    """

    path: Path
    box: NDArray[np.float32]
    points: NDArray[np.float32]


def read_celeba(landmarks: Path, boxes: Path, pictures: Path) -> tuple[list[PointedFace], int]:
    """The faces whose pictures are there, in the order of the file.

    Args:
        landmarks: a count, a line of names, then ``000001.jpg`` and x, y of left eye, right eye, nose, left and right
            mouth corner.
        boxes: likewise with x, y, width, height of the face.
        pictures: the folder that they name pictures in: those as photographed (``img_celeba``), which the boxes belong to.

    Returns:
        The faces, and how many the file names whose pictures are not there.

    Raises:
        InputError: a file that cannot be read, a line of other numbers (with file and line), a face without a box, or none
            of the pictures is there.
    """
    points = dict(_lines(landmarks, 10))
    placed = dict(_lines(boxes, 4))
    if lacking := [name for name in points if name not in placed]:
        raise InputError(f"{boxes.name} has no box for {lacking[0]} of {landmarks.name} ({len(lacking)} in all)")
    faces = []
    for name, numbers in points.items():
        path = find_picture(pictures, name)
        x, y, width, height = placed[name]
        if not (width > 0 and height > 0):
            continue  # CelebA has boxes without an area; nothing can be cut by them
        if path is not None:
            box = np.array([x, y, x + width, y + height], np.float32)
            faces.append(PointedFace(path, box, np.array(numbers, np.float32).reshape(5, 2)))
    if not faces:
        raise InputError(
            f"none of the {len(points)} pictures of {printable(landmarks)} is in {printable(pictures)}; name the folder that"
            " holds them"
        )
    return faces, len(points) - len(faces)


def _lines(file: Path, count: int) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Name and numbers of each line below the two of the head."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{printable(file)} cannot be read as a list of CelebA: {error}") from error
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        raise InputError(
            f"{file.name}:1: expected the number of pictures, then a line of names, as CelebA's lists begin;"
            f" got {lines[0][:40] if lines else 'an empty file'!r}"
        )
    for number, line in enumerate(lines[2:], 3):
        name, *words = line.split() or [""]
        if not name:
            continue
        try:
            numbers = tuple(float(word) for word in words)
        except ValueError:
            numbers = ()
        if len(numbers) != count or not np.isfinite(numbers).all():
            raise InputError(
                f"{file.name}:{number}: expected a picture and {count} numbers, got {line.strip()[:80]!r}; mend the line or"
                " leave it out"
            )
        yield name, numbers
