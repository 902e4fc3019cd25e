"""Pictures with marked faces, whatever the file: WIDER FACE (.mat or text), FDDB, COCO, CSV, as one set to be judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.annotations import (
    WIDER_ATTRIBUTES,
    WIDER_LEVELS,
    MarkedPicture,
    read_wider,
    read_wider_lists,
)
from mien.datasets.box_files import BoxFile, BoxLine, find_picture, read_boxes
from mien.media.images import printable

__all__ = ["MarkedSet", "grouped", "read_marked", "without_outside"]

ALL = "all"
_PLACES = {"x1", "y1", "x2", "y2", "xmin", "ymin", "xmax", "ymax", "left", "top", "right", "bottom", "x", "y", "width"}
_PLACES |= {"height", "w", "h", "file", "picture", "image", "filename", "image_name", "path"}
_IGNORE = "ignore"
_YES = {"1", "yes", "true"}


@dataclass(frozen=True, slots=True)
class MarkedSet:
    """Pictures with what is marked in them.

    Args:
        form: ``"wider"``, ``"fddb"``, ``"coco"`` or ``"csv"``.
        pictures: those that are there, in the order of the file.
        levels: sets of faces to be found, each holding the ones before it: WIDER's easy, medium and hard, or ``"all"``.
        absent: how many pictures the file names that are not there.
        example: one of them; empty if none or unknown.
        unusable: boxes that are no box (no area, no number), counted; they are neither right nor wrong to find.
        examples: the first of those, with file and line.
    """

    form: str
    pictures: tuple[MarkedPicture, ...]
    levels: tuple[str, ...]
    absent: int = 0
    example: str = ""
    unusable: int = 0
    examples: tuple[str, ...] = field(default=())


def read_marked(annotations: Path, *, pictures: Path, lists: Path | None = None) -> MarkedSet:
    """A file of marked faces, or a folder of FDDB's ``*ellipseList.txt``, over the pictures that are there.

    Args:
        annotations: see ``read_boxes``; its format is told by its ending and content.
        pictures: the folder that the names in it begin from.
        lists: WIDER's folder ``ground_truth`` with its easy, medium and hard lists; None looks for it beside the file.

    Raises:
        InputError: a file that cannot be read, or none of its pictures is there.
        MissingExtraError: a ``.mat`` file without SciPy.
    """
    lists = lists or _beside(annotations)
    if annotations.suffix.lower() == ".mat":
        found = _from_mat(annotations, pictures, lists if "val" in annotations.stem else None)
    elif annotations.is_dir():
        files = sorted(annotations.glob("*ellipseList.txt"))
        if not files:
            raise InputError(f"{printable(annotations)}: expected FDDB's FDDB-fold-…-ellipseList.txt, found none")
        found = _joined([_from_boxes(read_boxes(file), pictures, None) for file in files])
    else:
        found = _from_boxes(read_boxes(annotations), pictures, lists)
    if not found.pictures:
        where = f", e.g. {printable(found.example)}" if found.example else ""
        raise InputError(
            f"none of the {found.absent} pictures that {printable(annotations)} names is in {printable(pictures)}{where}; "
            "give the folder that those names begin from"
        )
    return found


def grouped(marked: MarkedSet, groups: Mapping[str, Sequence[str]]) -> MarkedSet:
    """The set whose faces carry what is said of their picture; ``""`` becomes ``unknown``.

    Args:
        marked: what is there.
        groups: for each column the group of every picture.
    """
    return replace(
        marked,
        pictures=tuple(
            replace(
                m,
                labels={
                    **m.labels,
                    **{column: (each[i] or "unknown",) * len(m.boxes) for column, each in groups.items()},
                },
            )
            for i, m in enumerate(marked.pictures)
        ),
    )


def without_outside(marked: MarkedSet, sizes: Sequence[tuple[int, int]]) -> tuple[MarkedSet, int]:
    """The set with counted faces that lie wholly outside their picture no longer counted, and how many there were.

    Args:
        marked: what is there; WIDER's own lists stay as they are.
        sizes: width and height of the same pictures.
    """
    if marked.form == "wider":
        return marked, 0
    pictures, outside = [], 0
    for m, (width, height) in zip(marked.pictures, sizes, strict=True):
        b = m.boxes
        inside = (b[:, 0] < width) & (b[:, 1] < height) & (b[:, 2] > 0) & (b[:, 3] > 0)
        outside += int((~inside & m.counted[marked.levels[-1]]).sum())
        pictures.append(replace(m, counted={level: mask & inside for level, mask in m.counted.items()}))
    return replace(marked, pictures=tuple(pictures)), outside


def _beside(annotations: Path) -> Path | None:
    folder = annotations.parent / "ground_truth"
    return folder if (folder / "wider_hard_val.mat").is_file() else None


def _from_mat(file: Path, pictures: Path, lists: Path | None) -> MarkedSet:
    marked, absent = read_wider(file, pictures=pictures, lists=lists)
    flat = [int(((m.boxes[:, 2:] - m.boxes[:, :2]) <= 0).any(axis=1).sum()) for m in marked]
    examples = tuple(f"{m.path.name}: a box without area" for m, n in zip(marked, flat, strict=True) if n)[:3]
    if lists is None:
        marked = [_counting_usable(m) for m in marked]
    return MarkedSet(
        "wider", tuple(marked), WIDER_LEVELS if lists else (ALL,), absent, unusable=sum(flat), examples=examples
    )


def _counting_usable(m: MarkedPicture) -> MarkedPicture:
    return MarkedPicture(m.path, m.event, m.boxes, {ALL: m.usable}, m.attributes)


def _joined(sets: Sequence[MarkedSet]) -> MarkedSet:
    first = sets[0]
    return MarkedSet(
        first.form,
        tuple(m for each in sets for m in each.pictures),
        first.levels,
        sum(each.absent for each in sets),
        next((each.example for each in sets if each.example), ""),
        sum(each.unusable for each in sets),
        tuple(e for each in sets for e in each.examples)[:3],
    )


def _from_boxes(found: BoxFile, pictures: Path, lists: Path | None) -> MarkedSet:
    """A file of boxes, line by line, grouped by picture."""
    by_picture: dict[str, list[BoxLine]] = {name: [] for name in found.pictures}
    for line in found.boxes:
        by_picture[line.picture].append(line)
    counted = read_wider_lists(lists) if lists is not None and found.form == "wider" else {}
    marked, absent, bad = [], [], []
    for name, lines in by_picture.items():
        path = find_picture(pictures, name)
        if path is None:
            absent.append(name)
            continue
        marked.append(_marked(found, path, lines, {level: rows.get(name) for level, rows in counted.items()}))
        bad += [line.where for line in lines if not _is_box(line)]
    levels = tuple(counted) or (ALL,)
    examples = tuple(f"{where}: no box" for where in bad[:3])
    return MarkedSet(found.form, tuple(marked), levels, len(absent), next(iter(absent), ""), len(bad), examples)


def _marked(
    found: BoxFile, path: Path, lines: Sequence[BoxLine], rows: Mapping[str, NDArray[np.intp] | None]
) -> MarkedPicture:
    usable = np.array([_is_box(line) for line in lines], bool)
    boxes = np.array([line.box if fine else (0, 0, 0, 0) for line, fine in zip(lines, usable, strict=True)], np.float32)
    boxes = boxes.reshape(-1, 4)
    attributes = _wider_attributes(lines) if found.form == "wider" else {}
    counted = usable & ~np.array([_ignored(found, line) for line in lines], bool)
    if "invalid" in attributes:
        counted &= attributes["invalid"] == 0
    levels = {level: _mask(level_rows, len(lines), path) for level, level_rows in rows.items()} or {ALL: counted}
    event = path.parent.name if found.form == "wider" else ""
    ellipses = np.array([[float(v) for v in line.tail] for line in lines], float) if found.form == "fddb" else None
    ellipses = ellipses.reshape(-1, 5) if ellipses is not None else None
    return MarkedPicture(path, event, boxes, levels, attributes, ellipses, _labels(found, lines))


def _is_box(line: BoxLine) -> bool:
    x1, y1, x2, y2 = line.box
    return all(map(math.isfinite, line.box)) and x1 < x2 and y1 < y2


def _ignored(found: BoxFile, line: BoxLine) -> bool:
    """Whether the file says that a face need not be found: COCO's crowds, a column ``ignore``."""
    if found.form == "coco":
        return "crowd" in line.tail
    if found.form == "csv" and _IGNORE in found.header:
        return line.tail[found.header.index(_IGNORE)].strip().lower() in _YES
    return False


def _wider_attributes(lines: Sequence[BoxLine]) -> dict[str, NDArray[np.uint8]]:
    if any(len(line.tail) < len(WIDER_ATTRIBUTES) for line in lines):
        return {}
    return {
        name: np.array([int(float(line.tail[i])) for line in lines], np.uint8)
        for i, name in enumerate(WIDER_ATTRIBUTES)
    }


def _mask(rows: NDArray[np.intp] | None, faces: int, path: Path) -> NDArray[np.bool_]:
    mask = np.zeros(faces, bool)
    if rows is None:
        return mask
    if rows.size and not 0 <= rows.min() <= rows.max() < faces:
        raise InputError(
            f"the lists count face {rows.max() + 1} of {path.name}, which has {faces}; not those of this file"
        )
    mask[rows] = True
    return mask


def _labels(found: BoxFile, lines: Sequence[BoxLine]) -> dict[str, tuple[str, ...]]:
    """Columns of a CSV file that are neither picture nor box."""
    if found.form != "csv":
        return {}
    more = [(i, name) for i, name in enumerate(found.header) if name and name not in _PLACES and name != _IGNORE]
    return {name: tuple(line.tail[i].strip() for line in lines) for i, name in more}
