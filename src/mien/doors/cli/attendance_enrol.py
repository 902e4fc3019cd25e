"""``mien attendance enrol``: a new student, known and on the roster at once."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.core.errors import SettingError
from mien.doors.cli.attendance_times import now, read_date
from mien.doors.cli.command import DETECTING, GATE, KEEPING, NAMING, Exit, Session, command
from mien.doors.cli.enrol_camera import Before, enrol_by_camera
from mien.doors.cli.enroll import At, Face, Photos, Similar, Unlike, Wait, from_photos
from mien.doors.cli.pictures import find
from mien.doors.cli.watch import Port, Preview

__all__ = ["register"]


def register(attendance: typer.Typer) -> None:
    """Add the command."""
    command(attendance, "enrol", DETECTING, NAMING, GATE, KEEPING)(enrol)


def enrol(
    session: Session,
    name: Annotated[str, typer.Argument(help="The person's name, in any script.")],
    photos: Photos = None,
    camera: At = None,
    which: Annotated[
        str | None, typer.Option("--session", help="Whose roster to put them on: the session's name or id.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="The first date they are expected on; today if left out.")] = None,
    wait: Wait = 60,
    preview: Preview = False,
    port: Port = None,
    face: Face = None,
    allow_similar: Similar = False,
    allow_unlike: Unlike = False,
) -> int | None:
    """Learn somebody from photographs or before a camera, and put them on a roster."""
    if (camera is None) == (not photos):
        raise SettingError("expected photographs or --camera, e.g. mien attendance enrol Ada --camera 0")
    log = session.house.gallery.attendance
    course = None if which is None else log.session(which)  # a mistyped one is told before anybody poses
    day = None if since is None else read_date(since, "--since")
    if day is not None and course is None:
        raise SettingError("--since is the first date on a roster; say whose with --session")
    options = session.house.enrol_options(face=face, allow_similar=allow_similar, allow_unlike=allow_unlike)
    if camera is None:
        accepted = from_photos(session, [(name, find(session, photos or []))], options)
    else:
        outcomes = enrol_by_camera(session, Before(name, camera, wait, options, preview, port))
        accepted = [outcome for outcome in outcomes if outcome.accepted]
    person = accepted[0].person if accepted else None
    if person is None:
        return Exit.FAILED
    if course is not None:
        from mien.attendance.schedule import local_day

        log.set_roster(course.id, [person.id], since=day or local_day(course, now()))
        session.out.note(f"{person.name} is on the roster of {course.name}")
    return None
