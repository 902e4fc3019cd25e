"""Spaces, calibrations and templates: rows to the words of the house and back.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, delete, insert, select

from mien.core.errors import DuplicateError, InputError
from mien.core.people import Calibration, EmbeddingSpace, Template
from mien.core.vectors import check_unit
from mien.store.names import storable
from mien.store.schema import calibration_people, calibrations, settings, spaces, templates

__all__ = [
    "active_space_id",
    "add_templates",
    "calibration_from",
    "check_template",
    "face_of",
    "former_space_id",
    "known_spaces",
    "read_calibration",
    "read_calibrations",
    "read_templates",
    "read_vector",
    "register_space",
    "remove_calibration",
    "set_active_space_id",
    "switch_space",
    "template_row",
    "write_calibration",
]

_ACTIVE_SPACE = "active_space"  # key of a settings row
_FORMER_SPACE = "former_space"  # key of a settings row
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FACE = ("person_id", "space_id", "photo_sha256", "x1", "y1", "x2", "y2")
_STORED = np.dtype("<f4")


# Spaces


def known_spaces(connection: Connection) -> dict[str, EmbeddingSpace]:
    """Every space that ever had a template here, by id."""
    return {row.id: EmbeddingSpace(*row[1:]) for row in connection.execute(select(spaces))}


def register_space(connection: Connection, space: EmbeddingSpace) -> None:
    """Remember ``space``; the first one becomes the active one."""
    if connection.execute(select(spaces.c.id).where(spaces.c.id == space.id)).scalar() is None:
        connection.execute(
            insert(spaces).values(
                id=space.id,
                name=space.name,
                dimensions=space.dimensions,
                weights=space.weights,
                alignment=space.alignment,
                preprocessing=space.preprocessing,
            )
        )
    if not active_space_id(connection):
        set_active_space_id(connection, space.id)


def active_space_id(connection: Connection) -> str:
    """The id of the space that is searched; empty before the first enrolment."""
    return connection.execute(select(settings.c.value).where(settings.c.key == _ACTIVE_SPACE)).scalar() or ""


def switch_space(connection: Connection, space_id: str) -> None:
    """Search this space from now on, and remember which it was, for the way back."""
    before = active_space_id(connection)
    if before and before != space_id:
        connection.execute(delete(settings).where(settings.c.key == _FORMER_SPACE))
        connection.execute(insert(settings).values(key=_FORMER_SPACE, value=before))
    set_active_space_id(connection, space_id)


def former_space_id(connection: Connection) -> str:
    """The id of the space that was searched before the last switch; empty if there was none."""
    return connection.execute(select(settings.c.value).where(settings.c.key == _FORMER_SPACE)).scalar() or ""


def set_active_space_id(connection: Connection, space_id: str) -> None:
    """Search this space from now on."""
    connection.execute(delete(settings).where(settings.c.key == _ACTIVE_SPACE))
    connection.execute(insert(settings).values(key=_ACTIVE_SPACE, value=space_id))


# Calibrations


def read_calibration(connection: Connection, space_id: str) -> Calibration | None:
    """The calibration of this space, if there is one."""
    query = select(calibrations.c.content).where(calibrations.c.space_id == space_id)
    content = connection.execute(query).scalar()
    return None if content is None else calibration_from(content)


def read_calibrations(connection: Connection) -> list[tuple[Calibration, tuple[str, ...]]]:
    """Every calibration with the ids of the people it was measured on."""
    found = []
    for content in connection.execute(select(calibrations.c.content)).scalars().all():
        calibration = calibration_from(content)
        c = calibration_people.c
        measured_on = select(c.person_id).where(c.space_id == calibration.space_id).order_by(c.person_id)
        found.append((calibration, tuple(connection.execute(measured_on).scalars())))
    return found


def write_calibration(connection: Connection, calibration: Calibration, measured_on: Iterable[str]) -> None:
    """Put ``calibration`` in the place of its space's former one; it goes when one of the people ``measured_on`` goes."""
    space_id = calibration.space_id
    connection.execute(delete(calibrations).where(calibrations.c.space_id == space_id))
    connection.execute(insert(calibrations).values(space_id=space_id, content=calibration.to_dict()))
    rows = [{"space_id": space_id, "person_id": person_id} for person_id in sorted(set(measured_on))]
    if rows:
        connection.execute(insert(calibration_people), rows)


