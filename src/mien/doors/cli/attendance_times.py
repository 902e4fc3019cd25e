"""Times, weekdays and meetings as a user types them at ``mien attendance``."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from mien.core.errors import SettingError

if TYPE_CHECKING:
    from mien.core.attendance import Session

__all__ = ["DAYS", "local_moment", "now", "read_date", "read_moment", "read_time", "read_weekdays"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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
    short = word.strip().casefold()[:3]
    if short not in DAYS:
        raise SettingError(f"--weekdays is {text!r}: {word.strip()!r} is no weekday; give e.g. mon,wed or mon-fri")
    return DAYS.index(short)


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
        return date.fromisoformat(text)
    except ValueError:
        raise SettingError(f"{option} is {text!r}; give a date such as 2026-03-02") from None


def read_moment(text: str | None, option: str) -> datetime:
    """``"2026-03-02T08:05+01:00"``, or without an offset by this machine's zone; None is now. In UTC.

    Raises:
        SettingError: no moment.
    """
    if text is None:
        return now()
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SettingError(f"{option} is {text!r}; give a moment such as 2026-03-02T08:05+01:00") from None


def local_moment(text: str | None, session: Session, option: str) -> datetime:
    """As ``read_moment``, but without an offset by the session's zone."""
    from mien.attendance.zones import find_zone, instant

    moment = read_moment(text, option)
    written = None if text is None else datetime.fromisoformat(text)
    if written is None or written.tzinfo is not None:
        return moment
    return instant(written.date(), written.time(), find_zone(session.zone))
