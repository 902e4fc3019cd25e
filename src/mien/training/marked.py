"""Photographs with marked faces, as a recipe takes them: read from any file of boxes, faults told by file and line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, InputError
from mien.datasets.annotations import MarkedPicture, read_wider
from mien.datasets.box_files import BoxFile, Fault, check_boxes, find_picture, read_boxes
from mien.datasets.folders import Problem
from mien.datasets.near_duplicates import video_of
from mien.media.images import printable

__all__ = ["MarkedSet", "Place", "Read", "find_wider", "held_out", "read_marked", "shared_by"]

Box = tuple[float, float, float, float]
Read = Callable[[Path], NDArray[np.uint8]]
"""Opens a picture: ``(H, W, 3)`` uint8 RGB, or raises an ``ImageError``."""

_MENDED_BY_HAND = frozenset({"no number", "wrong order"})
"""Faults after which nobody knows what the other lines of the file mean."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where marked photographs are.

    Args:
        boxes: a file that ``read_boxes`` knows.
        pictures: the folder it names them in.
    """

    boxes: Path
    pictures: Path


@dataclass(frozen=True, slots=True, eq=False)
class MarkedSet:
    """Photographs that are there, with their faces.

    Args:
        pictures: in the order of the file.
        absent: how many it names that are not there.
        problems: pictures that cannot be read, and boxes that were left out, by file and line.
    """

    pictures: tuple[MarkedPicture, ...]
    absent: int
    problems: tuple[Problem, ...] = ()


def find_wider(folder: Path) -> tuple[Place, Place | None]:
    """The training part of WIDER FACE in ``folder``, and its validation part where that is there.

    Raises:
        InputError: no such folder.
    """
    training, validation = (_part(folder, side) for side in ("train", "val"))
    if training is None:
        raise InputError(
            f"{printable(folder)} is no folder of WIDER FACE: expected WIDER_train/images and"
            " wider_face_split/wider_face_train.mat in it; for other photographs name the file of boxes, and"
            " --pictures DIR"
        )
    return training, validation


def read_marked(place: Place, read: Read) -> Generator[tuple[int, int], None, MarkedSet]:
    """The photographs of a file of boxes that are there; what cannot be used is left out and listed.

    Yields how many pictures were looked at, of how many: boxes are held against the borders of their pictures.

    Raises:
        InputError: a file that cannot be read, boxes in the wrong order or that are no numbers (with the line and the
            remedy), or none of its pictures is there.
        MissingExtraError: a ``.mat`` file without SciPy.
    """
    if not place.pictures.is_dir():
        raise InputError(f"there is no folder {printable(place.pictures)} with the pictures of {place.boxes.name}")
    found = read_boxes(place.boxes, place.pictures)
    _refuse(place, check_boxes(found, {}))
    paths = {name: path for name in found.pictures if (path := find_picture(place.pictures, name)) is not None}
    sizes: dict[str, tuple[int, int]] = {}
    problems: list[Problem] = []
    for index, (name, path) in enumerate(paths.items()):
        yield index, len(paths)
        try:
            sizes[name] = read(path).shape[1::-1]
        except ImageError as error:
            problems.append(Problem(printable(path), str(error)))
    if not sizes:
        raise InputError(
            f"none of the {len(found.pictures)} pictures of {printable(place.boxes)} can be read in"
            f" {printable(place.pictures)}; name the folder that its paths begin in with --pictures"
        )
    faults = {fault.row: fault for fault in check_boxes(found, sizes)}
    told = [Problem(found.boxes[row].where, fault.words) for row, fault in faults.items() if fault.mended is None]
    marked = _gathered(found, faults, {name: paths[name] for name in sizes}, _invalid(place, found))
    return MarkedSet(tuple(marked), len(found.pictures) - len(paths), (*problems, *told))


def shared_by(training: tuple[Place, MarkedSet], test: tuple[Place, MarkedSet]) -> list[str]:
    """What lies on both sides, in words: the same photograph, under whatever name, and frames of one video."""
    (learnt, learns), (judged, judges) = training, test
    lines = [
        f"{printable(ours)} is {printable(theirs)}" if ours != theirs else printable(ours)
        for theirs, ours in _same_files([p.path for p in learns.pictures], [p.path for p in judges.pictures])
    ]
    videos = _videos(learnt, learns).keys() & _videos(judged, judges).keys()
    return lines + [f"frames of video {printable(video)}" for video in sorted(videos)]


def held_out(place: Place, marked: MarkedSet, share: float, seed: int) -> NDArray[np.intp]:
    """Numbers of ``share`` of the photographs, at random, in rising order; all frames of a video or none of them.

    Raises:
        InputError: fewer than two photographs, or frames of one video alone.
    """
    count = len(marked.pictures)
    together = {index: tuple(rows) for rows in _videos(place, marked).values() for index in rows}
    wanted = min(max(1, round(count * share)), count - 1)
    chosen: set[int] = set()
    for index in np.random.default_rng([seed, count]).permutation(count).tolist():
        if len(chosen) < wanted and len(chosen | set(together.get(index, (index,)))) < count:
            chosen.update(together.get(index, (index,)))
    if not chosen:
        raise InputError(
            f"expected two photographs or more, or frames of two videos, some of them to choose the epoch with, got {count}"
            f" in {printable(place.boxes)}; add others"
        )
    return np.array(sorted(chosen), np.intp)


def _same_files(some: Sequence[Path], others: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pairs of equal content; only files of one size are read."""
    sizes = {path: path.stat().st_size for path in {*some, *others}}
    twice = {sizes[path] for path in some} & {sizes[path] for path in others}
    digests = {path: hashlib.sha256(path.read_bytes()).digest() for path, size in sizes.items() if size in twice}
    first = {digests[path]: path for path in some if path in digests}
    return [(first[digests[path]], path) for path in others if digests.get(path) in first]


