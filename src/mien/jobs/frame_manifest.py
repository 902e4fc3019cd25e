"""What a folder of frames says of itself: which frame is of which video, and at what time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple, Self

from mien.core.errors import SettingError
from mien.jobs.manifest import MANIFEST, RowFile, read_rows
from mien.media.images import printable

__all__ = ["FrameManifest", "FrameRow", "times_of_frames", "videos_of_frames"]

_WHAT = "frames"

_BETWEEN_VIDEOS = 10.0
"""Seconds between the last frame of a video and the first of the next: nobody is followed from one to the other."""


class FrameRow(NamedTuple):
    """One place in a video where a frame was looked for.

    ``file`` is the frame's path below the folder, with ``/``; empty where no frame was taken (no usable face, or the
    frame was taken already). ``video`` is the path below the folder of videos. ``time`` is the frame's and ``wanted``
    the one asked for, seconds from the start. ``taken`` says how places were chosen, e.g. ``50 per person``.
    """

    file: str
    person: str
    video: str
    time: float
    wanted: float
    taken: str


class FrameManifest:
    """The manifest of a folder of frames, open for adding; a context manager.

    Args:
        folder: made if it is not there.
        taken: how places are chosen now.

    Raises:
        SettingError: the folder holds frames that were chosen otherwise.
        InputError: the folder cannot be written to, or its manifest is of something else.
    """

    def __init__(self, folder: Path, taken: str) -> None:
        path = folder / MANIFEST
        self.taken = taken
        self._folder = folder
        self.rows = {(row.video, row.wanted): row for row in read_rows(path, _row, what=_WHAT)}
        self._files = {row.file for row in self.rows.values()}
        other = next((row.taken for row in self.rows.values() if row.taken != taken), None)
        if other is not None:
            raise SettingError(f"{printable(folder)} holds frames taken as {other}, not {taken}; choose another folder")
        self._file = RowFile(path, [FrameRow._fields, *self.rows.values()])

    def add(self, row: FrameRow) -> None:
        """Remember a place that was looked at; safe at once, even if the process ends."""
        self.rows[row.video, row.wanted] = row
        self._files.add(row.file)
        self._file.add(row)

    def done(self, video: str, wanted: float) -> bool:
        """Whether a place was looked at and its frame, if there was one, is still there."""
        row = self.rows.get((video, wanted))
        return row is not None and (not row.file or (self._folder / row.file).is_file())

    def wanted(self, video: str) -> set[float]:
        """The places of a video that were looked at."""
        return {row.wanted for row in self.rows.values() if row.video == video}

    def is_taken(self, file: str) -> bool:
        """Whether a place has this frame already."""
        return file in self._files and (self._folder / file).is_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def videos_of_frames(folder: Path) -> dict[str, str]:
    """File below ``folder`` -> the video it is a frame of; empty where no manifest of frames is.

    Raises:
        InputError: a manifest of frames with rows that are none.
    """
    return {row.file: row.video for row in _frame_rows(folder)}


def times_of_frames(folder: Path) -> dict[str, float]:
    """File below ``folder`` -> its time, seconds; several videos one after the other. Empty without a manifest of frames.

    The manifest is that of the folder or, for one person's folder, of the folder above.

    Raises:
        InputError: a manifest of frames with rows that are none.
    """
    below = folder if (folder / MANIFEST).is_file() else folder.parent
    prefix = "" if below == folder else f"{folder.name}/"
    rows = [row for row in _frame_rows(below) if row.file.startswith(prefix) and (below / row.file).is_file()]
    times: dict[str, float] = {}
    offset, last, video = 0.0, -_BETWEEN_VIDEOS, None
    for row in sorted(rows, key=lambda row: (row.video, row.time)):
        if row.video != video:
            video, offset = row.video, last + _BETWEEN_VIDEOS
        times[row.file.removeprefix(prefix)] = last = offset + row.time
    return times


def _frame_rows(folder: Path) -> list[FrameRow]:
    """The rows that have a frame, of a manifest of frames."""
    path = folder / MANIFEST
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file), [])
    if tuple(header) != FrameRow._fields:  # another manifest, say of aligned faces
        return []
    return [row for row in read_rows(path, _row, what=_WHAT) if row.file]


def _row(cells: list[str]) -> FrameRow:
    file, person, video, time, wanted, taken = cells
    return FrameRow(file, person, video, float(time), float(wanted), taken)
