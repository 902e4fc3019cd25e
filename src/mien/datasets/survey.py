"""What is in a labelled set: copies, pictures in two classes, blur, and what lies in train and test at once."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, InputError, SettingError
from mien.core.faces import Picture
from mien.datasets.augmentation import source_stem
from mien.datasets.folders import Problem
from mien.datasets.labelled import SIDES, LabelledSet, Part
from mien.datasets.near_duplicates import groups, joined, near_duplicate_pairs, video_of
from mien.media.images import printable
from mien.media.measures import perceptual_hash, sharpness, thumbnail

__all__ = ["BLURRED", "LIKENESS", "Leak", "Look", "Survey", "Tie", "look", "refuse_leaks", "survey"]

Tie = Literal["video", "folder", "pattern", "near-duplicate", "source"]

BLURRED = 30.0
"""Sharpness below which a picture counts as blurred: the gate's own limit for a face."""

LIKENESS = 0.95
"""Correlation of two thumbnails from which near hashes are taken for one photograph.

Measured on LFW: of the 20 pairs of 3,074 photographs with near hashes 18 correlate at 0.92 at most and are two photographs,
2 at 0.995 and are one; copies of 300 that were halved, blurred, turned grey, brightened, given another gamma or saved with
JPEG quality 30 correlate at 0.979 at least. Of copies cropped by 3 % at each side half correlate so."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one glance at a picture gives.

    Args:
        width: pixels.
        height: pixels.
        sha256: of the file; of the pixels where there is no file.
        hash: perceptual, 64 bits.
        sharpness: ``media.measures.sharpness`` of the whole picture.
        thumbnail: ``media.measures.thumbnail``, ``(256,)``.
    """

    width: int
    height: int
    sha256: str
    hash: int
    sharpness: float
    thumbnail: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Leak:
    """Pictures that belong together and lie on more than one side.

    Args:
        kind: what ties them.
        name: of the video, folder or first copy.
        counts: how many of them lie on each side.
    """

    kind: Tie
    name: str
    counts: tuple[tuple[Part, int], ...]

    def words(self) -> str:
        """One line, e.g. ``leak: 412 frames of video v7 in both (train 400, test 12)``."""
        total = sum(count for _, count in self.counts)
        what = {
            "video": f"frames of video {PurePosixPath(self.name).name}",
            "folder": f"pictures of {self.name}",
            "pattern": f"pictures of {self.name}",
            "near-duplicate": f"copies of {self.name}",
            "source": f"versions of {self.name}",
        }[self.kind]
        where = ", ".join(f"{side} {count}" for side, count in self.counts)
        return f"leak: {total} {what} in {'both' if len(self.counts) == 2 else 'all three'} ({where})"