def remove_calibration(connection: Connection, space_id: str) -> bool:
    """Delete the calibration of this space; whether there was one."""
    return connection.execute(delete(calibrations).where(calibrations.c.space_id == space_id)).rowcount > 0


def calibration_from(content: Mapping[str, Any]) -> Calibration:
    """The calibration that ``Calibration.to_dict`` gave, after JSON made lists of its tuples."""
    values: dict[str, Any] = {field.name: content[field.name] for field in fields(Calibration)}
    for name in ("far", "similarity", "genuine", "genuine_at"):
        values[name] = tuple(map(float, values[name]))
    return Calibration(**values)


# Templates


def check_template(template: Template) -> None:
    """Refuse a template that would not be found again or could not be compared.

    Raises:
        InputError: a vector not ``(d,)`` float32 of unit length, a box without area, a digest that is none, or quality
            that is not finite.
    """
    if template.embedding.dtype != np.float32:
        raise InputError(
            f"expected a float32 embedding, got {template.embedding.dtype}; convert with astype('float32')"
        )
    check_unit(template.embedding[np.newaxis], template.space.dimensions)
    x1, y1, x2, y2 = template.box
    if not (all(map(math.isfinite, template.box)) and x1 < x2 and y1 < y2):
        raise InputError(f"expected a box x1 < x2, y1 < y2 in pixels, got {template.box}")
    if template.photo_sha256 and _DIGEST.fullmatch(template.photo_sha256) is None:
        raise InputError(f"expected a SHA-256 digest of 64 hex digits, got {template.photo_sha256!r}")
    if not all(map(math.isfinite, template.quality.values())):
        raise InputError(f"expected finite quality figures, got {template.quality}")


def add_templates(connection: Connection, given: Sequence[Template]) -> None:
    """Write templates whose ``id``, ``person_id`` and ``created`` are set.

    Raises:
        DuplicateError: the person has this photograph and box in this space already.
    """
    for template in given:
        register_space(connection, template.space)
        if template.photo_sha256 and connection.execute(_same_face(template)).first():
            raise DuplicateError(
                f"this face of {template.source!r} is enrolled for this person already; leave it out, or remove the old one"
            )
        connection.execute(insert(templates).values(template_row(template)))


def template_row(template: Template) -> dict[str, Any]:
    """The row of a template whose ``id``, ``person_id`` and ``created`` are set."""
    return {
        **dict(zip(_FACE, face_of(template), strict=True)),
        "id": template.id,
        "source": storable(template.source),
        "quality": {name: float(value) for name, value in template.quality.items()},
        "detector": template.detector,
        "created": template.created,
        "vector": template.embedding.astype(_STORED).tobytes(),
    }


def face_of(template: Template) -> tuple[Any, ...]:
    """What makes two templates one face: person, space, digest of the photograph, x1, y1, x2, y2."""
    return template.person_id, template.space.id, template.photo_sha256, *map(float, template.box)


def _same_face(template: Template) -> Select[Any]:
    same = zip(_FACE, face_of(template), strict=True)
    return select(templates.c.seq).where(*(templates.c[column] == value for column, value in same))


def read_templates(connection: Connection, *where: Any) -> list[Template]:
    """Templates that meet all conditions, oldest first."""
    known = known_spaces(connection)
    query = select(templates).where(*where).order_by(templates.c.seq)
    return [_template(row, known[row.space_id]) for row in connection.execute(query)]


def _template(row: Row[Any], space: EmbeddingSpace) -> Template:
    return Template(
        embedding=read_vector(row.vector),
        space=space,
        source=row.source,
        photo_sha256=row.photo_sha256,
        box=(row.x1, row.y1, row.x2, row.y2),
        quality=row.quality,
        detector=row.detector,
        id=row.id,
        person_id=row.person_id,
        created=row.created,
    )


def read_vector(stored: bytes) -> NDArray[np.float32]:
    """Stored bytes as read-only float32, one after another."""
    return np.frombuffer(stored, _STORED).astype(np.float32, copy=False)
