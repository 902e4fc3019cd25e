"""Rows of consents and of evidence: what may be kept, and what goes with whom.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, union

from mien.core.attendance import Sighting
from mien.core.errors import InputError
from mien.store.schema import answers, consents, evidence, sighting_candidates, sightings

__all__ = ["allows", "delete_evidence", "drop_without_consent", "keep_crops", "of_person", "settle", "shown"]

_LONGEST = 256 * 1024
"""Bytes. A crop of 320 pixels has some 20 KB; more is no crop of a face."""

_JPEG = b"\xff\xd8\xff"


def keep_crops(connection: Connection, written: Sequence[Sighting], crops: Mapping[str, bytes], now: datetime) -> int:
    """Keep the crops of sightings just written whose people all allow it; how many.

    A sighting of nobody known has nobody who could allow it, and a spoof or an unusable face is nobody's.

    Raises:
        InputError: a crop that is no JPEG, or too large to be a crop.
    """
    kept = 0
    for sighting in written:
        jpeg = crops.get(sighting.id)
        if jpeg is None:
            continue
        if not jpeg.startswith(_JPEG) or len(jpeg) > _LONGEST:
            raise InputError(
                f"the crop of sighting {sighting.id} is no JPEG of at most {_LONGEST} bytes ({len(jpeg)} bytes)"
            )
        people = shown(connection, sighting.id)
        if people and people <= allows(connection, people):
            row = {"sighting_id": sighting.id, "kept": now, "size": len(jpeg), "jpeg": jpeg}
            connection.execute(insert(evidence).values(row))
            kept += 1
    return kept


def shown(connection: Connection, sighting_id: str) -> set[str]:
    """Ids of the people a sighting may show, as they are in the log: the ids of merged people lead on."""
    s, c = sightings.c, sighting_candidates.c
    named = select(s.person_id).where(s.id == sighting_id, s.person_id.is_not(None))
    candidates = select(c.person_id).where(c.sighting_id == sighting_id)
    return set(connection.execute(union(named, candidates)).scalars())


def allows(connection: Connection, people: set[str]) -> set[str]:
    """Those of the people who allow evidence."""
    c = consents.c
    return set(connection.execute(select(c.person_id).where(c.person_id.in_(people), c.evidence)).scalars())


def of_person(person_id: str) -> ColumnElement[bool]:
    """The condition for evidence that shows a person, or may show them."""
    s, c, a = sightings.c, sighting_candidates.c, answers.c
    return evidence.c.sighting_id.in_(
        union(
            select(s.id).where(s.person_id == person_id),
            select(c.sighting_id).where(c.person_id == person_id),
            select(a.sighting_id).where(a.person_id == person_id),
        )
    )


def delete_evidence(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Delete the evidence that all of the conditions are true of; how many crops."""
    return connection.execute(delete(evidence).where(*which)).rowcount


def drop_without_consent(connection: Connection, person_id: str) -> int:
    """Delete what shows a person unless they allow it; how many crops."""
    return 0 if allows(connection, {person_id}) else delete_evidence(connection, of_person(person_id))


def settle(connection: Connection, sighting_ids: Sequence[str], person_id: str | None) -> int:
    """An answer said who ambiguous sightings show: what shows somebody who does not allow it, or nobody known, goes."""
    if person_id is not None and allows(connection, {person_id}):
        return 0
    c = evidence.c
    return delete_evidence(connection, or_(*(c.sighting_id == i for i in sighting_ids))) if sighting_ids else 0
