"""One session's book as the commands of ``mien attendance`` read it and write in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mien.core.errors import InputError, SettingError
from mien.doors.cli.attendance_times import local_moment, now, read_date, read_time
from mien.doors.cli.command import Session

if TYPE_CHECKING:
    from mien.core.attendance import Entry, Meeting, Register, Status
    from mien.core.attendance import Session as Course
    from mien.core.people import Person
    from mien.store.attendance_log import SqlAttendanceLog

__all__ = ["Book", "span"]

_USUAL = timedelta(days=30)
_DAY = timedelta(days=1)


class Book:
    """One session with everything that is needed to read and to write in its register."""

    def __init__(self, session: Session, which: str, log: SqlAttendanceLog | None = None) -> None:
        self._session = session
        self._log = log or session.house.gallery.attendance
        self.course = self._log.session(which)

    @classmethod
    @contextmanager
    def to_write(cls, session: Session, which: str) -> Iterator[Book]:
        """The book in one write: no line changes between its being read here and its being corrected here."""
        with session.house.gallery.attendance.as_one() as log:
            yield cls(session, which, log)

    def register(self, since: str | None, until: str | None) -> Register:
        """The register between two dates."""
        from mien.jobs.registers import register_of

        first, last = span(since, until, self.course)
        return register_of(self._log, self.course, first, last, now=now())

    def entries(self, on: str | None, *, ahead: bool = False) -> tuple[Meeting, dict[str, Entry]]:
        """The meeting on a date, or the last one there was, and its lines by person.

        Args:
            on: the date, or the whole key of the meeting; None for the last one.
            ahead: whether it may be still to come.
        """
        from mien.attendance.schedule import find_meeting, meetings
        from mien.jobs.registers import register_of

        day = None if on is None else read_date(on[:10], "--on")
        first, last = span(*_around(day), self.course)
        moment = now()
        if ahead and on is not None:
            planned = meetings(self.course, self._log.openings(self.course.id), first, last)
            moment = max(moment, find_meeting(self.course, planned, on).opens)
        kept = register_of(self._log, self.course, first, last, now=moment)
        if not kept.meetings:
            raise InputError(
                f"{self.course.name} has not met {'yet' if on is None else f'on {on}'}; say when with --on"
            )
        meeting = kept.meetings[-1] if on is None else find_meeting(self.course, kept.meetings, on)
        return meeting, {entry.person_id: entry for entry in kept.entries if entry.meeting == meeting.key}

    def line(self, entries: dict[str, Entry], who: str) -> tuple[Person, Entry]:
        """One person and their line.

        Raises:
            InputError: somebody who is not on the roster.
        """
        person = self._session.house.gallery.person(who)
        if person.id not in entries:
            raise InputError(
                f"{person.name} is not on the roster of {self.course.name} on that date; add them with: mien attendance roster import"
            )
        return person, entries[person.id]

    def write(
        self, meeting: Meeting, lines: list[tuple[Person, Entry]], said: tuple[Status, str | None, str]
    ) -> list[dict[str, Any]]:
        """Write a mark for each line; old and new as rows of a table."""
        from mien.core.attendance import Correction

        status, at, reason = said
        arrived = None if at is None else self._arrival(meeting, at)
        by_whom = (reason, self._log.actor, now())
        self._log.correct(
            [
                Correction(self.course.id, meeting.key, p.id, status, *by_whom, arrived, line.status, line.arrived)
                for p, line in lines
            ]
        )
        shared = {"meeting": meeting.key, "is": status, "reason": reason}
        return [{"name": person.name, "was": line.status, **shared} for person, line in lines]

    def _arrival(self, meeting: Meeting, text: str) -> datetime:
        """A time of day on the meeting's date, or a whole moment."""
        from mien.attendance.zones import find_zone, instant

        if "T" in text or " " in text:
            return local_moment(text, self.course, "--at")
        return instant(meeting.date, read_time(text, "--at"), find_zone(self.course.zone))


def _around(day: date | None) -> tuple[str | None, str | None]:
    """From the day before to the day after, as they are typed: a night's meeting reaches into the next date."""
    return (None, None) if day is None else ((day - _DAY).isoformat(), (day + _DAY).isoformat())


def span(since: str | None, until: str | None, course: Course | None) -> tuple[datetime, datetime]:
    """From the beginning of one date to the end of another, by the session's zone, or this machine's."""
    from mien.attendance.zones import find_zone

    zone = None if course is None else find_zone(course.zone)
    present = now().astimezone(zone)
    last = present if until is None else _midnight(until, "--until", present) + _DAY - timedelta(microseconds=1)
    first = last - _USUAL if since is None else _midnight(since, "--since", present)
    if first > last:
        raise SettingError(f"--since {first:%Y-%m-%d} lies after {last:%Y-%m-%d}; swap them")
    return first, last


def _midnight(text: str, option: str, like: datetime) -> datetime:
    day = read_date(text, option)
    return datetime(day.year, day.month, day.day, tzinfo=like.tzinfo)
