"""Labelled pictures as chips to learn from: read once, what cannot be used reported, sides that share nothing."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, InputError
from mien.core.faces import Faces
from mien.core.protocols import Detector
from mien.datasets.folders import Problem
from mien.datasets.labelled import LabelledSet, Part, require_classes
from mien.datasets.splits import split
from mien.datasets.survey import Leak, Look, Survey, look, refuse_leaks
from mien.media.crops import crop_boxes, crop_context, crop_extended
from mien.media.images import printable
from mien.zoo.catalog import Alignment

__all__ = ["Cut", "Pictures", "Reading", "beside", "read_pictures"]

Pixels = NDArray[np.uint8]
Rows = NDArray[np.intp]


_PLACED: dict[Part, Part] = {"": "train", "train": "train", "val": "val", "test": "test"}
"""Where a picture lies; what is not divided is to learn from."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How a picture becomes a chip.

    Args:
        size: side of a chip, pixels.
        alignment: how a face is cut.
        detector: finds the faces, of which the largest is taken; None takes the whole picture, squeezed to a square.
    """

    size: int
    alignment: Alignment
    detector: Detector | None = None

    def chip(self, image: Pixels) -> Pixels:
        """``(size, size, 3)`` uint8 RGB.

        Raises:
            ImageError: no face in it.
        """
        boxes, how = self._box(image), self.alignment
        if how.kind == "context":
            chips = crop_context(image, boxes, size=self.size, context=how.context)
        elif how.kind == "extended":
            chips = crop_extended(image, boxes, size=self.size, context=how.context)
        else:
            chips = crop_boxes(image, boxes, size=self.size, margin=how.margin)
        chip: Pixels = chips[0]
        return chip

    def _box(self, image: Pixels) -> NDArray[np.float32]:
        if self.detector is None:
            height, width = image.shape[:2]
            return np.array([[0, 0, width, height]], np.float32)
        return largest(self.detector.detect(image)).boxes


@dataclass(frozen=True, eq=False)
class Pictures:
    """Chips of all pictures that can be used.

    Args:
        chips: ``(n, size, size, 3)`` uint8 RGB.
        targets: ``(n,)`` index of each one's class.
        classes: in natural order.
        names: as the user knows them.
        sides: ``"train"``, ``"val"`` or ``"test"`` of each.
        problems: what was left out, and why.
        leaks: what lies on two sides though it belongs together, where that was allowed.
    """

    chips: Pixels
    targets: Rows
    classes: tuple[str, ...]
    names: tuple[str, ...]
    sides: tuple[Part, ...]
    problems: tuple[Problem, ...] = ()
    leaks: tuple[Leak, ...] = ()

    def rows(self, side: Part) -> Rows:
        """Which pictures lie on ``side``."""
        return np.flatnonzero(np.array(self.sides) == side)

    def counts(self, side: Part) -> dict[str, int]:
        """How many pictures of each class lie on ``side``."""
        found = np.bincount(self.targets[self.rows(side)], minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Reading:
    """How pictures are divided.

    Args:
        validation: share of the training pictures to choose the epoch with, where the set has no such side.
        seed: another one divides otherwise.
        allow_leak: go on although train and test share something.
    """

    validation: float = 0.2
    seed: int = 0
    allow_leak: bool = False


def largest(faces: Faces) -> Faces:
    """The face with the largest box.

    Raises:
        ImageError: there is none.
    """
    if not len(faces):
        raise ImageError("no face was found in it")
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    return faces[int(sides.prod(axis=1).argmax())]


def beside(training: LabelledSet, test: LabelledSet | None) -> LabelledSet:
    """One set of two: what has no side yet is to train with, all of ``test`` to test with.

    Raises:
        InputError: the two have other classes.
    """
    sides = tuple(_PLACED[side] for side in training.sides)
    if test is None:
        return replace(training, sides=sides)
    if unknown := set(test.classes) - set(training.classes):
        raise InputError(
            f"{printable(test.root)} has classes that {printable(training.root)} has not: {', '.join(sorted(unknown))}"
        )
    if training.arrays or test.arrays:
        raise InputError("--test goes with folders; put the test pictures into the same npz as testX and testy")
    names = (*_below("train", training), *_below("test", test))
    return _Joined(
        Path(),
        names,
        (*training.labels, *test.labels),
        (*sides, *(_PLACED["test"] for _ in test.names)),
        problems=(*training.problems, *test.problems),
        files=tuple(found.path(i) for found in (training, test) for i in range(len(found))),
    )


@dataclass(frozen=True, eq=False)
class _Joined(LabelledSet):
    """Pictures of two folders; ``names`` begin with the side, ``files`` say where they are."""

    files: tuple[Path, ...] = ()

    def path(self, index: int) -> Path:
        return self.files[index]


def _below(side: str, found: LabelledSet) -> list[str]:
    """Names of the form ``side/Class/…``, whatever side a folder had of its own."""
    return [name if found.sides[i] else f"{side}/{name}" for i, name in enumerate(found.names)]


def read_pictures(found: LabelledSet, cut: Cut, how: Reading) -> Generator[tuple[int, int], None, Pictures]:
    """Read every picture once; yields how many are done, of how many.

    Corrupt files, and pictures without a face where faces are cut, are left out and reported. Copies of one picture under
    two labels are refused; validation pictures are taken from the training ones, near-duplicates and frames of one video
    kept together.

    Raises:
        InputError: fewer than two classes, too few pictures, one picture in two classes, train and test not apart.
    """
    found = beside(found, None)
    require_classes(found)
    chips: dict[int, Pixels] = {}
    looks: dict[int, Look] = {}
    problems = list(found.problems)
    for row in range(len(found)):
        try:
            picture = found.read(row)
            chips[row], looks[row] = cut.chip(picture.pixels), look(picture)
        except ImageError as error:
            name = printable(found.path(row))
            problems.append(Problem(name, str(error).removeprefix(f"cannot read {name}: ")))
        yield row + 1, len(found)
    seen = Survey(found, looks)
    require_classes(seen.readable)
    _refuse_two_classes(seen)
    leaks = seen.leaks
    if not how.allow_leak:
        refuse_leaks(leaks)
    sides = _with_validation(seen, how)
    kept = seen.readable
    return Pictures(
        np.stack([chips[row] for row in seen.rows]),
        kept.targets,
        kept.classes,
        tuple(printable(found.path(row)) for row in seen.rows),
        sides,
        tuple(problems),
        tuple(leaks),
    )


def _refuse_two_classes(seen: Survey) -> None:
    """Refuse one photograph that bears two labels: it can only be learnt wrong."""
    doubled = seen.in_two_classes
    if doubled:
        found = seen.found
        named = "; ".join(" and ".join(printable(found.path(row)) for row in rows[:2]) for rows in doubled[:3])
        raise InputError(
            f"{len(doubled)} {'picture is' if len(doubled) == 1 else 'pictures are'} in two classes at once: {named}; remove what is"
            " in the wrong folder"
        )


def _with_validation(seen: Survey, how: Reading) -> tuple[Part, ...]:
    """The side of each readable picture; where none is to validate with, some of the training ones are."""
    kept, groups = seen.readable, seen.groups()
    sides = list(kept.sides)
    if "val" in sides:
        return tuple(sides)
    rows = [row for row, side in enumerate(sides) if side == "train"]
    chosen = split([kept.labels[r] for r in rows], groups[rows], share=1 - how.validation, seed=how.seed)
    for place in chosen.test:
        sides[rows[place]] = "val"
    _require_both(kept.labels, sides)
    return tuple(sides)


def _require_both(labels: Sequence[str], sides: Sequence[Part]) -> None:
    """Refuse a class that is learnt without being validated, or the reverse."""
    for side, what in (("train", "to learn from"), ("val", "to choose the epoch with")):
        missing = sorted(set(labels) - {label for label, at in zip(labels, sides, strict=True) if at == side})
        if missing:
            raise InputError(
                f"no picture of {', '.join(missing)} is left {what}: all are copies of each other or frames of one video; add"
                " others"
            )
