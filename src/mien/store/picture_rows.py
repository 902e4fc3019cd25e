"""Rows of kept pictures: which photographs may be kept, and what goes with whom.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, delete, insert, select, update

from mien.core.errors import InputError
from mien.core.people import FacePhoto
from mien.store.identities import new_id
from mien.store.schema import consents, pictures, template_pictures, templates

__all__ = ["delete_of", "delete_unused", "keep", "link_like", "move", "read_photo", "refuses", "say"]

_LONGEST = 4 * 2**20
"""Bytes. A part of a photograph around a face of 320 pixels has some 100 KB; more is no part."""

_JPEG = b"\xff\xd8\xff"


def refuses(connection: Connection, person_id: str) -> bool:
    """Whether the person said that no photograph of them is to be kept."""
    said = select(consents.c.pictures).where(consents.c.person_id == person_id)
    return connection.execute(said).scalar() is False


def keep(connection: Connection, template_id: str, photo: FacePhoto, now: datetime) -> bool:
    """Keep the picture that a template just written was made from, unless its person refuses; whether it was kept.

    Raises:
        InputError: it is no JPEG, or too large to be a part of a photograph.
    """
    if not photo.jpeg.startswith(_JPEG) or len(photo.jpeg) > _LONGEST:
        raise InputError(
            f"expected a JPEG of at most {_LONGEST} bytes to keep, got {len(photo.jpeg)} bytes that begin with"
            f" {photo.jpeg[:3].hex()}"
        )
    owner = connection.execute(select(templates.c.person_id).where(templates.c.id == template_id)).scalar_one()
    if refuses(connection, owner):
        return False
    landmarks = None if photo.landmarks is None else np.asarray(photo.landmarks, float).tolist()
    row = {
        "id": new_id(),
        "person_id": owner,
        "kept": now,
        "face": {"box": list(map(float, photo.box)), "landmarks": landmarks},
        "size": len(photo.jpeg),
        "jpeg": photo.jpeg,
    }
    connection.execute(insert(pictures).values(row))
    connection.execute(insert(template_pictures).values(template_id=template_id, picture_id=row["id"]))
    return True


def link_like(connection: Connection, template_id: str, like: str) -> None:
    """Say that the template ``template_id`` was made from the picture of the template ``like``, if that has one."""
    c = template_pictures.c
    picture = connection.execute(select(c.picture_id).where(c.template_id == like)).scalar()
    if picture is not None:
        connection.execute(insert(template_pictures).values(template_id=template_id, picture_id=picture))


def read_photo(connection: Connection, template_id: str) -> FacePhoto | None:
    """The picture a template was made from; None if none was kept."""
    p, link = pictures.c, template_pictures.c
    query = select(p.jpeg, p.face).join(template_pictures, link.picture_id == p.id)
    row = connection.execute(query.where(link.template_id == template_id)).first()
    if row is None:
        return None
    x1, y1, x2, y2 = map(float, row.face["box"])
    landmarks = row.face["landmarks"]
    return FacePhoto(bytes(row.jpeg), (x1, y1, x2, y2), None if landmarks is None else np.array(landmarks, np.float32))


def move(connection: Connection, keep_id: str, gone_id: str) -> None:
    """Give the pictures of ``gone_id`` to ``keep_id``; a refusal by either holds for both."""
    connection.execute(update(pictures).where(pictures.c.person_id == gone_id).values(person_id=keep_id))
    if refuses(connection, gone_id):
        said = connection.execute(select(consents.c.actor, consents.c.at).where(consents.c.person_id == gone_id)).one()
        say(connection, keep_id, {"pictures": False}, *said)
    if refuses(connection, keep_id):
        delete_of(connection, keep_id)


def say(connection: Connection, person_id: str, words: Mapping[str, bool], actor: str, at: datetime) -> None:
    """Record what a person allows (``evidence``, ``pictures``); what else they said stays."""
    row = {**words, "actor": actor, "at": at}
    if not connection.execute(update(consents).where(consents.c.person_id == person_id).values(row)).rowcount:
        connection.execute(insert(consents).values({"person_id": person_id, "evidence": False, **row}))


def delete_of(connection: Connection, person_id: str) -> int:
    """Delete all pictures of a person; how many."""
    return connection.execute(delete(pictures).where(pictures.c.person_id == person_id)).rowcount


def delete_unused(connection: Connection, person_id: str) -> int:
    """Delete pictures of a person that no template was made from any more; how many."""
    used = select(template_pictures.c.picture_id)
    unused = (pictures.c.person_id == person_id, pictures.c.id.not_in(used))
    return connection.execute(delete(pictures).where(*unused)).rowcount
