"""How many versions of each picture to make: features of pictures and versions, then cross-validation."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.augmentation import Augmentation
from mien.datasets.choosing import Trial, cross_validate
from mien.datasets.labelled import LabelledSet
from mien.datasets.survey import Look, Survey, look
from mien.jobs.running import Done, Event, run
from mien.media.crops import crop_boxes
from mien.media.images import printable

__all__ = ["choose_count"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Describe = Callable[[Pixels], Floats]

_SMALL, _CHIP = 16, 160
"""Sides of the squares that are learnt as pixels (768 numbers) and that are shown to an embedder."""


def choose_count(
    found: LabelledSet,
    augmentation: Augmentation,
    counts: Sequence[int],
    *,
    describe: Describe | None = None,
    sample: int = 400,
) -> Iterator[Event[list[Trial] | None]]:
    """Try numbers of versions on the training pictures; the last event's result is the list of trials.

    Args:
        found: the set; of a divided one only the train side is looked at.
        augmentation: makes the versions.
        counts: numbers per picture to try.
        describe: squares ``(n, 160, 160, 3)`` uint8 RGB to vectors ``(n, d)``; None learns the pixels at 16 × 16.
        sample: pictures at most, as many of each class as there are in proportion.

    Raises:
        InputError: fewer than two classes, or a class in one group only.
    """
    rows = _sample(found, sample, augmentation.seed)
    if len({found.labels[row] for row in rows}) < 2:
        raise InputError(f"{printable(found.root)}: expected two classes at least to choose a number of versions with")
    looks: dict[int, Look] = {}
    vectors: dict[int, Floats] = {}

    def work(row: int) -> None:
        picture = found.read(row)
        key = zlib.crc32(found.names[row].encode("utf-8", "surrogateescape"))
        versions = [augmentation.one(picture.pixels, (key, number)) for number in range(1, max(counts) + 1)]
        looks[row] = look(picture)
        vectors[row] = _vectors([picture.pixels, *versions], describe)

    yield from run(rows, work, stage="features", name=lambda row: printable(found.path(row)))
    used = sorted(vectors)
    if not used:
        return
    seen = Survey(found, looks)
    trials = cross_validate(
        np.stack([vectors[row] for row in used]), found.targets[used], seen.groups(), counts, seed=augmentation.seed
    )
    yield Done("choose", 1, 1, printable(found.root), trials)


def _sample(found: LabelledSet, count: int, seed: int) -> list[int]:
    """Rows to learn from, at most ``count``, each class in proportion."""
    rows = [row for row, side in enumerate(found.sides) if side in {"", "train"}]
    if len(rows) <= count:
        return rows
    shuffled = np.random.default_rng(seed).permutation(rows)
    by_class = shuffled[np.argsort(found.targets[shuffled], kind="stable")]
    return sorted(by_class[np.linspace(0, len(rows) - 1, count).astype(np.intp)].tolist())


def _vectors(pictures: Sequence[Pixels], describe: Describe | None) -> Floats:
    size = _SMALL if describe is None else _CHIP
    squares = np.concatenate(
        [crop_boxes(p, np.array([[0, 0, p.shape[1], p.shape[0]]], np.float32), size=size, margin=0) for p in pictures]
    )
    if describe is None:
        return (squares.reshape(len(squares), -1) / 255).astype(np.float32)
    return describe(squares)
