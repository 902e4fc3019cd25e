"""What is kept of photographs that people were enrolled from: only when asked for, and never of somebody who refuses."""

from __future__ import annotations

from sqlalchemy import func, select

from mien.core.people import FacePhoto
from mien.core.protocols import Clock
from mien.store import identities, ledger, picture_rows
from mien.store.database import Database, resilient
from mien.store.evidence import Purged, overwritten
from mien.store.schema import pictures, template_pictures

__all__ = ["SqlPictures"]


@resilient
class SqlPictures:
    """Kept pictures; ``SqlGallery.pictures`` gives one. ``SqlGallery.add`` writes them with their templates.

    Every method may raise ``StoreError``; those that write ``StoreBusyError`` and ``StoreReadOnlyError`` too.
    """

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock

    def photo(self, template_id: str) -> FacePhoto | None:
        """The picture that a template was made from; None if none was kept."""
        with self._database.reading() as connection:
            return picture_rows.read_photo(connection, template_id)

    def sizes(self, who: str | None = None) -> dict[str, int]:
        """Bytes of the picture kept, by the id of its template; of one person or of everybody.

        Raises:
            NotFoundError: nobody is called ``who``.
        """
        link = template_pictures.c
        query = select(link.template_id, pictures.c.size).join(pictures, pictures.c.id == link.picture_id)
        with self._database.reading() as connection:
            if who is not None:
                query = query.where(pictures.c.person_id == identities.person_id_of(connection, who))
            return {row.template_id: row.size for row in connection.execute(query)}

    def allow(self, who: str, *, allowed: bool) -> Purged:
        """Record whether photographs of a person may be kept; refused, those there are go at once.

        Their bytes are overwritten, and the file is rebuilt.

        Raises:
            NotFoundError: nobody is called ``who``.
        """
        p = pictures.c
        with self._database.writing() as connection:
            person_id = identities.person_id_of(connection, who)
            now = self._clock.now()
            picture_rows.say(connection, person_id, {"pictures": allowed}, self._actor, now)
            total = select(func.coalesce(func.sum(p.size), 0)).where(p.person_id == person_id)
            size = int(connection.execute(total).scalar_one())
            gone = 0 if allowed else picture_rows.delete_of(connection, person_id)
            action = "allow pictures" if allowed else "refuse pictures"
            ledger.write_line(connection, ledger.Line(now, self._actor, action, person_id, {"pictures": gone}))
        return Purged(gone, size if gone else 0, overwritten(self._database) if gone else ())
