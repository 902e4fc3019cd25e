"""What becomes of faces over time: who arrived, who left, which stranger was seen. Pure rules; the clock is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from mien.core.answers import Attribute, Decision, Match
from mien.core.errors import SettingError
from mien.core.faces import Faces

__all__ = ["Event", "Kind", "Presence", "Watcher", "WatcherOptions"]

Kind = Literal[
    "camera live",
    "camera lost",
    "arrived",
    "still there",
    "renamed",
    "left",
    "unknown",
    "ambiguous",
    "unproven",
    "spoof",
    "classified",
    "ended",
]
Standing = tuple[Decision | Literal["unproven"], str | None]
"""What a track is taken for: a decision and, for a match, the person's id. ``unproven``: named, but not known to live."""

_STALL = 1.0
"""Seconds that pass at most between two frames: while nothing is seen, nobody leaves."""
_FORGET = 60.0
"""Seconds after which a track that was not seen is forgotten."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fact, told once.

    Args:
        kind: what happened. ``still there`` repeats a name or an ambiguity after ``WatcherOptions.every`` seconds.
        time: when it was decided, seconds of the source's clock.
        at: the same by the wall clock, aware.
        name: who; empty for faces without a name and for the source itself.
        person_id: whose id; None likewise.
        track_id: which track; None for the source itself.
        match: the decision on the face; None for the source itself.
        was: what the track was said to be before, a name or a decision; empty for the first time.
        since: since when, aware: the person seen, the source lost.
        until: when the face was last seen, aware.
        reason: why the source is lost or has ended.
        attribute: what a classifier says of the face, for ``classified``.
    """

    kind: Kind
    time: float
    at: datetime
    name: str = ""
    person_id: str | None = None
    track_id: int | None = None
    match: Match | None = None
    was: str = ""
    since: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    attribute: Attribute | None = None

    def words(self) -> str:
        """The event in a few words for people, without its time."""
        if self.attribute is not None:
            return self._classified(self.attribute)
        before = f" (said to be {self.was} before)" if self.was else ""
        sure = "" if self.match is None or self.match.similarity is None else f" ({self.match.similarity:.2f})"
        near = [] if self.match is None else [c.name for c in self.match.candidates[:2]]
        words = {
            "arrived": f"{self.name} arrived{sure}{before}",
            "still there": f"{self.name or ' or '.join(near)} still there{sure}",
            "renamed": f"not {self.was}: {self.name}{sure}",
            "left": f"{self.name} left{self._stay()}",
            "unknown": f"unknown face{before}",
            "ambiguous": f"ambiguous: {' or '.join(near)}{before}",
            "unproven": f"{' or '.join(near[:1])}? not known to be a living face yet",
            "spoof": f"not a living face{': ' + near[0] if near else ''}{before}",
        }
        return words.get(self.kind, f"{self.kind}{': ' if self.reason else ''}{self.reason}")

    def _classified(self, attribute: Attribute) -> str:
        """E.g. ``face 3: me (0.98)``."""
        before = f" (said to be {self.was} before)" if self.was else ""
        return f"{self.name or f'face {self.track_id}'}: {attribute.label} ({attribute.probability:.2f}){before}"

    def _stay(self) -> str:
        if self.since is None or self.until is None:
            return ""
        here, unseen = (round((b - a).total_seconds()) for a, b in ((self.since, self.until), (self.until, self.at)))
        return f" after {timedelta(seconds=max(here, 0))}, last seen {max(unseen, 0)} s ago"

    def to_dict(self) -> dict[str, Any]:
        """The event for JSON; moments in ISO 8601 with their offset."""
        return {
            "event": self.kind,
            "time": round(self.time, 3),
            "at": self.at.isoformat(timespec="milliseconds"),
            "name": self.name or None,
            "person_id": self.person_id,
            "track_id": self.track_id,
            "was": self.was or None,
            "since": None if self.since is None else self.since.isoformat(timespec="milliseconds"),
            "until": None if self.until is None else self.until.isoformat(timespec="milliseconds"),
            "reason": self.reason or None,
            "match": None if self.match is None else self.match.to_dict(),
            "attribute": None if self.attribute is None else self.attribute.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class WatcherOptions:
    """When something seen becomes an event.

    Args:
        least: frames in a row in which a track is taken for the same, before it is told.
        doubt: seconds for which a track must be without a name, or under another name than before, to be told.
        away: seconds for which somebody must be unseen to have left, or a name be taken back.
        every: seconds after which a face that is still there is told again; None never does.

    Raises:
        SettingError: a value outside of its range.
    """

    least: int = 3
    doubt: float = 1.0
    away: float = 5.0
    every: float | None = None

    def __post_init__(self) -> None:
        if self.least < 1:
            raise SettingError(f"least is {self.least}: a track needs at least 1 frame")
        spans = {"doubt": self.doubt, "away": self.away, "every": 0.0 if self.every is None else self.every}
        for name, value in spans.items():
            if not 0 <= value < float("inf"):
                raise SettingError(f"{name} is {value:g}: seconds, 0 or more, are needed")


@dataclass(slots=True)
class _Track:
    """What is known of one track; times by the watcher's clock."""

    seen: float
    leaning: Standing | None = None  # what it is taken for now
    since: float = 0.0  # since when it leans so
    frames: int = 0  # for how many frames in a row
    said: Standing | None = None  # what was told
    name: str = ""  # of what was told: a name or a decision
    told: set[Standing] = field(default_factory=set)
    reported: float = 0.0  # when it was told last

    def lean(self, standing: Standing, now: float) -> None:
        if standing != self.leaning:
            self.leaning, self.since, self.frames = standing, now, 0
        self.frames += 1
        self.seen = now


@dataclass(slots=True)
class Presence:
    """Somebody who is there, or was: from when to when.

    Args:
        person_id: who.
        name: their label.
        first: when they arrived, aware.
        last: when they were last seen, aware.
        track_id: the track they were last seen on.
        match: the last decision that named them.
        stays: how many times they arrived.
    """

    person_id: str
    name: str
    first: datetime
    last: datetime
    track_id: int
    match: Match
    stays: int = 1
    arrived: datetime | None = None  # the last time
    first_time: float = 0.0  # when they arrived first, seconds of the source's clock
    time: float = 0.0  # when they were last seen, likewise
    seen: float = 0.0  # the same by the watcher's clock
    reported: float = 0.0  # when they were told last

    def to_dict(self) -> dict[str, Any]:
        """The stay for JSON; ``from_time`` and ``to_time`` in seconds of the source's clock."""
        return {
            "name": self.name,
            "person_id": self.person_id,
            "from": self.first.isoformat(timespec="milliseconds"),
            "to": self.last.isoformat(timespec="milliseconds"),
            "from_time": round(self.first_time, 3),
            "to_time": round(self.time, 3),
            "stays": self.stays,
        }


class Watcher:
    """Makes events of the faces of one stream, frame by frame. Belongs to one stream.

    Its clock stands still while no frames come, so that a camera's loss sends nobody away.

    Args:
        options: when something seen becomes an event.
        live_only: whether a name counts only once the face is known to be alive (``Faces.liveness`` is no NaN).

    Attributes:
        strangers: how many tracks were told to be unknown.
    """

    def __init__(self, options: WatcherOptions | None = None, *, live_only: bool = False) -> None:
        self.options = options or WatcherOptions()
        self.strangers = 0
        self._live_only = live_only
        self._tracks: dict[int, _Track] = {}
        self._here: dict[str, Presence] = {}
        self._gone: dict[str, Presence] = {}
        self._now = 0.0
        self._time: float | None = None

    @property
    def here(self) -> list[Presence]:
        """Who is there now."""
        return list(self._here.values())

    @property
    def people(self) -> list[Presence]:
        """Everybody who was seen so far, in the order in which they first came."""
        return sorted([*self._gone.values(), *self._here.values()], key=lambda p: p.first)

    def see(self, faces: Faces, time: float, at: datetime) -> list[Event]:
        """The events of the next frame.

        Args:
            faces: with track_ids and matches, as ``Follower.follow`` gives them.
            time: of the frame, seconds of the source's clock.
            at: the same by the wall clock, aware; a label only.
        """
        self._now += min(max(time - (time if self._time is None else self._time), 0.0), _STALL)
        self._time = time
        ids = [] if faces.track_ids is None else faces.track_ids.tolist()
        events: list[Event] = []
        for row, (track_id, match) in enumerate(zip(ids, faces.matches or (), strict=True)):
            standing = self._standing(faces, row, match)
            if standing is not None:
                events += self._note(_Sight(track_id, match, standing, time, at))
        events += self._departed(time, at)
        self._tracks = {i: t for i, t in self._tracks.items() if self._now - t.seen <= _FORGET}
        return events

    def finish(self) -> list[Event]:
        """The last look at everybody who is still there: ``still there``, at the moment they were last seen."""
        return [
            Event(
                "still there", p.time, p.last, p.name, p.person_id, p.track_id, p.match, since=p.arrived, until=p.last
            )
            for p in self._here.values()
        ]

    # tracks

    def _standing(self, faces: Faces, row: int, match: Match) -> Standing | None:
        """What a face is taken for; None where nothing can be said, or nobody is known and a classifier is asked instead."""
        nobody_known = match.decision == "unknown" and not match.candidates
        if match.decision == "no_usable_face" or (nobody_known and faces.attributes is not None):
            return None
        alive = not self._live_only or (faces.liveness is not None and bool(faces.liveness[row] >= 0))
        if match.decision in {"match", "ambiguous"} and not alive:
            return "unproven", None
        return match.decision, match.person_id

    def _note(self, sight: _Sight) -> Iterator[Event]:
        track = self._tracks.setdefault(sight.track_id, _Track(self._now))
        track.lean(sight.standing, self._now)
        person_id = sight.standing[1]
        told = track.said == sight.standing and (person_id is None or person_id in self._here)
        if not told and self._settled(track):
            yield from self._tell(track, sight)
            told = True
        if told:
            yield from self._stays(track, sight)

    def _settled(self, track: _Track) -> bool:
        """Whether a track has been taken for the same long enough, given what was told of it."""
        decision = track.leaning[0] if track.leaning else None
        held = self._now - track.since
        if track.frames < self.options.least:
            return False
        if decision == "spoof":
            return True
        was = track.said[0] if track.said else None
        if was == "spoof" or (was == "match" and decision != "match"):
            return held >= self.options.away
        return held >= self.options.doubt or (decision == "match" and was != "match")

    def _tell(self, track: _Track, sight: _Sight) -> Iterator[Event]:
        """The event that a track's new standing is, if it was not told before."""
        was, former = track.name, track.said
        decision, person_id = sight.standing
        track.said, track.name = sight.standing, sight.match.name if decision == "match" else decision
        other = former[1] if former is not None and former[1] != person_id else None
        if other is not None:
            self._take_back(other)
        if person_id is not None:
            known = person_id in self._here
            self._enter(person_id, sight)
            if other is not None:
                yield sight.event("renamed", was=was)
            elif not known:
                yield sight.event("arrived", was="" if was == sight.match.name else was)
        elif sight.standing not in track.told:
            self.strangers += decision == "unknown"
            yield sight.event(_KINDS[decision], was=was)
        track.told.add(sight.standing)
        track.reported = self._now

    # people

    def _enter(self, person_id: str, sight: _Sight) -> None:
        """Somebody is there: anew, again, or still."""
        if person_id in self._here:
            return
        name = sight.match.name
        who = self._gone.pop(person_id, None)
        if who is None:
            who = Presence(person_id, name, sight.at, sight.at, sight.track_id, sight.match, stays=0)
            who.first_time = sight.time
        who.stays += 1
        who.arrived, who.reported = sight.at, self._now
        self._here[person_id] = who

    def _take_back(self, person_id: str) -> None:
        """A track is not this person after all: they are not there, unless another track is them."""
        person = ("match", person_id)
        if not any(t.said == person and self._now - t.seen <= self.options.away for t in self._tracks.values()):
            who = self._here.pop(person_id, None)
            if who is not None:
                self._gone[person_id] = who

    def _stays(self, track: _Track, sight: _Sight) -> Iterator[Event]:
        """Note that a face which was told is seen, and tell it again when that is due."""
        who = self._here.get(sight.standing[1] or "")
        if who is not None:
            who.name, who.match, who.track_id = sight.match.name, sight.match, sight.track_id
            who.last, who.time, who.seen = sight.at, sight.time, self._now
        if who is None and sight.standing[0] != "ambiguous":
            return
        told = track if who is None else who
        if self.options.every is not None and self._now - told.reported >= self.options.every:
            told.reported = self._now
            yield sight.event("still there", since=None if who is None else who.arrived)

    def _departed(self, time: float, at: datetime) -> Iterator[Event]:
        for person_id, who in list(self._here.items()):
            if self._now - who.seen > self.options.away:
                self._gone[person_id] = self._here.pop(person_id)
                shared = (who.name, person_id, who.track_id, who.match)
                yield Event("left", time, at, *shared, since=who.arrived, until=who.last)


@dataclass(frozen=True, slots=True)
class _Sight:
    """One face in one frame."""

    track_id: int
    match: Match
    standing: Standing
    time: float
    at: datetime

    def event(self, kind: Kind, *, was: str = "", since: datetime | None = None) -> Event:
        person_id = self.standing[1]
        name = "" if person_id is None else self.match.name
        shared = (self.track_id, self.match, was, since, self.at)
        return Event(kind, self.time, self.at, name, person_id, *shared)


_KINDS: dict[str, Kind] = {
    "unknown": "unknown",
    "ambiguous": "ambiguous",
    "unproven": "unproven",
    "spoof": "spoof",
}
