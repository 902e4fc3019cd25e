"""Who did what, and how many changes there were: written in the transaction of each change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from mien.store.schema import audit, revision

__all__ = ["Line", "hashed", "note", "read_revision", "write_line"]


def hashed(person_id: str) -> str:
    """What the audit calls a person: SHA-256 of the id, hex; empty for nobody."""
    return hashlib.sha256(person_id.encode()).hexdigest() if person_id else ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the audit: who did what to whom; counts, never names."""

    at: datetime
    actor: str
    action: str
    person_id: str
    counts: Mapping[str, int]


def note(connection: Connection, line: Line) -> None:
    """Write the audit line of this transaction and let the revision grow: every write of the gallery ends with it."""
    write_line(connection, line)
    connection.execute(update(revision).values(value=revision.c.value + 1))


def write_line(connection: Connection, line: Line) -> None:
    """Write an audit line alone, for what changes no person and no vector."""
    subject, details = hashed(line.person_id), dict(line.counts)
    row = {"at": line.at, "actor": line.actor, "action": line.action, "subject": subject, "details": details}
    connection.execute(insert(audit).values(row))


def read_revision(connection: Connection) -> int:
    """How many changes were committed so far."""
    return int(connection.execute(select(revision.c.value)).scalar_one())
