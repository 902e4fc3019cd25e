"""Faces of the library cut out of their files again, to be looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, MissingExtraError
from mien.core.faces import Picture
from mien.core.library import LibraryFace
from mien.jobs.search import Found
from mien.media.crops import crop_boxes
from mien.media.images import ReadOptions, read_image
from mien.media.video import VideoFile

__all__ = ["cut"]


def cut(
    found: Sequence[Found], options: ReadOptions, *, size: int = 160
) -> Iterator[tuple[Found, NDArray[np.uint8] | None]]:
    """Each face with its chip ``(size, size, 3)``, box and a margin; None where no file of it can be read any more.

    Faces of one picture that follow each other cost one decoding.
    """
    for _, group in groupby(found, key=lambda one: (one.face.content, one.face.span)):
        same = list(group)
        picture = _picture(same[0].face, options)
        for one in same:
            if picture is None:
                yield one, None
                continue
            boxes = np.array([one.face.box], np.float32) * np.float32(picture.scale)
            yield one, crop_boxes(picture.pixels, boxes, size=size, margin=size // 4)[0]


def _picture(face: LibraryFace, options: ReadOptions) -> Picture | None:
    for path in face.paths:
        try:
            if face.kind == "photo":
                return read_image(os.fsdecode(path), options)
            with VideoFile(os.fsdecode(path), max_megapixels=options.max_megapixels) as video:
                return video.at(face.span[2] if face.span else 0.0)
        except (ImageError, MissingExtraError):
            continue
    return None
