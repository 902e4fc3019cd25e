"""When sessions meet."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.attendance.schedule import (
    changed_from,
    check_opening,
    find_meeting,
    first_free_date,
    local_day,
    meeting_at,
    meetings,
)
from mien.attendance.zones import find_zone, instant
from mien.core.attendance import Opening, Rules, Session
from mien.core.errors import InputError, NotFoundError, SettingError

MINUTE = timedelta(minutes=1)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Ho_Chi_Minh", "Australia/Lord_Howe", "Pacific/Apia", "UTC")


def course(start=time(8), end=time(9, 30), zone="Europe/Berlin", **changes):
    days = changes.pop("weekdays", (0, 1, 2, 3, 4, 5, 6))
    rules = changes.pop("rules", Rules(early=timedelta(0)))
    return Session("Algebra", "course", zone, days, start, end, rules=rules, id="a", **changes)


def on(day, session=None, openings=()):
    """The meeting of one date."""
    session = session or course()
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return find_meeting(
        session, meetings(session, openings, noon - timedelta(days=1), noon + timedelta(days=1)), str(day)
    )


def opening(at, action="open"):
    return Opening("a", at, action, "tester")


def test_a_course_meets_on_its_weekdays_between_its_dates():
    """Mondays and Wednesdays from the first to the last date, no other day."""
    session = course(weekdays=(0, 2), first=date(2026, 3, 4), last=date(2026, 3, 16))
    found = meetings(session, (), datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert [m.key for m in found] == ["2026-03-04", "2026-03-09", "2026-03-11", "2026-03-16"]


def test_a_change_counts_from_its_date_on():
    """Before it the old hours and weekdays; a later change of the same days takes the earlier one back."""
    old = course(weekdays=(0,), first=date(2026, 3, 2))
    later = changed_from(old, replace(old, start=time(9), end=time(10), weekdays=(0, 2)), date(2026, 3, 9))
    found = meetings(later, (), datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 12, tzinfo=UTC))
    starts = ["2026-03-02T07:00", "2026-03-09T08:00", "2026-03-11T08:00"]
    assert [f"{m.opens:%Y-%m-%dT%H:%M}" for m in found] == starts
    again = changed_from(later, replace(later, last=date(2026, 3, 9)), date(2026, 3, 9))
    assert [v.since for v in (*again.earlier, again)] == [None, date(2026, 3, 9)]
    assert again.on(date(2026, 3, 8)).start == time(8)
    with pytest.raises(InputError, match="the zone of Algebra is Europe/Berlin and stays so"):
        changed_from(old, replace(old, zone="UTC"), date(2026, 3, 9))


@pytest.mark.parametrize(("hour", "day"), [(6, 2), (7, 3), (12, 3)])
def test_what_is_changed_without_a_date_changes_no_meeting_that_has_begun(hour, day):
    """Before today's meeting it counts from today on, once it has begun from tomorrow on."""
    assert first_free_date(course(), (), datetime(2026, 3, 2, hour, 30, tzinfo=UTC)) == date(2026, 3, day)


def test_the_same_hour_on_the_wall_all_year():
    """08:00 in Berlin is 07:00 UTC in winter and 06:00 in summer."""
    assert on(date(2026, 1, 15)).due == datetime(2026, 1, 15, 7, tzinfo=UTC)
    assert on(date(2026, 7, 15)).due == datetime(2026, 7, 15, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "utc", "minutes"),
    [
        (time(1), time(3, 30), "00:00", 90),  # 02:00 to 03:00 are not there
        (time(2, 30), time(4), "01:30", 30),  # starts at what is called 03:30
        (time(2, 10), time(2, 50), "01:10", 40),  # wholly in the gap: an hour later on the wall, as long as planned
        (time(2, 30), time(3, 15), "01:30", 45),  # the gap moves the start behind the end: as long as planned
    ],
)
def test_the_night_when_clocks_go_forward(start, end, utc, minutes):
    """A session in the missing hour takes place and has a length."""
    meeting = on(date(2026, 3, 29), course(start, end))
    assert f"{meeting.due:%H:%M}" == utc
    assert meeting.end - meeting.due == minutes * MINUTE


