"""Files of boxes that people drew: WIDER FACE, FDDB, COCO and CSV; what is wrong in them, by file and line, and mended.

Boxes are kept as they are written until ``check_boxes`` says what is wrong: a box that ends before it begins, has no area or
leaves its picture is a slip of the pen in one data set and a convention in another.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from mien.core.errors import InputError
from mien.datasets.annotations import read_wider
from mien.media.images import printable, write_whole

__all__ = ["BoxFile", "BoxLine", "Fault", "check_boxes", "find_picture", "read_boxes", "write_mended"]

Box = tuple[float, float, float, float]
FaultKind = Literal["no number", "wrong order", "no area", "outside", "beyond the border"]
Form = Literal["wider", "mat", "fddb", "coco", "csv"]

_CORNERS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("left", "top", "right", "bottom"))
_SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
_FILES = ("file", "picture", "image", "filename", "image_name", "path")


@dataclass(frozen=True, slots=True)
class BoxLine:
    """One box as it stands in a file.

    Args:
        picture: as the file names it.
        box: x1, y1, x2, y2 in pixels, x2 and y2 exclusive; NaN where no number stands.
        where: file and line, or file and number in a file without lines.
        tail: what else the line says: WIDER's attributes, FDDB's five numbers, all cells of a CSV row, COCO's crowd.
    """

    picture: str
    box: Box
    where: str
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class BoxFile:
    """A file of boxes.

    Args:
        path: where it is.
        form: its format.
        boxes: in the order of the file.
        pictures: every picture it names, those without a box too.
        sizes: width and height of pictures, where the file tells them.
        header: column names of a CSV file.
    """

    path: Path
    form: Form
    boxes: tuple[BoxLine, ...]
    pictures: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    header: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a box.

    Args:
        row: which box of the file.
        kind: what is wrong.
        words: one line with file, line, values and limits.
        mended: the box put right; None if it can only be left out.
    """

    row: int
    kind: FaultKind
    words: str
    mended: Box | None


def read_boxes(path: Path, pictures: Path | None = None) -> BoxFile:
    """Read a file of boxes; its format is told by its ending and content.

    Args:
        path: WIDER's ``.mat`` or ``_bbx_gt.txt``, FDDB's ``ellipseList.txt`` (ellipses become the boxes around them), a
            COCO ``.json``, or a ``.csv`` with a header (``file`` and x1, y1, x2, y2, or x, y, width, height, and others).
        pictures: the folder of the pictures; WIDER's ``.mat`` needs it.

    Raises:
        InputError: another file, with the line that cannot be read.
        MissingExtraError: a ``.mat`` file without SciPy.
    """
    ending = path.suffix.lower()
    if ending == ".mat":
        return _read_mat(path, pictures)
    text = _text(path)
    if ending == ".json":
        return _read_coco(path, text)
    if ending == ".csv":
        return _read_csv(path, text)
    return _read_lists(path, text.splitlines())


def check_boxes(found: BoxFile, sizes: Mapping[str, tuple[int, int]]) -> list[Fault]:
    """What is wrong, box by box; a box with two faults is named by the first of ``FaultKind``.

    Args:
        found: the file.
        sizes: width and height of the pictures that are there; boxes of others are not held against a border.
    """
    known = {**found.sizes, **sizes}
    return [
        fault
        for row, line in enumerate(found.boxes)
        if (fault := _fault(row, line, known.get(line.picture))) is not None
    ]


