"""A camera whose frames are handed over by somebody else, e.g. by a browser: only the newest is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mien.core.errors import ImageError
from mien.media.cameras import Camera, CameraOptions, Frame

__all__ = ["Feed"]


class Feed:
    """Where frames are handed over; ``camera`` is the source that gives them.

    Args:
        name: what the camera is called.
        timeout: seconds without a frame after which it counts as lost; it is live again with the next one.
    """

    def __init__(self, name: str, *, timeout: float = 5.0) -> None:
        self._news = threading.Condition()
        self._frame: Frame | None = None
        self._over = False
        self._timeout = timeout
        options = CameraOptions(timeout=timeout, first_wait=0.1, longest_wait=1.0, retry="always")
        self.camera = Camera(name, options=options, connect=self._connected)

    def offer(self, frame: Frame) -> None:
        """Hand a frame over; returns at once. The one before it is gone if nobody took it.

        Args:
            frame: called, in the camera's thread or that of whoever looks, gives ``(H, W, 3)`` uint8 RGB.
        """
        with self._news:
            self._frame = frame
            self._news.notify_all()

    def close(self) -> None:
        """No further frame will come."""
        with self._news:
            self._over = True
            self._news.notify_all()
        self.camera.close()

    @contextmanager
    def _connected(self) -> Iterator[Iterator[Frame]]:
        yield self._frames()

    def _frames(self) -> Iterator[Frame]:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._frame is not None or self._over, self._timeout)
                frame, self._frame, over = self._frame, None, self._over
            if over:
                return
            if frame is None:
                raise ImageError(f"no picture for {self._timeout:.0f} s")
            yield frame
