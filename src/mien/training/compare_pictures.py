"""The pictures of a comparison: one division per seed, the same for all backbones, and smaller sets that lie in larger ones."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.core.protocols import Detector
from mien.datasets.labelled import LabelledSet, Part
from mien.media.images import ReadOptions, printable
from mien.training.pictures import Cut, Pictures, Reading, beside, read_pictures

__all__ = ["Division", "RememberingDetector", "divide"]


class RememberingDetector:
    """A detector that knows what it found in a picture: a comparison searches each once, not once in every run.

    Args:
        detector: that searches.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[bytes, Faces] = {}

    @property
    def name(self) -> str:
        """The detector's own."""
        return self._detector.name

    def detect(self, image: NDArray[np.uint8]) -> Faces:
        """Faces of one image ``(H, W, 3)`` uint8 RGB."""
        key = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
        if key not in self._found:
            self._found[key] = self._detector.detect(image)
        return self._found[key]

    def detect_batch(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each image."""
        return [self.detect(image) for image in images]

    def at_scale(self, scale: float) -> Detector:
        """The detector for images of another scale; what it finds is not remembered."""
        return self._detector.at_scale(scale)


@dataclass(frozen=True, eq=False)
class Division:
    """The pictures of one seed.

    Args:
        found: all pictures, as they were given.
        pictures: those that can be used, as small chips, with their sides.
        seed: which division.
    """

    found: LabelledSet
    pictures: Pictures
    seed: int

    @property
    def held(self) -> float:
        """Pictures validated with, as a share of those learnt from, where the seed divides; 0 where SRC is divided."""
        if "val" in self.found.sides:
            return 0.0
        return len(self.pictures.rows("val")) / len(self.pictures.rows("train"))

    @cached_property
    def rows(self) -> list[int]:
        """Which picture of ``found`` each of ``pictures`` is."""
        place = {printable(self.found.path(row)): row for row in range(len(self.found))}
        return [place[name] for name in self.pictures.names]

    def chosen(self, size: int) -> LabelledSet:
        """The set with ``size`` training pictures, 0 for all; validation and test stay as they are.

        Classes keep their shares, each has one at least, and what is in a smaller set is in every larger one.
        """
        train = self.pictures.rows("train")
        kept = set(train[self._order(train)][:size].tolist()) if size else set(train.tolist())
        places = [
            i for i, side in enumerate(self.pictures.sides) if side != "train" or i in kept
        ]  # in the order they were read
        sides = [self.pictures.sides[i] for i in places]
        return _Chosen.of(self.found, [self.rows[i] for i in places], sides)

    def _order(self, train: NDArray[np.intp]) -> NDArray[np.intp]:
        """Which training picture comes first: every class advances at its own pace, in an order drawn by the seed."""
        draw = np.random.default_rng([self.seed, 1])
        turn = np.zeros(len(train))
        for target in range(len(self.pictures.classes)):
            own = np.flatnonzero(self.pictures.targets[train] == target)
            turn[draw.permutation(own)] = np.arange(len(own)) / max(len(own), 1)
        return np.argsort(turn, kind="stable")

    def require(self, sizes: Sequence[int]) -> None:
        """Refuse sizes that this division has not.

        Raises:
            SettingError: more pictures than there are to learn from, or fewer than one of each class.
        """
        there, least = len(self.pictures.rows("train")), len(self.pictures.classes)
        for size in sizes:
            if size and not least <= size <= there:
                raise SettingError(
                    f"--sizes {size}: expected {least} to {there}, what seed {self.seed} leaves to learn from when"
                    " validation pictures are taken out"
                )


@dataclass(frozen=True, eq=False)
class _Chosen(LabelledSet):
    """Some pictures of a set, each with its side."""

    source: LabelledSet | None = None
    rows: tuple[int, ...] = ()

    @classmethod
    def of(cls, source: LabelledSet, rows: Sequence[int], sides: Sequence[Part]) -> _Chosen:
        names, labels = ([column[row] for row in rows] for column in (source.names, source.labels))
        return cls(source.root, tuple(names), tuple(labels), tuple(sides), source=source, rows=tuple(rows))

    def path(self, index: int) -> Path:
        return self._from.path(self.rows[index])

    def read(self, index: int, options: ReadOptions | None = None) -> Picture:
        return self._from.read(self.rows[index], options)

    @property
    def _from(self) -> LabelledSet:
        if self.source is None:
            raise ValueError("a choice without what was chosen from")
        return self.source


def divide(found: LabelledSet, cut: Cut, how: Reading) -> Generator[tuple[int, int], None, Division]:
    """Read every picture and divide; yields how many are done, of how many.

    Args:
        found: pictures with sides (``training.pictures.beside``).
        cut: how they become chips; which ones can be used depends on its detector.
        how: share to validate with and seed.

    Raises:
        InputError: as ``read_pictures``.
    """
    pictures = yield from read_pictures(found, cut, how)
    return Division(beside(found, None), pictures, how.seed)