@pytest.mark.parametrize(
    ("start", "end", "utc", "minutes"),
    [
        (time(1, 30), time(2, 30), "23:30", 60),  # the first 02:30
        (time(2, 15), time(2, 45), "00:15", 30),  # the first time the clock shows it
        (time(1, 30), time(3, 30), "23:30", 180),  # the hour that is there twice
        (time(22), time(2, 30), "20:00", 270),  # from the evening before
    ],
)
def test_the_night_when_clocks_go_back(start, end, utc, minutes):
    """A time that comes twice means the first one; a session across both hours is an hour longer."""
    day = date(2026, 10, 24 if start.hour == 22 else 25)
    meeting = on(day, course(start, end))
    assert f"{meeting.due:%H:%M}" == utc
    assert meeting.end - meeting.due == minutes * MINUTE


@settings(max_examples=200, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    border=st.times(),
    at=st.integers(1_293_840_000, 1_893_456_000).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC)
    ),  # 2011 … 2029
)
def test_every_moment_lies_in_one_day(zone, border, at):
    """Days from border to border leave no gap and do not overlap, in any zone, on any night, even on days never had."""
    session = Session("Desk", "day", zone, day_border=border.replace(microsecond=0), id="a")
    covering = [m for m in meetings(session, (), at, at) if m.covers(at)]
    assert len(covering) == 1
    assert covering[0].date == local_day(session, at)


@settings(max_examples=200, deadline=None)
@given(zone=st.sampled_from(ZONES), day=st.dates(date(2011, 1, 2), date(2030, 1, 1)), start=st.times(), end=st.times())
def test_every_course_has_a_length(zone, day, start, end):
    """Start lies before end on every night of every zone."""
    start, end = start.replace(microsecond=0), end.replace(microsecond=0)
    if start != end:
        assert on(day, course(start, end, zone)).due < on(day, course(start, end, zone)).end


def test_a_night_shift_belongs_to_the_day_it_began_on():
    """With a day border at 04:00, 01:00 is still yesterday, and so is the end of the working hours at 02:00."""
    session = Session("Ward", "day", "Europe/Berlin", start=time(18), end=time(2), day_border=time(4), id="a")
    at = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)  # 01:00 in Berlin
    meeting = meeting_at(session, (), at)
    assert (meeting.key, meeting.due.hour, meeting.until.hour) == ("2026-03-02", 17, 1)
    assert local_day(session, at) == date(2026, 3, 2)


def test_early_birds_count():
    """Sightings count from a while before the start, lateness from the start."""
    meeting = on(date(2026, 3, 2), course(rules=Rules(early=15 * MINUTE)))
    assert meeting.due - meeting.opens == 15 * MINUTE


def test_ad_hoc_meets_from_opening_to_closing():
    """An ad hoc session has no meeting of its own; opened and closed it has one, named by the local time."""
    session = Session("Fire drill", "ad hoc", "Asia/Ho_Chi_Minh", id="a")
    at = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert meeting_at(session, (), at) is None
    made = (opening(at), opening(at + 20 * MINUTE, "close"))
    (meeting,) = meetings(session, made, at, at + timedelta(days=1))
    assert (meeting.key, meeting.end - meeting.opens) == ("2026-03-02T10:00:00+07:00", 20 * MINUTE)


def test_a_session_that_nobody_closes_ends_with_its_day():
    """A forgotten ad hoc session ends at the day border."""
    session = Session("Fire drill", "ad hoc", "Asia/Ho_Chi_Minh", id="a")
    at = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert meeting_at(session, (opening(at),), at).end == datetime(2026, 3, 2, 17, tzinfo=UTC)


