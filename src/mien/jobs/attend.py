"""From what a camera saw to the attendance log: sightings made of events, and written whatever the disk does."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from mien.core.attendance import Sighting
from mien.core.errors import InputError, StoreError
from mien.core.protocols import AttendanceLog
from mien.jobs.presence import Event

__all__ = ["Outcome", "SightingWriter", "WriterOptions", "sighting_of"]

_SEEN = frozenset({"arrived", "renamed", "still there", "left", "ambiguous", "unknown", "spoof"})


def sighting_of(event: Event, *, camera: str, run: str) -> Sighting | None:
    """The sighting that an event is; None for one about no face, or about a face that is not known to live.

    Args:
        event: of one camera.
        camera: as sessions name it.
        run: what tells this watching from any other. Watching the same recording again with the same ``run`` makes the
            same ids, which add nothing.
    """
    if event.kind not in _SEEN or event.match is None:
        return None
    at = event.until or event.at
    what = (run, camera, event.track_id, event.match.decision, event.person_id, at.isoformat())
    digest = hashlib.sha256(repr(what).encode()).hexdigest()[:32]
    return Sighting.of(event.match, at, camera, sighting_id=digest)


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How sightings are written.

    Args:
        limit: sightings that wait in memory at most, while the log cannot be written; what comes then is lost, and told.
        first_wait: seconds before the first attempt to write again; each further one waits twice as long.
        longest_wait: seconds between attempts at most.
    """

    limit: int = 10_000
    first_wait: float = 0.5
    longest_wait: float = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a sighting.

    Args:
        sighting: which.
        refused: why it will never be written; empty if it is safe on the disk.
    """

    sighting: Sighting
    refused: str = ""


def _nothing() -> None:
    pass


class SightingWriter:
    """Writes sightings in a thread of its own, so that a locked or full disk holds no camera up. A context manager.

    Each is committed as soon as it can be. While the log cannot be written they wait in memory and are tried again.

    Args:
        log: where to.
        options: how.
        written: called, in the writer's thread, after sightings were committed: wakes whoever delivers them.
    """

    def __init__(
        self, log: AttendanceLog, *, options: WriterOptions | None = None, written: Callable[[], None] = _nothing
    ) -> None:
        self._log = log
        self._options = options or WriterOptions()
        self._written = written
        self._news = threading.Condition()
        self._waiting: deque[Sighting] = deque()
        self._crops: dict[str, bytes] = {}  # of those that wait
        self._outcomes: list[Outcome] = []
        self._trouble = ""
        self._stop = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mien-sightings", daemon=True)
        self._thread.start()

    def put(self, sighting: Sighting, crop: bytes | None = None) -> None:
        """Have it written; returns at once.

        Args:
            sighting: what was seen.
            crop: the face as JPEG, which the log keeps as evidence if it is allowed to.
        """
        with self._news:
            if len(self._waiting) >= self._options.limit:
                self._outcomes.append(Outcome(sighting, f"{self._options.limit} wait already: {self._trouble}"))
                return
            self._waiting.append(sighting)
            if crop is not None:
                self._crops[sighting.id] = crop
            self._news.notify_all()

    def outcomes(self) -> list[Outcome]:
        """What became of sightings since this was last asked, in order."""
        with self._news:
            if self._fault is not None:
                raise self._fault
            outcomes, self._outcomes = self._outcomes, []
            return outcomes

    @property
    def waiting(self) -> int:
        """How many are not on the disk yet."""
        with self._news:
            return len(self._waiting)

    @property
    def trouble(self) -> str:
        """Why the log cannot be written now; empty while it can."""
        with self._news:
            return self._trouble

    def close(self, patience: float = 30.0) -> int:
        """Write what waits, for so many seconds at most; how many could not be written."""
        with self._news:
            self._stop = True
            self._news.notify_all()
        self._thread.join(patience)
        return self.waiting

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._stop:
            self.close(30.0 if kind is None else 2.0)

    # the writing thread

    def _run(self) -> None:
        try:
            wait = self._options.first_wait
            while batch := self._next():
                if self._write(batch):
                    wait = self._options.first_wait
                else:
                    self._pause(wait)
                    wait = min(2 * wait, self._options.longest_wait)
        except BaseException as error:
            with self._news:
                self._fault = error
            raise

    def _next(self) -> list[Sighting]:
        """What waits, as soon as anything does; nothing once there is nothing more to come."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._stop)
            return list(self._waiting)

    def _pause(self, seconds: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._stop, seconds)
            stopping = self._stop
        if stopping:
            time.sleep(self._options.first_wait)

    def _write(self, batch: Sequence[Sighting]) -> bool:
        """Write a batch; whether the log could be written."""
        try:
            outcomes = self._committed(batch)
        except StoreError as error:
            with self._news:
                self._trouble = str(error)
            return False
        with self._news:
            for sighting in batch:
                self._waiting.popleft()
                self._crops.pop(sighting.id, None)
            self._outcomes += outcomes
            self._trouble = ""
        self._written()
        return True

    def _committed(self, batch: Sequence[Sighting]) -> list[Outcome]:
        """All in one transaction; if one of them cannot be (its person was removed meanwhile), each in its own."""
        with self._news:
            crops = {s.id: self._crops[s.id] for s in batch if s.id in self._crops}
        try:
            self._log.append(batch, crops=crops) if crops else self._log.append(batch)
        except InputError as error:
            if len(batch) == 1:
                return [Outcome(batch[0], str(error))]
            return [outcome for sighting in batch for outcome in self._committed([sighting])]
        return [Outcome(sighting) for sighting in batch]
