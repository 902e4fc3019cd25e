"""Registers read from the log and written in: what every door does with the book of one session."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from mien.attendance.book import Records, keep, unassigned
from mien.core.attendance import Question, Register, Session, Unassigned
from mien.core.protocols import AttendanceLog

__all__ = ["left_over", "open_questions", "records_of", "register_of", "week_of"]

_DAY = timedelta(days=1)
_NEVER = Session("no session", "ad hoc", "UTC")
"""So that sightings are found before there is any session."""


def records_of(log: AttendanceLog, session: Session, since: datetime, until: datetime) -> Records:
    """What was written down about one session; a day more on either side, for meetings that reach across."""
    return Records(
        session=session,
        roster=tuple(log.roster(session.id)),
        openings=tuple(log.openings(session.id)),
        sightings=tuple(log.sightings(since - _DAY, until + _DAY)),
        answers=tuple(log.answers()),
        corrections=tuple(log.corrections(session.id)),
    )


def register_of(log: AttendanceLog, session: Session, since: datetime, until: datetime, *, now: datetime) -> Register:
    """The register of one session between two moments."""
    return keep(records_of(log, session, since, until), since, until, now=now)


def week_of(session: Session, day: date) -> tuple[datetime, datetime]:
    """The first and the last moment of the week a date lies in, Monday to Sunday, by the session's zone."""
    from mien.attendance.zones import find_zone

    zone = find_zone(session.zone)
    monday = day - timedelta(days=day.weekday())
    first = datetime(monday.year, monday.month, monday.day, tzinfo=zone)
    after = monday + timedelta(days=7)
    return first, datetime(after.year, after.month, after.day, tzinfo=zone) - timedelta(microseconds=1)


def open_questions(
    log: AttendanceLog, since: datetime, until: datetime, *, now: datetime
) -> list[tuple[Session, Question]]:
    """Ambiguous faces that wait for an answer, with the session they belong to."""
    return [
        (session, question)
        for session in log.sessions()
        for question in register_of(log, session, since, until, now=now).questions
    ]


def left_over(log: AttendanceLog, since: datetime, until: datetime) -> list[Unassigned]:
    """Sightings that mark nobody in any session, and why."""
    books = [records_of(log, session, since, until) for session in (_NEVER, *log.sessions())]
    return unassigned(books, since, until)
