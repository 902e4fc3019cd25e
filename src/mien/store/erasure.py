"""Remove a person so that nothing is left, look for what may be left after all, and say so.

In a file, deleted rows are overwritten with zeros (``secure_delete``), the file is rebuilt (``VACUUM``), the write-ahead
log is folded into it and cut to nothing; then the raw bytes of every file are searched. On a server the tables are rebuilt
(``VACUUM FULL``) and every row of every table is searched: its files are out of our sight, and the receipt says so.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, ScalarResult, select

from mien.core.errors import InputError, NotFoundError
from mien.store import identities, ledger
from mien.store.changes import delete_person
from mien.store.database import Database
from mien.store.evidence_rows import of_person
from mien.store.leftovers import Found, Needle, look_for, still_known, windows
from mien.store.library_people import of_person as faces_of_person
from mien.store.library_schema import library_faces
from mien.store.outbox_rows import withdrawing
from mien.store.schema import audit, evidence, people, pictures, pointers, templates

__all__ = ["Receipt", "erase", "verify"]

_SHORTEST_NAME = 6
"""Bytes. A shorter name turns up among vectors by chance (4 bytes: once in 20 galleries of 200 MB)."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a removal took away and how it was verified.

    Args:
        person_id: the id that is no more; the audit line carries its SHA-256.
        removed: how many rows of each kind, and copies of upgrades that held the person.
        withdrawing: how many items of theirs still stand in each place outside, by its name; the next delivery takes
            them away, and until then their id is kept here.
        searched: bytes searched in each file or table.
        traces: what was found in which file or table; empty when verified.
        verified: whether all that ``searched_as`` says was searched and nothing was found, but for what is awaited.
        notes: what hindered it and what to do.
        out_of_reach: what mien cannot alter.
        time: when the rows were removed, aware.
        ids: all ids that are no more: the person's, former ones, those of their templates. They say nothing about
            anybody, and ``verify`` looks for them again.
        searched_as: what could be looked through: every byte of a file, every row of a server's tables.
    """

    person_id: str
    removed: dict[str, int]
    withdrawing: dict[str, int]
    searched: dict[str, int]
    traces: tuple[str, ...]
    verified: bool
    notes: tuple[str, ...]
    out_of_reach: tuple[str, ...]
    time: datetime
    ids: tuple[str, ...] = ()
    searched_as: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with ISO time and the sum of the bytes searched."""
        bytes_searched = sum(self.searched.values())
        return {**asdict(self), "time": self.time.isoformat(), "bytes_searched": bytes_searched}


def erase(database: Database, who: str, *, now: datetime, actor: str, alike: Sequence[str] = ()) -> Receipt:
    """Remove the person, rebuild the file and search it.

    Args:
        database: where they are.
        who: a name or an id.
        now: when.
        actor: who removes them.
        alike: ids of faces of the library that have no name and are taken for the person: they go too.

    Raises:
        NotFoundError: nobody is called ``who``.
        StoreBusyError: another process writes; nothing was removed.
    """
    with database.writing() as connection:
        person_id = identities.person_id_of(connection, who)
        needles = _needles(connection, person_id, alike)
        removed = delete_person(connection, person_id, alike)
        awaited = withdrawing(connection, ids=[n.content.decode() for n in needles if n.kind == "id"])
        ledger.note(connection, ledger.Line(now, actor, "remove", person_id, removed))
    receipt = Receipt(
        person_id=person_id,
        removed=removed,
        withdrawing=awaited,
        searched={},
        traces=(),
        verified=False,
        notes=(*database.compact(), *_short_names(needles), *_kept_names(database, needles), *_awaited(awaited)),
        out_of_reach=database.out_of_reach,
        time=now,
        ids=tuple(n.content.decode() for n in needles if n.kind == "id"),
        searched_as=database.searched_as,
    )
    return _searched(database, receipt, [n for n in needles if n.kind != "name" or len(n.content) >= _SHORTEST_NAME])