def _videos(place: Place, marked: MarkedSet) -> dict[str, list[int]]:
    """Which pictures are frames of which video, by their names, below the folder of the pictures."""
    found: dict[str, list[int]] = {}
    for index, picture in enumerate(marked.pictures):
        video = video_of(picture.path.stem)
        if video is not None:
            below = picture.path.relative_to(place.pictures).parent
            found.setdefault((below / video).as_posix(), []).append(index)
    return found


def _part(folder: Path, side: str) -> Place | None:
    split, pictures = folder / "wider_face_split", folder / f"WIDER_{side}" / "images"
    files = (split / f"wider_face_{side}.mat", split / f"wider_face_{side}_bbx_gt.txt")
    file = next((file for file in files if file.is_file()), None)
    return Place(file, pictures) if file is not None and pictures.is_dir() else None


def _refuse(place: Place, faults: Sequence[Fault]) -> None:
    """Stop where a file's boxes do not mean what they should; boxes without an area are left out instead."""
    grave = [fault for fault in faults if fault.kind in _MENDED_BY_HAND]
    if grave:
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(fault.kind for fault in grave).items())
        raise InputError(
            f"{grave[0].words} ({kinds} in all); mien dataset info {printable(place.pictures)} --annotations"
            f" {printable(place.boxes)} --fix MENDED writes a mended copy"
        )


def _invalid(place: Place, found: BoxFile) -> list[bool]:
    """Whether WIDER marks each box as one that should not be learnt from."""
    if found.form == "mat":
        marked, _ = read_wider(place.boxes, pictures=place.pictures)
        return [bool(flag) for picture in marked for flag in picture.attributes["invalid"]]
    return [found.form == "wider" and len(line.tail) > 3 and line.tail[3] == "1" for line in found.boxes]


def _gathered(
    found: BoxFile, faults: Mapping[int, Fault], paths: Mapping[str, Path], invalid: Sequence[bool]
) -> list[MarkedPicture]:
    """Each picture with its boxes, the mended ones mended and the others left out."""
    boxes: dict[str, list[Box]] = {name: [] for name in paths}
    flags: dict[str, list[bool]] = {name: [] for name in paths}
    for row, line in enumerate(found.boxes):
        box = faults[row].mended if row in faults else line.box
        if line.picture in paths and box is not None:
            boxes[line.picture].append(box)
            flags[line.picture].append(invalid[row])
    return [
        MarkedPicture(
            path,
            "",
            np.array(boxes[name], np.float32).reshape(-1, 4),
            attributes={"invalid": np.array(flags[name], np.uint8)},
        )
        for name, path in paths.items()
    ]
