"""``mien attendance edits``: what somebody changed by hand in a place outside, and whether it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError
from mien.doors.cli.attendance_times import now
from mien.doors.cli.command import Session, command

if TYPE_CHECKING:
    from mien.core.attendance import Entry
    from mien.core.attendance import Session as Course
    from mien.store.outbox import HeldEdit

__all__ = ["register"]

EditId = Annotated[str, typer.Argument(metavar="EDIT", help="Its id, from: mien attendance edits list.")]


def register(attendance: typer.Typer) -> None:
    """Add the group."""
    edits = typer.Typer(no_args_is_help=True, help="What somebody changed by hand in a place outside.")
    attendance.add_typer(edits, name="edits")
    command(edits, "list")(list_edits)
    command(edits, "adopt")(adopt)
    command(edits, "restore")(restore)


def list_edits(
    session: Session,
    settled: Annotated[
        bool, typer.Option("--all", help="Also those that were adopted, restored or taken back.")
    ] = False,
) -> None:
    """What somebody changed by hand: what we had written, what stands there, what we would write."""
    rows = [_edit_row(held) for held in session.house.gallery.outbox.edits(settled=settled)]
    columns = ("edit", "target", "where", "was", "found", "wanted", "mark", "seen", "state")
    session.out.table(f"{len(rows)} edits", rows, columns=columns)


def _edit_row(held: HeldEdit) -> dict[str, Any]:
    return {
        "edit": held.id[:8],
        "target": held.target,
        "where": held.edit.where,
        "was": held.edit.put,
        "found": held.edit.found,
        "wanted": held.edit.wanted,
        "mark": held.edit.status,
        "seen": held.seen.astimezone().isoformat(timespec="minutes"),
        "state": held.state if not held.by else f"{held.state} by {held.by}",
    }


def adopt(session: Session, edit: EditId) -> None:
    """Let what was typed there count: it becomes a correction in the book."""
    from mien.core.attendance import Correction

    gallery = session.house.gallery
    held = gallery.outbox.edit(edit)
    if held.edit.status is None or not held.edit.entry_id:
        what = f"{held.edit.found!r} at {held.edit.where} is no mark" if held.edit.entry_id else held.edit.where
        raise InputError(
            f"{what}: it cannot be adopted as a whole; carry over what counts with mien attendance correct, "
            f"then: mien attendance edits restore {edit}"
        )
    course = gallery.attendance.session(held.session_id)
    entry = _entry(session, course, held.edit.entry_id)
    correction = Correction(
        session_id=course.id,
        meeting=entry.meeting,
        person_id=entry.person_id,
        status=held.edit.status,
        reason=f"changed by hand in {held.target} at {held.edit.where}",
        by=gallery.attendance.actor,
        at=now(),
        old_status=entry.status,
        old_arrived=entry.arrived,
    )
    _print_settled(session, gallery.outbox.adopt(held.id, correction, found=held.edit.found))


def _entry(session: Session, course: Course, entry_id: str) -> Entry:
    """The line of the register that was changed.

    Raises:
        InputError: it is not there any more.
    """
    from mien.jobs.deliver import whole_register

    gallery = session.house.gallery
    kept = whole_register(gallery.attendance, course, gallery.outbox.began(course.id), now())
    for entry in kept.entries:
        if entry.id == entry_id:
            return entry
    raise InputError(f"what was changed is no line of the register of {course.name}; restore it instead")


def restore(session: Session, edit: EditId) -> None:
    """Let the book count: the next delivery writes over what was typed there."""
    _print_settled(session, session.house.gallery.outbox.restore(edit))
    session.out.note("written over with the next delivery: mien attendance deliver")


def _print_settled(session: Session, held: HeldEdit) -> None:
    row = _edit_row(held)
    session.out.table(held.state, [row], columns=("edit", "target", "where", "found", "wanted", "state"))
