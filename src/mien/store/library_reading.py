"""What the library knows, read page by page so that memory stays flat whatever its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, exists, func, select

from mien.core.errors import NotFoundError
from mien.core.library import FaceQuery, FaceTable, LibraryCounts, LibraryFace
from mien.core.people import EmbeddingSpace
from mien.store import library_rows as rows
from mien.store.database import Database, resilient
from mien.store.library_schema import (
    library_apart,
    library_contents,
    library_faces,
    library_files,
    library_refusals,
)
from mien.store.names import SHORTEST_ID_PREFIX
from mien.store.records import known_spaces

__all__ = ["LibraryReading", "one_face"]

_PAGE = 1000
_CONTENTS = 256
"""Contents whose faces are read at a time: some 500 faces of 2 KB."""


@resilient
class LibraryReading:
    """The reading half of the library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> LibraryCounts:
        """How much there is."""
        f, a = library_files.c, library_faces.c
        with self._database.reading() as connection:
            by_state = select(f.state, f.kind, func.count()).group_by(f.state, f.kind)
            found = {(state, kind): count for state, kind, count in connection.execute(by_state)}
            there = select(func.count(a.seq), func.count(a.person_id)).where(_there())
            faces, named = connection.execute(there).one()
        total = {state: sum(n for (s, _), n in found.items() if s == state) for state in ("waiting", "failed", "gone")}
        return LibraryCounts(
            photos=found.get(("done", "photo"), 0),
            videos=found.get(("done", "video"), 0),
            faces=faces,
            named=named,
            **total,
        )

    def paths(self) -> Iterator[list[tuple[int, bytes, str]]]:
        """Every file's row, path and state, a thousand at a time."""
        f = library_files.c
        for page in self._pages(select(f.seq, f.path, f.state), f.seq):
            yield [(row.seq, bytes(row.path), row.state) for row in page]

    def spaces(self) -> list[EmbeddingSpace]:
        """The spaces that faces of the library live in, the fullest first."""
        a = library_faces.c
        query = select(a.space_id).group_by(a.space_id).order_by(func.count(a.seq).desc(), a.space_id)
        with self._database.reading() as connection:
            known = known_spaces(connection)
            return [known[i] for i in connection.execute(query).scalars()]

    def faces(self, space: EmbeddingSpace, query: FaceQuery | None = None) -> Iterator[FaceTable]:
        """Faces of pictures that are there, some hundred at a time, all of one picture together.

        Args:
            space: of the vectors wanted.
            query: which faces; None for all.
        """
        a, c = library_faces.c, library_contents.c
        columns = (*library_faces.columns, c.sha256, c.kind, c.taken)
        joined = library_faces.join(library_contents, a.content_seq == c.seq)
        where = (a.space_id == space.id, _there(), *_conditions(query or FaceQuery()))
        after = 0
        while True:
            with self._database.reading() as connection:
                contents = select(a.content_seq).select_from(joined).where(*where, a.content_seq > after).distinct()
                page = connection.execute(contents.order_by(a.content_seq).limit(_CONTENTS)).scalars().all()
                if not page:
                    return
                wanted = select(*columns).select_from(joined).where(*where, a.content_seq.in_(page))
                found = connection.execute(wanted.order_by(a.content_seq, a.seq)).all()
                refused = _refused(connection, [row.id for row in found])
            after = page[-1]
            yield FaceTable(space, tuple(rows.face_of_row(row) for row in found), rows.read_vectors(found), refused)

    def face(self, face_id: str) -> LibraryFace:
        """The face with this id, or whose id begins so (at least six characters), with its files.

        Raises:
            NotFoundError: none, or several.
        """
        with self._database.reading() as connection:
            return self.with_paths([one_face(connection, face_id)])[0]

    def with_paths(self, faces: Sequence[LibraryFace]) -> list[LibraryFace]:
        """The faces with the files that hold them: those on the disk, oldest first."""
        f = library_files.c
        contents = sorted({face.content for face in faces})
        paths: dict[int, tuple[bytes, ...]] = {}
        with self._database.reading() as connection:
            for start in range(0, len(contents), _PAGE):
                some = contents[start : start + _PAGE]
                query = select(f.content_seq, f.path).where(f.content_seq.in_(some), f.state != "gone").order_by(f.seq)
                for content, path in connection.execute(query):
                    paths[content] = (*paths.get(content, ()), bytes(path))
        return [replace(face, paths=paths.get(face.content, ())) for face in faces]

    def apart(self) -> list[tuple[str, str]]:
        """Pairs of faces that people said are not the same person."""
        p = library_apart.c
        with self._database.reading() as connection:
            return [(row.face_id, row.other_id) for row in connection.execute(select(p.face_id, p.other_id))]

    def _pages(self, query: Select[Any], key: Column[Any]) -> Iterator[Sequence[Row[Any]]]:
        """Rows in the order of ``key``, a thousand at a time, each page a transaction of its own."""
        after = 0
        while True:
            with self._database.reading() as connection:
                page = connection.execute(query.where(key > after).order_by(key).limit(_PAGE)).all()
            if not page:
                return
            yield page
            after = page[-1].seq


def _there() -> ColumnElement[bool]:
    """The condition for faces of which a file is on the disk, as far as is known."""
    f = library_files.c
    return exists().where(f.content_seq == library_faces.c.content_seq, f.state != "gone")


def _conditions(query: FaceQuery) -> list[ColumnElement[bool]]:
    """What is asked for, as conditions on the joined rows of faces and contents."""
    f, c = library_faces.c, library_contents.c
    wanted: list[ColumnElement[bool]] = []
    if query.since is not None:
        wanted.append(c.taken >= query.since)
    if query.until is not None:
        wanted.append(c.taken < query.until)
    if query.unnamed:
        wanted.append(f.person_id.is_(None))
    for column, value in ((f.person_id, query.person_id), (f.group_id, query.group_id), (c.kind, query.kind)):
        if value is not None:
            wanted.append(column == value)
    return wanted


def _refused(connection: Connection, ids: Sequence[str]) -> dict[str, frozenset[str]]:
    r = library_refusals.c
    found: dict[str, frozenset[str]] = {}
    for start in range(0, len(ids), _PAGE):
        some = ids[start : start + _PAGE]
        for face, person in connection.execute(select(r.face_id, r.person_id).where(r.face_id.in_(some))):
            found[face] = found.get(face, frozenset()) | {person}
    return found


def one_face(connection: Connection, face_id: str) -> LibraryFace:
    """The face with this id, or whose id begins so.

    Raises:
        NotFoundError: none, or several.
    """
    a, c = library_faces.c, library_contents.c
    if len(face_id) < SHORTEST_ID_PREFIX:
        raise NotFoundError(f"no face is called {face_id!r}; give six characters of its id or more (mien search)")
    joined = library_faces.join(library_contents, a.content_seq == c.seq)
    query = select(*library_faces.columns, c.sha256, c.kind, c.taken).select_from(joined)
    found = connection.execute(query.where(a.id.startswith(face_id.lower(), autoescape=True)).limit(2)).all()
    if len(found) != 1:
        many = "several faces have ids that begin" if found else "the library has no face whose id begins"
        raise NotFoundError(f"{many} with {face_id!r}; see the ids with: mien search")
    return rows.face_of_row(found[0])
