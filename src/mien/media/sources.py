"""One interface for whatever can be watched: webcams, network cameras, video files, folders of frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, SettingError
from mien.core.faces import Picture
from mien.media.cameras import Camera, CameraOptions, CameraState, shown_source
from mien.media.images import printable
from mien.media.video import FrameFolder, Video, VideoFile

__all__ = ["Source", "SourceOptions", "VideoSource", "is_webcam", "open_source"]


class Source(Protocol):
    """Frames as they come; a context manager, to be asked by one thread. What is wrong with it is told by its state."""

    @property
    def name(self) -> str:
        """What it is called, without passwords."""

    @property
    def recorded(self) -> bool:
        """Whether it was recorded before, so that it is there from the beginning and told by its own time."""

    @property
    def state(self) -> CameraState:
        """How it does now."""

    @property
    def ended(self) -> bool:
        """Whether no further frame will ever come."""

    @property
    def time(self) -> float:
        """Where it is now, seconds, by the clock of ``Picture.time``, which never goes backwards."""

    def moment(self, time: float) -> datetime:
        """The wall clock's moment, aware, of a ``Picture.time``: a label, since wall clocks are put right."""

    def newest(self, timeout: float = 1.0) -> Picture | None:
        """The next frame to look at, with its ``time``; None if none arrives within ``timeout`` seconds."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source is watched.

    Args:
        live: play a file or a folder at its own speed as a camera would, of which only the newest frame is seen; else
            every frame is given, as fast as it is asked for.
        rate: frames per second of a folder without times.
        times: seconds by the path of each frame below a folder.
        began: when the recording in a file or folder began, aware; None for now.
        once: a camera that is lost is not connected again.
        max_megapixels: larger frames of a file are refused.
        camera: how a camera is held.
    """

    live: bool = False
    rate: float = 25.0
    times: Mapping[str, float] | None = None
    began: datetime | None = None
    once: bool = False
    max_megapixels: float = 100.0
    camera: CameraOptions = field(default_factory=CameraOptions)


def is_webcam(source: str) -> bool:
    """Whether a source names a webcam by its number; a file of that name is given as ``./0``."""
    return source.isascii() and source.isdigit()


def open_source(source: str, options: SourceOptions = SourceOptions()) -> Source:
    """Whatever ``source`` names: a webcam's number, an address (``rtsp://…``, ``http://…``), a video, a folder of frames.

    A webcam that was never there is not waited for, one that is unplugged is; a network camera is always waited for.

    Raises:
        SettingError: neither of these, or an option that does not fit it.
        ImageError: a file or folder that cannot be read.
        MissingExtraError: a file or address without the extra ``video``.
    """
    if is_webcam(source) or "://" in source:
        if options.began is not None:
            raise SettingError(
                f"{shown_source(source)} is a camera, whose pictures are of now; say when for a file only"
            )
        retry: Literal["never", "once live", "always"] = "once live" if is_webcam(source) else "always"
        return Camera(source, options=replace(options.camera, retry="never" if options.once else retry))
    if not Path(source).exists():
        raise SettingError(
            f"{printable(source)} is not there; expected a webcam's number, rtsp://… or http://…, a video or a folder"
        )
    if options.live and options.began is not None:
        raise SettingError("what is played live takes place now; say when it was recorded, or play it live, not both")
    video = _video(source, options)
    if not options.live:
        return VideoSource(video, began=options.began)
    playing = replace(options.camera, retry="never", timeout=1.0)
    return Camera(printable(source), options=playing, connect=partial(_played, video))


class VideoSource:
    """Every frame of a video by its own time, as fast as it is asked for.

    Args:
        video: closed with the source.
        began: the moment of its first frame, aware; None for now.
    """

    def __init__(self, video: Video, *, began: datetime | None = None) -> None:
        self.name = printable(video.name)
        self.recorded = True
        self.state = CameraState("live", began or datetime.now(UTC))
        self.ended = False
        self.time = 0.0
        self._began = self.state.since
        self._video = video
        self._frames = video.frames()

    def moment(self, time: float) -> datetime:
        """When the frame of that time was taken, aware."""
        return self._began + timedelta(seconds=time)

    def newest(self, timeout: float = 1.0) -> Picture | None:  # noqa: ARG002  # a file never keeps anybody waiting
        """The next frame; None at the end, or at damage, which the state tells."""
        try:
            picture = next(self._frames, None)
        except ImageError as error:
            self.state = CameraState("lost", self.moment(self.time), str(error))
            picture = None
        if picture is None:
            self.ended = True
            return None
        self.time = max(self.time, picture.time or 0.0)
        return picture

    def __enter__(self) -> Self:
        self._video.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended = True
        self._video.__exit__(*error)


def _video(source: str, options: SourceOptions) -> Video:
    if Path(source).is_dir():
        return FrameFolder(source, rate=options.rate, times=options.times)
    return VideoFile(source, max_megapixels=options.max_megapixels)


@contextmanager
def _played(video: Video) -> Iterator[Iterator[Callable[[], NDArray[np.uint8]]]]:
    closing: AbstractContextManager[object] = video
    with closing:
        yield _at_own_speed(video.frames())


def _at_own_speed(pictures: Iterator[Picture]) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    begin = time.monotonic()
    for picture in pictures:
        time.sleep(max((picture.time or 0.0) - (time.monotonic() - begin), 0.0))
        yield partial(_pixels, picture)


def _pixels(picture: Picture) -> NDArray[np.uint8]:
    return picture.pixels
