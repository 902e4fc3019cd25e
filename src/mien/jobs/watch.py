"""A source in, its frames with their faces and events out, for as long as it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mien.core.faces import Faces, Picture
from mien.core.protocols import LivenessCheck
from mien.jobs.attributes import AttributeTeller
from mien.jobs.presence import Event, Kind, Presence, Watcher, WatcherOptions
from mien.media.sources import Source
from mien.recognition.follower import Follower

__all__ = ["Event", "Presence", "Watched", "Watcher", "WatcherOptions", "watch"]

_POLL = 0.5
"""Seconds to wait for a frame before whoever watches is asked whether to go on."""


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """One look at a source.

    Args:
        picture: the frame; None if none came.
        faces: of the frame, with track_ids and matches, in pixels of the original.
        events: what has happened.
    """

    picture: Picture | None
    faces: Faces
    events: tuple[Event, ...] = ()


def watch(
    source: Source,
    follower: Follower,
    watcher: Watcher,
    *,
    liveness: LivenessCheck | None = None,
    single: bool = False,
    teller: AttributeTeller | None = None,
) -> Iterator[Watched]:
    """Look at a source until it ends or nobody pulls any more; at least twice a second, frames or not.

    A loss of the source is an event, never an exception.

    Args:
        source: open.
        follower: of this source.
        watcher: of this source; give it ``live_only`` with a ``liveness`` check.
        liveness: tells living faces from pictures of faces, in every frame.
        single: the largest face of each frame only.
        teller: of this source: tells what the follower's classifiers say; one that nobody else sees if None.

    Raises:
        SpaceMismatchError: the gallery was made with another embedder.
        SettingError: no threshold is known for the embedder.
        StoreError: the gallery cannot be read.
    """
    told = "live" if source.recorded else ""
    teller = teller or AttributeTeller()
    while True:
        picture = source.newest(_POLL)
        events: list[Event] = []
        told, state = _state(source, told, there=picture is not None)
        events += state
        faces = Faces.empty()
        if picture is not None:
            faces = follower.follow(picture)
            if liveness is not None:
                faces = liveness.check(picture, faces)
            if single:
                faces = _largest(faces)
            time = picture.time or 0.0
            moment = source.moment(time)
            events += [*watcher.see(faces, time, moment), *teller.see(faces, time, moment)]
        yield Watched(picture, faces, tuple(events))
        if picture is None and source.ended:
            return


def _state(source: Source, told: str, *, there: bool) -> tuple[str, list[Event]]:
    """What the source is said to be now, and the event if that is news; a frame that is there was sent by a live one."""
    state = source.state
    name = "live" if there else state.name
    if name in {told, "connecting"}:
        return told, []
    kind: Kind = "camera live" if name == "live" else "camera lost"
    return name, [Event(kind, source.time, state.since, since=state.since, reason="" if there else state.reason)]


def _largest(faces: Faces) -> Faces:
    return faces[int(np.argmax(faces.sizes))] if len(faces) else faces
