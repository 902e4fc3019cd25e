"""Frames with their times: from a video file or from a folder of frames, one at a time, upright RGB."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, Self

from mien.core.errors import ImageError
from mien.core.faces import Picture
from mien.media.images import READABLE_SUFFIXES, printable, read_image
from mien.media.video_file import VideoFile

__all__ = ["VIDEO_SUFFIXES", "FrameFolder", "Video", "VideoFile", "is_video", "open_video"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp", ".flv", ".wmv"}
)
"""Lower-case endings that a folder is searched for; a file named outright is read whatever its ending."""

_ROUNDING = 1e-4  # of a frame


class Video(Protocol):
    """Frames over time; a context manager, used by one thread."""

    @property
    def name(self) -> str:
        """The path as the user knows it."""

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""

    def frames(self) -> Iterator[Picture]:
        """Every frame in order, from the start, with its ``time``."""

    def at(self, time: float) -> Picture:
        """The frame that is shown at ``time`` seconds."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name ends like a video's."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def open_video(path: str | os.PathLike[str], *, rate: float = 25.0) -> Video:
    """A video file, or a folder of pictures as frames; close it, or use it in ``with``.

    Args:
        path: a file or a folder.
        rate: frames per second of a folder.

    Raises:
        ImageError: see ``VideoFile`` and ``FrameFolder``.
        MissingExtraError: a file, without the extra ``video``.
    """
    return FrameFolder(path, rate=rate) if Path(path).is_dir() else VideoFile(path)


class FrameFolder:
    """The pictures of a folder as frames: by name in the order of their numbers at a steady rate, or at given times.

    Args:
        path: the folder; what lies in folders below is not looked at, unless ``times`` names it.
        rate: frames per second; with ``times`` only the last frame is shown for as long.
        times: seconds by the path of a file below the folder; None takes every picture at the steady rate.

    Raises:
        ImageError: no picture in the folder.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, rate: float = 25.0, times: Mapping[str, float] | None = None
    ) -> None:
        self.name = os.fspath(path)
        self._rate = rate
        folder = Path(path)
        if times is None:
            found = (f for f in folder.iterdir() if f.suffix.lower() in READABLE_SUFFIXES and f.name[0] != ".")
            self._files = sorted(found, key=_number_order)
            self._times = [i / rate for i in range(len(self._files))]
        else:
            self._files = [folder / name for name in sorted(times, key=lambda name: (times[name], name))]
            self._times = sorted(times.values())
        if not self._files:
            raise ImageError(f"cannot read {printable(path)}: there are no pictures in this folder")

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return self._times[-1] + 1 / self._rate

    def frames(self) -> Iterator[Picture]:
        """Every picture in order, with its ``time``.

        Raises:
            ImageError: some cannot be read: after the others.
        """
        bad: list[str] = []
        for index in range(len(self._files)):
            try:
                picture = self._frame(index)
            except ImageError as error:
                bad.append(str(error))
                continue
            yield picture
        if bad:
            raise ImageError(f"{len(bad)} of {len(self._files)} frames are left out, the first: {bad[0]}")

    def at(self, time: float) -> Picture:
        """The picture that is shown at ``time`` seconds.

        Raises:
            ImageError: a time beyond the last picture, or one that cannot be read.
        """
        index = max(bisect_right(self._times, time + _ROUNDING / self._rate) - 1, 0)
        if time + _ROUNDING / self._rate >= self.duration:
            raise ImageError(
                f"cannot read {printable(self.name)}: no frame at {time:.3f} s; it is {self.duration:.3f} s long"
            )
        return self._frame(index)

    def _frame(self, index: int) -> Picture:
        read = read_image(self._files[index])
        return Picture(read.pixels, read.scale, read.source, read.sha256, self._times[index])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""


def _number_order(path: Path) -> tuple[list[str | int], str]:
    """2 before 10; ties by the name itself."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name
