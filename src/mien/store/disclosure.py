"""Everything that is stored about one person, for that person to have (GDPR, article 15).

Rows are found by their columns, not by a list of tables: whatever refers to a person is told, also what later versions add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy import Column, Connection, Table, select

from mien.store import identities, ledger
from mien.store.evidence_rows import of_person
from mien.store.schema import audit, evidence, metadata, people, pictures, sessions, sighting_candidates, sightings

__all__ = ["Disclosure", "disclose"]

_NOT_CERTAIN = "it may show somebody else: the face was ambiguous, and nobody has said yet who it was"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What is stored about one person.

    Args:
        name: whose.
        content: for JSON: rows by table, the sessions they name, the lines of the audit that are about the person.
        crops: JPEG by sighting.
        photos: JPEG by the id of the picture: what was kept of photographs they were enrolled from.
        withheld: ids of sightings whose crop is kept and not told, by the reason.
    """

    name: str
    content: dict[str, Any]
    crops: dict[str, bytes]
    photos: dict[str, bytes]
    withheld: dict[str, list[str]]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the crops and photographs, for JSON."""
        return {**self.content, "crops": sorted(self.crops), "crops_withheld": self.withheld}


def disclose(connection: Connection, person_id: str) -> Disclosure:
    """Everything that the rows of the database say about a person."""
    (person,) = identities.read_people(connection, [person_id])
    found = {table.name: _rows(connection, table, column, person_id) for table, column in _places()}
    candidates = sighting_candidates.c
    may_show = sightings.c.id.in_(select(candidates.sighting_id).where(candidates.person_id == person_id))
    found["sightings_perhaps"] = _read(connection, sightings, may_show)
    found["audit"] = _read(connection, audit, audit.c.subject == ledger.hashed(person_id))
    crops, withheld = _crops(connection, person_id)
    kept = connection.execute(select(pictures.c.id, pictures.c.jpeg).where(pictures.c.person_id == person_id))
    photos = {row.id: bytes(row.jpeg) for row in kept}
    names = {row.id: row.name for row in connection.execute(select(sessions.c.id, sessions.c.name))}
    content = {"person": person.name, "id": person.id, "session_names": names, **found}
    return Disclosure(person.name, content, crops, photos, {_NOT_CERTAIN: withheld} if withheld else {})


def _places() -> list[tuple[Table, Column[Any]]]:
    """Every column that holds the id of a person."""
    return [
        (table, column)
        for table in metadata.sorted_tables
        for column in table.columns
        if column is people.c.id or column.references(people.c.id) or column.name == "person_id"
    ]


def _rows(connection: Connection, table: Table, column: Column[Any], person_id: str) -> list[dict[str, Any]]:
    return _read(connection, table, column == person_id)


def _read(connection: Connection, table: Table, *which: Any) -> list[dict[str, Any]]:
    return [_plain(row) for row in connection.execute(select(table).where(*which)).mappings()]


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row for JSON: times and dates in ISO, vectors as numbers; a JPEG is a file of its own."""
    return {str(key): _value(value) for key, value in row.items() if key != "jpeg"}


def _value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):  # the only ones here are vectors, float32 little-endian
        return np.frombuffer(value, "<f4").tolist()
    return value


def _crops(connection: Connection, person_id: str) -> tuple[dict[str, bytes], list[str]]:
    """Crops that surely show the person, and the sightings of those that may show somebody else."""
    query = select(evidence.c.sighting_id, evidence.c.jpeg).where(of_person(person_id))
    found = {row.sighting_id: bytes(row.jpeg) for row in connection.execute(query)}
    named = set(connection.execute(select(sightings.c.id).where(sightings.c.person_id == person_id)).scalars())
    return {i: jpeg for i, jpeg in found.items() if i in named}, sorted(found.keys() - named)
