"""Live sources: the newest frame only, for as long as it takes; a source that is lost is connected again.

Never an exception in the loop of whoever watches: what is wrong with a source is told by its state.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, MissingExtraError, SettingError
from mien.core.faces import Picture
from mien.media.video_file import upright

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["Camera", "CameraOptions", "CameraState", "Connect", "shown_source"]

_FAREWELL = 2.0
"""Seconds that closing waits for the reading thread at most, so that Ctrl-C is not answered by silence."""

_SECRET = re.compile(
    r"(?<![a-z])((?:(?:login)?pas(?:s|swd|sword)?|pwd|(?:access_?)?token|auth|secret|(?:api_?)?key|sig(?:nature)?)=)[^&]*",
    re.IGNORECASE,
)
"""What cameras and video servers call it; some have it in the path: ``rtsp://cam/user=admin_password=…_channel=1``."""

Pixels = NDArray[np.uint8]
Frame = Callable[[], Pixels]
"""A decoded frame; calling it gives ``(H, W, 3)`` uint8 RGB. Frames that nobody asks for are never converted."""

Connect = Callable[[], AbstractContextManager[Iterator[Frame]]]
"""Opens a source; in ``with`` its frames come as they arrive. ``ImageError`` says in words why not, or why no more."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """How a source does.

    Args:
        name: ``connecting`` until the first frame, then ``live``, and ``lost`` until the next one.
        since: when that began.
        reason: why it is lost; empty otherwise.
    """

    name: Literal["connecting", "live", "lost"]
    since: datetime
    reason: str = ""

    def words(self) -> str:
        """One line for people, e.g. ``lost since 09:12:30: the connection was refused``."""
        if self.name != "lost":
            return self.name
        return f"lost since {self.since.astimezone():%H:%M:%S}: {self.reason}"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """How a source is held.

    Args:
        timeout: seconds without a frame, or without an answer, after which a network source counts as lost.
        first_wait: seconds before the first attempt to connect again; each further one waits twice as long.
        longest_wait: seconds between attempts at most.
        retry: whether a lost source is connected again: ``always``; ``once live`` only if it ever gave a frame;
            ``never``: then the end of its frames is the end and no loss.
        now: the time, aware.
    """

    timeout: float = 10.0
    first_wait: float = 1.0
    longest_wait: float = 30.0
    retry: Literal["always", "once live", "never"] = "always"
    now: Callable[[], datetime] = field(default=_now)


class Camera:
    """A live source that is read by a thread of its own; a context manager, to be asked by one thread.

    Args:
        source: a webcam's number (``0``), or an address: ``rtsp://…``, ``http://…``.
        options: how it is held.
        connect: opens the source; made from ``source`` if None.

    Raises:
        SettingError: a source of no known kind.
        MissingExtraError: an address without the extra ``video``.
    """

    recorded = False

    def __init__(
        self, source: str | int, *, options: CameraOptions = CameraOptions(), connect: Connect | None = None
    ) -> None:
        self.name = shown_source(source)
        self._options = options
        self._connect = connect or _connection(source, options)
        self._started = time.monotonic()
        self._news = threading.Condition()
        self._frame: tuple[Frame, float] | None = None  # the newest that nobody took, and when it came
        self._state = CameraState("connecting", options.now())
        self._stop = threading.Event()
        self._over = False  # no further frame will ever come
        self._fault: BaseException | None = None  # what ended the reading thread and should not have
        self._thread = threading.Thread(target=self._run, name=f"mien-camera-{self.name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> CameraState:
        """How the source does now."""
        with self._news:
            return self._state

    @property
    def ended(self) -> bool:
        """Whether no further frame will ever come: it is closed, or lost and not connected again."""
        with self._news:
            return self._over and self._frame is None

    @property
    def time(self) -> float:
        """Seconds since it was opened, by the clock of ``Picture.time``."""
        return time.monotonic() - self._started

    def moment(self, time: float) -> datetime:
        """The wall clock's moment, aware, of a ``Picture.time``, by what the wall clock says now."""
        return self._options.now() - timedelta(seconds=self.time - time)

    def newest(self, timeout: float = 1.0) -> Picture | None:
        """The newest frame that was not given yet; None if none arrives within ``timeout`` seconds.

        Frames that came in between are gone. ``Picture.time`` is seconds since the camera was opened, by a clock that
        never goes backwards. A fault of the reading thread, which is no loss of the source, is raised here.
        """
        with self._news:
            self._news.wait_for(lambda: self._frame is not None or self._over or self._stop.is_set(), timeout)
            taken, self._frame = self._frame, None
            if taken is None and self._fault is not None:
                raise self._fault
        if taken is None:
            return None
        frame, came = taken
        return Picture(frame(), source=self.name, time=came - self._started)

    def close(self) -> None:
        """Let the source go; a thread that waits for a dead network ends by itself within the timeout."""
        self._stop.set()
        with self._news:
            self._news.notify_all()
        self._thread.join(min(self._options.timeout, _FAREWELL))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # the reading thread

    def _run(self) -> None:
        try:
            self._keep_reading()
        except BaseException as error:  # noqa: BLE001 - whoever asks for frames is told
            self._fault = error
        with self._news:
            self._over = True
            self._news.notify_all()

    def _keep_reading(self) -> None:
        wait, ever = self._options.first_wait, False
        while not self._stop.is_set():
            frames, reason = self._read()
            ever = ever or frames > 0
            if frames:
                wait = self._options.first_wait
            if reason or self._options.retry != "never":
                self._become("lost", reason or "it sends no more frames")
            if self._options.retry == "never" or (self._options.retry == "once live" and not ever):
                break
            self._stop.wait(wait)
            wait = min(2 * wait, self._options.longest_wait)

    def _read(self) -> tuple[int, str]:
        """Read until the source ends; how many frames came, and why no more: empty if it simply ended."""
        count = 0
        try:
            with self._connect() as frames:
                for frame in frames:
                    if self._stop.is_set():
                        break
                    count += 1
                    self._offer(frame)
        except ImageError as error:
            return count, str(error)
        return count, ""

    def _offer(self, frame: Frame) -> None:
        with self._news:
            self._frame = frame, time.monotonic()
            self._news.notify_all()
        self._become("live")

    def _become(self, name: Literal["live", "lost"], reason: str = "") -> None:
        """A new state begins now; one that lasts keeps its beginning and takes the newest reason."""
        with self._news:
            since = self._state.since if self._state.name == name else self._options.now()
            self._state = CameraState(name, since, reason)


