"""When sessions meet: weekdays and local times, day borders, and what was opened and closed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mien.attendance.zones import find_zone, instant
from mien.core.attendance import Meeting, Opening, Session
from mien.core.errors import InputError, NotFoundError

__all__ = ["changed_from", "check_opening", "find_meeting", "first_free_date", "local_day", "meeting_at", "meetings"]

_DAY = timedelta(days=1)


def meetings(session: Session, openings: Iterable[Opening], since: datetime, until: datetime) -> list[Meeting]:
    """The meetings of ``session`` that overlap ``since`` … ``until`` (aware), oldest first.

    Args:
        session: what meets.
        openings: those of this session in the order in which they were made; others are passed over.
        since: from here on.
        until: up to here.

    Raises:
        SettingError: the session's zone is unknown.
    """
    # An opened meeting lasts a day at most, a night course reaches into the next date: two days more are enough.
    planned = {m.key: m for m in _planned(session, since - 2 * _DAY, until + 2 * _DAY)}
    found = _with_openings(session, planned, (o for o in openings if o.session_id == session.id))
    overlapping = [m for m in found if m.opens <= until and m.end > since]
    return sorted(overlapping, key=lambda m: (m.opens, m.key))


def meeting_at(session: Session, openings: Iterable[Opening], at: datetime) -> Meeting | None:
    """The meeting of ``session`` that is open at this moment, if one is."""
    return next((m for m in meetings(session, openings, at, at) if m.covers(at)), None)


def find_meeting(session: Session, found: Iterable[Meeting], key: str) -> Meeting:
    """The one meeting whose key begins with ``key``: a date will do where there is one on that date.

    Raises:
        NotFoundError: none, or several.
    """
    fitting = [m for m in found if m.key == key] or [m for m in found if m.key.startswith(key)]
    if not fitting:
        raise NotFoundError(f"{session.name} does not meet on {key}; see: mien attendance report {session.name!r}")
    if len(fitting) > 1:
        raise NotFoundError(f"{session.name} meets more than once on {key}: {', '.join(m.key for m in fitting)}")
    return fitting[0]


def check_opening(session: Session, openings: Iterable[Opening], new: Opening) -> None:
    """Refuse to open what is open, to close what is not, and to do either before the last time it was done.

    Raises:
        InputError: one of these.
    """
    made = [o for o in openings if o.session_id == session.id]
    zone = find_zone(session.zone)
    at = f"{new.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if made and new.at < made[-1].at:
        before = f"{made[-1].at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        raise InputError(
            f"the clock says {at}, but {session.name} was last opened or closed at {before}; put the clock right"
        )
    running = meeting_at(session, made, new.at)
    if new.action == "open" and running is not None:
        ends = running.end.astimezone(zone)
        raise InputError(f"{session.name} is open at {at} already, until {ends:%Y-%m-%d %H:%M}")
    if new.action == "close" and running is None:
        raise InputError(f"{session.name} is not open at {at}; there is nothing to close")


def changed_from(session: Session, new: Session, day: date) -> Session:
    """``new`` from a date on, ``session`` before it: what was changed from that date on before is taken back.

    Args:
        session: as it is.
        new: as it is to be.
        day: the first date on which it is.

    Raises:
        InputError: another kind, zone or day border, by which meetings of the past are found.
    """
    for word, before, after in (
        ("kind", session.kind, new.kind),
        ("zone", session.zone, new.zone),
        ("day border", session.day_border, new.day_border),
    ):
        if before != after:
            raise InputError(
                f"the {word} of {session.name} is {before} and stays so, since its past is told by it; add a new session"
            )
    kept = tuple(replace(v, earlier=()) for v in (*session.earlier, session) if v.since is None or v.since < day)
    return replace(new, id=session.id, since=day, earlier=kept)


def first_free_date(session: Session, openings: Iterable[Opening], now: datetime) -> date:
    """The first date whose meeting has not begun: what is changed from here on changes no past."""
    today = local_day(session, now)
    begun = {m.date for m in meetings(session, openings, now - _DAY, now) if m.opens <= now}
    return next(day for day in (today, today + _DAY, today + 2 * _DAY) if day not in begun)


def local_day(session: Session, at: datetime) -> date:
    """The date that a moment belongs to, by the session's zone and day border."""
    zone = find_zone(session.zone)
    today = at.astimezone(zone).date()
    days = (today + _DAY, today, today - _DAY)  # a border that clocks skip or repeat may lie on the other side of it
    return next(day for day in days if instant(day, session.day_border, zone) <= at)


def _planned(session: Session, since: datetime, until: datetime) -> Iterator[Meeting]:
    if session.kind == "ad hoc":
        return
    zone = find_zone(session.zone)
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    for offset in range((last - first).days + 1):
        day = first + offset * _DAY
        then = session.on(day)
        if _takes_place(then, day):
            yield _course(then, day, zone) if then.kind == "course" else _whole_day(then, day, zone)


def _takes_place(session: Session, day: date) -> bool:
    within = (session.first is None or session.first <= day) and (session.last is None or day <= session.last)
    return within and (not session.weekdays or day.weekday() in session.weekdays)


def _course(session: Session, day: date, zone: ZoneInfo) -> Meeting:
    start, end = _hours(session, day, zone)
    early = start - session.rules.early
    return Meeting(session.id, day.isoformat(), day, opens=early, due=start, until=end, end=end)


def _hours(session: Session, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end; they lie on two dates if the end is not later on the clock than the start."""
    if session.start is None or session.end is None:
        raise InputError(f"{session.name} has no hours; give a start and an end")
    last_day = day if session.end > session.start else day + _DAY
    start, end = instant(day, session.start, zone), instant(last_day, session.end, zone)
    if end > start:
        return start, end
    # The clocks skipped the start, which moved it behind the end: the session keeps its length instead.
    length = datetime.combine(last_day, session.end) - datetime.combine(day, session.start)
    return start, start + length


def _whole_day(session: Session, day: date, zone: ZoneInfo) -> Meeting:
    opens, end = instant(day, session.day_border, zone), instant(day + _DAY, session.day_border, zone)
    due = None if session.start is None else _after_border(session, day, session.start, zone)
    until = end if session.end is None else min(end, _after_border(session, day, session.end, zone))
    return Meeting(session.id, day.isoformat(), day, opens=opens, due=due, until=until, end=end)


def _after_border(session: Session, day: date, clock: time, zone: ZoneInfo) -> datetime:
    """A local time of the day that begins at the day border: 01:00 is tomorrow's where days begin at 04:00."""
    return instant(day if clock >= session.day_border else day + _DAY, clock, zone)


def _with_openings(session: Session, planned: dict[str, Meeting], made: Iterable[Opening]) -> list[Meeting]:
    found = dict(planned)
    for opening in made:
        running = next((m for m in found.values() if m.covers(opening.at)), None)
        if opening.action == "close" and running is not None:
            found[running.key] = replace(running, until=min(running.until, opening.at), end=opening.at)
        elif opening.action == "open" and running is None:
            interrupted = next((m for m in planned.values() if m.covers(opening.at)), None)
            meeting = interrupted or _opened(session, opening.at)
            found[meeting.key] = meeting
    return list(found.values())


def _opened(session: Session, at: datetime) -> Meeting:
    """A meeting opened by hand: forgotten ones end with their day."""
    zone = find_zone(session.zone)
    day = local_day(session, at)
    key = at.astimezone(zone).isoformat(timespec="seconds")
    end = instant(day + _DAY, session.day_border, zone)
    return Meeting(session.id, key, day, opens=at, due=at, until=end, end=end)
