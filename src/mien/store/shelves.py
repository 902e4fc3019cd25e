"""What else lies in the file of a gallery: each with a class of its own, all over one database."""

from __future__ import annotations

from mien.core.protocols import Clock
from mien.store.access import SqlAccess
from mien.store.attendance_log import SqlAttendanceLog
from mien.store.database import Database
from mien.store.evidence import SqlEvidence
from mien.store.library import SqlLibrary
from mien.store.outbox import SqlOutbox
from mien.store.pictures import SqlPictures
from mien.store.reembedding import SqlReembedding

__all__ = ["Shelves"]


class Shelves:
    """The parts of a gallery that are asked for by name; ``SqlGallery`` is one."""

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock

    @property
    def attendance(self) -> SqlAttendanceLog:
        """What was seen of these people: the attendance log in the same file; it closes with the gallery."""
        return SqlAttendanceLog(self._database, actor=self._actor, clock=self._clock)

    @property
    def evidence(self) -> SqlEvidence:
        """Crops kept as evidence of sightings, and who allows it, in the same file."""
        return SqlEvidence(self._database, actor=self._actor, clock=self._clock)

    @property
    def library(self) -> SqlLibrary:
        """Photographs and videos that were searched, and the faces in them; it closes with the gallery."""
        return SqlLibrary(self._database, actor=self._actor, clock=self._clock)

    @property
    def pictures(self) -> SqlPictures:
        """What is kept of the photographs that people were enrolled from, and who refuses it, in the same file."""
        return SqlPictures(self._database, actor=self._actor, clock=self._clock)

    @property
    def reembedding(self) -> SqlReembedding:
        """How the gallery comes into another embedding space, and back."""
        return SqlReembedding(self._database, actor=self._actor, clock=self._clock)

    @property
    def outbox(self) -> SqlOutbox:
        """Where registers are delivered to and what stands there, in the same file; it closes with the gallery."""
        return SqlOutbox(self._database, actor=self._actor, clock=self._clock)

    @property
    def access(self) -> SqlAccess:
        """Who may do what: keys of programs, users with passwords, in the same file."""
        return SqlAccess(self._database, actor=self._actor, clock=self._clock)
