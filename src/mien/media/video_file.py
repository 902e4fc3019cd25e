"""Video files by PyAV (extra ``video``); why not by OpenCV is told in docs/decisions/060-video-reader.md."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, MissingExtraError
from mien.core.faces import Picture
from mien.media.images import printable

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["VideoFile", "upright"]

_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
"""What FFmpeg may take a file for: no playlists, which name other files and addresses, and no pictures."""
_THREADS = 2  # each more keeps another decoded frame in memory
_AHEAD = 1.0  # seconds that are decoded through rather than sought over, until the distance of key frames is known
_STEPS_BACK = (0.0, 5.0, 30.0)  # seconds: where the container's index points behind the time wanted, seek earlier
_NEARLY_SQUARE = 0.05  # pixels whose sides differ by less are taken as square
_SLACK = 1.0  # seconds that a container may claim beyond its last frame
_ROUNDING = 1e-4  # seconds; containers keep times as whole ticks


class VideoFile:
    """A video file, open for reading; one frame at a time is in memory besides the decoder's own.

    Times are the container's, counted from the first frame, so that a variable frame rate is told as it is. Rotation
    that the file asks for is applied, and pixels that are not square are made so.

    Args:
        path: the file.
        max_megapixels: larger frames are refused.

    Raises:
        ImageError: one line saying why it cannot be read: no such file, empty, no video by its content, damaged, ends
            early, sound only, or too large.
        MissingExtraError: without the extra ``video``.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_megapixels: float = 100.0) -> None:
        self.name = os.fspath(path)
        self._container = _open(self.name)
        try:
            self._stream = self._picture_stream(max_megapixels)
        except ImageError:
            self._container.close()
            raise
        self._shape = _square_size(self._stream)
        # Kept, because a stream of a closed container may not be asked.
        self._tick = self._stream.time_base or Fraction(1, 1000)
        self._start = float((self._stream.start_time or 0) * self._tick)
        self._said = _said_duration(self._stream)
        self._duration = self._said
        self._first: float | None = None  # time of the first frame, once it was decoded
        self._coming: Iterator[VideoFrame] = iter(())
        self._shown: VideoFrame | None = None  # the frame before ``_next``: what is shown until ``_next`` is
        self._next: VideoFrame | None = None
        self._key = np.inf  # time of the last key frame that was decoded
        self._key_distance = _AHEAD  # the largest distance of two, seconds

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last, as the container says or, if it does not, as counted.

        Raises:
            ImageError: it holds no frame.
        """
        if not self._duration:
            self._duration = self._counted_duration()
        return self._duration

    @property
    def taken(self) -> datetime | None:
        """When it was taken, as the container says, aware; None if it does not."""
        said = self._container.metadata.get("creation_time", "")
        try:
            time = datetime.fromisoformat(said)
        except ValueError:
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time

    def frames(self) -> Iterator[Picture]:
        """Every frame in order, from the start, with its ``time``.

        Raises:
            ImageError: no frame at all, or the file is damaged or ends early: after the frames before that.
        """
        if self._show(0.0) is None:
            raise self._error("it holds no frame")
        end = 0.0
        while (frame := self._shown) is not None:
            end = self._time(frame) + _length(frame)
            yield self._picture(frame)
            self._step()
        if self._said > end + _SLACK:
            raise self._error(f"it is damaged or ends early: {max(end, 0.0):.1f} s are there of {self._said:.1f} s")

    def at(self, time: float) -> Picture:
        """The frame that is shown at ``time`` seconds; quick for times in rising order.

        Raises:
            ImageError: no frame at that time, because the file holds none, is damaged or ends before.
        """
        frame = self._show(max(time, 0.0))
        if frame is None:
            raise self._error("it holds no frame")
        end = self._time(frame) + _length(frame)
        if self._next is None and time > end + _SLACK:
            raise self._error(f"no frame at {time:.1f} s; it is damaged or ends early, at {end:.1f} s")
        return self._picture(frame)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # opening

    def _picture_stream(self, max_megapixels: float) -> VideoStream:
        """The first stream of moving pictures; a cover that comes with sound is none."""
        from av.stream import Disposition

        stream = next((s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic), None)
        if stream is None:
            sound = "only sound" if self._container.streams.audio else "nothing to show"
            raise self._error(f"it has no video stream, {sound}")
        if stream.codec_context is None:  # PyAV's types do not say so
            raise self._error("its pictures are coded in a way that is not known here")
        megapixels = stream.width * stream.height / 1e6
        if megapixels > max_megapixels:
            raise self._error(f"its frames have {megapixels:.1f} megapixels, more than the {max_megapixels:g} allowed")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = _THREADS
        return stream

    def _counted_duration(self) -> float:
        """Seconds by the times of all packets; reads the file through, decodes nothing."""
        with VideoFile(self.name, max_megapixels=np.inf) as again:
            ends = (p.pts + (p.duration or 0) for p in again._packets() if p.pts is not None)
            end = float(max(ends, default=0) * self._tick) - self._start
        if end <= 0:
            raise self._error("it holds no frame")
        return end

    # moving

    def _show(self, time: float) -> VideoFrame | None:
        """Go to the frame shown at ``time``: the last that begins no later, or the first of all; None if there is none."""
        if self._first is None:
            self._begin()
            self._first = 0.0 if self._shown is None else self._time(self._shown)
        ahead = time - (self._time(self._shown) if self._shown is not None else -np.inf)
        if not -_ROUNDING <= ahead <= self._key_distance:
            self._seek(time)
        while self._next is not None and self._time(self._next) <= time + _ROUNDING:
            self._step()
        return self._shown

    def _seek(self, time: float) -> None:
        """Go to a key frame no later than ``time``; to the start where the container cannot be sought in."""
        import av

        for back in _STEPS_BACK:
            target = max(time - back, 0.0)
            try:
                self._container.seek(
                    round((target + self._start) / self._tick), stream=self._stream, backward=True, any_frame=False
                )
            except av.error.FFmpegError:
                break
            self._begin()
            if self._shown is not None and self._time(self._shown) <= max(time, self._first or 0.0) + _ROUNDING:
                return
        self._reopen()
        self._begin()

    def _reopen(self) -> None:
        self._container.close()
        self._container = _open(self.name)
        self._stream = self._picture_stream(np.inf)

    def _begin(self) -> None:
        """Take up the first two frames from where the container stands."""
        self._coming = self._decoded()
        self._next = self._shown = None
        self._key = np.inf
        self._step()
        self._step()

    def _step(self) -> None:
        """One frame on."""
        self._shown, self._next = self._next, next(self._coming, None)
        if self._next is not None and self._next.key_frame:
            time = self._time(self._next)
            self._key_distance = max(self._key_distance, time - self._key)
            self._key = time

    def _decoded(self) -> Iterator[VideoFrame]:
        """Frames from where the container stands; damaged ones are left out."""
        import av

        for packet in self._packets():
            with suppress(av.error.FFmpegError):
                yield from (frame for frame in packet.decode() if frame.pts is not None)

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Packets from where the container stands; what cannot even be split into packets is the end."""
        import av

        with suppress(av.error.FFmpegError):
            yield from self._container.demux(self._stream)

    # frames

    def _time(self, frame: VideoFrame) -> float:
        return float((frame.pts or 0) * (frame.time_base or self._tick)) - self._start

    def _picture(self, frame: VideoFrame) -> Picture:
        import av

        width, height = self._shape
        try:
            pixels = np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8)
        except av.error.FFmpegError as error:
            raise self._error(f"the frame at {self._time(frame):.1f} s is damaged") from error
        return Picture(upright(pixels, frame.rotation), source=self.name, time=max(self._time(frame), 0.0))

    def _error(self, why: str) -> ImageError:
        return ImageError(f"cannot read {printable(self.name)}: {why}")