def shown_source(source: str | int) -> str:
    """A source as people may see it: a password in an address, in its path or in its query, is hidden."""
    address = re.sub(r"(?<=://)([^/:@]*):.*@", r"\1:***@", str(source))
    return _SECRET.sub(r"\1***", address)


def _connection(source: str | int, options: CameraOptions) -> Connect:
    text = str(source)
    if text.isascii() and text.isdigit():
        return partial(_webcam, int(text))
    if re.match(r"(rtsps?|https?|rtmps?|udp|tcp|srt)://", text):
        if find_spec("av") is None:
            raise MissingExtraError("network cameras", "video")
        return partial(_stream, text, options.timeout)
    raise SettingError(
        f"{shown_source(source)!r} is no live source; expected a webcam's number, rtsp://… or http://…, or open a file"
    )


@contextmanager
def _webcam(number: int) -> Iterator[Iterator[Frame]]:
    """A camera of this machine, by OpenCV, which knows the systems' ways to them."""
    if sys.platform == "linux" and not Path(f"/dev/video{number}").exists():
        there = sorted(int(path.name[5:]) for path in Path("/dev").glob("video*") if path.name[5:].isdecimal())
        raise ImageError(
            f"there is no camera {number} on this machine, there is {', '.join(map(str, there)) or 'none at all'}; plug it in,"
            " or name an address (rtsp://…), a video or a folder of frames"
        )
    capture = cv2.VideoCapture(number)
    try:
        if not capture.isOpened():
            raise ImageError(f"camera {number} cannot be opened; is it plugged in, and not used by another program?")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        yield _webcam_frames(capture, number)
    finally:
        capture.release()


def _webcam_frames(capture: cv2.VideoCapture, number: int) -> Iterator[Frame]:
    while True:
        there, pixels = capture.read()
        if not there:
            raise ImageError(f"camera {number} gives no more pictures; was it unplugged?")
        yield partial(_from_bgr, pixels)


def _from_bgr(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def _stream(url: str, timeout: float) -> Iterator[Iterator[Frame]]:
    """A network source, by PyAV, with as little delay as it allows."""
    import av

    options = {"fflags": "nobuffer", "flags": "low_delay", "rtsp_transport": "tcp"}
    try:
        with av.open(url, options=options, timeout=timeout) as container:
            if not container.streams.video:
                raise ImageError("it sends no pictures")
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # threads over frames would hold frames back
            yield (partial(_pixels, frame) for frame in container.decode(stream))
    except av.error.FFmpegError as error:
        raise ImageError(_why(error, timeout)) from error


def _pixels(frame: VideoFrame) -> Pixels:
    return upright(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), frame.rotation)


def _why(error: Exception, timeout: float) -> str:
    """What FFmpeg met, in words and without the address, which may hold a password."""
    import av

    known: dict[type[Exception], str] = {
        av.error.HTTPUnauthorizedError: "it refuses the user name or the password",
        av.error.HTTPForbiddenError: "it forbids the access",
        av.error.HTTPNotFoundError: "there is no such stream at this address",
        av.error.ConnectionRefusedError: "the connection was refused; is it switched on?",
        av.error.ExitError: f"no answer and no picture for {timeout:g} s",
        av.error.TimeoutError: f"no answer and no picture for {timeout:g} s",
        av.error.EOFError: "it sends no more frames",
        av.error.InvalidDataError: "what it sends is no video",
        av.error.OSError: "it cannot be reached, or what it sends is no video",
    }
    words = next((text for kind, text in known.items() if isinstance(error, kind)), "")
    return words or (getattr(error, "strerror", "") or type(error).__name__).lower()
