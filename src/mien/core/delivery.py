"""Delivery: registers kept up to date in places outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.core.attendance import Status

__all__ = ["Delivered", "Edit", "Finding", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A place outside that is kept up to date with registers.

    Args:
        name: what a user calls it.
        kind: which kind of sink, e.g. ``"sheets"``.
        session_id: of which session; None for all of them.
        options: what the sink needs to find the place; where a secret lies, never the secret itself.
        id: given by the log; empty before.
    """

    name: str
    kind: str
    session_id: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Something that somebody changed by hand where we had written: kept, reported, never overwritten unasked.

    Args:
        key: which of the target's items, as in ``Delivered.put``.
        entry_id: which line of the register it belongs to; empty for none.
        where: for people, e.g. ``"Marks!D7"``.
        put: what we had written there last; None if we never had.
        found: what stands there now.
        wanted: what we would write.
        status: the mark that ``found`` means; None if it is none.
    """

    key: str
    entry_id: str
    where: str
    put: str | None
    found: str
    wanted: str
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one request to a target has settled.

    Args:
        put: value by key of what now stands there through us; an empty value: nothing of ours stands there any more.
        edits: what was found changed by hand; it was left as it is.
    """

    put: Mapping[str, str] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at when a target was checked.

    Args:
        name: what was looked at, e.g. ``"sheet shared"``.
        ok: whether it is as it must be.
        words: what was found, and if it is not ok what to do.
    """

    name: str
    ok: bool
    words: str
