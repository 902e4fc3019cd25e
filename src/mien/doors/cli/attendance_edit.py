"""``mien attendance session edit``, ``rename`` and ``remove``: what becomes of a session, and of its past."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import SettingError
from mien.doors.cli.attendance_book import span
from mien.doors.cli.attendance_sessions import SESSION_COLUMNS, Which, session_row
from mien.doors.cli.attendance_times import length, now, read_date, read_time, read_weekdays
from mien.doors.cli.command import Exit, Session, ask, command

if TYPE_CHECKING:
    from datetime import date

    from mien.attendance.book import Records
    from mien.core.attendance import Entry, Rules
    from mien.core.attendance import Session as Course

__all__ = ["register"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_NEVER = "never"


def register(sessions: typer.Typer) -> None:
    """Add the commands to the group ``session``."""
    for function in (edit, rename, remove):
        command(sessions, function.__name__)(function)


def edit(
    session: Session,
    which: Which,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The first date it is so; the next that has not begun if left out.")
    ] = None,
    weekdays: Annotated[str | None, typer.Option(help="mon,wed or mon-fri.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="When it starts, e.g. 08:00.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="When it ends, e.g. 09:30.")] = None,
    until: Annotated[str | None, typer.Option(help="The last date, or never.")] = None,
    camera: Annotated[
        list[str] | None, typer.Option(help="Only what this camera saw counts; repeatable; all for every camera.")
    ] = None,
    min_sightings: Annotated[int | None, typer.Option(help="Sightings needed to be present.")] = None,
    cool_down: Annotated[float | None, typer.Option(help="Seconds within which sightings count once.")] = None,
    early: Annotated[float | None, typer.Option(help="Minutes before the start from which sightings count.")] = None,
    late_after: Annotated[str | None, typer.Option(help="Minutes after the start, or never.")] = None,
    left_after: Annotated[str | None, typer.Option(help="Minutes unseen after which one has left, or never.")] = None,
    yes: Yes = False,
) -> int | None:
    """Change a session's times, cameras or rules from a date on; meetings before it keep theirs."""
    from mien.attendance.schedule import changed_from, first_free_date

    log = session.house.gallery.attendance
    course = log.session(which)
    day = first_free_date(course, log.openings(course.id), now()) if as_of is None else read_date(as_of, "--as-of")
    before = course.on(day)
    lengths = {"late_after": late_after, "left_after": left_after}
    rules = _changed_rules(before.rules, {"minimum": min_sightings, "cool_down": cool_down, "early": early} | lengths)
    given: dict[str, Any] = {
        "weekdays": None if weekdays is None else read_weekdays(weekdays),
        "start": None if start is None else read_time(start, "--from"),
        "end": None if end is None else read_time(end, "--to"),
        "cameras": None if not camera else () if camera == ["all"] else tuple(camera),
        "rules": None if rules == before.rules else rules,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if until is not None:
        changes["last"] = None if until == _NEVER else read_date(until, "--until")
    if not changes:
        raise SettingError("nothing to change was given; e.g. --from 09:00 --to 10:30")
    new = changed_from(course, replace(before, **changes), day)
    if not _agreed(session, course, new, day, yes=yes):
        session.out.note("nothing was changed")
        return Exit.FAILED
    changed = log.change_session(new)
    for version in (*course.earlier, course):
        if version.since is not None and version.since > day:
            session.out.note(f"what was to change on {version.since} is taken back")
    session.out.table(f"changed from {day} on", [session_row(changed)], columns=SESSION_COLUMNS)
    return None


def rename(session: Session, which: Which, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a session another name; nothing else changes."""
    log = session.house.gallery.attendance
    renamed = log.change_session(replace(log.session(which), name=name))
    session.out.table("renamed", [session_row(renamed)], columns=SESSION_COLUMNS)


def remove(session: Session, which: Which, yes: Yes = False) -> int | None:
    """Forget a session, its roster and its corrections; what cameras saw stays."""
    log = session.house.gallery.attendance
    course = log.session(which)
    places, said = len(log.roster(course.id)), len(log.corrections(course.id))
    question = f"Forget {course.name}, its roster ({places} people) and {said} marks made by hand for ever?"
    if not yes and not ask(question):
        session.out.note("nothing was removed")
        return Exit.FAILED
    outside = _places(session, course.id)
    counts = log.remove_session(course.id)
    row = {"session": course.name, **counts}
    session.out.table("removed", [row], columns=tuple(row))
    session.out.note("its sightings stay: mien attendance sightings")
    if outside:
        session.out.note(
            f"what stands of it in {' and '.join(outside)} stays too, and removing a person no longer takes them away "
            "there: delete it by hand"
        )
    return None


def _places(session: Session, course_id: str) -> list[str]:
    """Names of the places outside in which something of a session stands."""
    outbox = session.house.gallery.outbox
    return [target.name for target in outbox.targets() if outbox.put(target.id, course_id)]


def _changed_rules(rules: Rules, given: dict[str, Any]) -> Rules:
    """The rules with what was typed; lengths in the units of ``session add``."""
    changes = {name: value for name, value in given.items() if value is not None}
    for name in changes.keys() & {"late_after", "left_after"}:
        option = f"--{name.replace('_', '-')}"
        changes[name] = None if changes[name] == _NEVER else length(_number(changes[name], option), option)
    if "cool_down" in changes:
        changes["cool_down"] = length(changes["cool_down"], "--cool-down", "seconds")
    if "early" in changes:
        changes["early"] = length(changes["early"], "--early")
    return replace(rules, **changes)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{option} is {text!r}; give minutes, or never") from None


def _agreed(session: Session, course: Course, new: Course, day: date, *, yes: bool) -> bool:
    """Show which lines of meetings that have begun would change, and ask; without any there is nothing to ask."""
    lines = _changed_lines(session, course, new, day)
    if not lines:
        return True
    session.out.note(f"{len(lines)} lines of meetings that have begun change:")
    for line in lines:
        session.out.note(f"  {line}")
    return yes or ask(f"Change {course.name} from {day} on, and with it its past?")


def _changed_lines(session: Session, course: Course, new: Course, day: date) -> list[str]:
    """Lines of meetings that have begun and would be told otherwise, in words."""
    from mien.attendance.book import keep
    from mien.attendance.schedule import local_day
    from mien.jobs.registers import records_of

    present = now()
    until = max(day, local_day(course, present))
    first, last = span(day.isoformat(), until.isoformat(), course)
    log = session.house.gallery.attendance
    records = records_of(log, course, first, last)

    def lines(records: Records) -> dict[str, Entry]:
        return {entry.id: entry for entry in keep(records, first, last, now=present).entries}

    before, after = lines(records), lines(replace(records, session=new))
    names = {place.person.id: place.person.name for place in records.roster}
    return [
        f"{names[either.person_id]} on {either.meeting}: {_status(before.get(key))} → {_status(after.get(key))}"
        for key, either in sorted((before | after).items())
        if _status(before.get(key)) != _status(after.get(key))
    ]


def _status(entry: Entry | None) -> str:
    return "no meeting" if entry is None else entry.status
