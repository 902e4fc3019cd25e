"""Time zones by their IANA names, and local times to instants on every night of the year."""

from __future__ import annotations

import difflib
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mien.core.errors import SettingError

__all__ = ["find_zone", "instant"]


@lru_cache(maxsize=64)
def find_zone(name: str) -> ZoneInfo:
    """The zone of this IANA name.

    Raises:
        SettingError: there is none; names close ones.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as "Europe"
        raise SettingError(f"no time zone is called {name!r}{_suggestion(name)}") from None


def _suggestion(name: str) -> str:
    known = available_timezones()
    if not known:
        return '; this system has no list of zones: pip install "tzdata"'
    cities = {zone.rpartition("/")[2].casefold(): zone for zone in sorted(known, key=len, reverse=True)}
    wanted = name.strip().replace(" ", "_").casefold()
    by_city = difflib.get_close_matches(wanted.rpartition("/")[2], cities, n=3, cutoff=0.75)
    whole = {zone.casefold(): zone for zone in known}
    by_name = difflib.get_close_matches(wanted, whole, n=3, cutoff=0.75)
    close = dict.fromkeys([*(whole[key] for key in by_name), *(cities[key] for key in by_city)])
    if not close:
        return "; give an IANA name such as Europe/Berlin or Asia/Ho_Chi_Minh"
    return f"; did you mean {' or '.join(list(close)[:3])}?"


def instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The moment at which clocks in ``zone`` show this, in UTC.

    A time that the clocks show twice means the first of the two, one that they skip is read with the offset before the
    gap, as RFC 5545, 3.3.5 has it: 02:30 on the night when 02:00 becomes 03:00 is the moment called 03:30.
    """
    return datetime.combine(day, clock.replace(fold=0), zone).astimezone(UTC)
