"""The attendance log in the gallery's database: sessions, rosters, and what was seen and said, only ever added to."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Protocol

from sqlalchemy import Connection, insert, select, update

from mien.core.attendance import Answer, Correction, Opening, Place, Session, Sighting
from mien.core.errors import DuplicateError, InputError
from mien.core.people import Person
from mien.core.protocols import Clock
from mien.store import attendance_rows as rows
from mien.store import evidence_rows, identities, ledger
from mien.store.database import resilient
from mien.store.names import clean_name, name_key
from mien.store.schema import answers, openings, sessions

__all__ = ["SqlAttendanceLog"]

_EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


class _Transactions(Protocol):
    """Where transactions come from: the database, or one that is running."""

    def reading(self) -> AbstractContextManager[Connection]: ...

    def writing(self) -> AbstractContextManager[Connection]: ...


@dataclass(frozen=True, slots=True)
class _Running:
    """The transaction that is running, for whoever asks for one: it is committed by whoever began it."""

    connection: Connection

    def reading(self) -> AbstractContextManager[Connection]:
        return nullcontext(self.connection)

    def writing(self) -> AbstractContextManager[Connection]:
        return nullcontext(self.connection)


@resilient
class SqlAttendanceLog:
    """Implements ``core.protocols.AttendanceLog``; ``SqlGallery.attendance`` gives one. May be shared by threads.

    Every method may raise ``StoreError``; those that write ``StoreBusyError`` and ``StoreReadOnlyError`` too.
    """

    def __init__(self, database: _Transactions, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock

    @contextmanager
    def as_one(self) -> Iterator[SqlAttendanceLog]:
        """The log within one write transaction, for one thread.

        Nobody changes what is read in it before what is written in it is there; an error takes all of it back.
        """
        with self._database.writing() as connection:
            yield SqlAttendanceLog(_Running(connection), actor=self._actor, clock=self._clock)

    # Sessions

    def add_session(self, session: Session) -> Session:
        """A new session, with its id.

        Raises:
            DuplicateError: one is called so already.
            InputError: a name that cannot be.
        """
        name = clean_name(session.name)
        with self._database.writing() as connection:
            if connection.execute(select(sessions.c.id).where(sessions.c.name_key == name_key(name))).first():
                raise DuplicateError(f"a session is called {name!r} already; choose another name")
            row = rows.session_row(session, identities.new_id(), name, self._clock.now())
            connection.execute(insert(sessions).values(row))
            self._note(connection, "add session")
            return rows.read_session(connection, row["id"])

    def sessions(self) -> list[Session]:
        """Every session, in the order in which they were added."""
        with self._database.reading() as connection:
            return rows.read_sessions(connection)

    def session(self, which: str) -> Session:
        """The session of this name or id.

        Raises:
            NotFoundError: naming close names.
        """
        with self._database.reading() as connection:
            return rows.read_session(connection, which)

    def change_session(self, session: Session) -> Session:
        """Write a session anew under its id; what it was like before is kept in its ``earlier``.

        Raises:
            NotFoundError: no such session.
            DuplicateError: another one is called so.
            InputError: a name that cannot be.
        """
        name = clean_name(session.name)
        with self._database.writing() as connection:
            rows.read_session(connection, session.id)
            c = sessions.c
            taken = select(c.id).where(c.name_key == name_key(name), c.id != session.id)
            if connection.execute(taken).first():
                raise DuplicateError(f"a session is called {name!r} already; choose another name")
            values = {"name": name, "name_key": name_key(name), "content": rows.session_content(session)}
            connection.execute(update(sessions).where(c.id == session.id).values(values))
            self._note(connection, "change session")
            return rows.read_session(connection, session.id)

    def remove_session(self, session_id: str) -> dict[str, int]:
        """Forget a session with its roster, openings and corrections; how many of each. Its sightings stay.

        Raises:
            NotFoundError: no such session.
        """
        with self._database.writing() as connection:
            rows.read_session(connection, session_id)
            counts = rows.delete_session(connection, session_id)
            line = ledger.Line(self._clock.now(), self._actor, "remove session", "", counts)
            ledger.write_line(connection, line)
            return counts

    def open_or_close(self, opening: Opening) -> None:
        """Remember that a session was opened or closed by hand; whether that makes sense is for the caller to check."""
        row = {"session_id": opening.session_id, "at": opening.at, "action": opening.action, "actor": self._actor}
        with self._database.writing() as connection:
            connection.execute(insert(openings).values(row))
            self._note(connection, f"{opening.action} session")

    def openings(self, session_id: str) -> list[Opening]:
        """What was opened and closed by hand, in the order in which it was."""
        c = openings.c
        query = select(c.session_id, c.at, c.action, c.actor).where(c.session_id == session_id).order_by(c.seq)
        with self._database.reading() as connection:
            return [Opening(*row) for row in connection.execute(query)]

    # Rosters

    def set_roster(
        self, session_id: str, names: Sequence[str], *, since: date | None = None, gone_from: date | None = None
    ) -> tuple[int, list[Person]]:
        """Put people on a roster, all or none; how many are new to it, and who is new to the gallery altogether.

        Args:
            session_id: whose roster.
            names: names or ids; a name nobody has becomes a person without photographs.
            since: the first date on which those who are new to it are expected; None for always.
            gone_from: the first date on which those not named are no longer expected; None lets them stay.

        Raises:
            InputError: a name nobody may have.
        """
        with self._database.writing() as connection:
            known = {name: identities.known_id(connection, name.lower(), name) for name in names}
            made = {name: self._new_person(connection, name) for name, found in known.items() if found is None}
            wanted = {found or made[name].id for name, found in known.items()}
            new = rows.write_roster(connection, session_id, wanted, since)
            if gone_from is not None:
                rows.end_places(connection, session_id, wanted, gone_from)
            self._note(connection, "roster", people=new)
            return new, list({person.id: person for person in made.values()}.values())

    def _new_person(self, connection: Connection, name: str) -> Person:
        person_id = identities.id_of_name(connection, clean_name(name))  # made a moment ago, in another spelling
        if person_id is None:
            person_id = identities.new_id()
            identities.create_person(connection, person_id, identities.free_name(connection, name), self._clock.now())
            ledger.note(connection, ledger.Line(self._clock.now(), self._actor, "add to roster", person_id, {}))
        return identities.read_people(connection, [person_id])[0]

    def roster(self, session_id: str) -> list[Place]:
        """Who should come, and those who no longer should, ordered by name."""
        with self._database.reading() as connection:
            return rows.read_roster(connection, session_id)

    # What was seen and said

    def append(self, sightings: Sequence[Sighting], *, crops: Mapping[str, bytes] | None = None) -> int:
        """Write sightings, all or none; how many were new: an id that is there already is passed over.

        When this returns they are on the disk: a process killed afterwards loses none of them.

        Args:
            sightings: what was seen.
            crops: JPEG by the sighting's id. Those of people who allow it are kept as evidence, in the same
                transaction; the others are forgotten here.

        Raises:
            NotFoundError: a person who is not in the gallery (any more).
            InputError: a crop that is none.
        """
        with self._database.writing() as connection:
            given = [s if s.id else replace(s, id=str(uuid.uuid4())) for s in sightings]
            written = [s for s in given if rows.add_sighting(connection, s, s.id)]
            if crops:
                evidence_rows.keep_crops(connection, written, crops, self._clock.now())
            return len(written)

    def sightings(self, since: datetime = _EVER[0], until: datetime = _EVER[1]) -> list[Sighting]:
        """Those seen between two moments, both included, in the order in which they came in."""
        with self._database.reading() as connection:
            return rows.read_sightings(connection, since, until)

    def answer(self, sighting_ids: Iterable[str], who: str | None) -> list[Answer]:
        """Say who ambiguous sightings were; None for none of their candidates. The last answer counts.

        Raises:
            NotFoundError: no such person.
            InputError: a sighting that is not there or not ambiguous.
        """
        with self._database.writing() as connection:
            person_id = None if who is None else identities.person_id_of(connection, who)
            given = [Answer(i, person_id, self._actor, self._clock.now()) for i in sighting_ids]
            for answer in given:
                if rows.decision_of(connection, answer.sighting_id) != "ambiguous":
                    raise InputError(f"{answer.sighting_id} is no ambiguous sighting; see: mien attendance questions")
                row = {"sighting_id": answer.sighting_id, "person_id": person_id, "actor": answer.by, "at": answer.at}
                connection.execute(insert(answers).values(row))
            evidence_rows.settle(connection, [answer.sighting_id for answer in given], person_id)
            self._note(connection, "answer", person_id or "", sightings=len(given))
            return given

    def answers(self) -> list[Answer]:
        """Who ambiguous sightings were, in the order in which it was said."""
        c = answers.c
        query = select(c.sighting_id, c.person_id, c.actor, c.at).order_by(c.seq)
        with self._database.reading() as connection:
            return [Answer(*row) for row in connection.execute(query)]

    def correct(self, given: Sequence[Correction]) -> None:
        """Write marks made by hand, beside the earlier ones: all of them or none.

        Raises:
            NotFoundError: no such session or person.
        """
        with self._database.writing() as connection:
            for correction in given:
                rows.add_correction(connection, correction)
                self._note(connection, "correct", correction.person_id)

    def corrections(self, session_id: str) -> list[Correction]:
        """Marks made by hand, in the order in which they were made."""
        with self._database.reading() as connection:
            return rows.read_corrections(connection, session_id)

    @property
    def actor(self) -> str:
        """Who works here."""
        return self._actor

    def _note(self, connection: Connection, action: str, person_id: str = "", **counts: int) -> None:
        ledger.write_line(connection, ledger.Line(self._clock.now(), self._actor, action, person_id, counts))