def write_mended(found: BoxFile, faults: Sequence[Fault], target: Path) -> Counter[str]:
    """A copy of the file with its boxes mended or left out; how many of each kind.

    A CSV file, WIDER text and COCO stay what they are; FDDB's ellipses and MATLAB files become CSV (``file,x1,y1,x2,y2``).

    Raises:
        InputError: ``target`` is the file itself or cannot be written.
    """
    if target.resolve() == found.path.resolve():
        raise InputError(f"{printable(target)} is the file that is read; name another one for the mended copy")
    mended: dict[int, Box | None] = {fault.row: fault.mended for fault in faults}
    boxes = [(row, line, box) for row, line in enumerate(found.boxes) if (box := mended.get(row, line.box)) is not None]
    try:
        write_whole(target, _WRITERS[found.form](found, boxes).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise InputError(f"cannot write {printable(target)}: {(error.strerror or str(error)).lower()}") from error
    return Counter(f"{fault.kind}, {'left out' if fault.mended is None else 'mended'}" for fault in faults)


def find_picture(root: Path, name: str) -> Path | None:
    """The picture that a file of boxes names, with or without an ending; None if it is not there or lies outside."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return None
    tries = (root / name, *(root / f"{name}{ending}" for ending in (".jpg", ".png", ".jpeg")))
    return next((path for path in tries if path.is_file()), None)


def _fault(row: int, line: BoxLine, size: tuple[int, int] | None) -> Fault | None:
    x1, y1, x2, y2 = line.box
    said = f"{line.where}: box {x1:g},{y1:g} – {x2:g},{y2:g} of {printable(line.picture)}"
    if not all(map(math.isfinite, line.box)):
        return Fault(row, "no number", f"{said} has a value that is no number", None)
    ordered = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    if ordered[0] == ordered[2] or ordered[1] == ordered[3]:
        return Fault(row, "no area", f"{said} has no area", None)
    inside = _clipped(ordered, size)
    if ordered != line.box:
        return Fault(row, "wrong order", f"{said} ends before it begins", inside)
    if inside is None:
        return Fault(row, "outside", f"{said} lies outside its {_by(size)}", None)
    if inside != line.box:
        return Fault(row, "beyond the border", f"{said} leaves its {_by(size)}", inside)
    return None


def _by(size: tuple[int, int] | None) -> str:
    return f"{size[0]} × {size[1]} pixels" if size else "picture"


def _clipped(box: Box, size: tuple[int, int] | None) -> Box | None:
    """The part inside the picture; None if there is none."""
    if size is None:
        return box
    x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], size[0]), min(box[3], size[1])
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


# Readers


def _read_mat(path: Path, pictures: Path | None) -> BoxFile:
    if pictures is None:
        raise InputError(f"{printable(path)}: a WIDER .mat file is read together with its pictures; give their folder")
    marked, _ = read_wider(path, pictures=pictures)
    boxes = [
        BoxLine(name, tuple(box), f"{path.name}: {name}, face {i}")
        for picture in marked
        for name in [picture.path.relative_to(pictures).as_posix()]
        for i, box in enumerate(picture.boxes.tolist(), 1)
    ]
    names = tuple(picture.path.relative_to(pictures).as_posix() for picture in marked)
    return BoxFile(path, "mat", tuple(boxes), names)


def _read_lists(path: Path, lines: Sequence[str]) -> BoxFile:
    """WIDER's and FDDB's text: a name, a count, then so many lines."""
    boxes: list[BoxLine] = []
    names: list[str] = []
    form: Form | None = None
    at = 0
    while at < len(lines):
        name, at = lines[at].strip(), at + 1
        if not name:
            continue
        count, at = _count(path, lines, at), at + 1
        names.append(name)
        if at + count > len(lines):
            raise InputError(
                f"{printable(path)}:{at}: {count} boxes of {printable(name)} announced, the file ends before"
            )
        for number in range(at, at + count):
            parts = lines[number].split()
            form = form or ("fddb" if len(parts) == 6 else "wider")
            boxes.append(_listed(path, number + 1, name, parts, form))
        at += count
        if (
            not count and at < len(lines) and lines[at].split() == ["0"] * 10
        ):  # WIDER's line for a picture without a face
            at += 1
    if not names:
        raise InputError(f"{printable(path)}: expected WIDER's or FDDB's lists of boxes, got an empty file")
    return BoxFile(path, form or "wider", tuple(boxes), tuple(names))


def _count(path: Path, lines: Sequence[str], at: int) -> int:
    try:
        return int(lines[at])
    except (IndexError, ValueError) as error:
        got = f"{lines[at].strip()!r}" if at < len(lines) else "the end of the file"
        raise InputError(
            f"{printable(path)}:{at + 1}: expected the number of boxes of {printable(lines[at - 1].strip())}, got {got}"
        ) from error


def _listed(path: Path, number: int, name: str, parts: Sequence[str], form: Form) -> BoxLine:
    where = f"{path.name}:{number}"
    values = [_number(part) for part in parts]
    if form == "fddb" and len(values) == 6:
        return BoxLine(name, _around(*values[:5]), where, tuple(parts[:5]))
    if form == "wider" and len(values) >= 4:
        x, y, w, h = values[:4]
        return BoxLine(name, (x, y, x + w, y + h), where, tuple(parts[4:]))
    raise InputError(
        f"{printable(path)}:{number}: expected x y width height … (WIDER) or five numbers and 1 (FDDB), got {' '.join(parts)!r}"
    )


def _around(major: float, minor: float, angle: float, x: float, y: float) -> Box:
    """The upright box around an ellipse of two half-axes, the major one at ``angle`` radians to the horizontal."""
    half_x = math.hypot(major * math.cos(angle), minor * math.sin(angle))
    half_y = math.hypot(major * math.sin(angle), minor * math.cos(angle))
    return (x - half_x, y - half_y, x + half_x, y + half_y)


def _read_coco(path: Path, text: str) -> BoxFile:
    try:
        whole = json.loads(text)
        images = {image["id"]: image for image in whole["images"]}
        boxes = tuple(_coco_box(path, images, number, mark) for number, mark in enumerate(whole["annotations"], 1))
        sizes = {str(i["file_name"]): (int(i["width"]), int(i["height"])) for i in images.values() if i.get("width")}
        names = tuple(str(image["file_name"]) for image in images.values())
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{printable(path)}: expected COCO's images and annotations, it lacks or breaks at {error}"
        ) from error
    return BoxFile(path, "coco", boxes, names, sizes)


def _coco_box(path: Path, images: Mapping[Any, Mapping[str, Any]], number: int, mark: Mapping[str, Any]) -> BoxLine:
    where = f"{path.name}: annotation {mark.get('id', number)}"
    if mark["image_id"] not in images:
        raise InputError(f"{where} is of image {mark['image_id']}, which the file does not list")
    if len(mark["bbox"]) != 4:
        raise InputError(f"{where}: expected bbox x, y, width, height, got {mark['bbox']}")
    x, y, w, h = (_number(value) for value in mark["bbox"])
    crowd = ("crowd",) if mark.get("iscrowd") else ()
    return BoxLine(str(images[mark["image_id"]]["file_name"]), (x, y, x + w, y + h), where, crowd)


def _read_csv(path: Path, text: str) -> BoxFile:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    name_at = next((header.index(name) for name in _FILES if name in header), None)
    form = next((names for names in (*_CORNERS, *_SIDES) if set(names) <= set(header)), None)
    if name_at is None or form is None:
        raise InputError(
            f"{printable(path)}:1: expected columns file and x1, y1, x2, y2 (or x, y, width, height), got {', '.join(header)}"
        )
    at = [header.index(name) for name in form]
    boxes: list[BoxLine] = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise InputError(f"{printable(path)}:{number}: expected {len(header)} cells, got {len(row)}")
        if all(not row[i].strip() for i in at):  # a picture without a face
            boxes.append(BoxLine(row[name_at], (math.nan,) * 4, f"{path.name}:{number}", tuple(row)))
            continue
        a, b, c, d = (_number(row[i]) for i in at)
        box = (a, b, c, d) if form in _CORNERS else (a, b, a + c, b + d)
        boxes.append(BoxLine(row[name_at], box, f"{path.name}:{number}", tuple(row)))
    real = tuple(line for line in boxes if any(line.tail[i].strip() for i in at))
    return BoxFile(path, "csv", real, tuple(dict.fromkeys(line.picture for line in boxes)), header=tuple(header))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {(error.strerror or str(error)).lower()}") from error


def _number(text: object) -> float:
    """A number, or NaN for what is none: the check names the line."""
    try:
        return float(text)  # type: ignore[arg-type]  # whatever JSON or CSV holds
    except (TypeError, ValueError):
        return math.nan


# Writers

_Kept = Iterable[tuple[int, BoxLine, Box]]


def _lists(found: BoxFile, boxes: _Kept) -> str:
    by_picture: dict[str, list[str]] = {name: [] for name in found.pictures}
    for _, line, (x1, y1, x2, y2) in boxes:
        numbers = " ".join(_plain(value) for value in (x1, y1, x2 - x1, y2 - y1))
        by_picture[line.picture].append(" ".join([numbers, *line.tail]))
    return "".join(_lines(name, lines) for name, lines in by_picture.items())


def _lines(name: str, lines: list[str]) -> str:
    body = lines or ["0 0 0 0 0 0 0 0 0 0"]
    return "\n".join([name, str(len(lines)), *body]) + "\n"


def _coco(found: BoxFile, boxes: _Kept) -> str:
    whole = json.loads(_text(found.path))
    marks = []
    for row, _, (x1, y1, x2, y2) in boxes:
        bbox = [x1, y1, x2 - x1, y2 - y1]
        mark = whole["annotations"][row]
        marks.append(mark if np.allclose(mark["bbox"], bbox) else {**mark, "bbox": bbox, "area": bbox[2] * bbox[3]})
    return json.dumps({**whole, "annotations": marks}, indent=1)


def _table(found: BoxFile, boxes: _Kept) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    names = next((n for n in (*_CORNERS, *_SIDES) if set(n) <= set(found.header)), _CORNERS[0])
    writer.writerow(found.header or ("file", *names))
    writer.writerows(_row(found, line, box, names) for _, line, box in boxes)
    return out.getvalue()


def _row(found: BoxFile, line: BoxLine, box: Box, names: Sequence[str]) -> Iterator[str]:
    x1, y1, x2, y2 = box
    values = dict(zip(names, map(_plain, box if names in _CORNERS else (x1, y1, x2 - x1, y2 - y1)), strict=True))
    if not found.header:
        yield from (line.picture, *values.values())
        return
    yield from (values.get(column, cell) for column, cell in zip(found.header, line.tail, strict=True))


def _plain(value: float) -> str:
    """Whole numbers without a point, others with three digits at most."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


_WRITERS: Mapping[Form, Callable[[BoxFile, _Kept], str]] = {
    "wider": _lists,
    "coco": _coco,
    "csv": _table,
    "fddb": _table,
    "mat": _table,
}
