"""What the library keeps of people, when two become one and when one is removed.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from mien.store.library_schema import library_faces, library_refusals

__all__ = ["delete_faces", "merge_faces", "of_person"]


def of_person(person_id: str, alike: Sequence[str] = ()) -> ColumnElement[bool]:
    """The condition for faces of the library that are a person's: those named so, and those told to look like them.

    Args:
        person_id: who.
        alike: ids of faces without a name that are taken for the person.
    """
    f = library_faces.c
    return or_(f.person_id == person_id, f.id.in_(list(alike)) & f.person_id.is_(None))


def delete_faces(connection: Connection, person_id: str, alike: Sequence[str] = ()) -> dict[str, int]:
    """Delete the faces of a person and what was said about who is not they; how many rows of each kind."""
    refused = delete(library_refusals).where(library_refusals.c.person_id == person_id)
    gone: dict[str, Any] = {"refusals": refused, "faces": delete(library_faces).where(of_person(person_id, alike))}
    return {kind: connection.execute(statement).rowcount for kind, statement in gone.items()}


def merge_faces(connection: Connection, keep: str, gone: str) -> None:
    """Move the faces of ``gone``, and what was said of faces that are not theirs, to ``keep``.

    A face that people said is one and not the other stays with the name it was given.
    """
    f, r = library_faces.c, library_refusals.c
    connection.execute(update(library_faces).where(f.person_id == gone).values(person_id=keep))
    already = select(r.face_id).where(r.person_id == keep)
    connection.execute(
        update(library_refusals).where(r.person_id == gone, r.face_id.not_in(already)).values(person_id=keep)
    )
    named = select(f.id).where(f.person_id == keep)
    connection.execute(delete(library_refusals).where(r.person_id == keep, r.face_id.in_(named)))
