"""Crops kept as evidence of sightings: only of people who allow it, and only for so long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from mien.core.errors import NotFoundError
from mien.core.people import Person
from mien.core.protocols import Clock
from mien.store import evidence_rows, identities, ledger, picture_rows
from mien.store.database import Database, resilient
from mien.store.schema import consents, evidence, pictures, sightings

__all__ = ["Consent", "Evidence", "Purged", "SqlEvidence", "overwritten"]


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allows.

    Args:
        person: who.
        evidence: whether crops may be kept as evidence; False also where nothing was ever said.
        by: who recorded it; empty if nobody did.
        at: when, aware; None if never.
        crops: how many are kept that show them, or may show them.
        pictures: whether photographs may be kept; None where nothing was said, and the setting decides.
        photographs: how many are kept.
    """

    person: Person
    evidence: bool
    by: str = ""
    at: datetime | None = None
    crops: int = 0
    pictures: bool | None = None
    photographs: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """A crop that is kept.

    Args:
        sighting_id: of which sighting.
        at: when it was seen, aware.
        camera: by which camera.
        who: names of the people it shows or may show.
        kept: when it was written, aware.
        size: bytes.
    """

    sighting_id: str
    at: datetime
    camera: str
    who: tuple[str, ...]
    kept: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge took away, or would.

    Args:
        crops: how many.
        bytes: of how many bytes in all.
        notes: where bytes of them may still lie, and what to do.
    """

    crops: int
    bytes: int
    notes: tuple[str, ...] = ()


@resilient
class SqlEvidence:
    """Consents and crops; ``SqlGallery.evidence`` gives one. ``SqlAttendanceLog.append`` writes crops.

    Every method may raise ``StoreError``; those that write ``StoreBusyError`` and ``StoreReadOnlyError`` too.
    """

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock

    def consent(self, who: str) -> Consent:
        """What a person allows.

        Raises:
            NotFoundError: nobody is called ``who``.
        """
        with self._database.reading() as connection:
            person = identities.read_person(connection, identities.person_id_of(connection, who))
            row = connection.execute(select(consents).where(consents.c.person_id == person.id)).first()
            count = select(func.count()).select_from(evidence).where(evidence_rows.of_person(person.id))
            crops = connection.execute(count).scalar_one()
            count = select(func.count()).select_from(pictures).where(pictures.c.person_id == person.id)
            photographs = connection.execute(count).scalar_one()
        if row is None:
            return Consent(person, False, crops=crops, photographs=photographs)
        return Consent(person, row.evidence, row.actor, row.at, crops, row.pictures, photographs)

    def set_consent(self, who: str, *, allowed: bool) -> Purged:
        """Record whether crops that show a person may be kept; without consent those there are go at once.

        Raises:
            NotFoundError: nobody is called ``who``.
        """
        with self._database.writing() as connection:
            person_id = identities.person_id_of(connection, who)
            now = self._clock.now()
            picture_rows.say(connection, person_id, {"evidence": allowed}, self._actor, now)
            size = select(func.coalesce(func.sum(evidence.c.size), 0)).where(evidence_rows.of_person(person_id))
            total = connection.execute(size).scalar_one()
            gone = evidence_rows.drop_without_consent(connection, person_id)
            action = "allow evidence" if allowed else "refuse evidence"
            ledger.write_line(connection, ledger.Line(now, self._actor, action, person_id, {"crops": gone}))
        return Purged(gone, total if gone else 0, self._overwritten() if gone else ())

    def crops(self) -> list[Evidence]:
        """What is kept, oldest first."""
        c, s = evidence.c, sightings.c
        query = select(s.id, s.at, s.camera, c.kept, c.size).join(sightings, s.id == c.sighting_id)
        with self._database.reading() as connection:
            names = {person.id: person.name for person in identities.read_people(connection)}
            return [
                Evidence(
                    row.id, row.at, row.camera, self._names(evidence_rows.shown(connection, row.id), names), *row[3:]
                )
                for row in connection.execute(query.order_by(s.at, s.seq)).all()
            ]

    @staticmethod
    def _names(ids: set[str], names: dict[str, str]) -> tuple[str, ...]:
        return tuple(sorted(names[i] for i in ids))

    def crop(self, sighting_id: str) -> bytes:
        """The JPEG of the one sighting whose id begins so.

        Raises:
            NotFoundError: none, or several.
        """
        c = evidence.c
        query = select(c.jpeg).where(c.sighting_id.startswith(sighting_id, autoescape=True)).limit(2)
        with self._database.reading() as connection:
            found = list(connection.execute(query).scalars())
        if len(found) != 1:
            count = "several crops have" if found else "no crop is kept of"
            raise NotFoundError(f"{count} a sighting {sighting_id!r}; see: mien attendance evidence list")
        return bytes(found[0])

    def purge(self, before: datetime, *, dry_run: bool = False) -> Purged:
        """Forget crops of sightings kept before a moment; with ``dry_run`` only count them.

        Their bytes are overwritten, and the file is rebuilt.
        """
        old = evidence.c.kept < before
        count = select(func.count(), func.coalesce(func.sum(evidence.c.size), 0)).where(old)
        if dry_run:
            with self._database.reading() as connection:
                return Purged(*connection.execute(count).one())
        with self._database.writing() as connection:
            crops, size = connection.execute(count).one()
            if crops:
                evidence_rows.delete_evidence(connection, old)
                line = ledger.Line(self._clock.now(), self._actor, "purge evidence", "", {"crops": crops})
                ledger.write_line(connection, line)
        return Purged(crops, size, self._overwritten() if crops else ())

    def _overwritten(self) -> tuple[str, ...]:
        return overwritten(self._database)


def overwritten(database: Database) -> tuple[str, ...]:
    """Rebuild the file; where bytes of what was deleted may still lie."""
    notes = database.compact()
    backups = database.copies()
    if backups:
        notes.append(f"copies made before upgrades may still hold them; delete {', '.join(map(str, backups))}")
    return tuple(notes)
