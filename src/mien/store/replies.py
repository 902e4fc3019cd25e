"""Replies kept for a day, so that a request that is sent again is answered and not carried out again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from mien.core.protocols import Clock
from mien.store.database import Database, resilient
from mien.store.schema import replies

__all__ = ["Reply", "SqlReplies"]

_KEPT = timedelta(days=1)
_ABANDONED = timedelta(minutes=1)
"""A request under way for longer was lost with its process: whoever sends it again carries it out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is known of a request that came before under the same key.

    Args:
        request: digest of that request.
        status: what it was answered; None while it is under way.
        content: the answer; None while it is under way, or if it was forgotten with somebody who was removed.
    """

    request: str
    status: int | None
    content: str | None


@resilient
class SqlReplies:
    """Replies by caller and key; ``SqlAccess.replies`` gives one. May be shared by threads and processes.

    Every method may raise ``StoreError``, ``StoreBusyError`` and ``StoreReadOnlyError``.
    """

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, caller: str, key: str, request: str) -> Reply | None:
        """Claim ``key`` for a request that begins; what is known instead if it came before."""
        c, now = replies.c, self._clock.now()
        mine = (c.caller == caller, c.key == key)
        with self._database.writing() as connection:
            lost = c.status.is_(None) & (c.at < now - _ABANDONED)
            connection.execute(delete(replies).where((c.at < now - _KEPT) | lost))
            row = connection.execute(select(c.request, c.status, c.content).where(*mine)).first()
            if row is not None:
                return Reply(row.request, row.status, row.content)
            connection.execute(insert(replies).values(caller=caller, key=key, request=request, at=now))
            return None

    def finish(self, caller: str, key: str, status: int, content: str | None) -> None:
        """Keep what the request was answered."""
        c = replies.c
        with self._database.writing() as connection:
            kept = update(replies).where(c.caller == caller, c.key == key).values(status=status, content=content)
            connection.execute(kept)

    def abandon(self, caller: str, key: str) -> None:
        """Let the request be tried again: nothing was done."""
        c = replies.c
        with self._database.writing() as connection:
            connection.execute(delete(replies).where(c.caller == caller, c.key == key, c.status.is_(None)))
