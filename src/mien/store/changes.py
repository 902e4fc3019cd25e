"""What may happen to people and templates, inside the transaction of the connection given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from mien.core.errors import InputError, NotFoundError
from mien.core.people import Template
from mien.store import identities, picture_rows, records
from mien.store.attendance_rows import delete_attendance, merge_attendance
from mien.store.library_people import delete_faces, merge_faces
from mien.store.names import clean_name, name_key
from mien.store.outbox_rows import delete_edits
from mien.store.schema import calibration_people, calibrations, people, pointers, replies, templates

__all__ = ["delete_person", "delete_template", "enroll", "merge", "rename"]


def enroll(connection: Connection, name: str, given: Sequence[Template], now: datetime) -> tuple[str, list[Template]]:
    """Write templates for the person of this name, who is created if need be; the id and what was written."""
    name = clean_name(name)
    person_id = identities.id_of_name(connection, name)
    if person_id is None:
        person_id = identities.new_id()
        identities.create_person(connection, person_id, identities.free_name(connection, name), now)
    added = [replace(t, id=identities.new_id(), person_id=person_id, created=now) for t in given]
    records.add_templates(connection, added)
    for template in added:
        if template.photo is not None:
            picture_rows.keep(connection, template.id, template.photo, now)
    return person_id, [replace(t, photo=None) for t in added]


def rename(connection: Connection, person_id: str, name: str) -> None:
    """Give the person another label; other spellings of the present one are free to them."""
    name = clean_name(name)
    if identities.id_of_name(connection, name) != person_id:
        name = identities.free_name(connection, name)
    values = {"name": name, "name_key": name_key(name)}
    connection.execute(update(people).where(people.c.id == person_id).values(values))


def merge(connection: Connection, keep: str, gone: str) -> int:
    """Move everything of ``gone`` to ``keep`` and leave a pointer; how many templates moved.

    A face that both were enrolled by stays once.
    """
    if keep == gone:
        raise InputError("both names belong to the same person; there is nothing to merge")
    t = templates.c
    same_face = tuple_(t.space_id, t.photo_sha256, t.x1, t.y1, t.x2, t.y2)
    kept = select(t.space_id, t.photo_sha256, t.x1, t.y1, t.x2, t.y2).where(t.person_id == keep)
    connection.execute(delete(templates).where(t.person_id == gone, t.photo_sha256 != "", same_face.in_(kept)))
    moved = connection.execute(update(templates).where(t.person_id == gone).values(person_id=keep)).rowcount
    connection.execute(update(pointers).where(pointers.c.person_id == gone).values(person_id=keep))
    c = calibration_people.c
    shared = select(c.space_id).where(c.person_id == keep)
    connection.execute(
        update(calibration_people).where(c.person_id == gone, c.space_id.not_in(shared)).values(person_id=keep)
    )
    picture_rows.move(connection, keep, gone)
    picture_rows.delete_unused(connection, keep)
    merge_attendance(connection, keep, gone)
    merge_faces(connection, keep, gone)
    delete_edits(connection, gone)  # what they have in places outside is withdrawn there
    connection.execute(delete(people).where(people.c.id == gone))
    connection.execute(insert(pointers).values(former_id=gone, person_id=keep))
    return moved


def delete_template(connection: Connection, template_id: str) -> str:
    """Delete one template; the id of the person it belonged to."""
    found = select(templates.c.person_id).where(templates.c.id == template_id)
    person_id = connection.execute(found).scalar()
    if person_id is None:
        raise NotFoundError(f"no template has the id {template_id}; see the ids with: mien people show NAME")
    connection.execute(delete(templates).where(templates.c.id == template_id))
    picture_rows.delete_unused(connection, str(person_id))
    return str(person_id)


def delete_person(connection: Connection, person_id: str, alike: Sequence[str] = ()) -> dict[str, int]:
    """Delete all rows of a person and the calibrations measured on their faces; how many of each.

    Attendance is among them, and faces of the library: those named so, and those without a name in ``alike``.
    Replies kept for requests that are sent again may tell of them: the contents of all are forgotten.
    """
    connection.execute(update(replies).values(content=None))
    measured_on = select(calibration_people.c.space_id).where(calibration_people.c.person_id == person_id)
    kept = {"pictures": picture_rows.delete_of(connection, person_id)}
    gone = {
        "templates": delete(templates).where(templates.c.person_id == person_id),
        "pointers": delete(pointers).where(pointers.c.person_id == person_id),
        "calibrations": delete(calibrations).where(calibrations.c.space_id.in_(measured_on)),
        "people": delete(people).where(people.c.id == person_id),
    }
    seen = delete_faces(connection, person_id, alike)
    attended = delete_attendance(connection, person_id) | {"edits": delete_edits(connection, person_id)}
    counts = {kind: connection.execute(statement).rowcount for kind, statement in gone.items()}
    return {**counts, **kept, **attended, **seen}
