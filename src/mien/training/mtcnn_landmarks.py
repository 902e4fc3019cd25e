"""Where the five points come from that the cascade learns: a file in CelebA's format, or a network that knows them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import MienError
from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.core.protocols import Refiner
from mien.datasets.annotations import MarkedPicture
from mien.datasets.celeba import read_celeba
from mien.training.marked import Read
from mien.training.mtcnn_samples import Taught
from mien.training.samples import sides

__all__ = ["PointsFile", "pointed", "pseudo_labelled", "unlabelled"]

LEAST_SIDE = 30.0
"""Faces below this side (pixels) get no points from a network: what it says of them is a guess."""
LEAST_SCORE = 0.9
"""Nor do faces that it is less sure of."""
LEAST_OVERLAP = 0.5
"""Nor those that it sees elsewhere than the people who marked them."""


@dataclass(frozen=True, slots=True)
class PointsFile:
    """Landmarks that people or others wrote down.

    Args:
        landmarks: ``list_landmarks_celeba.txt``.
        boxes: ``list_bbox_celeba.txt``.
        pictures: the folder they name pictures in.
        most: pictures, at most, drawn by the seed.
    """

    landmarks: Path
    boxes: Path
    pictures: Path
    most: int = 5000


def unlabelled(marked: Sequence[MarkedPicture]) -> list[Taught]:
    """Photographs of whose faces nobody knows the points."""
    return [Taught(picture, np.full((len(picture.boxes), 5, 2), np.nan, np.float32)) for picture in marked]


def pseudo_labelled(
    marked: Sequence[MarkedPicture], read: Read, refiner: Refiner
) -> Generator[tuple[int, int], None, list[Taught]]:
    """Photographs with the points that ``refiner`` gives their marked faces, where it is sure and agrees on the box.

    Yields how many photographs are done, of how many. One that cannot be read gets no points.
    """
    taught = unlabelled(marked)
    for number, each in enumerate(taught):
        yield number, len(taught)
        large = np.flatnonzero(each.marked.usable & (sides(each.marked.boxes) >= LEAST_SIDE))
        if not len(large):
            continue
        try:
            image = read(each.marked.path)
        except MienError:  # said when samples are cut
            continue
        boxes = each.marked.boxes[large]
        given = Faces(boxes, np.ones(len(large), np.float32)).with_columns(track_ids=np.arange(len(large)))
        found = refiner.refine(image, given)
        if found.track_ids is None or found.landmarks is None:
            continue
        same = iou(found.boxes, boxes)[np.arange(len(found)), found.track_ids] >= LEAST_OVERLAP
        sure: NDArray[np.bool_] = same & (found.scores >= LEAST_SCORE)
        each.points[large[found.track_ids[sure]]] = found.landmarks[sure]
    yield len(taught), len(taught)
    return taught


def pointed(file: PointsFile, seed: int) -> tuple[list[Taught], int]:
    """Photographs of a file of landmarks, each with one face, and how many it names that are not there.

    Raises:
        InputError: see ``read_celeba``.
    """
    faces, absent = read_celeba(file.landmarks, file.boxes, file.pictures)
    chosen = np.sort(np.random.default_rng([seed, len(faces)]).permutation(len(faces))[: file.most])
    return [
        Taught(MarkedPicture(faces[i].path, "", faces[i].box[None]), faces[i].points[None], complete=False)
        for i in chosen
    ], absent
