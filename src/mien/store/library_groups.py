"""Groups of unknown faces, and what people say of faces: who it is, who it is not, which two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from mien.core.errors import InputError, NotFoundError
from mien.core.library import LibraryFace
from mien.core.protocols import Clock
from mien.store import identities, ledger
from mien.store.database import Database, resilient
from mien.store.library_reading import one_face
from mien.store.library_schema import library_apart, library_faces, library_groups, library_refusals

__all__ = ["FaceGroup", "SqlGroups"]


@dataclass(frozen=True, slots=True)
class FaceGroup:
    """A group of unknown faces.

    Args:
        number: as people call it.
        id: never changes.
        faces: how many.
        made: aware.
        by_hand: people have merged, split or corrected it.
    """

    number: int
    id: str
    faces: int
    made: datetime
    by_hand: bool


@resilient
class SqlGroups:
    """Groups and corrections; the library gives it."""

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock

    def all(self) -> list[FaceGroup]:
        """Every group that has faces, the largest first."""
        g, f = library_groups.c, library_faces.c
        count = func.count(f.seq)
        query = select(g.seq, g.id, count, g.made, g.by_hand).join(library_faces, f.group_id == g.id)
        query = query.group_by(g.seq, g.id, g.made, g.by_hand).order_by(count.desc(), g.seq)
        with self._database.reading() as connection:
            return [FaceGroup(*row) for row in connection.execute(query)]

    def get(self, which: str) -> FaceGroup:
        """The group of this number.

        Raises:
            NotFoundError: there is none.
        """
        number = which.lstrip("#")
        found = [group for group in self.all() if str(group.number) == number or group.id == which]
        if not found:
            raise NotFoundError(f"no group has the number {which!r}; see them with: mien groups list")
        return found[0]

    def place(self, groups: Mapping[str, Sequence[str]], new: Sequence[Sequence[str]]) -> int:
        """Put faces into groups, those that still have no name and no group; how many were placed.

        Args:
            groups: ids of faces by the id of a group that is there.
            new: ids of faces, for each new group.
        """
        placed = 0
        with self._database.writing() as connection:
            for group_id, faces in groups.items():
                placed += self._put(connection, group_id, faces)
            for faces in new:
                placed += self._put(connection, self._make(connection, by_hand=False), faces)
            _drop_empty(connection)
        return placed

    def _make(self, connection: Connection, *, by_hand: bool) -> str:
        group_id = identities.new_id()
        row = {"id": group_id, "made": self._clock.now(), "by_hand": by_hand}
        connection.execute(insert(library_groups).values(row))
        return group_id

    def _put(self, connection: Connection, group_id: str, faces: Sequence[str]) -> int:
        f = library_faces.c
        free = (f.id.in_(list(faces)), f.person_id.is_(None), f.group_id.is_(None))
        return connection.execute(update(library_faces).where(*free).values(group_id=group_id)).rowcount

    def merge(self, keep: str, gone: str) -> FaceGroup:
        """Make two groups one.

        Raises:
            NotFoundError: no such group.
            InputError: they are one.
        """
        one, other = self.get(keep), self.get(gone)
        if one.id == other.id:
            raise InputError(f"group {one.number} cannot be merged with itself; give two numbers")
        f = library_faces.c
        with self._database.writing() as connection:
            connection.execute(update(library_faces).where(f.group_id == other.id).values(group_id=one.id))
            self._touch(connection, one.id)
            _drop_empty(connection)
        return self.get(one.id)

    def split(self, which: str, faces: Sequence[str]) -> FaceGroup:
        """Make a new group of some faces of a group; the two are never joined again but by hand.

        Raises:
            NotFoundError: no such group or face.
            InputError: a face of another group, or all of them.
        """
        group = self.get(which)
        with self._database.writing() as connection:
            chosen = [one_face(connection, face) for face in faces]
            if any(face.group_id != group.id for face in chosen):
                raise InputError(
                    f"not all of these faces are in group {group.number}; see: mien groups show {group.number}"
                )
            if len({face.id for face in chosen}) >= group.faces:
                raise InputError(f"these are all faces of group {group.number}; leave some")
            new = self._make(connection, by_hand=True)
            ids = [face.id for face in chosen]
            connection.execute(update(library_faces).where(library_faces.c.id.in_(ids)).values(group_id=new))
            self._touch(connection, group.id)
        return self.get(new)

    def name(self, faces: Sequence[str], person_id: str) -> int:
        """Write down that faces are a person; how many. They leave their groups, and are no longer said not to be them."""
        f, r = library_faces.c, library_refusals.c
        with self._database.writing() as connection:
            which = f.id.in_(list(faces))
            named = update(library_faces).where(which).values(person_id=person_id, group_id=None)
            count = connection.execute(named).rowcount
            connection.execute(delete(library_refusals).where(r.face_id.in_(list(faces)), r.person_id == person_id))
            _drop_empty(connection)
            ledger.note(
                connection, ledger.Line(self._clock.now(), self._actor, "name faces", person_id, {"faces": count})
            )
        return count

    def refuse(self, face_id: str, who: str) -> LibraryFace:
        """Write down, for ever, that a face is not a person; the face as it was. A name they had from it goes.

        Raises:
            NotFoundError: no such face or person.
        """
        f, r = library_faces.c, library_refusals.c
        with self._database.writing() as connection:
            face = one_face(connection, face_id)
            person_id = identities.person_id_of(connection, who)
            connection.execute(
                update(library_faces).where(f.id == face.id, f.person_id == person_id).values(person_id=None)
            )
            there = select(r.face_id).where(r.face_id == face.id, r.person_id == person_id)
            if connection.execute(there).first() is None:
                row = {"face_id": face.id, "person_id": person_id, "actor": self._actor, "at": self._clock.now()}
                connection.execute(insert(library_refusals).values(row))
            ledger.note(connection, ledger.Line(self._clock.now(), self._actor, "refuse face", person_id, {"faces": 1}))
        return face

    def tell_apart(self, one: str, other: str) -> None:
        """Write down, for ever, that two faces are not the same person; the second leaves a group they share.

        Raises:
            NotFoundError: no such face.
            InputError: they are one.
        """
        p, f = library_apart.c, library_faces.c
        with self._database.writing() as connection:
            a, b = one_face(connection, one), one_face(connection, other)
            if a.id == b.id:
                raise InputError("both ids are of the same face; give two faces")
            first, second = sorted((a.id, b.id))
            there = select(p.face_id).where(p.face_id == first, p.other_id == second)
            if connection.execute(there).first() is None:
                row = {"face_id": first, "other_id": second, "actor": self._actor, "at": self._clock.now()}
                connection.execute(insert(library_apart).values(row))
            if a.group_id is not None and a.group_id == b.group_id:
                connection.execute(update(library_faces).where(f.id == b.id).values(group_id=None))
                self._touch(connection, a.group_id)

    def _touch(self, connection: Connection, group_id: str) -> None:
        connection.execute(update(library_groups).where(library_groups.c.id == group_id).values(by_hand=True))


def _drop_empty(connection: Connection) -> None:
    used = select(library_faces.c.group_id).where(library_faces.c.group_id.is_not(None))
    connection.execute(delete(library_groups).where(library_groups.c.id.not_in(used)))