def test_closing_a_course_early_and_opening_it_again():
    """Closed, it ends then; opened again within its hours it is the same meeting; opened at another time, a new one."""
    start = datetime(2026, 3, 2, 7, tzinfo=UTC)
    closed = (opening(start + 30 * MINUTE, "close"),)
    assert on(date(2026, 3, 2), openings=closed).end == start + 30 * MINUTE
    again = (*closed, opening(start + 40 * MINUTE))
    assert on(date(2026, 3, 2), openings=again).end == start + 90 * MINUTE
    evening = opening(start + timedelta(hours=10))
    assert meeting_at(course(), (*again, evening), evening.at).key == "2026-03-02T18:00:00+01:00"


def test_what_cannot_be_opened_or_closed():
    """Opening what is open, closing what is not, and a clock that went back are refused in clear words."""
    at = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
    with pytest.raises(InputError, match="open at 2026-03-02 08:30:00 already, until 2026-03-02 09:30"):
        check_opening(course(), (), opening(at))
    with pytest.raises(InputError, match="nothing to close"):
        check_opening(course(), (), opening(at + timedelta(hours=5), "close"))
    with pytest.raises(InputError, match="put the clock right"):
        check_opening(course(), (opening(at, "close"),), opening(at - 10 * MINUTE))


def test_two_meetings_on_one_date_must_be_told_apart():
    """A date names the meeting on it; with two, their keys are listed; without one, the report is named."""
    session = Session("Drill", "ad hoc", "UTC", id="a")
    at = datetime(2026, 3, 2, 8, tzinfo=UTC)
    made = [opening(at), opening(at + MINUTE, "close"), opening(at + 2 * MINUTE), opening(at + 3 * MINUTE, "close")]
    found = meetings(session, made, at, at + timedelta(days=1))
    with pytest.raises(NotFoundError, match="more than once"):
        find_meeting(session, found, "2026-03-02")
    with pytest.raises(NotFoundError, match="does not meet on 2026-03-03"):
        find_meeting(session, found, "2026-03-03")


@pytest.mark.parametrize(
    ("wrong", "close"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("Asia/Saigon City", "Asia/Saigon"),
        ("ho chi minh", "Asia/Ho_Chi_Minh"),
    ],
)
def test_an_unknown_zone_names_close_ones(wrong, close):
    """A misspelt zone, or a city alone, is refused with what may have been meant."""
    with pytest.raises(SettingError, match=f"did you mean .*{close}"):
        find_zone(wrong)


@pytest.mark.parametrize("wrong", ["", "Europe", "../etc/passwd", "xyzzy", "a\0b"])
def test_what_is_no_zone_at_all(wrong):
    """Nonsense, folders and paths are refused with an example."""
    with pytest.raises(SettingError, match="no time zone is called"):
        find_zone(wrong)


def test_gap_and_fold_by_rfc_5545():
    """A skipped time is read with the offset before the gap, a repeated one is the first."""
    berlin = find_zone("Europe/Berlin")
    assert instant(date(2026, 3, 29), time(2, 30), berlin) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert instant(date(2026, 10, 25), time(2, 30), berlin) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weekdays": ()}, "needs weekdays"),
        ({"weekdays": (7,)}, "Sunday"),
        ({"end": time(8)}, "starts and ends at 08:00"),
        ({"first": date(2026, 3, 2), "last": date(2026, 3, 1)}, "lies before the first"),
    ],
)
def test_a_session_that_cannot_be(changes, words):
    """A session without what its kind needs is refused."""
    with pytest.raises(InputError, match=words):
        course(**changes)


@pytest.mark.parametrize(
    ("rules", "words"),
    [({"minimum": 0}, "at least one"), ({"early": -MINUTE}, "0 or more"), ({"left_after": timedelta(0)}, "at once")],
)
def test_rules_that_cannot_be(rules, words):
    """Limits that make no sense are refused."""
    with pytest.raises(InputError, match=words):
        Rules(**rules)
