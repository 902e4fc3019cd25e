"""Rows of the library: faces to rows and back, and names that stay with a face when its picture is searched anew.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mien.core.answers import Quality
from mien.core.errors import InputError
from mien.core.geometry import iou
from mien.core.library import Content, LibraryFace
from mien.core.people import EmbeddingSpace
from mien.core.vectors import check_unit, similarities
from mien.store.identities import new_id
from mien.store.library_schema import library_apart, library_contents, library_faces, library_files, library_refusals
from mien.store.schema import spaces

__all__ = [
    "carry_names",
    "database_now",
    "drop_orphan",
    "face_of_row",
    "insert_content",
    "key_of",
    "read_vectors",
    "remember_space",
    "replace_faces",
]

_STORED = np.dtype("<f4")
_SAME_PLACE = 0.5
"""Least overlap (intersection over union) of two boxes that are one face of one picture, searched twice."""
_SAME_FACE = 0.7
"""Least cosine of one face before and after its photograph was edited; a photograph's other faces lie below 0.5."""
_MEASURES = ("size", "sharpness", "brightness", "contrast", "yaw", "roll")


def key_of(path: bytes) -> str:
    """What stands for a path where it must be unique or compared: SHA-256, hex."""
    return hashlib.sha256(path).hexdigest()


def database_now(connection: Connection) -> datetime:
    """The time by the clock of the database, aware: machines that share it need not agree on theirs."""
    now: datetime = connection.execute(select(func.current_timestamp())).scalar_one()
    return now.replace(tzinfo=UTC) if now.tzinfo is None else now.astimezone(UTC)


def remember_space(connection: Connection, space: EmbeddingSpace) -> None:
    """Have a row for ``space``; which space is searched stays as it is."""
    if connection.execute(select(spaces.c.id).where(spaces.c.id == space.id)).first() is None:
        values = {name: getattr(space, name) for name in ("id", "name", *EmbeddingSpace.__slots__)}
        connection.execute(insert(spaces).values(values))


def insert_content(connection: Connection, content: Content, stamp: str) -> int:
    """Write what a file holds, without its faces; its row."""
    width, height = content.size
    row = {
        "sha256": content.sha256,
        "kind": content.kind,
        "width": width,
        "height": height,
        "taken": content.taken,
        "seconds": content.seconds,
        "stamp": stamp,
    }
    return int(connection.execute(insert(library_contents).values(row)).inserted_primary_key[0])  # type: ignore[index]  # one row


def replace_faces(connection: Connection, seq: int, content: Content, detector: str) -> None:
    """Write the faces of a content in place of those that are there.

    One in the place of a former one keeps its id, its name and what was said of it; named or corrected faces that were
    not found again stay.

    Raises:
        InputError: faces without embeddings, or embeddings that could not be compared.
    """
    faces = content.faces
    c = library_faces.c
    former = list(connection.execute(select(library_faces).where(c.content_seq == seq)))
    if len(faces) and (faces.embeddings is None or faces.space is None):
        raise InputError("faces for the library need embeddings: run the embedder first")
    rows = [_face_row(seq, content, row, detector) for row in range(len(faces))]
    if faces.space is not None:
        check_unit(np.asarray(faces.embeddings), faces.space.dimensions)
        remember_space(connection, faces.space)
    kept = _again(former, rows)
    corrected = _corrected(connection, [f.id for f in former])
    lost = [f.id for f in former if f.id not in kept and f.person_id is None and f.id not in corrected]
    connection.execute(delete(library_faces).where(c.id.in_(lost)))
    for row in rows:
        if row["id"] in kept:
            connection.execute(update(library_faces).where(c.id == row["id"]).values(row))
        else:
            connection.execute(insert(library_faces).values(row))


def _face_row(seq: int, content: Content, row: int, detector: str) -> dict[str, Any]:
    faces = content.faces
    x1, y1, x2, y2 = (float(v) for v in faces.boxes[row])
    quality = faces.quality[row] if faces.quality else None
    begins, ends, looked = content.spans[row] if content.spans else (None, None, None)
    return {
        "id": new_id(),
        "content_seq": seq,
        "space_id": faces.space.id if faces.space else "",
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
        "score": float(faces.scores[row]),
        "quality": {} if quality is None else {n: round(float(getattr(quality, n)), 4) for n in _MEASURES},
        "begins": begins,
        "ends": ends,
        "looked": looked,
        "detector": detector,
        "vector": np.asarray(faces.embeddings)[row].astype(_STORED).tobytes(),
    }


