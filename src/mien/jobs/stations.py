"""One camera worked on in a thread of its own: it takes attendance or learns somebody, and doors look at what it shows."""

from __future__ import annotations

import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Self

from mien.core.faces import Faces, Picture
from mien.core.protocols import Detector, LivenessCheck
from mien.jobs.attend import SightingWriter, sighting_of
from mien.jobs.presence import Event, Presence, Watcher, WatcherOptions
from mien.jobs.watch import watch
from mien.media.sources import Source
from mien.recognition.follower import Follower
from mien.recognition.guidance import Guide
from mien.recognition.quality import QualityLimits, measure

__all__ = ["EnrolStation", "Scene", "Station", "WatchStation"]

_LINES = 50
"""Events that are remembered."""
_UNWATCHED = 30.0
"""Seconds after which a station that nobody looks at ends: a browser that is closed says no farewell."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What there is to see now.

    Args:
        number: grows with every frame.
        picture: the newest frame that was looked at; None before the first.
        faces: its faces, in pixels of the original.
        instructions: what people before the camera are to do now, each once.
        state: how the source does: ``connecting``, ``live``, ``lost``, and ``ended``.
        reason: why it is lost or has ended; empty otherwise.
    """

    number: int = 0
    picture: Picture | None = None
    faces: Faces = field(default_factory=Faces.empty)
    instructions: tuple[str, ...] = ()
    state: str = "connecting"
    reason: str = ""


class Station(ABC):
    """Works on one source in a thread, until the source ends, it is closed, or nobody looks any more. A context manager.

    Args:
        source: not entered yet; it belongs to the station from now on.
    """

    def __init__(self, source: Source) -> None:
        self.unwatched = _UNWATCHED
        self._looked = time.monotonic()
        self._source = source
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._scene = Scene()
        self._thread = threading.Thread(target=self._run, name=f"mien-station-{source.name}", daemon=True)

    def start(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    @property
    def scene(self) -> Scene:
        """What there is to see now; asking for it is what keeps the station at work."""
        with self._lock:
            self._looked = time.monotonic()
            return self._scene

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        return self._thread.is_alive()

    def close(self, patience: float = 10.0) -> None:
        """End after the frame at hand; idempotent."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(patience)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _work(self) -> Generator[Scene]:
        """Look at the source; each look gives what there is to see, its number left out."""

    def _run(self) -> None:
        reason, work = "", self._work()
        try:
            with self._source, closing(work):
                for scene in work:
                    self._show(scene)
                    if self._stop.is_set() or time.monotonic() - self._looked > self.unwatched:
                        break
                reason = self._source.state.reason
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to: whoever looks is told
            reason = str(error) or type(error).__name__
        with self._lock:
            self._scene = replace(self._scene, state="ended", reason=reason)

    def _show(self, scene: Scene) -> None:
        with self._lock:
            kept = scene if scene.picture is not None else replace(self._scene, state=scene.state, reason=scene.reason)
            self._scene = replace(kept, number=self._scene.number + (scene.picture is not None))

    def _state(self) -> tuple[str, str]:
        state = self._source.state
        return state.name, state.reason


class WatchStation(Station):
    """Takes attendance: who arrives is told, and written down where a writer is given.

    Args:
        source: as ``Station``.
        follower: of this source.
        liveness: tells living faces from pictures of faces.
        writer: writes sightings; None only shows. It belongs to the station and is closed with it.
        camera: what sessions call the camera.
        options: when something seen becomes an event.

    Attributes:
        unwritten: sightings that could not be written before the end.
    """

    def __init__(
        self,
        source: Source,
        follower: Follower,
        *,
        liveness: LivenessCheck | None = None,
        writer: SightingWriter | None = None,
        camera: str = "camera",
        options: WatcherOptions | None = None,
    ) -> None:
        super().__init__(source)
        self.camera = camera
        self.unwritten = 0
        self._follower, self._liveness, self._writer = follower, liveness, writer
        self._watcher = Watcher(options or WatcherOptions(every=60.0), live_only=liveness is not None)
        self._named = uuid.uuid4().hex  # what is seen now is new, whatever was seen before
        self._lines: deque[Event] = deque(maxlen=_LINES)
        self._people: tuple[Presence, ...] = ()

    @property
    def people(self) -> tuple[Presence, ...]:
        """Everybody who arrived so far, in the order in which they first came."""
        with self._lock:
            return self._people

    @property
    def strangers(self) -> int:
        """How many tracks were told to be nobody known."""
        return self._watcher.strangers

    @property
    def trouble(self) -> str:
        """Why sightings cannot be written now, or were lost; empty while nothing hinders."""
        if self._writer is None:
            return ""
        lost = [outcome.refused for outcome in self._writer.outcomes() if outcome.refused]
        return self._writer.trouble or "; ".join(lost)

    @property
    def events(self) -> tuple[Event, ...]:
        """What has happened lately, newest first."""
        with self._lock:
            return tuple(self._lines)

    def _work(self) -> Generator[Scene]:
        try:
            for seen in watch(self._source, self._follower, self._watcher, liveness=self._liveness):
                for event in seen.events:
                    self._note(event)
                people = tuple(replace(p) for p in self._watcher.people)
                with self._lock:
                    self._people = people
                yield Scene(0, seen.picture, seen.faces, self._instructions(seen.faces), *self._state())
        finally:
            for event in self._watcher.finish():
                self._note(event)
            if self._writer is not None:
                self.unwritten = self._writer.close()

    def _note(self, event: Event) -> None:
        if event.kind != "still there":
            with self._lock:
                self._lines.appendleft(event)
        sighting = None if self._writer is None else sighting_of(event, camera=self.camera, run=self._named)
        if sighting is not None and self._writer is not None:
            self._writer.put(sighting)

    def _instructions(self, faces: Faces) -> tuple[str, ...]:
        if self._liveness is None or faces.track_ids is None:
            return ()
        told = [self._liveness.instruction(i) for i in faces.track_ids.tolist()]
        return tuple(dict.fromkeys(words for words in told if words))


class EnrolStation(Station):
    """Collects the views of one person before a camera; what to do is told in ``Scene.instructions``. Stores nothing.

    Args:
        source: as ``Station``.
        guide: of this person.
        detector: finds the faces.
        limits: what a face must have to be learnt.
    """

    def __init__(self, source: Source, guide: Guide, detector: Detector, limits: QualityLimits) -> None:
        super().__init__(source)
        self.guide = guide
        self._detector, self._limits = detector, limits
        self._advice: tuple[tuple[str, str], ...] = ()

    @property
    def advice(self) -> tuple[tuple[str, str], ...]:
        """What the person is to do now: what it is about, and its words; none before the first frame."""
        with self._lock:
            return self._advice

    def _work(self) -> Generator[Scene]:
        while not (self._source.ended or self._stop.is_set()):
            picture = self._source.newest(0.5)
            if picture is None:
                yield Scene(0, None, Faces.empty(), (), *self._state())
                continue
            faces = self._detector.at_scale(picture.scale).detect(picture.pixels)
            advice = self.guide.see(picture, measure(picture, faces, limits=self._limits))
            with self._lock:
                self._advice = ((advice.kind, advice.words),)
            yield Scene(0, picture, faces.scaled(1 / picture.scale), (advice.words,), *self._state())
            if self.guide.state != "looking":
                return
