"""The rules: sightings in, register out. Pure functions; the clock is given.

The register depends on which sightings there are, not on their order or on how often each was handed in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mien.attendance.schedule import meetings
from mien.core.answers import Decision
from mien.core.attendance import (
    Answer,
    Correction,
    Entry,
    Meeting,
    Opening,
    Place,
    Question,
    Register,
    Rules,
    Session,
    Sighting,
    Status,
    Unassigned,
)
from mien.core.reasons import Reason

__all__ = ["Records", "clock_steps", "enter", "keep", "unassigned", "with_answers"]

_SECOND = timedelta(seconds=1)

_MARKS_NOBODY = {
    "unknown": "nobody that is known",
    "no_usable_face": "no usable face",
    "spoof": "not a living face",
    "ambiguous": "ambiguous, and none of the candidates is on the roster",
}


@dataclass(frozen=True, slots=True)
class Records:
    """What was written down about one session.

    Args:
        session: which.
        roster: who should come, and when.
        openings: in the order in which they were made.
        sightings: in any order, of any session; those of other times and cameras are passed over.
        answers: in the order in which they were made.
        corrections: in the order in which they were made.
    """

    session: Session
    roster: tuple[Place, ...] = ()
    openings: tuple[Opening, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    answers: tuple[Answer, ...] = ()
    corrections: tuple[Correction, ...] = ()


def keep(records: Records, since: datetime, until: datetime, *, now: datetime) -> Register:
    """The register of one session.

    Args:
        records: what was written down.
        since: the first moment, aware.
        until: the last moment, aware.
        now: the present, aware: meetings that are not over expect people, and those to come are left out.

    Raises:
        SettingError: the session's zone is unknown.
    """
    session = records.session
    met = [m for m in meetings(session, records.openings, since, until) if m.opens <= now]
    seen = sorted(with_answers(records.sightings, records.answers), key=_by_time)
    entries = tuple(entry for meeting in met for entry in _enter_all(records, meeting, seen, now))
    return Register(
        session=session,
        people=tuple(p.person for p in records.roster if any(p.expects(m.date) for m in met) or not met),
        meetings=tuple(met),
        entries=entries,
        questions=tuple(_questions(session, met, seen, entries)),
        unassigned=tuple(u for u in unassigned([records], since, until) if _concerns(session, met, u.sighting)),
        made=now,
    )


def enter(meeting: Meeting, rules: Rules, sightings: Iterable[Sighting], person_id: str, *, now: datetime) -> Entry:
    """What the sightings of one person alone say about one meeting; other people's are passed over."""
    times = {s.at for s in sightings if s.person_id == person_id and meeting.covers(s.at)}
    counted = _spaced(times, max(rules.cool_down, _SECOND))
    entry = Entry(meeting.session_id, meeting.key, person_id, "absent" if now >= meeting.end else "expected")
    if not counted:
        return entry
    entry = replace(entry, arrived=counted[0], last_seen=max(times), sightings=len(counted))
    if len(counted) < rules.minimum:
        return replace(entry, reasons=(_too_few(len(counted), rules.minimum),))
    late_by = None if meeting.due is None else max(timedelta(0), counted[0] - meeting.due)
    unseen = min(now, meeting.until) - max(times)
    return replace(entry, status=_status(rules, late_by, unseen), late_by=late_by)


def with_answers(sightings: Iterable[Sighting], answers: Iterable[Answer]) -> set[Sighting]:
    """Ambiguous sightings that were answered become what the last answer says; each sighting once."""
    last = {answer.sighting_id: answer for answer in answers}
    return {_answered(sighting, last.get(sighting.id)) for sighting in sightings}


def unassigned(books: Sequence[Records], since: datetime, until: datetime) -> list[Unassigned]:
    """Sightings between two moments that mark nobody in any of the sessions, oldest first, and why.

    An ambiguous one that is still a question counts as assigned: it waits in ``Register.questions``.
    """
    calls = {records.session.id: meetings(records.session, records.openings, since, until) for records in books}
    every = {s for r in books for s in with_answers(r.sightings, r.answers) if since <= s.at <= until}
    why = {sighting: _why_nobody(sighting, books, calls) for sighting in every}
    return [Unassigned(sighting, reason) for sighting in sorted(every, key=_by_time) if (reason := why[sighting])]


def clock_steps(sightings: Sequence[Sighting], tolerance: timedelta = _SECOND) -> list[tuple[Sighting, Sighting]]:
    """Where a camera's clock went backwards: pairs of neighbours, given sightings in the order in which they came in."""
    last: dict[str, Sighting] = {}
    steps = []
    for sighting in sightings:
        before = last.get(sighting.camera)
        if before is not None and before.at - sighting.at > tolerance:
            steps.append((before, sighting))
        last[sighting.camera] = sighting
    return steps


