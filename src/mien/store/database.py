"""What the store asks of a database, an SQLite file or a PostgreSQL server alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from inspect import isfunction
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Connection

__all__ = ["Database", "resilient"]

_Result = TypeVar("_Result")
_Class = TypeVar("_Class", bound=type)


class Database(ABC):
    """Connections to one database; may be shared by threads. ``places.open_database`` gives one.

    Attributes:
        place: the file or the URL, for people to read: without the password.
        read_only: whether writes are refused.
        upgrades_itself: whether opening brings an older schema up to date; else ``mien db upgrade`` does.
        searched_as: what a removal can look through, for the receipt.
        out_of_reach: where bytes of somebody removed may be that this cannot look into.
    """

    place: str
    read_only: bool
    upgrades_itself: ClassVar[bool]
    searched_as: ClassVar[str]
    out_of_reach: ClassVar[tuple[str, ...]]

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one committed state throughout."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is committed at the end, or not at all; one at a time, whoever writes.

        Raises:
            StoreReadOnlyError: it cannot be written to.
            StoreBusyError: another writer takes longer than the patience, or the server is away.
            StoreError: no space left, or damage.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all connections that are not in use."""

    def attempt(self, work: Callable[[], _Result]) -> _Result:
        """What ``work`` returns; it is called again if the server went away before anything of it was committed.

        A file does not go away.
        """
        return work()

    # The schema

    @abstractmethod
    def is_ours(self, connection: Connection) -> bool:
        """Whether the tables there carry the mark of ``sign``."""

    @abstractmethod
    def sign(self, connection: Connection) -> None:
        """Mark the tables as those of mien, so that no other program's are taken for them."""

    @abstractmethod
    def before_upgrade(self, connection: Connection, version: str, head: str) -> None:
        """What must be done before the steps from ``version`` (empty for none) to ``head``, under the lock of a writer."""

    # What was removed

    @abstractmethod
    def compact(self) -> list[str]:
        """Leave no bytes of deleted rows behind; what hindered it, for people to read."""

    @abstractmethod
    def copies(self) -> list[Path]:
        """Copies that upgrades have left."""

    # What ``doctor`` shows

    @abstractmethod
    def size(self, connection: Connection) -> int:
        """Bytes it takes."""

    @abstractmethod
    def journal(self, connection: Connection) -> str:
        """How it survives a power cut, in a word or two."""

    @abstractmethod
    def clock_ahead(self) -> float | None:
        """Seconds by which the clock that all machines of this database share is ahead of this machine's; None if it has none."""


def resilient(of_store: _Class) -> _Class:
    """A class whose public methods are attempts (``Database.attempt``) on the database in its ``_database``."""
    for name, method in list(vars(of_store).items()):
        if isfunction(method) and not name.startswith("_") and name != "close":
            setattr(of_store, name, _attempted(method))
    return of_store


def _attempted(method: Callable[..., _Result]) -> Callable[..., _Result]:
    @wraps(method)
    def call(self: Any, *arguments: Any, **options: Any) -> _Result:
        database = self._database
        if not isinstance(database, Database):  # within a transaction of somebody else's, who may try again
            return method(self, *arguments, **options)
        return database.attempt(lambda: method(self, *arguments, **options))

    return call
