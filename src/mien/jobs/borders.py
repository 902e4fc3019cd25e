"""A folder of framed pictures becomes a folder of the pictures without their frames."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mien.core.errors import SettingError
from mien.core.faces import Faces
from mien.datasets.folders import find_pictures
from mien.jobs.manifest import RowFile
from mien.jobs.running import Event, Failed, run
from mien.media.borders import FrameOptions, find_frame
from mien.media.drawing import draw_faces
from mien.media.images import printable, read_image, write_image

__all__ = ["BORDERS", "Unframed", "crop_borders"]

BORDERS = "borders.csv"

_WRITTEN = {".jpg", ".jpeg", ".png", ".webp"}


class Unframed(NamedTuple):
    """One picture and what was cut off each side, pixels."""

    file: str
    left: int
    top: int
    right: int
    bottom: int


def crop_borders(
    source: Path, target: Path, *, draw: Path | None = None, options: FrameOptions | None = None
) -> Iterator[Event[Unframed]]:
    """Write every picture below ``source`` without its frame to the same place below ``target``, with ``borders.csv``.

    A picture without a frame is copied as it is, byte by byte.

    Args:
        source: a folder.
        target: another folder.
        draw: folder for drawings of the pictures with what is kept in a box.
        options: what counts as a frame; None takes the defaults.

    Raises:
        SettingError: ``target`` or ``draw`` lies in ``source``.
    """
    for folder in (target, draw):
        if folder is not None and folder.resolve().is_relative_to(source.resolve()):
            raise SettingError(f"{printable(folder)} lies in the source {printable(source)}; choose a folder outside")
    found = find_pictures([source])
    for index, problem in enumerate(found.problems, 1):
        yield Failed("find", index, len(found.problems), problem.name, problem.reason)

    def work(path: Path) -> Unframed:
        row = _crop(path, path.relative_to(source), (target, draw), options or FrameOptions())
        rows.add(row)
        return row

    rows = RowFile(target / BORDERS, [Unframed._fields])
    try:
        yield from run(found.pictures, work, stage="crop", name=printable)
    finally:
        rows.close()


def _crop(path: Path, name: Path, folders: tuple[Path, Path | None], options: FrameOptions) -> Unframed:
    """Write one picture without its frame, and its drawing."""
    target, draw = folders
    picture = read_image(path)
    height, width = picture.pixels.shape[:2]
    x1, y1, x2, y2 = find_frame(picture.pixels, options)
    cut = (x1, y1, x2, y2) != (0, 0, width, height)
    file = name.with_suffix(name.suffix if not cut or name.suffix.lower() in _WRITTEN else ".png")
    (target / file).parent.mkdir(parents=True, exist_ok=True)
    if cut:
        write_image(target / file, np.ascontiguousarray(picture.pixels[y1:y2, x1:x2]))
    else:
        shutil.copy2(path, target / file)
    if draw is not None:
        box = Faces(np.array([[x1, y1, x2, y2]], np.float32), np.ones(1, np.float32))
        proof = (draw / name).with_suffix(".jpg")
        proof.parent.mkdir(parents=True, exist_ok=True)
        write_image(proof, draw_faces(picture.pixels, box, ["kept" if cut else "no frame"]))
    return Unframed(file.as_posix(), x1, y1, width - x2, height - y2)