def verify(database: Database, ids: Sequence[str]) -> Receipt:
    """Look again for somebody who was removed, after rebuilding the file and folding the log into it.

    What the removal searched for besides (name, photographs, vectors) is known to nobody any more; rows that held it
    held one of the ids too.

    Args:
        database: where they were.
        ids: ``Receipt.ids``, or the person's id alone.

    Raises:
        NotFoundError: this gallery removed nobody with one of these ids.
        InputError: they are known here.
        StoreReadOnlyError: the gallery cannot be written to.
    """
    c = audit.c
    with database.writing() as connection:
        hashes = {ledger.hashed(i): i for i in ids}
        removal = (c.subject.in_(hashes), c.action == "remove")
        row = connection.execute(select(audit).where(*removal).order_by(c.seq.desc()).limit(1)).first()
        known = connection.execute(select(people.c.name).where(people.c.id.in_(ids))).scalar()
        awaited = withdrawing(connection, ids=list(ids))
    if known is not None:
        raise InputError(f"{known} is known here and was not removed; remove them with: mien people remove")
    if row is None:
        raise NotFoundError("this gallery removed nobody with this id; give the gallery of the receipt (--database)")
    receipt = Receipt(
        person_id=hashes[row.subject],
        removed=row.details,
        withdrawing=awaited,
        searched={},
        traces=(),
        verified=False,
        notes=(*database.compact(), *_awaited(awaited)),
        out_of_reach=database.out_of_reach,
        time=row.at,
        ids=tuple(ids),
        searched_as=database.searched_as,
    )
    return _searched(database, receipt, [Needle("id", i.encode()) for i in ids])


def _searched(database: Database, receipt: Receipt, needles: Sequence[Needle]) -> Receipt:
    """The receipt with what is found when all that is in reach is searched."""
    notes = receipt.notes
    try:
        found = database.attempt(lambda: look_for(database, needles))
    except (OSError, subprocess.CalledProcessError) as error:
        found = Found({}, (), 0)
        notes = (*notes, f"the files could not be searched ({error}); look at their permissions")
    return replace(
        receipt,
        removed={**receipt.removed, "copies": found.shredded},
        searched=found.searched,
        traces=found.traces,
        verified=bool(found.searched) and not found.traces,
        notes=notes,
    )


def _needles(connection: Connection, person_id: str, alike: Sequence[str]) -> list[Needle]:
    def scalars(column: Any, owner: Any) -> ScalarResult[Any]:
        return connection.execute(select(column).where(owner == person_id)).scalars()

    t = templates.c
    ids = {person_id, *scalars(pointers.c.former_id, pointers.c.person_id), *scalars(t.id, t.person_id)}
    texts = [
        *(("id", i) for i in sorted(ids)),
        *(("photo", digest) for digest in sorted(set(scalars(t.photo_sha256, t.person_id)) - {""})),
        *(("name", name) for name in {*scalars(people.c.name, people.c.id), *scalars(people.c.name_key, people.c.id)}),
    ]
    faces = select(library_faces.c.id, library_faces.c.vector).where(faces_of_person(person_id, alike))
    seen = connection.execute(faces).all()
    vectors = [*scalars(t.vector, t.person_id), *(row.vector for row in seen)]
    crops = connection.execute(select(evidence.c.jpeg).where(of_person(person_id))).scalars()
    photos = scalars(pictures.c.jpeg, pictures.c.person_id)
    return [
        *(Needle(kind, text.encode()) for kind, text in texts),
        *(Needle("id", row.id.encode()) for row in seen),
        *(Needle("vector", window) for vector in vectors for window in windows(vector)),
        *(Needle("evidence", window) for crop in crops for window in windows(crop)[1:]),  # JPEGs begin alike
        *(Needle("picture", window) for photo in photos for window in windows(photo)[1:]),
    ]


def _short_names(needles: Sequence[Needle]) -> list[str]:
    if any(n.kind == "name" and len(n.content) < _SHORTEST_NAME for n in needles):
        return ["the name is too short to be told from chance bytes; ids, photographs and vectors were searched for"]
    return []


def _kept_names(database: Database, needles: Sequence[Needle]) -> list[str]:
    named = [n for n in needles if n.kind == "name"]
    if any(database.attempt(partial(still_known, database, needle)) for needle in named):
        return ["the name also stands in what belongs to others, such as the file name of a photograph; that is kept"]
    return []


def _awaited(items: Mapping[str, int]) -> list[str]:
    if not items:
        return []
    places = " and ".join(f"{count} in {name}" for name, count in items.items())
    return [
        f"what stands outside ({places}) goes with the next delivery: mien attendance deliver; until then the id stays"
    ]
