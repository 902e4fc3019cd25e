"""Remove a person so that nothing is left, look for what may be left after all, and say so.

Deleted rows are overwritten with zeros (``secure_delete``), the file is rebuilt (``VACUUM``), the write-ahead log is
folded into it and cut to nothing. Then the raw bytes of every file are searched.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, ScalarResult, select

from mien.core.errors import InputError, NotFoundError, StoreBusyError, StoreError
from mien.store import identities, ledger
from mien.store.byte_search import search
from mien.store.changes import delete_person
from mien.store.database import Database, sidecars
from mien.store.evidence_rows import of_person
from mien.store.library_people import of_person as faces_of_person
from mien.store.library_schema import library_contents, library_faces, library_files, library_refusals
from mien.store.outbox_rows import withdrawing
from mien.store.schema import (
    access_keys,
    audit,
    corrections,
    deliveries,
    edits,
    evidence,
    people,
    pictures,
    pointers,
    sessions,
    sightings,
    targets,
    templates,
    users,
)
from mien.store.upgrades import copies

__all__ = ["Receipt", "compact", "erase", "verify"]

_OUT_OF_REACH = (
    "photographs, exports and backups kept elsewhere",
    "blocks that the file system or the drive has freed but not yet overwritten",
)
_SHORTEST_NAME = 6
"""Bytes. A shorter name turns up among vectors by chance (4 bytes: once in 20 galleries of 200 MB)."""

_WINDOW = 32
"""Bytes searched of each vector at its beginning, middle and end: it may be split between pages."""


_NAMES_KEPT = (
    *(people.c.name, people.c.name_key, templates.c.source, audit.c.actor),
    *(sessions.c.name, sessions.c.name_key, corrections.c.reason, sightings.c.camera),
    *(targets.c.name, targets.c.name_key, edits.c.put, edits.c.found, edits.c.wanted),
    *(access_keys.c.name, access_keys.c.name_key, users.c.name, users.c.name_key),
    *(library_files.c.path, library_files.c.reason, library_refusals.c.actor),
)
"""Where a name may stand that belongs to others: Ada's Algebra, "was ill, says Ada"."""

_AWAITED = (deliveries.c.person_id, deliveries.c.key, deliveries.c.value)
"""Where an id, and a name as it stands outside, waits until it was withdrawn there (decision 074)."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a removal took away and how it was verified.

    Args:
        person_id: the id that is no more; the audit line carries its SHA-256.
        removed: how many rows of each kind, and copies of upgrades that held the person.
        withdrawing: how many items of theirs still stand in each place outside, by its name; the next delivery takes
            them away, and until then their id is kept here.
        searched: bytes searched in each file.
        traces: what was found in which file; empty when verified.
        verified: whether the raw bytes of all files were searched and nothing was found, but for what is awaited.
        notes: what hindered it and what to do.
        out_of_reach: what mien cannot alter.
        time: when the rows were removed, aware.
        ids: all ids that are no more: the person's, former ones, those of their templates. They say nothing about
            anybody, and ``verify`` looks for them again.
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

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with ISO time and the sum of the bytes searched."""
        bytes_searched = sum(self.searched.values())
        return {**asdict(self), "time": self.time.isoformat(), "bytes_searched": bytes_searched}


@dataclass(frozen=True, slots=True)
class _Needle:
    """Bytes that must be gone, and what they are."""

    kind: str
    content: bytes


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
        notes=(*compact(database), *_short_names(needles), *_kept_names(database, needles), *_awaited(awaited)),
        out_of_reach=_OUT_OF_REACH,
        time=now,
        ids=tuple(n.content.decode() for n in needles if n.kind == "id"),
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
        notes=(*compact(database), *_awaited(awaited)),
        out_of_reach=_OUT_OF_REACH,
        time=row.at,
        ids=tuple(ids),
    )
    return _searched(database, receipt, [_Needle("id", i.encode()) for i in ids])


