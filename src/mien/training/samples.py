"""Windows with and without a face, cut from photographs in which people marked the faces.

The rules, all about squares: a face is the square around the centre of its box that has the box's area.

1. Positive: a window that overlaps a face by ``Rules.positive`` (intersection over union) or more. Each face gives itself
   and versions that are a little shifted and scaled, as a grid of windows will meet it.
2. Negative: a window that overlaps every marked face by less than ``Rules.negative``, those that are too small, invalid or
   hidden to learn from among them. Half lie anywhere; half lie beside a face, or hold a part of it, or too much around it.
3. Hard negative: what the detector of the first round takes for a face, though it overlaps every marked one by less than
   ``Rules.negative``; the surest of each picture (Sung & Poggio 1998 call this bootstrapping).

What is drawn from a picture depends on the seed and the picture's number alone.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, MienError, SettingError
from mien.core.geometry import iou
from mien.core.protocols import Detector
from mien.datasets.annotations import MarkedPicture
from mien.datasets.folders import Problem
from mien.media.crops import crop_context
from mien.media.images import printable, write_whole
from mien.training.marked import Read

__all__ = [
    "Drawn",
    "Rules",
    "draw_samples",
    "joined_samples",
    "load_samples",
    "mine",
    "save_samples",
    "sides",
    "squares",
]

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
_TRIES = 40


@dataclass(frozen=True, slots=True)
class Rules:
    """Which windows are cut.

    Args:
        smallest: faces below this side (root of the area, pixels) are not learnt from: they would be enlarged blots.
        positive: least overlap of a positive window with its face.
        negative: overlap with any face that a negative window stays below.
        versions: positive windows per face.
        negatives: negative windows per picture.
        hard: hard negatives per picture, at most.
        window: side of the samples, pixels.
        seed: another one draws otherwise.

    Raises:
        SettingError: a value out of range.
    """

    smallest: float = 24.0
    positive: float = 0.65
    negative: float = 0.3
    versions: int = 4
    negatives: int = 30
    hard: int = 20
    window: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.negative < self.positive <= 1:
            raise SettingError(
                f"overlaps: negative {self.negative:g} must lie below positive {self.positive:g}, both between 0 and 1"
            )
        if min(self.smallest, self.versions, self.negatives) < 1 or self.hard < 0:
            raise SettingError(
                f"smallest {self.smallest:g}, versions {self.versions} and negatives {self.negatives} must be 1 or more,"
                f" hard {self.hard} 0 or more"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Samples.

    Args:
        chips: ``(n, window, window, 3)`` uint8 RGB.
        targets: ``(n,)`` 1 with a face, 0 without.
        pictures: ``(n,)`` number of the picture each is from.
        problems: pictures that could not be read.
    """

    chips: Pixels
    targets: NDArray[np.intp]
    pictures: NDArray[np.intp]
    problems: tuple[Problem, ...] = ()


def draw_samples(marked: Sequence[MarkedPicture], read: Read, rules: Rules) -> Generator[tuple[int, int], None, Drawn]:
    """Positive and negative samples of all pictures; yields how many pictures are done, of how many.

    Raises:
        InputError: no face to learn from in any of them, or no room beside the faces.
    """

    def draw(number: int, picture: MarkedPicture, image: Pixels) -> tuple[Boxes, Boxes]:
        generator = np.random.default_rng([rules.seed, number])
        faces = squares(picture.boxes)
        taught = faces[picture.usable & (sides(picture.boxes) >= rules.smallest)]
        return _positives(taught, rules, generator), _negatives(faces, taught, image.shape[:2], (rules, generator))

    drawn = yield from _cut_all(marked, read, rules, draw)
    if not drawn.targets.any():
        raise InputError(
            f"no face of {rules.smallest:g} pixels or more is marked in the {len(marked)} pictures that are there, so there"
            " is nothing to learn; lower --smallest, or check the boxes: mien dataset show PICTURES --annotations FILE"
        )
    if drawn.targets.all():
        raise InputError(f"no window without a face fits into the {len(marked)} pictures; add pictures with background")
    return drawn


def mine(
    marked: Sequence[MarkedPicture], read: Read, detector: Detector, rules: Rules
) -> Generator[tuple[int, int], None, Drawn]:
    """Hard negatives of all pictures: what ``detector`` takes for faces and is none."""

    def draw(_: int, picture: MarkedPicture, image: Pixels) -> tuple[Boxes, Boxes]:
        found = squares(detector.detect(image).boxes)
        wrong = iou(found, squares(picture.boxes)).max(axis=1, initial=0) < rules.negative
        return np.zeros((0, 4), np.float32), found[wrong][: rules.hard]

    return (yield from _cut_all(marked, read, rules, draw))


def joined_samples(*drawn: Drawn) -> Drawn:
    """All of them, in order."""
    return Drawn(
        np.concatenate([d.chips for d in drawn]),
        np.concatenate([d.targets for d in drawn]),
        np.concatenate([d.pictures for d in drawn]),
        tuple(problem for d in drawn for problem in d.problems),
    )


