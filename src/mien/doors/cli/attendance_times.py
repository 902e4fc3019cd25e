"""Times, weekdays and meetings as a user types them at ``mien attendance``."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from mien.core.errors import SettingError

if TYPE_CHECKING:
    from mien.core.attendance import Session

__all__ = ["DAYS", "length", "local_moment", "now", "read_date", "read_moment", "read_time", "read_weekdays"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = {"minutes": 24 * 60, "seconds": 24 * 60 * 60}
_YEARS = range(1970, 2200)
"""Dates outside are slips, and arithmetic on them leaves what a datetime can hold."""


def now() -> datetime:
    """The present by this machine's clock, in UTC."""
    return datetime.now(UTC)


def read_weekdays(text: str) -> tuple[int, ...]:
    """``"mon,wed"`` or ``"mon-fri"`` as numbers, 0 is Monday.

    Raises:
        SettingError: no weekday.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = _weekday(first, text), _weekday(last or first, text)
        found |= set(range(begin, end + 1)) if begin <= end else {*range(begin, 7), *range(end + 1)}
    return tuple(sorted(found))


def _weekday(word: str, text: str) -> int:
    word = word.strip().casefold()
    found = [day for day, name in enumerate(_WEEKDAYS) if name.startswith(word) and len(word) >= len(DAYS[0])]
    if not found:
        raise SettingError(f"--weekdays is {text!r}: {word!r} is no weekday; give e.g. mon,wed or mon-fri")
    return found[0]


def length(value: float, option: str, unit: Literal["minutes", "seconds"] = "minutes") -> timedelta:
    """So many minutes or seconds, up to a day.

    Raises:
        SettingError: more or less than that, or no number.
    """
    if not 0 <= value <= _DAY[unit]:
        raise SettingError(f"{option} is {value:g}; give 0 to {_DAY[unit]} {unit}")
    return timedelta(**{unit: value})


def read_time(text: str, option: str) -> time:
    """``"08:00"`` as a local time.

    Raises:
        SettingError: no time.
    """
    try:
        found = time.fromisoformat(text)
    except ValueError:
        raise SettingError(f"{option} is {text!r}; give a time such as 08:00") from None
    if found.tzinfo is not None:
        raise SettingError(f"{option} is {text!r}; give it without an offset, the zone is that of the session")
    return found


def read_date(text: str, option: str) -> date:
    """``"2026-03-02"`` as a date.

    Raises:
        SettingError: no date.
    """
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if found.year not in _YEARS:
        raise SettingError(f"{option} is {text!r}; give a date such as 2026-03-02")
    return found


def read_moment(text: str | None, option: str) -> datetime:
    """``"2026-03-02T08:05+01:00"``, or without an offset by this machine's zone; None is now. In UTC.

    Raises:
        SettingError: no moment.
    """
    if text is None:
        return now()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min.replace(tzinfo=UTC)
    if found.year not in _YEARS:
        raise SettingError(f"{option} is {text!r}; give a moment such as 2026-03-02T08:05+01:00")
    return found.astimezone(UTC)


def local_moment(text: str | None, session: Session, option: str) -> datetime:
    """As ``read_moment``, but without an offset by the session's zone."""
    from mien.attendance.zones import find_zone, instant

    moment = read_moment(text, option)
    written = None if text is None else datetime.fromisoformat(text)
    if written is None or written.tzinfo is not None:
        return moment
    return instant(written.date(), written.time(), find_zone(session.zone))