def _searched(database: Database, receipt: Receipt, needles: Sequence[_Needle]) -> Receipt:
    """The receipt with what the raw bytes of all files say."""
    notes = receipt.notes
    try:
        searched, traces, shredded = _look_for(database, needles)
    except (OSError, subprocess.CalledProcessError) as error:
        searched, traces, shredded = {}, (), 0
        notes = (*notes, f"the files could not be searched ({error}); look at their permissions")
    return replace(
        receipt,
        removed={**receipt.removed, "copies": shredded},
        searched=searched,
        traces=traces,
        verified=bool(searched) and not traces,
        notes=notes,
    )


def compact(database: Database) -> list[str]:
    """Rebuild the file without free pages and fold the log into it; what hindered it, for people to read."""
    try:
        database.execute_alone("VACUUM")
        ((busy, *_),) = database.execute_alone("PRAGMA wal_checkpoint(TRUNCATE)")
    except StoreBusyError:
        busy = True
    except StoreError as error:
        return [f"the file could not be rebuilt: {error}"]
    if not busy:
        return []
    return ["another program has the gallery open: what was removed stays in the log until that program closes it"]


def _needles(connection: Connection, person_id: str, alike: Sequence[str]) -> list[_Needle]:
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
        *(_Needle(kind, text.encode()) for kind, text in texts),
        *(_Needle("id", row.id.encode()) for row in seen),
        *(_Needle("vector", window) for vector in vectors for window in _windows(vector)),
        *(_Needle("evidence", window) for crop in crops for window in _windows(crop)[1:]),  # JPEGs begin alike
        *(_Needle("picture", window) for photo in photos for window in _windows(photo)[1:]),
    ]


def _windows(vector: bytes) -> tuple[bytes, ...]:
    middle = len(vector) // 2
    return (vector[:_WINDOW], vector[middle : middle + _WINDOW], vector[-_WINDOW:])


def _short_names(needles: Sequence[_Needle]) -> list[str]:
    if any(n.kind == "name" and len(n.content) < _SHORTEST_NAME for n in needles):
        return ["the name is too short to be told from chance bytes; ids, photographs and vectors were searched for"]
    return []


def _kept_names(database: Database, needles: Sequence[_Needle]) -> list[str]:
    if any(n.kind == "name" and _still_known(database, n) for n in needles):
        return ["the name also stands in what belongs to others, such as the file name of a photograph; that is kept"]
    return []


def _awaited(items: Mapping[str, int]) -> list[str]:
    if not items:
        return []
    places = " and ".join(f"{count} in {name}" for name, count in items.items())
    return [
        f"what stands outside ({places}) goes with the next delivery: mien attendance deliver; until then the id stays"
    ]


def _look_for(database: Database, needles: Sequence[_Needle]) -> tuple[dict[str, int], tuple[str, ...], int]:
    """Bytes searched by file, what was found, and how many copies were destroyed because they held it."""
    backups = copies(database.path)
    files = [database.path, *sidecars(database.path), *backups]
    searched: dict[str, int] = {}
    traces: list[str] = []
    shredded = 0
    for path, size, found in search(files, [n.content for n in needles]):
        searched[path] = size
        kinds = sorted({needles[i].kind for i in found if not _still_known(database, needles[i])})
        if kinds and Path(path) in backups:
            _shred(Path(path))
            shredded += 1
        else:
            traces += [f"{kind} in {path}" for kind in kinds]
    return searched, tuple(traces), shredded


def _still_known(database: Database, needle: _Needle) -> bool:
    """Whether the bytes belong to somebody who stays: another Ada's name, the other face of a photograph."""
    columns = {
        "name": (*_NAMES_KEPT, *_AWAITED),
        "photo": (templates.c.photo_sha256, library_contents.c.sha256),
        "vector": (templates.c.vector, library_faces.c.vector),
        "evidence": (evidence.c.jpeg,),
        "picture": (pictures.c.jpeg,),
        "id": _AWAITED,
    }[needle.kind]
    with database.reading() as connection:
        values = (value for column in columns for value in connection.execute(select(column)).scalars())
        return any(needle.content in (v if isinstance(v, bytes) else v.encode()) for v in values if v is not None)


def _shred(path: Path) -> None:
    """Overwrite a file with zeros, then delete it."""
    with path.open("r+b") as file:
        left = path.stat().st_size
        while left > 0:
            left -= file.write(bytes(min(left, 2**20)))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