def save_samples(file: Path, drawn: Drawn, key: str) -> None:
    """Keep samples in one file of plain arrays, with what they were made from as ``key``."""
    buffer = io.BytesIO()
    np.savez(buffer, chips=drawn.chips, targets=drawn.targets, pictures=drawn.pictures, key=np.array(key))
    write_whole(file, buffer.getvalue())


def load_samples(file: Path, key: str) -> Drawn | None:
    """Samples that were kept; None if there are none, or if they were made from something else."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return Drawn(stored["chips"], stored["targets"], stored["pictures"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # what was kept can be made again
        return None


def sides(boxes: Boxes) -> NDArray[np.float32]:
    """``(n,)`` side of a face, pixels: the root of its box's area, 0 where it has none."""
    side: NDArray[np.float32] = np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1))
    return side


def squares(boxes: Boxes) -> Boxes:
    """The squares ``(n, 4)`` with the centres and areas of ``boxes``."""
    half = sides(boxes)[:, None] / 2
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


_Draw = Callable[[int, MarkedPicture, Pixels], tuple[Boxes, Boxes]]


def _cut_all(
    marked: Sequence[MarkedPicture], read: Read, rules: Rules, draw: _Draw
) -> Generator[tuple[int, int], None, Drawn]:
    """What ``draw`` chooses of each picture, positive and negative windows, as samples."""
    chips, targets, numbers = [np.zeros((0, rules.window, rules.window, 3), np.uint8)], [], []
    problems = []
    for number, picture in enumerate(marked):
        yield number, len(marked)
        try:
            image = read(picture.path)
        except MienError as error:
            problems.append(Problem(printable(picture.path), str(error)))
            continue
        positive, negative = draw(number, picture, image)
        chips.append(crop_context(image, np.concatenate([positive, negative]), size=rules.window, context=0))
        targets += [1] * len(positive) + [0] * len(negative)
        numbers += [number] * (len(positive) + len(negative))
    yield len(marked), len(marked)
    return Drawn(np.concatenate(chips), np.array(targets, np.intp), np.array(numbers, np.intp), tuple(problems))


def _positives(faces: Boxes, rules: Rules, draw: np.random.Generator) -> Boxes:
    """Each face as it is, and ``versions - 1`` times a little off."""
    off = (_near(face, rules, draw) for face in faces for _ in range(rules.versions - 1))
    return np.concatenate([faces, *off]).astype(np.float32)


def _near(face: Boxes, rules: Rules, draw: np.random.Generator) -> Boxes:
    """A window ``(1, 4)`` that is off by up to an eighth and a fifth of its size, as far as the rule admits."""
    for _ in range(_TRIES):
        window = _moved(face, draw.uniform(-0.125, 0.125, 2), np.exp(draw.uniform(-0.2, 0.2)))
        if iou(window, face[None])[0, 0] >= rules.positive:
            return window
    return face[None]


def _negatives(faces: Boxes, taught: Boxes, shape: tuple[int, int], how: tuple[Rules, np.random.Generator]) -> Boxes:
    """Up to ``rules.negatives`` windows inside a picture of ``shape`` (height, width) that hold none of ``faces``."""
    rules, draw = how
    found: list[Boxes] = []
    if min(shape) < rules.smallest:
        return np.zeros((0, 4), np.float32)
    for i in range(_TRIES * rules.negatives):
        beside = len(taught) > 0 and i % 2 == 1
        window = _beside(taught[draw.integers(len(taught))], draw) if beside else _anywhere(shape, rules.smallest, draw)
        inside = (window[0, :2] >= 0).all() and window[0, 3] <= shape[0] and window[0, 2] <= shape[1]
        if inside and iou(window, faces).max(initial=0) < rules.negative:
            found.append(window)
        if len(found) == rules.negatives:
            break
    return np.concatenate([np.zeros((0, 4), np.float32), *found])


def _anywhere(shape: tuple[int, int], smallest: float, draw: np.random.Generator) -> Boxes:
    """A window ``(1, 4)`` of any size, large ones as often as small ones, anywhere in the picture."""
    side = np.exp(draw.uniform(np.log(smallest), np.log(min(shape))))
    corner = draw.uniform(0, np.array([shape[1], shape[0]]) - side)
    return np.concatenate([corner, corner + side])[None].astype(np.float32)


def _beside(face: Boxes, draw: np.random.Generator) -> Boxes:
    """A window ``(1, 4)`` near a face: shifted by up to its side, or of half to twice its size."""
    return _moved(face, draw.uniform(-1, 1, 2), np.exp(draw.uniform(np.log(0.4), np.log(2.5))))


def _moved(face: Boxes, shift: NDArray[np.float64], scale: float) -> Boxes:
    """The square ``face`` (4,) shifted by shares of its side and scaled, as ``(1, 4)``."""
    side = face[2] - face[0]
    centre = (face[:2] + face[2:]) / 2 + shift * side
    half = side * scale / 2
    return np.concatenate([centre - half, centre + half])[None].astype(np.float32)
