"""Delivery in the background: a thread that brings every target up to date when there is something new, and now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from mien.core.errors import MienError
from mien.jobs.deliver import Post, Report, deliver

__all__ = ["Deliverer", "DelivererOptions"]


@dataclass(frozen=True, slots=True)
class DelivererOptions:
    """How often to deliver.

    Args:
        every: seconds between two rounds without news: edits are found, and what failed is tried again.
        gather: seconds from the first news to the round that tells them, so that a class that comes in makes one request.
        share: of the time at most: a round that took a second is followed by one after ten at the earliest, so that a
            long term, whose register takes as long to derive, leaves the cameras their computing time.
    """

    every: float = 60.0
    gather: float = 5.0
    share: float = 0.1


def _nothing(_: Report) -> None:
    pass


class Deliverer:
    """Delivers in a thread of its own, so that a slow network holds no camera up. A context manager.

    Args:
        post: what a delivery needs; its log and outbox may be shared with other threads.
        options: how often.
        tell: called in that thread with each report of a target.
    """

    def __init__(
        self, post: Post, *, options: DelivererOptions | None = None, tell: Callable[[Report], None] = _nothing
    ) -> None:
        self._post = post
        self._options = options or DelivererOptions()
        self._tell = tell
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mien-delivery", daemon=True)

    def start(self) -> None:
        """Begin with a round at once."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new; returns at once."""
        self._news.set()

    def stop(self, patience: float = 20.0) -> bool:
        """End after the round at hand and a last one; False if that takes longer than ``patience`` seconds.

        Nothing is lost either way: the next delivery goes on where this one was.
        """
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(patience)
        if self._fault is not None:
            raise self._fault
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                self._round()
                rest = max(self._options.gather, (time.monotonic() - began) / self._options.share)
                if self._news.wait(max(self._options.every, rest)) and not self._stopping.wait(rest):
                    self._news.clear()
            self._round()
        except BaseException as error:  # noqa: BLE001 - whoever stops the thread is told
            self._fault = error
            words = f"delivery has ended, by a fault of mien's own ({type(error).__name__}: {error}); nothing is lost"
            self._tell(Report("outbox", "", problem=f"{words}, and the next start delivers it"))

    def _round(self) -> None:
        try:
            for event in deliver(self._post, self._post.outbox.targets()):
                if isinstance(event, Report):
                    self._tell(event)
        except MienError as error:  # our own database is busy or full: the next round tries again
            self._tell(Report("outbox", "", problem=str(error)))
