"""The gallery in a database: who is known, and by which faces."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from mien.core.errors import NotFoundError
from mien.core.people import Calibration, EmbeddingSpace, Person, Template, Vectors
from mien.core.protocols import Clock
from mien.store import changes, identities, ledger, records, transfer
from mien.store.database import Database, resilient
from mien.store.disclosure import Disclosure, disclose
from mien.store.erasure import Receipt, erase, verify
from mien.store.indexed import IndexedSearch, SearchRecall
from mien.store.nearby import CompactCache, SearchLimits, Wanted
from mien.store.places import open_database
from mien.store.reports import AuditLine, GalleryInfo, Imported, SpaceUse
from mien.store.schema import audit, people, templates
from mien.store.shelves import Shelves
from mien.store.upgrades import bring_up_to_date, version_of
from mien.store.vector_cache import VectorCache

__all__ = ["SqlGallery", "open_gallery"]


def open_gallery(
    url_or_path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    actor: str = "local",
    clock: Clock | None = None,
    patience: float = 10.0,
    limits: SearchLimits | None = None,
) -> SqlGallery:
    """The gallery in this file, which is made if it is not there and upgraded, after a copy, if it is older; or on a server.

    Args:
        url_or_path: a path, ``sqlite:///PATH`` or ``postgresql+psycopg://…``, which ``mien db upgrade`` brings up to date.
        read_only: change nothing; the file must be there. A file that cannot be written to is opened so by itself.
        actor: who works here, for the audit.
        clock: gives the time; the system's if None.
        patience: seconds to wait for another writer.
        limits: how much memory vectors may take.

    Raises:
        StoreError: the file is no gallery, or not there and ``read_only``; the server does not let us in.
        StoreVersionError: a newer mien wrote it, or a server was not brought up to date.
        StoreReadOnlyError: it is not there and cannot be made.
    """
    database = open_database(url_or_path, read_only=read_only, patience=patience)
    try:
        bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return SqlGallery(database, actor=actor, clock=clock or _SystemClock(), limits=limits)


class _SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)


@resilient
class SqlGallery(Shelves):
    """Implements ``core.protocols.Gallery``; may be shared by threads, and its file by processes.

    ``open_gallery`` gives one; ``close`` it, or use it in ``with``. Every method may raise ``StoreError``; those that
    change something ``StoreBusyError`` and ``StoreReadOnlyError`` too.
    """

    def __init__(self, database: Database, *, actor: str, clock: Clock, limits: SearchLimits | None = None) -> None:
        super().__init__(database, actor=actor, clock=clock)
        self._cache = VectorCache(database)
        self._compact = CompactCache(database)
        self._indexed = IndexedSearch(database)
        self._limits = limits or SearchLimits()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file and of the vectors in memory; idempotent."""
        self._indexed.close()
        self._database.close()
        self._forget_vectors()

    def _forget_vectors(self) -> None:
        self._cache.clear()
        self._compact.clear()

    def acting_as(self, actor: str) -> SqlGallery:
        """The same gallery, with what ``actor`` does there under their name in the audit; it closes with this one."""
        other = copy(self)
        other._actor = actor  # noqa: SLF001 - a copy of our own
        return other

    # What is known

    def people(self) -> list[Person]:
        """Everybody, ordered by name; ``templates`` counts those of any space."""
        with self._database.reading() as connection:
            return identities.read_people(connection)

    def person(self, who: str) -> Person:
        """The person with this id, former id, name or abbreviated id (at least six characters), in this order.

        Raises:
            NotFoundError: naming close names.
        """
        with self._database.reading() as connection:
            return identities.read_person(connection, who)

    def templates(self, who: str | None = None, space: EmbeddingSpace | None = None) -> list[Template]:
        """Templates of one person or of everybody, of one space or of all, oldest first.

        Raises:
            NotFoundError: nobody is called ``who``.
        """
        with self._database.reading() as connection:
            where = [] if who is None else [templates.c.person_id == identities.person_id_of(connection, who)]
            if space is not None:
                where.append(templates.c.space_id == space.id)
            return records.read_templates(connection, *where)

    def find_photo(self, sha256: str, space: EmbeddingSpace) -> list[tuple[Person, Template]]:
        """Templates of ``space`` enrolled from a photograph with this digest, oldest first; none for an empty digest."""
        if not sha256:
            return []
        same_photo = (templates.c.photo_sha256 == sha256, templates.c.space_id == space.id)
        with self._database.reading() as connection:
            found = records.read_templates(connection, *same_photo)
            owners = {person.id: person for person in identities.read_people(connection, {t.person_id for t in found})}
        return [(owners[template.person_id], template) for template in found]

    def revision(self) -> int:
        """A number that grows with every committed change, by any process."""
        with self._database.reading() as connection:
            return ledger.read_revision(connection)

    def vectors(self, space: EmbeddingSpace) -> Vectors:
        """All vectors of ``space`` ``(n, d)`` float32, each one's index into the owners ``(n,)`` int64, the owners.

        Oldest first; kept in memory until the revision changes; the arrays are read-only.

        Raises:
            SpaceMismatchError: the gallery has templates, but none of this space; says how to embed them again.
        """
        return self._cache.get(space)

    def count(self, space: EmbeddingSpace) -> int:
        """How many vectors of ``space`` there are; errors as ``vectors``."""
        return self._cache.count(space)

    def near(self, space: EmbeddingSpace, queries: NDArray[np.float32], *, people: int, floor: float) -> Vectors | None:
        """The vectors of everybody who can matter to some faces; see ``core.protocols.Narrowing``.

        None where all of them fit into the memory that ``SearchLimits`` gives: they are compared as they are.
        """
        count = self.count(space)
        if not count or self._limits.whole(count, space.dimensions):
            return None
        wanted = Wanted(queries, people, floor)
        if not self._limits.compact(count, space.dimensions) and self._indexed.ready(space):
            return self._indexed.near(space, wanted)
        return self._compact.near(space, wanted)

    def search_recall(self, space: EmbeddingSpace, *, measure: bool = False) -> SearchRecall | None:
        """How often the database's index misses one of the most alike; None without an index.

        Args:
            space: whose index.
            measure: make searches for that now; else of those that were repeated without the index in this process.
        """
        return self._indexed.known(space, measure=measure)

    def calibration(self, space: EmbeddingSpace) -> Calibration | None:
        """The user's own calibration for this space, if they made one."""
        with self._database.reading() as connection:
            return records.read_calibration(connection, space.id)

    def spaces(self) -> list[SpaceUse]:
        """The spaces with templates, the fullest first."""
        t = templates.c
        count = func.count(t.seq)
        query = select(t.space_id, func.count(t.person_id.distinct()), count).group_by(t.space_id)
        with self._database.reading() as connection:
            known = records.known_spaces(connection)
            active = records.active_space_id(connection)
            found = connection.execute(query.order_by(count.desc(), t.space_id))
            return [SpaceUse(known[i], owners, n, i == active) for i, owners, n in found]

    def active_space(self) -> EmbeddingSpace | None:
        """The space that is searched: the one set, or the first enrolled one; None before the first enrolment."""
        with self._database.reading() as connection:
            return records.known_spaces(connection).get(records.active_space_id(connection))

    def audit(self, limit: int = 100) -> list[AuditLine]:
        """The newest lines, newest first."""
        query = select(audit.c.at, audit.c.actor, audit.c.action, audit.c.subject, audit.c.details)
        with self._database.reading() as connection:
            return [AuditLine(*row) for row in connection.execute(query.order_by(audit.c.seq.desc()).limit(limit))]

    def info(self) -> GalleryInfo:
        """What ``doctor`` shows."""
        with self._database.reading() as connection:
            return GalleryInfo(
                path=self._database.place,
                bytes=self._database.size(connection),
                journal_mode=self._database.journal(connection),
                schema_version=version_of(self._database),
                read_only=self._database.read_only,
                revision=ledger.read_revision(connection),
                people=connection.execute(select(func.count(people.c.id))).scalar_one(),
                templates=connection.execute(select(func.count(templates.c.seq))).scalar_one(),
                spaces=connection.execute(select(func.count(templates.c.space_id.distinct()))).scalar_one(),
                active_space=records.active_space_id(connection),
                clock_ahead=self._database.clock_ahead(),
            )

    # What changes it

    def add(self, name: str, templates: Sequence[Template]) -> tuple[Person, list[Template]]:
        """Templates for the person of this name, who is created if need be: all of them or none.

        Raises:
            DuplicateError: a photograph and box that the person already has in that space.
            InputError: a name nobody may have, or a template that could not be compared.
        """
        for template in templates:
            records.check_template(template)
        with self._database.writing() as connection:
            now = self._clock.now()
            person_id, added = changes.enroll(connection, name, templates, now)
            self._note(connection, "enroll", person_id, templates=len(added))
            return identities.read_person(connection, person_id), added

    def rename(self, who: str, name: str) -> Person:
        """Another label for the same person.

        Raises:
            NotFoundError: nobody is called ``who``.
            DuplicateError: somebody else has the name.
            InputError: a name nobody may have.
        """
        with self._database.writing() as connection:
            person_id = identities.person_id_of(connection, who)
            changes.rename(connection, person_id, name)
            self._note(connection, "rename", person_id)
            return identities.read_person(connection, person_id)

    def merge(self, keep: str, gone: str) -> Person:
        """Make two people one: ``keep`` takes everything of ``gone``, whose id goes on leading there.

        Raises:
            NotFoundError: nobody is called so.
            InputError: they are one already.
        """
        with self._database.writing() as connection:
            keep, gone = identities.person_id_of(connection, keep), identities.person_id_of(connection, gone)
            moved = changes.merge(connection, keep, gone)
            self._note(connection, "merge", keep, templates=moved)
            return identities.read_person(connection, keep)

    def remove_template(self, template_id: str) -> Person:
        """Forget one face; the person it belonged to, who stays even without any.

        Raises:
            NotFoundError: no template has this id.
        """
        with self._database.writing() as connection:
            person_id = changes.delete_template(connection, template_id)
            self._note(connection, "remove template", person_id)
            return identities.read_person(connection, person_id)

    def remove(self, who: str, *, alike: Sequence[str] = ()) -> Receipt:
        """Forget a person so that nothing is left behind, verified as far as the database lets us look.

        In a file: rows, the write-ahead log, free pages and the copies of upgrades, byte by byte. On a server: every row.
        Only a hashed id stays in the audit. Faces of the library go with them: those people named so, and of those without
        a name the ones in ``alike`` (ids).

        Raises:
            NotFoundError: nobody is called ``who``.
        """
        self._forget_vectors()
        return erase(self._database, who, now=self._clock.now(), actor=self._actor, alike=alike)

    def verify_removal(self, ids: Sequence[str]) -> Receipt:
        """Look again for somebody who was removed while another program read; see ``erasure.verify``.

        Args:
            ids: ``Receipt.ids``, or the id of the person alone.

        Raises:
            NotFoundError: this gallery removed nobody with one of these ids.
            InputError: they are known here.
        """
        return verify(self._database, ids)

    def compact(self) -> tuple[str, ...]:
        """Rebuild the file without free pages and fold the log into it; what hindered it, empty if nothing did."""
        return tuple(self._database.compact())

    def set_calibration(self, calibration: Calibration, measured_on: Iterable[str] = ()) -> None:
        """Keep the user's own calibration of a space, in place of an earlier one.

        Args:
            calibration: names its space.
            measured_on: ids or names of the people of this gallery it was measured on; it goes when one of them goes.

        Raises:
            NotFoundError: nobody is called so.
        """
        with self._database.writing() as connection:
            ids = [identities.person_id_of(connection, who) for who in measured_on]
            records.write_calibration(connection, calibration, ids)
            self._note(connection, "calibrate", people=len(ids))

    def remove_calibration(self, space: EmbeddingSpace) -> bool:
        """Forget the user's own calibration of this space, so that the catalog's counts again; whether there was one."""
        with self._database.writing() as connection:
            removed = records.remove_calibration(connection, space.id)
            if removed:
                self._note(connection, "uncalibrate")
        return removed

    def set_active_space(self, space: EmbeddingSpace) -> None:
        """Search this space from now on.

        Raises:
            NotFoundError: nobody has a template there.
        """
        with self._database.writing() as connection:
            if (
                connection.execute(select(templates.c.seq).where(templates.c.space_id == space.id).limit(1)).first()
                is None
            ):
                raise NotFoundError(
                    f"nobody is enrolled in the space {space.id}; enrol with --embedder {space.name} first"
                )
            records.switch_space(connection, space.id)
            self._note(connection, "set active space")

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write everybody to one ``.npz`` file (arrays and JSON, no pickles); its path.

        Raises:
            StoreError: it cannot be written.
        """
        with self._database.reading() as connection:
            parcel = transfer.pack(connection)
        transfer.write_parcel(parcel, Path(path))
        return Path(path)

    def disclose(self, who: str) -> Disclosure:
        """Everything that is stored about one person: templates, attendance, crops, what the audit says.

        Raises:
            NotFoundError: nobody is called ``who``.
        """
        with self._database.reading() as connection:
            return disclose(connection, identities.person_id_of(connection, who))

    def import_(self, path: str | os.PathLike[str]) -> Imported:
        """Add what ``export`` wrote: all of it that is not here yet, or nothing.

        People are the same by id, else by name; a template is the same by id, or by photograph, box and space.

        Raises:
            NotFoundError: no such file.
            InputError: no export, or values that cannot be right.
        """
        parcel = transfer.read_parcel(Path(path))
        with self._database.writing() as connection:
            done = transfer.unpack(connection, parcel)
            self._note(connection, "import", people=done.people, templates=done.templates)
            return done

    def _note(self, connection: Connection, action: str, person_id: str = "", **counts: int) -> None:
        line = ledger.Line(self._clock.now(), self._actor, action, person_id, counts)
        ledger.note(connection, line)