@dataclass(frozen=True, eq=False)
class Survey:
    """A set after every picture was looked at.

    Args:
        found: the set.
        looks: by row; what could not be read has none.
        corrupt: what could not be read, and why.
        videos: by name, the video that a manifest of frames says a picture is from; other names are guessed from.
        pattern: regular expression searched in names: what its first group (or all of it) finds ties pictures together.
    """

    found: LabelledSet
    looks: Mapping[int, Look]
    corrupt: tuple[Problem, ...] = ()
    videos: Mapping[str, str] = field(default_factory=dict)
    pattern: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise SettingError(f"the pattern {self.pattern!r} is no regular expression: {error}") from error

    @cached_property
    def rows(self) -> list[int]:
        """The rows that can be read."""
        return sorted(self.looks)

    @cached_property
    def readable(self) -> LabelledSet:
        """The pictures that can be read."""
        return self.found.only(self.rows)

    @cached_property
    def copies(self) -> list[list[int]]:
        """Rows that hold the same file, two or more each."""
        return _shared(self.rows, [self.looks[row].sha256 for row in self.rows])

    @cached_property
    def alike(self) -> list[list[int]]:
        """Rows that show one photograph (near hashes, thumbnails that correlate), copies among them; two or more each."""
        looks = [self.looks[row] for row in self.rows]
        pairs = (
            (i, j)
            for i, j in near_duplicate_pairs([look.hash for look in looks])
            if looks[i].sha256 == looks[j].sha256 or looks[i].thumbnail @ looks[j].thumbnail >= LIKENESS
        )
        return _shared(self.rows, joined(len(self.rows), pairs).tolist())

    @cached_property
    def blurred(self) -> list[int]:
        """Rows below ``BLURRED``."""
        return [row for row in self.rows if self.looks[row].sharpness < BLURRED]

    @cached_property
    def in_two_classes(self) -> list[list[int]]:
        """Rows of one photograph that bear different labels."""
        return [rows for rows in self.alike if len({self.found.labels[row] for row in rows}) > 1]

    @cached_property
    def leaks(self) -> list[Leak]:
        """What lies on two sides or more though it belongs together."""
        found = [leak for kind in ("video", "folder", "pattern", "source") for leak in self._leaks(kind)]
        known = {leak.name for leak in found}
        alike: list[Hashable | None] = [None] * len(self.found)
        for rows in self.alike:
            for row in rows:
                alike[row] = self.found.names[rows[0]]
        return found + [leak for leak in self._across("near-duplicate", alike) if leak.name not in known]

    def groups(self) -> NDArray[np.intp]:
        """``(len(rows),)`` group of each readable picture: what must stay on one side.

        Near hashes alone tie here, without a look at the thumbnails: a pair too many on one side harms nothing.
        """
        names = [self.ties(kind) for kind in ("video", "folder", "pattern", "source")]
        ties = [[column[row] for row in self.rows] for column in names]
        return groups([self.looks[row].hash for row in self.rows], ties=ties)

    def ties(self, kind: Tie) -> list[Hashable | None]:
        """For each row what ties it to others, None where nothing does: a video, a folder in its class, a source picture."""
        column = [self._tie(kind, row) for row in range(len(self.found))]
        if kind != "source":
            return column
        stems = [PurePosixPath(name).stem for name in self.found.names]
        made = {tie for tie, stem in zip(column, stems, strict=True) if source_stem(stem) != stem}
        return [tie if tie in made else None for tie in column]  # two pictures of one name are two pictures

    def _tie(self, kind: Tie, row: int) -> Hashable | None:
        name = PurePosixPath(self.found.names[row])
        if kind == "video":
            known = self.videos.get(str(name))
            guessed = video_of(source_stem(name.stem))
            return known or (guessed and (self._in_class(row).parent / self.found.labels[row] / guessed).as_posix())
        if kind == "folder":
            inner = self._in_class(row).parts[:-1]
            return "/".join((self.found.labels[row], *inner)) if inner else None
        if kind == "pattern":
            hit = re.search(self.pattern, str(name)) if self.pattern else None
            return None if hit is None else hit[1] if hit.re.groups else hit[0]
        if kind == "source":
            return f"{self.found.labels[row]}/{self._in_class(row).with_name(source_stem(name.stem)).as_posix()}"
        raise ValueError(kind)

    def _in_class(self, row: int) -> PurePosixPath:
        """The path of a picture below the folder of its class."""
        parts = PurePosixPath(self.found.names[row]).parts
        return PurePosixPath(*parts[2 if self.found.sides[row] else 1 :] or parts[-1:])

    def _leaks(self, kind: Tie) -> list[Leak]:
        return self._across(kind, self.ties(kind))

    def _across(self, kind: Tie, ties: Iterable[Hashable | None]) -> list[Leak]:
        sides: dict[Hashable, Counter[Part]] = {}
        for row, tie in enumerate(ties):
            if tie is not None and self.found.sides[row]:
                sides.setdefault(tie, Counter())[self.found.sides[row]] += 1
        across = ((tie, counts) for tie, counts in sides.items() if len(counts) > 1)
        return [Leak(kind, printable(str(tie)), tuple((s, n[s]) for s in SIDES if n[s])) for tie, n in across]


def look(picture: Picture) -> Look:
    """A glance at a picture."""
    pixels = picture.pixels
    width, height = picture.size
    digest = picture.sha256 or hashlib.sha256(pixels.tobytes()).hexdigest()
    return Look(width, height, digest, perceptual_hash(pixels), float(sharpness(pixels[None])[0]), thumbnail(pixels))


def survey(found: LabelledSet) -> Survey:
    """Look at every picture, without telling on the way (``jobs.datasets.look_over`` tells)."""
    looks: dict[int, Look] = {}
    corrupt: list[Problem] = []
    for row in range(len(found)):
        try:
            looks[row] = look(found.read(row))
        except ImageError as error:
            corrupt.append(Problem(printable(found.path(row)), str(error)))
    return Survey(found, looks, tuple(corrupt))


def refuse_leaks(leaks: Iterable[Leak], *, shown: int = 3) -> None:
    """Stop where train and test are not apart.

    Raises:
        InputError: there are leaks; the first ones, how many more, and what to do.
    """
    lines = [leak.words() for leak in leaks]
    if lines:
        more = f"; and {len(lines) - shown} more" if len(lines) > shown else ""
        raise InputError(
            f"{'; '.join(lines[:shown])}{more}: a test on what was learnt says nothing; divide anew with mien dataset split, or"
            " --allow-leak"
        )


def _shared(rows: list[int], keys: Iterable[Hashable]) -> list[list[int]]:
    """Rows of one key, where there are two or more."""
    by_key: dict[Hashable, list[int]] = {}
    for row, key in zip(rows, keys, strict=True):
        by_key.setdefault(key, []).append(row)
    return [group for group in by_key.values() if len(group) > 1]
