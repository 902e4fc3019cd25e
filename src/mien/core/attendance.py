"""Sessions, what cameras saw, what people corrected, and the register that follows from them.

Sightings, answers, corrections and openings are only ever added; an ``Entry`` is derived from them each time it is asked
for and is stored nowhere. The rules are in ``mien.attendance``; the words of delivery, from ``core.delivery``, belong here
too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args

from mien.core.answers import Decision, Match
from mien.core.delivery import Delivered, Edit, Finding, Target
from mien.core.errors import InputError
from mien.core.people import Person
from mien.core.reasons import Reason

__all__ = [
    "Answer",
    "Correction",
    "Delivered",
    "Edit",
    "Entry",
    "Finding",
    "Kind",
    "Meeting",
    "Opening",
    "Place",
    "Question",
    "Register",
    "Rules",
    "Session",
    "Sighting",
    "Status",
    "Target",
    "Unassigned",
]

Kind = Literal["course", "day", "ad hoc"]
Status = Literal["present", "late", "left", "absent", "excused", "expected"]
"""``expected``: not seen yet, and the meeting is not over. ``excused`` is only ever said by hand, and is not absent."""

_DAYS_OF_WEEK = 7


@dataclass(frozen=True, slots=True)
class Rules:
    """When sightings make somebody present, late or gone.

    Args:
        minimum: sightings needed; fewer mark nobody.
        cool_down: sightings nearer than this to the last one that counted count once; at least a second, so that two
            cameras in the same second are one.
        early: how long before the start sightings count.
        late_after: how long after the start somebody is still in time; None never calls anybody late.
        left_after: somebody not seen for so long before the end (or now) has left; None never says so.
    """

    minimum: int = 1
    cool_down: timedelta = timedelta(minutes=1)
    early: timedelta = timedelta(minutes=15)
    late_after: timedelta | None = timedelta(minutes=10)
    left_after: timedelta | None = None

    def __post_init__(self) -> None:
        if self.minimum < 1:
            raise InputError(f"at least one sighting is needed to be present, got {self.minimum}")
        spans = {"cool-down": self.cool_down, "early": self.early}
        spans |= {"late after": self.late_after or timedelta(0), "left after": self.left_after or timedelta(0)}
        for name, span in spans.items():
            if span < timedelta(0):
                raise InputError(f"{name} is {span.total_seconds():g} s; give 0 or more")
        if self.left_after == timedelta(0):
            raise InputError("left after 0 would send everybody away at once; leave it out or give more")


@dataclass(frozen=True, slots=True)
class Session:
    """What attendance is taken of.

    Args:
        name: a label in any script.
        kind: ``course`` meets on given weekdays from start to end; ``day`` lasts from one day border to the next
            (check-in, check-out); ``ad hoc`` meets when somebody opens it.
        zone: IANA name, e.g. ``"Europe/Berlin"``: all local times and dates are meant there.
        weekdays: 0 is Monday; every day if empty (``day`` only).
        start: local time; of a ``day``, when people are due.
        end: local time, on the next date if not after ``start``; of a ``day``, until when people are expected to stay.
        first: the first date; None for no limit.
        last: the last date; None for no limit.
        day_border: local time at which a new day begins: a night shift belongs to the day it began on.
        cameras: only what these saw counts; all cameras if empty.
        rules: when sightings make somebody present.
        id: given by the log; empty before.
        since: the first date it is like this; None for always.
        earlier: what it was like before, oldest first: meetings of the past keep their times and rules.
    """

    name: str
    kind: Kind
    zone: str
    weekdays: tuple[int, ...] = ()
    start: time | None = None
    end: time | None = None
    first: date | None = None
    last: date | None = None
    day_border: time = time(0)
    cameras: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)
    id: str = ""
    since: date | None = None
    earlier: tuple[Session, ...] = ()

    def on(self, day: date) -> Session:
        """What it is like, or was, on a date."""
        versions = (*self.earlier, self)
        return next((v for v in reversed(versions) if v.since is None or v.since <= day), versions[0])

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"a session is one of {', '.join(get_args(Kind))}; got {self.kind!r}")
        if not all(0 <= day < _DAYS_OF_WEEK for day in self.weekdays):
            raise InputError(f"weekdays are 0 (Monday) to 6 (Sunday), got {self.weekdays}")
        if self.kind == "course" and (not self.weekdays or self.start is None or self.end is None):
            raise InputError(f"the course {self.name!r} needs weekdays, a start and an end")
        if self.kind == "course" and self.start == self.end:
            raise InputError(f"the course {self.name!r} starts and ends at {self.start:%H:%M}; give a later end")
        if self.kind == "ad hoc" and (self.weekdays or self.start or self.end):
            raise InputError(f"the session {self.name!r} has no weekdays or times of its own: it meets when opened")
        if self.kind == "day" and self.rules.left_after is not None and self.end is None:
            raise InputError(f"to say who left {self.name!r} early, say until when people stay (an end)")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise InputError(f"the last date {self.last} lies before the first {self.first}")


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody's place on a roster: they are expected from one date to another.

    Args:
        person: who.
        since: the first date they are expected on; None for always.
        until: the first date they are no longer expected on; None for never.
    """

    person: Person
    since: date | None = None
    until: date | None = None

    def expects(self, day: date) -> bool:
        """Whether the person should come on this date."""
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody opened or closed a session by hand.

    Args:
        session_id: which.
        at: when, aware.
        action: what.
        by: who.
    """

    session_id: str
    at: datetime
    action: Literal["open", "close"]
    by: str = ""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A session on one date.

    Args:
        session_id: of which session.
        key: the local date, ``"2026-03-02"``, or for one opened by hand the local time with its offset; unique.
        date: the local date it belongs to.
        opens: sightings count from here on, aware.
        due: lateness counts from here; None where nobody can be late.
        until: people are expected to stay until here.
        end: sightings count up to here, exclusive.
    """

    session_id: str
    key: str
    date: date
    opens: datetime
    due: datetime | None
    until: datetime
    end: datetime

    def covers(self, at: datetime) -> bool:
        """Whether a sighting at this moment belongs to the meeting."""
        return self.opens <= at < self.end


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one camera saw of one face at one moment.

    Args:
        at: when, aware.
        camera: which.
        decision: ``match`` names somebody; every other decision marks nobody.
        person_id: who, for a match; None otherwise.
        candidates: ids of the people an ``ambiguous`` face may be, nearest first.
        similarity: cosine of the best candidate; None where nothing was compared.
        margin: lead over the runner-up; None with fewer than two people.
        id: the producer's own, so that sending it again adds nothing; given by the log if empty.
    """

    at: datetime
    camera: str
    decision: Decision
    person_id: str | None = None
    candidates: tuple[str, ...] = ()
    similarity: float | None = None
    margin: float | None = None
    id: str = ""

    def __post_init__(self) -> None:
        if self.at.utcoffset() is None:
            raise InputError(f"the sighting at {self.at.isoformat()} has no time zone; give an aware datetime")
        if self.decision not in get_args(Decision):
            raise InputError(f"a decision is one of {', '.join(get_args(Decision))}; got {self.decision!r}")
        if (self.decision == "match") != (self.person_id is not None):
            raise InputError(f"a match has a person and nothing else has; got {self.decision} with {self.person_id}")

    @classmethod
    def of(cls, match: Match, at: datetime, camera: str, *, sighting_id: str = "") -> Sighting:
        """The sighting that a recogniser's decision makes."""
        best = match.candidates[0].similarity if match.candidates else None
        ambiguous = match.decision == "ambiguous"
        near = [c for c in match.candidates if best is not None and c.similarity >= match.threshold]
        return cls(
            at=at,
            camera=camera,
            decision=match.decision,
            person_id=match.person_id,
            candidates=tuple(c.person_id for c in near or match.candidates[:2]) if ambiguous else (),
            similarity=best,
            margin=match.margin,
            id=sighting_id,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Somebody said who an ambiguous sighting was.

    Args:
        sighting_id: which sighting.
        person_id: who it was; None for none of the candidates.
        by: who said so.
        at: when, aware.
    """

    sighting_id: str
    person_id: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Correction:
    """A mark made or changed by hand; it stands whatever sightings say, and the latest one counts.

    Somebody excused before the meeting began may come after all: then sightings count.

    Args:
        session_id: which session.
        meeting: key of the meeting.
        person_id: whose mark.
        status: what it is now.
        reason: why; never empty.
        by: who changed it.
        at: when it was changed, aware.
        arrived: when the person came; None keeps what sightings say.
        old_status: what it was before.
        old_arrived: when they had come before; None for not at all.
    """

    session_id: str
    meeting: str
    person_id: str
    status: Status
    reason: str
    by: str
    at: datetime
    arrived: datetime | None = None
    old_status: Status = "absent"
    old_arrived: datetime | None = None

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise InputError("a correction needs a reason; give one")
        if self.status not in get_args(Status) or self.status == "expected":
            raise InputError(f"a mark is present, late, left, absent or excused; got {self.status!r}")
        if self.arrived is not None and self.arrived.utcoffset() is None:
            raise InputError(f"the arrival {self.arrived.isoformat()} has no time zone; give an aware datetime")


@dataclass(frozen=True, slots=True)
class Entry:
    """One person in one meeting: a line of the register.

    Args:
        session_id: which session.
        meeting: key of the meeting.
        person_id: who.
        status: what counts.
        arrived: the first sighting that counts, or what a correction says; None for nobody seen.
        last_seen: the last sighting; None for nobody seen.
        late_by: how long after the start they came; zero for in time, None where nobody can be late.
        sightings: how many counted.
        reasons: why sightings were not enough.
        correction: the one in force, with the old value; None if sightings alone decided.
    """

    session_id: str
    meeting: str
    person_id: str
    status: Status
    arrived: datetime | None = None
    last_seen: datetime | None = None
    late_by: timedelta | None = None
    sightings: int = 0
    reasons: tuple[Reason, ...] = ()
    correction: Correction | None = None

    @property
    def id(self) -> str:
        """The same for the same person and meeting, whenever it is derived."""
        return f"{self.session_id}/{self.meeting}/{self.person_id}"

    @property
    def attended(self) -> bool:
        """Whether the person was there at all."""
        return self.status in {"present", "late", "left"}


@dataclass(frozen=True, slots=True)
class Question:
    """Ambiguous sightings of one meeting that only somebody who knows the people can settle.

    Args:
        meeting: key of the meeting.
        session_id: which session.
        candidates: ids of those it may have been, sorted.
        sightings: oldest first; an answer settles them all.
    """

    meeting: str
    session_id: str
    candidates: tuple[str, ...]
    sightings: tuple[Sighting, ...]

    @property
    def id(self) -> str:
        """The id of the oldest sighting."""
        return self.sightings[0].id


@dataclass(frozen=True, slots=True)
class Unassigned:
    """A sighting that marks nobody, and why."""

    sighting: Sighting
    why: str


@dataclass(frozen=True, slots=True)
class Register:
    """Everybody on the roster of one session over its meetings, with what was left over.

    Args:
        session: of which session.
        people: those on the roster for any of the meetings, ordered by name.
        meetings: in order of time.
        entries: one per meeting and person expected there, meetings first.
        questions: what waits for an answer.
        unassigned: sightings of its hours and cameras that mark nobody.
        made: the moment it tells of, aware.
    """

    session: Session
    people: tuple[Person, ...]
    meetings: tuple[Meeting, ...]
    entries: tuple[Entry, ...]
    questions: tuple[Question, ...] = ()
    unassigned: tuple[Unassigned, ...] = ()
    made: datetime | None = None