def _enter_all(records: Records, meeting: Meeting, seen: Sequence[Sighting], now: datetime) -> Iterator[Entry]:
    of_person: dict[str | None, list[Sighting]] = {}
    session = records.session.on(meeting.date)
    for sighting in _during(session, meeting, seen):
        of_person.setdefault(sighting.person_id, []).append(sighting)
    last = {
        c.person_id: c for c in records.corrections if (c.session_id, c.meeting) == (meeting.session_id, meeting.key)
    }
    for person in (place.person for place in records.roster if place.expects(meeting.date)):
        entry = enter(meeting, session.rules, of_person.get(person.id, ()), person.id, now=now)
        yield _corrected(entry, last.get(person.id), meeting)


def _corrected(entry: Entry, correction: Correction | None, meeting: Meeting) -> Entry:
    if correction is None or (entry.attended and _excused_ahead(correction, meeting)):
        return entry
    arrived = None if correction.status in {"absent", "excused"} else correction.arrived or entry.arrived
    late_by = None if arrived is None or meeting.due is None else max(timedelta(0), arrived - meeting.due)
    return replace(entry, status=correction.status, arrived=arrived, late_by=late_by, correction=correction, reasons=())


def _excused_ahead(correction: Correction, meeting: Meeting) -> bool:
    """Whether it was said before anybody could know that the person comes after all."""
    return correction.status == "excused" and correction.at < meeting.opens


def _concerns(session: Session, met: Iterable[Meeting], sighting: Sighting) -> bool:
    """Whether it was seen in the session's hours by one of its cameras."""
    return any(meeting.covers(sighting.at) and _watched(session.on(meeting.date), sighting) for meeting in met)


def _watched(session: Session, sighting: Sighting) -> bool:
    return not session.cameras or sighting.camera in session.cameras


def _by_time(sighting: Sighting) -> tuple[datetime, str, str]:
    return sighting.at, sighting.camera, sighting.id


def _during(session: Session, meeting: Meeting, seen: Sequence[Sighting]) -> list[Sighting]:
    """Those of sightings in order of time that the meeting covers and one of its cameras saw."""
    first = bisect_left(seen, meeting.opens, key=lambda s: s.at)
    last = bisect_left(seen, meeting.end, lo=first, key=lambda s: s.at)
    return [s for s in seen[first:last] if _watched(session, s)]


def _spaced(times: Iterable[datetime], apart: timedelta) -> list[datetime]:
    """The moments in order, without those nearer than ``apart`` to the last one kept."""
    kept: list[datetime] = []
    for at in sorted(times):
        if not kept or at - kept[-1] >= apart:
            kept.append(at)
    return kept


def _too_few(count: int, needed: int) -> Reason:
    return Reason("book", "sightings", count, needed, "--min-sightings")


def _status(rules: Rules, late_by: timedelta | None, unseen: timedelta) -> Status:
    """Of somebody seen often enough; ``unseen`` is how long they were missing when they should still have been there."""
    if rules.left_after is not None and unseen > rules.left_after:
        return "left"
    if late_by is not None and rules.late_after is not None and late_by > rules.late_after:
        return "late"
    return "present"


def _answered(sighting: Sighting, answer: Answer | None) -> Sighting:
    if answer is None or sighting.decision != "ambiguous":
        return sighting
    decision: Decision = "unknown" if answer.person_id is None else "match"
    return replace(sighting, decision=decision, person_id=answer.person_id, candidates=())


def _questions(
    session: Session, met: Sequence[Meeting], seen: Sequence[Sighting], entries: Sequence[Entry]
) -> Iterator[Question]:
    """Ambiguous sightings by meeting and candidates, where one of those on the roster is not marked yet."""
    there = {(entry.meeting, entry.person_id): entry.attended for entry in entries}
    ambiguous = [s for s in seen if s.decision == "ambiguous"]
    for meeting in met:
        groups: dict[tuple[str, ...], list[Sighting]] = {}
        for sighting in _during(session.on(meeting.date), meeting, ambiguous):
            groups.setdefault(tuple(sorted(sighting.candidates)), []).append(sighting)
        for candidates, group in groups.items():
            if any(there.get((meeting.key, candidate)) is False for candidate in candidates):
                yield Question(meeting.key, meeting.session_id, candidates, tuple(group))


def _why_nobody(sighting: Sighting, books: Sequence[Records], calls: dict[str, list[Meeting]]) -> str:
    """Empty if the sighting marks somebody or waits for an answer."""
    who = set(sighting.candidates) | {sighting.person_id}
    covering = [(r, m) for r in books for m in calls[r.session.id] if m.covers(sighting.at)]
    running = [(r, m) for r, m in covering if _watched(r.session.on(m.date), sighting)]
    expected = {place.person.id for r, m in running for place in r.roster if place.expects(m.date)}
    if sighting.decision in {"match", "ambiguous"} and expected & who:
        return ""
    if sighting.decision != "match":
        return _MARKS_NOBODY[sighting.decision]
    if not running:
        return "no session was open"
    names = " and ".join(r.session.name for r, _ in running)
    if not expected:
        return f"the roster of {names} is empty"
    return f"not on the roster of {names}"
