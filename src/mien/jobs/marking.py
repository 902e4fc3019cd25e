"""Marks made by hand in the lines of one meeting: what a door needs to write them down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mien.attendance.schedule import find_meeting, meetings
from mien.attendance.zones import find_zone
from mien.core.attendance import Correction, Entry, Meeting, Session, Status
from mien.core.errors import InputError
from mien.core.protocols import AttendanceLog
from mien.jobs.registers import register_of

__all__ = ["Mark", "corrections_of", "days_of", "meeting_lines"]

_USUAL = timedelta(days=30)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody says about a line of the register.

    Args:
        status: what is right.
        reason: why.
        by: who says so.
        at: when they say so, aware.
        arrived: when the person came, aware; None keeps what sightings say.
    """

    status: Status
    reason: str
    by: str
    at: datetime
    arrived: datetime | None = None


def days_of(session: Session, first: date | None, last: date | None, now: datetime) -> tuple[datetime, datetime]:
    """From the beginning of one date to the end of another, by the session's zone; 30 days up to now if left out.

    Raises:
        InputError: the first lies after the last.
    """
    zone = find_zone(session.zone)
    present = now.astimezone(zone)
    until = present if last is None else datetime(last.year, last.month, last.day, 23, 59, 59, 999999, tzinfo=zone)
    since = until - _USUAL if first is None else datetime(first.year, first.month, first.day, tzinfo=zone)
    if since > until:
        raise InputError(f"{since:%Y-%m-%d} lies after {until:%Y-%m-%d}; swap them")
    return since, until


def meeting_lines(
    log: AttendanceLog, session: Session, key: str, *, now: datetime, ahead: bool = False
) -> tuple[Meeting, dict[str, Entry]]:
    """A meeting and its lines by person.

    Args:
        log: where it is written down.
        session: which.
        key: of the meeting, or its date.
        now: the present, aware.
        ahead: whether the meeting may be still to come.

    Raises:
        NotFoundError: no such meeting.
        InputError: no date.
    """
    try:
        day = date.fromisoformat(key[:10])
        since, until = days_of(session, day - _DAY, day + _DAY, now)
    except (ValueError, OverflowError):
        raise InputError(f"meeting {key!r}: give its date, such as 2026-03-02, or its key") from None
    if ahead:
        planned = meetings(session, log.openings(session.id), since, until)
        now = max(now, find_meeting(session, planned, key).opens)
    register = register_of(log, session, since, until, now=now)
    meeting = find_meeting(session, register.meetings, key)
    return meeting, {entry.person_id: entry for entry in register.entries if entry.meeting == meeting.key}


def corrections_of(session: Session, meeting: Meeting, lines: Sequence[Entry], mark: Mark) -> list[Correction]:
    """A correction for each line, with what it said before."""
    said = (mark.reason, mark.by, mark.at, mark.arrived)
    return [
        Correction(session.id, meeting.key, line.person_id, mark.status, *said, line.status, line.arrived)
        for line in lines
    ]
