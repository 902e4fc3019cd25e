"""Frames into a video file: H.264 where this machine's FFmpeg has it, each frame shown from its own time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, MissingExtraError
from mien.core.faces import check_image
from mien.media.images import printable

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["VideoWriter"]

_SUFFIXES = (".mp4", ".mov", ".mkv")
_CODECS = ("libx264", "libopenh264", "mpeg4")  # the first that is there
_TICK = Fraction(1, 90_000)  # seconds
_OPTIONS: dict[str, dict[str, object]] = {"libx264": {"preset": "veryfast", "crf": "20"}}


class VideoWriter:
    """Writes one video; a context manager. The file appears when it is whole; after an exception none is left.

    Args:
        path: ends in .mp4, .mov or .mkv.
        rate: frames per second for frames that come without a time, and what players are told.

    Raises:
        ImageError: another ending, or a place that cannot be written to.
        MissingExtraError: without the extra ``video``.
    """

    def __init__(self, path: str | os.PathLike[str], *, rate: float = 25.0) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() not in _SUFFIXES:
            raise self._error(f"expected an ending of {', '.join(_SUFFIXES)}, got {self._path.suffix!r}")
        self._rate = rate
        self._part = self._path.with_name(f".{secrets.token_hex(8)}{self._path.suffix}")
        self._container = self._open()
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._last = -1  # the last frame's time, ticks

    def write(self, pixels: NDArray[np.uint8], time: float | None = None) -> None:
        """Add one frame, ``(H, W, 3)`` uint8 RGB; an odd last row or column is left out, as H.264 has it.

        Args:
            pixels: all frames have one size.
            time: seconds from the start, later than that of the frame before; None is one frame after it.

        Raises:
            ImageError: a frame of another size, a time that is not later, or a disk that is full.
        """
        import av

        height, width = check_image(pixels).shape[:2]
        stream = self._stream = self._stream or self._begin(width, height)
        if (width, height) != self._size:
            raise self._error(f"expected frames of {self._size[0]} × {self._size[1]}, got {width} × {height}")
        even = np.ascontiguousarray(pixels[: stream.height, : stream.width])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.pts, frame.time_base = self._ticks(time), _TICK
        self._last = frame.pts
        self._mux(frame)

    def _ticks(self, time: float | None) -> int:
        if time is None:
            return self._last + round(1 / self._rate / _TICK) if self._last >= 0 else 0
        ticks = round(time / _TICK)
        if ticks <= self._last:
            raise self._error(f"expected a time after {float(self._last * _TICK):.3f} s, got {time:.3f} s")
        return ticks

    def _mux(self, frame: VideoFrame | None) -> None:
        """Encode and write one frame; None writes what the encoder still holds."""
        with self._said():
            if self._stream is not None:
                self._container.mux(self._stream.encode(frame))

    def _begin(self, width: int, height: int) -> VideoStream:
        import av

        if min(width, height) < 2:
            raise self._error(f"expected frames of 2 × 2 pixels or more, got {width} × {height}")
        codec = next(c for c in _CODECS if c in av.codecs_available)
        added = self._container.add_stream(codec, rate=Fraction(self._rate).limit_denominator(1001))
        stream = cast("VideoStream", added)
        stream.width, stream.height = width - width % 2, height - height % 2
        stream.pix_fmt = "yuv420p"  # what every player shows
        stream.codec_context.time_base = _TICK
        stream.options = _OPTIONS.get(codec, {})
        self._size = width, height
        return stream

    def _open(self) -> OutputContainer:
        try:
            import av
        except ImportError as error:
            raise MissingExtraError("videos", "video") from error
        with self._said():
            self._part.touch()  # av opens at the first frame: too late to hear that the place is wrong
            return av.open(f"file:{self._part}", "w", options={"movflags": "faststart"})

    def _finish(self) -> None:
        if self._stream is None:
            raise self._error("no frame was written")
        self._mux(None)
        with self._said():
            self._container.close()
            self._part.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file, or remove what there is of it.

        Raises:
            ImageError: no frame was written, or the disk is full.
        """
        import av

        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(av.error.FFmpegError):  # what cannot be finished is removed
                self._container.close()
            self._part.unlink(missing_ok=True)

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What FFmpeg or the system meets becomes one line."""
        import av

        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            raise self._error(str(error.strerror or type(error).__name__).lower()) from error

    def _error(self, why: str) -> ImageError:
        return ImageError(f"cannot write {printable(self._path)}: {why}")