def _again(former: Sequence[Row[Any]], rows: list[dict[str, Any]]) -> set[str]:
    """Give rows the id of the former face in their place, the best overlap first; the ids given."""
    given: set[str] = set()
    if not former or not rows:
        return given
    before = np.array([[f.x1, f.y1, f.x2, f.y2] for f in former], np.float32)
    after = np.array([[r["x1"], r["y1"], r["x2"], r["y2"]] for r in rows], np.float32)
    overlap = iou(before, after)
    other_time = [[f.begins is not None and abs(f.begins - r["begins"]) > 1.0 for r in rows] for f in former]
    overlap[np.array(other_time, bool)] = 0.0
    for old, new in _best_first(overlap, _SAME_PLACE):
        rows[new]["id"] = former[old].id
        given.add(former[old].id)
    return given


def _best_first(likeness: NDArray[np.float32], least: float) -> Iterable[tuple[int, int]]:
    """Pairs (row, column), each row and column once, the most alike first, none below ``least``."""
    likeness = likeness.copy()
    while likeness.size and likeness.max() >= least:
        row, column = (int(i) for i in np.unravel_index(int(likeness.argmax()), likeness.shape))
        yield row, column
        likeness[row, :] = likeness[:, column] = -np.inf


def _corrected(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the faces of which people said who they are not, or that they differ from another."""
    found: set[str] = set()
    for column in (library_refusals.c.face_id, library_apart.c.face_id, library_apart.c.other_id):
        found |= set(connection.execute(select(column).where(column.in_(ids))).scalars())
    return found


def carry_names(connection: Connection, old: int, new: int) -> int:
    """Hand over what people said of the faces of content ``old`` to those of ``new``, an edited copy of it; how many.

    A face goes on in the most alike face of the copy, wherever it stands there; one that is alike enough to none stays.
    """
    f = library_faces.c
    before = connection.execute(select(library_faces).where(f.content_seq == old)).all()
    after = connection.execute(select(library_faces).where(f.content_seq == new)).all()
    spaces_of = {row.space_id for row in (*before, *after)}
    if not before or not after or len(spaces_of) != 1:
        return 0
    likeness = similarities(read_vectors(before), read_vectors(after))
    pairs = list(_best_first(likeness, _SAME_FACE))
    shared = connection.execute(select(library_files.c.seq).where(library_files.c.content_seq == old).limit(1)).first()
    for one, other in pairs:
        if shared is None:
            _take_over(connection, before[one], after[other])
        else:  # a copy of the former picture is still there and keeps its faces
            _say_the_same(connection, before[one], after[other])
    return len(pairs)


def _take_over(connection: Connection, kept: Row[Any], fresh: Row[Any]) -> None:
    """Put the former face in the place of the new one, with its id and so with all that refers to it."""
    f = library_faces.c
    connection.execute(delete(library_faces).where(f.id == fresh.id))
    stays = {"seq", "id", "person_id", "group_id"}
    values = {column.name: getattr(fresh, column.name) for column in library_faces.columns if column.name not in stays}
    connection.execute(update(library_faces).where(f.id == kept.id).values(values))


def _say_the_same(connection: Connection, former: Row[Any], fresh: Row[Any]) -> None:
    f, r = library_faces.c, library_refusals.c
    said = update(library_faces).where(f.id == fresh.id)
    connection.execute(said.values(person_id=former.person_id, group_id=former.group_id))
    for row in connection.execute(select(library_refusals).where(r.face_id == former.id)).mappings().all():
        connection.execute(insert(library_refusals).values({**row, "face_id": fresh.id}))


def drop_orphan(connection: Connection, seq: int) -> None:
    """Forget a content that no file holds any more."""
    if connection.execute(select(library_files.c.seq).where(library_files.c.content_seq == seq)).first() is None:
        connection.execute(delete(library_faces).where(library_faces.c.content_seq == seq))
        connection.execute(delete(library_contents).where(library_contents.c.seq == seq))


def read_vectors(rows: Sequence[Row[Any]]) -> NDArray[np.float32]:
    """The vectors of rows of faces of one space, ``(n, d)`` float32."""
    joined = b"".join(row.vector for row in rows)
    stored = np.frombuffer(joined, _STORED).astype(np.float32, copy=False)
    return stored.reshape(len(rows), -1)


def face_of_row(row: Any) -> LibraryFace:
    """A face from its row joined with its content's ``sha256``, ``kind`` and ``taken``."""
    measured = row.quality
    size, sharpness, brightness, contrast, yaw, roll = (float(measured.get(name, 0.0)) for name in _MEASURES)
    return LibraryFace(
        id=row.id,
        content=row.content_seq,
        sha256=row.sha256,
        kind=row.kind,
        box=(row.x1, row.y1, row.x2, row.y2),
        score=row.score,
        quality=Quality(size, sharpness, brightness, contrast, yaw, roll),
        span=None if row.begins is None else (row.begins, row.ends, row.looked),
        taken=row.taken,
        person_id=row.person_id,
        group_id=row.group_id,
    )
