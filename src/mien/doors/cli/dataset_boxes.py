"""``mien dataset info`` and ``show`` for pictures with boxes: count, check, mend, draw."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import Exit, Session
from mien.doors.cli.pictures import prepare_folder, readable, shown

if TYPE_CHECKING:
    from mien.datasets.box_files import BoxFile, Fault

__all__ = ["check", "tiles"]

COLUMNS = (
    "file",
    "format",
    "pictures",
    "absent",
    "boxes",
    "faces per picture",
    "smallest",
    "median",
    "largest",
    "faults",
)
_LISTED = 20


def check(session: Session, pictures: Path, files: Sequence[Path], *, fix: Path | None, allow_leak: bool) -> int | None:
    """Count the boxes of annotation files and say what is wrong with which; ``--fix`` writes one of them mended.

    Raises:
        SettingError: more than one file to mend.
        InputError: two files that name the same picture.
    """
    from mien.datasets.box_files import check_boxes, read_boxes, write_mended

    if fix is not None and len(files) != 1:
        raise SettingError(f"--fix writes one file, {len(files)} were given; mend them one by one")
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    told: list[str] = []
    named: list[tuple[Path, set[str]]] = []  # train and test may lie in two folders under one name
    for file in files:
        found = read_boxes(file, pictures)
        sizes = _sizes(session, pictures, found)
        faults = check_boxes(found, sizes)
        rows.append(_row(file, found, sizes, faults))
        named.append((file, set(found.pictures)))
        told += [fault.words for fault in faults]
        _tell(session, faults)
    session.out.table(f"boxes of {shown(pictures)}", rows, columns=COLUMNS, data={"files": rows, "faults": told})
    if fix is not None and not session.interrupted:
        prepare_folder(fix.parent)
        counts = write_mended(found, faults, fix)
        said = ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing to mend"
        session.out.note(f"{shown(fix)} written: {said}")
        return None
    _refuse_shared(session, named, allow_leak=allow_leak)
    return Exit.SOME_FAILED if any(row["faults"] for row in rows) else None


def tiles(
    session: Session, pictures: Path, files: Sequence[Path], *, count: int, seed: int
) -> tuple[list[Any], list[str]]:
    """Random pictures with their boxes drawn, and their names."""
    import random

    import numpy as np

    from mien.core.faces import Faces
    from mien.datasets.box_files import find_picture, read_boxes
    from mien.media.drawing import DrawOptions, draw_faces

    drawn: list[Any] = []
    names: list[str] = []
    for file in files:
        found = read_boxes(file, pictures)
        there = {path: name for name in found.pictures if (path := find_picture(pictures, name)) is not None}
        chosen = random.Random(seed).sample(sorted(there), min(count, len(there)))  # noqa: S311 - no secret
        for path, picture in readable(session, chosen, "drawing boxes"):
            mine = [line.box for line in found.boxes if line.picture == there[path]]
            boxes = np.array(mine, np.float32).reshape(-1, 4)
            faces = Faces(boxes * picture.scale, np.ones(len(boxes), np.float32))
            scale = max(picture.pixels.shape) / 400
            drawn.append(draw_faces(picture.pixels, faces, [""] * len(faces), DrawOptions(scale=scale)))
            names.append(f"{path.stem}: {len(mine)}")
    return drawn, names


def _refuse_shared(session: Session, named: Sequence[tuple[Path, set[str]]], *, allow_leak: bool) -> None:
    """Stop where two files, of train and of test, name the same pictures."""
    for (one, ours), (other, theirs) in itertools.combinations(named, 2):
        if shared := sorted(ours & theirs):
            said = f"leak: {len(shared)} pictures in both {shown(one)} and {shown(other)}, the first {shown(shared[0])}"
            if not allow_leak:
                raise InputError(
                    f"{said}; a test on what was learnt says nothing; take them out of one, or --allow-leak"
                )
            session.out.problem(f"mien: {said}; allowed")


def _sizes(session: Session, pictures: Path, found: BoxFile) -> dict[str, tuple[int, int]]:
    """Width and height of the pictures that are there; the damaged ones are reported. None at all is said, once."""
    from mien.datasets.box_files import find_picture

    there = {path: name for name in found.pictures if (path := find_picture(pictures, name)) is not None}
    if not there:
        session.out.note(
            f"none of the {len(found.pictures)} pictures of {found.path.name} is in {shown(pictures)}: all its boxes are"
            " counted, and held against no border but the file's own"
        )
        return {}
    return {there[path]: picture.size for path, picture in readable(session, list(there), "looking at pictures")}


def _row(file: Path, found: BoxFile, sizes: dict[str, tuple[int, int]], faults: Sequence[Fault]) -> dict[str, Any]:
    counted = [line for line in found.boxes if not sizes or line.picture in sizes]
    counted = [line for line in counted if all(map(math.isfinite, line.box))]
    sides = sorted(min(abs(x2 - x1), abs(y2 - y1)) for x1, y1, x2, y2 in (line.box for line in counted))
    return {
        "file": file.name,
        "format": {"wider": "WIDER", "mat": "WIDER", "fddb": "FDDB", "coco": "COCO", "csv": "CSV"}[found.form],
        "pictures": len(sizes),
        "absent": len(found.pictures) - len(sizes),
        "boxes": len(counted),
        "faces per picture": round(len(counted) / max(len(sizes) or len(found.pictures), 1), 2),
        **{name: round(sides[at], 1) for name, at in _places(len(sides)).items()},
        "faults": len(faults),
        "by kind": dict(Counter(fault.kind for fault in faults)),
    }


def _places(count: int) -> dict[str, int]:
    return {"smallest": 0, "median": count // 2, "largest": count - 1} if count else {}


def _tell(session: Session, faults: Sequence[Fault]) -> None:
    for fault in faults[:_LISTED]:
        session.out.problem(fault.words)
    if len(faults) > _LISTED:
        kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(f.kind for f in faults).most_common())
        session.out.problem(f"… {len(faults)} in all ({kinds})")