def _open(name: str) -> InputContainer:
    """The container of a regular file.

    Raises:
        ImageError, MissingExtraError: see ``VideoFile``.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("videos", "video") from error
    try:
        regular = stat.S_ISREG(Path(name).stat().st_mode)
        head = _head(name) if regular else b""
    except OSError as error:
        raise ImageError(f"cannot read {printable(name)}: {(error.strerror or str(error)).lower()}") from error
    if not regular:
        raise ImageError(f"cannot read {printable(name)}: it is not a regular file")
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{name}", options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise ImageError(f"cannot read {printable(name)}: {_what_is_wrong(head)}") from error


def _head(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return file.read(12)


def _what_is_wrong(head: bytes) -> str:
    """Why FFmpeg takes nothing from a file: an MP4 that was not written to its end lacks the index that stands there."""
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp":
        return "it is damaged or ends early: an MP4 without its index (was the recording or the copy finished?)"
    return "it is no video by its content, or damaged; expected MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV or Ogg"


def _said_duration(stream: VideoStream) -> float:
    """Seconds that the container claims for the pictures, 0 if it does not."""
    if stream.duration:
        return float(stream.duration * (stream.time_base or 0))
    said = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))  # Matroska's: 00:00:10.040000000
    return 0.0 if said is None else int(said[1]) * 3600 + int(said[2]) * 60 + float(said[3])


def _square_size(stream: VideoStream) -> tuple[int, int]:
    """Width and height of a frame as stored, widened where its pixels are not square."""
    ratio = float(stream.sample_aspect_ratio or 1) or 1.0
    width = stream.width if abs(ratio - 1) < _NEARLY_SQUARE else round(stream.width * ratio)
    return width, stream.height


def upright(pixels: NDArray[np.uint8], rotation: float) -> NDArray[np.uint8]:
    """``pixels`` turned by the display matrix's angle, degrees counter-clockwise, to the next quarter turn."""
    return np.ascontiguousarray(np.rot90(pixels, round(rotation / 90) % 4))


def _length(frame: VideoFrame) -> float:
    """How long a frame is shown, seconds, as the container says; 0 if it does not."""
    return float((frame.duration or 0) * (frame.time_base or 0))
