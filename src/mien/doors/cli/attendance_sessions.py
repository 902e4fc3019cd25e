"""``mien attendance session`` and ``mien attendance roster``: what attendance is taken of, and who should come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.doors.cli.attendance_times import DAYS, length, local_moment, now, read_date, read_time, read_weekdays
from mien.doors.cli.command import Session, command

if TYPE_CHECKING:
    from mien.core.attendance import Opening, Place
    from mien.core.attendance import Session as Course

__all__ = ["SESSION_COLUMNS", "Which", "register", "session_row"]

Which = Annotated[str, typer.Argument(metavar="SESSION", help="The session's name or id.")]
At = Annotated[str | None, typer.Option("--at", help="When, e.g. 2026-03-02T08:05; now if left out.")]


def register(attendance: typer.Typer) -> typer.Typer:
    """Add the two groups; the one called ``session``."""
    sessions = typer.Typer(no_args_is_help=True, help="What attendance is taken of: courses, days, ad hoc.")
    attendance.add_typer(sessions, name="session")
    command(sessions, "add")(add)
    command(sessions, "list")(list_sessions)
    command(sessions, "open")(open_session)
    command(sessions, "close")(close_session)
    rosters = typer.Typer(no_args_is_help=True, help="Who should come.")
    attendance.add_typer(rosters, name="roster")
    command(rosters, "import")(import_roster)
    command(rosters, "show")(show_roster)
    return sessions


def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="What it is called.")],
    zone: Annotated[str, typer.Option(help="IANA time zone of all its times, e.g. Europe/Berlin.")],
    weekdays: Annotated[str | None, typer.Option(help="mon,wed or mon-fri; makes it a course.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="When it starts, e.g. 08:00.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="When it ends, e.g. 09:30; earlier is the next day.")] = None,
    day: Annotated[bool, typer.Option("--day", help="Day-long: check-in and check-out.")] = False,
    border: Annotated[str, typer.Option(help="When a new day begins.")] = "00:00",
    since: Annotated[str | None, typer.Option(help="The first date; today if left out.")] = None,
    until: Annotated[str | None, typer.Option(help="The last date.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Only what this camera saw counts; repeatable.")] = None,
    min_sightings: Annotated[int, typer.Option(help="Sightings needed to be present.")] = 1,
    cool_down: Annotated[float, typer.Option(help="Seconds within which sightings count once.")] = 60,
    early: Annotated[float, typer.Option(help="Minutes before the start from which sightings count.")] = 15,
    late_after: Annotated[float, typer.Option(help="Minutes after the start until which one is in time.")] = 10,
    never_late: Annotated[bool, typer.Option("--never-late", help="Call nobody late.")] = False,
    left_after: Annotated[float | None, typer.Option(help="Minutes unseen after which one has left.")] = None,
) -> None:
    """Add a session: a course (--weekdays --from --to), a day (--day), or ad hoc (neither)."""
    from mien.attendance.zones import find_zone
    from mien.core.attendance import Rules
    from mien.core.attendance import Session as Course

    today = now().astimezone(find_zone(zone)).date()
    course = Course(
        name=name,
        kind="day" if day else "course" if weekdays or start or end else "ad hoc",
        zone=zone,
        weekdays=() if weekdays is None else read_weekdays(weekdays),
        start=None if start is None else read_time(start, "--from"),
        end=None if end is None else read_time(end, "--to"),
        first=today if since is None else read_date(since, "--since"),
        last=None if until is None else read_date(until, "--until"),
        day_border=read_time(border, "--border"),
        cameras=tuple(camera or ()),
        rules=Rules(
            minimum=min_sightings,
            cool_down=length(cool_down, "--cool-down", "seconds"),
            early=length(early, "--early"),
            late_after=None if never_late else length(late_after, "--late-after"),
            left_after=None if left_after is None else length(left_after, "--left-after"),
        ),
    )
    added = session.house.gallery.attendance.add_session(course)
    session.out.table("added", [session_row(added)], columns=SESSION_COLUMNS)


def list_sessions(session: Session) -> None:
    """Every session, when it meets, and which are open now."""
    from mien.attendance.schedule import local_day, meeting_at

    log = session.house.gallery.attendance
    rows = []
    for course in log.sessions():
        meeting = meeting_at(course, log.openings(course.id), now())
        today = local_day(course, now())
        row = session_row(course.on(today))
        if course.since is not None and course.since > today:
            row["when"] += f"; from {course.since} {session_row(course)['when']}"
        rows.append({**row, "people": _expected(log.roster(course.id)), "open": meeting is not None})
    session.out.table(f"{len(rows)} sessions", rows, columns=(*SESSION_COLUMNS[:-1], "people", "open", "id"))


def open_session(session: Session, which: Which, at: At = None) -> None:
    """Open a session by hand: an ad hoc one, or a course outside its hours."""
    _turn(session, which, at, "open")


def close_session(session: Session, which: Which, at: At = None) -> None:
    """Close a session that is open, before its time."""
    _turn(session, which, at, "close")


def import_roster(
    session: Session,
    path: Annotated[Path, typer.Argument(metavar="FILE.csv", help="With a column called name or id.")],
    which: Annotated[str, typer.Option("--session", help="Whose roster: the session's name or id.")],
    since: Annotated[str | None, typer.Option(help="The first date they are expected on; always if left out.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Those not in the file are expected no more.")] = False,
) -> None:
    """Put everybody named in a CSV file on a roster: all of them or none."""
    from mien.attendance.roster_file import read_names
    from mien.attendance.schedule import local_day

    log = session.house.gallery.attendance
    course = log.session(which)
    today = local_day(course, now())
    first = None if since is None else read_date(since, "--since")
    new, made = log.set_roster(course.id, read_names(path), since=first, gone_from=today if replace else None)
    here = [place.person for place in log.roster(course.id) if place.until is None]
    without = sum(person.templates == 0 for person in here)
    row = {"session": course.name, "new": new, "people": len(here), "without photo": without}
    session.out.table("roster", [row], columns=tuple(row))
    if made:
        names = ", ".join(person.name for person in made)
        session.out.note(f"not known before: {names}; teach their faces with: mien enroll NAME PHOTO")


def show_roster(session: Session, which: Which) -> None:
    """Who should come, from when to when, and who of them has no photograph yet."""
    log = session.house.gallery.attendance
    course = log.session(which)
    rows = [
        {
            "name": place.person.name,
            "photos": place.person.templates,
            "since": None if place.since is None else place.since.isoformat(),
            "until": None if place.until is None else place.until.isoformat(),
            "id": place.person.id,
        }
        for place in log.roster(course.id)
    ]
    session.out.table(f"{course.name}: {len(rows)} people", rows, columns=("name", "photos", "since", "until", "id"))


def _turn(session: Session, which: str, at: str | None, action: Literal["open", "close"]) -> None:
    from mien.attendance.schedule import check_opening
    from mien.core.attendance import Opening

    log = session.house.gallery.attendance
    course = log.session(which)
    opening = Opening(course.id, local_moment(at, course, "--at"), action)
    check_opening(course, log.openings(course.id), opening)
    log.open_or_close(opening)
    row = {"session": course.name, "action": action, "at": _local(course, opening)}
    session.out.table(f"{action}ed" if action == "open" else "closed", [row], columns=tuple(row))


def _local(course: Course, opening: Opening) -> str:
    from mien.attendance.zones import find_zone

    return opening.at.astimezone(find_zone(course.zone)).isoformat(timespec="seconds")


def _expected(places: list[Place]) -> int:
    return sum(place.until is None for place in places)


SESSION_COLUMNS = ("name", "kind", "when", "zone", "cameras", "id")


def session_row(course: Course) -> dict[str, Any]:
    """A session as a row of a table."""
    days = " ".join(DAYS[day] for day in course.weekdays)
    hours = "–".join(f"{clock:%H:%M}" for clock in (course.start, course.end) if clock is not None)
    return {
        "name": course.name,
        "kind": course.kind,
        "when": f"{days} {hours}".strip() or ("every day" if course.kind == "day" else "when opened"),
        "zone": course.zone,
        "cameras": ", ".join(course.cameras) or "all",
        "id": course.id,
    }
