"""What PostgreSQL answers, as errors of our tree: one line, what to do, never a password."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError

from mien.core.errors import StoreAwayError, StoreBusyError, StoreError, StoreReadOnlyError

__all__ = ["translated"]

_INSTALL = (
    "install pgvector on the server (Debian and Ubuntu: apt install postgresql-NN-pgvector, NN being its version; "
    "container image: pgvector/pgvector), then again: mien db upgrade"
)

_AWAY = ("08", "57P")
"""Classes of SQLSTATE: connection exceptions; the server shuts down, has crashed, cannot be connected to now."""

_BUSY = frozenset({"55P03", "40001", "40P01", "53300"})
"""Lock not available, serialization failure, deadlock, too many connections."""

_LOST = re.compile(r"server closed the connection|connection.*(lost|closed|reset|timed out|timeout)|refused|no such file|"
                   r"starting up|shutting down|not yet accepting|recovery", re.IGNORECASE)  # fmt: skip
"""Words of libpq for a server that is away; it gives no SQLSTATE when it cannot connect. English: its own words are."""


_KNOWN: tuple[tuple[str, str, type[StoreError], str], ...] = (
    ("58P01", "vector", StoreError, _INSTALL),
    ("0A000", "vector", StoreError, _INSTALL),
    (
        "42501",
        "extension",
        StoreError,
        "let the owner of the database switch pgvector on, once: CREATE EXTENSION vector",
    ),
    ("42501", "", StoreReadOnlyError, "it cannot be written to: grant this user the right, or name another"),
    ("25006", "", StoreReadOnlyError, "it cannot be written to: is this a standby? name the primary"),
    ("42P01", "", StoreError, "tables of mien are missing: mien db upgrade"),
    ("53100", "", StoreError, "no space left on the server's disk; nothing was changed: free some and try again"),
    ("28", "", StoreError, "check user and password"),
)
"""Beginning of the SQLSTATE, a word in what was said, our error, what to do."""

_OTHER = (StoreError, "nothing was changed")


def translated(error: DBAPIError, place: str, patience: float) -> StoreError:
    """The error of our tree for one of the driver.

    Args:
        error: as SQLAlchemy wraps it.
        place: the URL without its password.
        patience: seconds that a lock was waited for.
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    words = _words(error.orig)
    if state.startswith(_AWAY) or error.connection_invalidated or (not state and _LOST.search(words)):
        return StoreAwayError(f"{place} does not answer ({words}); see that the server runs and can be reached")
    if state == "55P03":
        return StoreBusyError(
            f"{place} is locked by another writer for more than {patience:g} s; try again when that one has finished"
        )
    if state in _BUSY:
        return StoreBusyError(f"{place} is busy ({words}); try again")
    if not state and isinstance(error, OperationalError):
        return StoreError(f"cannot connect to {place}: {words}; check user, password, host and database")
    kind, remedy = next(
        ((kind, remedy) for start, word, kind, remedy in _KNOWN if state.startswith(start) and word in words), _OTHER
    )
    return kind(f"{place}: {words}; {remedy}")


def _words(error: Any) -> str:
    """The first line of what the server said, without the values of rows that its details quote."""
    said = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # libpq tells every address it tried, and ends with the reason
    words = next((line for line in reversed(lines) if "FATAL" in line), lines[0] if lines else "no reason given")
    return words.rpartition("FATAL:")[2].strip() or words
