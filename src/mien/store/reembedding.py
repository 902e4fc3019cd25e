"""How a gallery comes into another embedding space: templates made anew beside the old ones, a switch, a way back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from mien.core.errors import NotFoundError
from mien.core.people import EmbeddingSpace, Template
from mien.core.protocols import Clock
from mien.store import identities, ledger, picture_rows, records
from mien.store.database import Database, resilient
from mien.store.schema import templates

__all__ = ["SqlReembedding"]


@resilient
class SqlReembedding:
    """Templates in a space that is not searched yet; ``SqlGallery.reembedding`` gives one.

    Every method may raise ``StoreError``; those that write ``StoreBusyError`` and ``StoreReadOnlyError`` too.
    """

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock

    def add(self, of: Template, embedding: NDArray[np.float32], space: EmbeddingSpace) -> Template:
        """The face of a template in another space too: one transaction; what was kept of its photograph serves both.

        Args:
            of: a template of this gallery.
            embedding: ``(d,)`` float32 of unit length.
            space: where it lives.

        Raises:
            NotFoundError: the template was removed meanwhile.
            DuplicateError: the face is in that space already.
            InputError: a vector that could not be compared.
        """
        now = self._clock.now()
        with self._database.writing() as connection:
            owner = connection.execute(select(templates.c.person_id).where(templates.c.id == of.id)).scalar()
            if owner is None:
                raise NotFoundError(f"the face {of.source!r} was removed meanwhile; there is nothing to embed again")
            again = replace(
                of, id=identities.new_id(), person_id=owner, space=space, embedding=embedding, created=now, photo=None
            )
            records.check_template(again)
            records.add_templates(connection, [again])
            picture_rows.link_like(connection, again.id, of.id)
            ledger.note(connection, ledger.Line(now, self._actor, "embed again", owner, {"templates": 1}))
        return again

    def former(self) -> EmbeddingSpace | None:
        """The space that was searched before the last switch; None if there was none."""
        with self._database.reading() as connection:
            return records.known_spaces(connection).get(records.former_space_id(connection))
