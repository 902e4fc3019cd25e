"""Rows of the outbox: to the words of the house and back, and what of them goes with a person.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from mien.core.attendance import Edit, Target
from mien.core.errors import NotFoundError
from mien.store import identities
from mien.store.names import name_key, storable
from mien.store.schema import (
    corrections,
    deliveries,
    edits,
    openings,
    people,
    roster,
    sessions,
    sightings,
    targets,
)

__all__ = [
    "HeldEdit",
    "TargetState",
    "close_edits",
    "delete_edits",
    "drop_notes",
    "keep_edit",
    "nobody",
    "owner",
    "person_of_edit",
    "read_beginning",
    "read_edits",
    "read_put",
    "read_state",
    "read_target",
    "read_targets",
    "read_withdrawn",
    "rebase",
    "target_row",
    "withdrawing",
    "write_put",
]

EditState = Literal["open", "adopted", "restored", "gone"]

_MANY = 400
"""Rows per statement: SQLite takes 32,766 values at once."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """How far a target is.

    Args:
        target: which.
        delivered: when it was last brought wholly up to date; None for never.
        error: why it is not up to date; empty if nothing hinders it.
        passing: whether waiting helps without anybody doing anything.
        since: since when it fails; None if it does not.
        attempts: failed ones in a row.
        next_attempt: when it is tried again; None for at once.
        waiting: entries that were not delivered when it failed.
        items: how many items stand there through us.
        edits: how many of them somebody changed by hand, still open.
        withdrawing: how many items of people who were removed or merged still stand there.
        holder: who delivers there now; empty for nobody.
        held_until: until when at most.
    """

    target: Target
    delivered: datetime | None
    error: str
    passing: bool
    since: datetime | None
    attempts: int
    next_attempt: datetime | None
    waiting: int
    items: int
    edits: int
    withdrawing: int
    holder: str
    held_until: datetime | None


@dataclass(frozen=True, slots=True)
class HeldEdit:
    """What somebody changed by hand in a target, and what became of it.

    Args:
        id: of the edit.
        target: name of the target.
        target_id: its id.
        session_id: which session's register it is about.
        edit: what was found.
        seen: when it was first found.
        state: ``open`` waits for somebody; ``adopted`` went into our book, ``restored`` is overwritten by it; ``gone``
            was taken back by whoever made it.
        settled: when it ceased to be open; None while it is.
        by: who settled it; empty for nobody.
    """

    id: str
    target: str
    target_id: str
    session_id: str
    edit: Edit
    seen: datetime
    state: EditState
    settled: datetime | None
    by: str


# Targets


def target_row(target: Target, target_id: str, name: str, now: datetime) -> dict[str, Any]:
    """The row of a new target."""
    return {
        "id": target_id,
        "name": name,
        "name_key": name_key(name),
        "kind": target.kind,
        "session_id": target.session_id,
        "options": dict(target.options),
        "created": now,
        "error": "",
        "passing": True,
        "attempts": 0,
        "waiting": 0,
        "holder": "",
    }


def _target(row: Row[Any]) -> Target:
    return Target(row.name, row.kind, row.session_id, dict(row.options), row.id)


def read_targets(connection: Connection) -> list[Target]:
    """Every target, in the order in which they were added."""
    return [_target(row) for row in connection.execute(select(targets).order_by(targets.c.seq))]


def read_target(connection: Connection, which: str) -> Target:
    """The target of this id or name.

    Raises:
        NotFoundError: naming close names.
    """
    c = targets.c
    row = connection.execute(
        select(targets).where(or_(c.id == storable(which), c.name_key == name_key(storable(which))))
    ).first()
    if row is None:
        raise NotFoundError(f"nothing is delivered to {which!r}{_suggestion(connection, which)}")
    return _target(row)


def _suggestion(connection: Connection, which: str) -> str:
    names = {row.name_key: row.name for row in connection.execute(select(targets.c.name_key, targets.c.name))}
    close = difflib.get_close_matches(name_key(which), names, n=3)
    if not close:
        return "; see what there is with: mien attendance sink list"
    return f"; did you mean {' or '.join(repr(names[key]) for key in close)}?"


def read_state(connection: Connection, target_id: str) -> TargetState:
    """How far a target is.

    Raises:
        NotFoundError: it is not there any more.
    """
    row = connection.execute(select(targets).where(targets.c.id == target_id)).first()
    if row is None:
        raise NotFoundError("the target was removed meanwhile")
    ours = (deliveries.c.target_id == target_id, _stands())
    changed = (edits.c.target_id == target_id, edits.c.state == "open")
    return TargetState(
        target=_target(row),
        delivered=row.delivered,
        error=row.error,
        passing=row.passing,
        since=row.since,
        attempts=row.attempts,
        next_attempt=row.next_attempt,
        waiting=row.waiting,
        items=connection.execute(select(func.count()).select_from(deliveries).where(*ours)).scalar_one(),
        edits=connection.execute(select(func.count()).select_from(edits).where(*changed)).scalar_one(),
        withdrawing=sum(withdrawing(connection, target_id).values()),
        holder=row.holder,
        held_until=row.held_until,
    )


def read_beginning(connection: Connection, session_id: str) -> datetime:
    """When the first thing was written down about a session, or was seen of somebody on its roster.

    Raises:
        NotFoundError: the session is not there any more.
    """
    expected = select(roster.c.person_id).where(roster.c.session_id == session_id)
    first = (
        select(sessions.c.created).where(sessions.c.id == session_id),
        select(func.min(openings.c.at)).where(openings.c.session_id == session_id),
        select(func.min(sightings.c.at)).where(sightings.c.person_id.in_(expected)),
    )
    found: list[datetime] = [at for query in first if (at := connection.execute(query).scalar()) is not None]
    marked = select(func.min(corrections.c.meeting)).where(corrections.c.session_id == session_id)
    if (key := connection.execute(marked).scalar()) is not None:
        found.append(datetime.fromisoformat(key).astimezone(UTC) if "T" in key else _midnight(key))
    if not found:
        raise NotFoundError("the session was removed meanwhile")
    return min(found)


def _midnight(key: str) -> datetime:
    return datetime.fromisoformat(key).replace(tzinfo=UTC)


# What stands there through us


def read_put(connection: Connection, target_id: str, session_id: str) -> dict[str, str]:
    """Value by key of what one session's register has there."""
    c = deliveries.c
    query = select(c.key, c.value).where(c.target_id == target_id, c.session_id == session_id)
    return {row.key: row.value for row in connection.execute(query)}


def write_put(
    connection: Connection, place: tuple[str, str], put: Mapping[str, str], ids: Collection[str], now: datetime
) -> None:
    """Remember what stands there now; an empty value is forgotten.

    Args:
        connection: of the transaction.
        place: ids of the target and of the session.
        put: value by key.
        ids: of people who may be meant; whose id a key ends with owns the item.
        now: aware.
    """
    c, here = deliveries.c, dict(zip(("target_id", "session_id"), place, strict=True))
    keys = list(put)
    for start in range(0, len(keys), _MANY):
        some = keys[start : start + _MANY]
        of_place = (c.target_id == place[0], c.session_id == place[1], c.key.in_(some))
        connection.execute(delete(deliveries).where(*of_place))
        rows = [
            {**here, "key": key, "person_id": owner(key, ids), "value": storable(put[key]), "at": now}
            for key in some
            if put[key]
        ]
        if rows:
            connection.execute(insert(deliveries), rows)


def owner(key: str, ids: Collection[str]) -> str | None:
    """Whose id stands behind the last slash of the key, if anybody's does."""
    person_id = key.rpartition("/")[2]
    return person_id if person_id in ids else None


def read_withdrawn(connection: Connection, target_id: str, session_id: str) -> set[str]:
    """Ids of people who are no more (removed, or merged into others) and of whom something still stands there."""
    c = deliveries.c
    query = select(c.person_id).distinct().where(c.target_id == target_id, c.session_id == session_id, _is_nobody())
    return set(connection.execute(query).scalars())


def nobody(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those ids that belong to nobody any more."""
    return set(ids) - set(connection.execute(select(people.c.id)).scalars())


def drop_notes(connection: Connection, place: tuple[str, str]) -> None:
    """Forget what a channel noted for itself about people who are no more: nothing is under way for them now."""
    c = deliveries.c
    here = (c.target_id == place[0], c.session_id == place[1])
    connection.execute(delete(deliveries).where(*here, _is_nobody(), ~_stands()))


def withdrawing(
    connection: Connection, target_id: str | None = None, ids: Collection[str] | None = None
) -> dict[str, int]:
    """How many items of people who are no more still stand in each target, by its name; only those of ``ids``, if given."""
    where = [_is_nobody()] if ids is None else [deliveries.c.person_id.in_(list(ids))]
    if target_id is not None:
        where.append(deliveries.c.target_id == target_id)
    where.append(_stands())
    query = select(targets.c.name, func.count()).join(deliveries, deliveries.c.target_id == targets.c.id).where(*where)
    return {row[0]: row[1] for row in connection.execute(query.group_by(targets.c.id, targets.c.name))}


def _stands() -> Any:
    """Not what a channel notes for itself under a key that begins with ``~``."""
    return deliveries.c.key.not_like("~%")


def _is_nobody() -> Any:
    return deliveries.c.person_id.is_not(None) & deliveries.c.person_id.not_in(select(people.c.id))


# What others changed there


def keep_edit(connection: Connection, place: tuple[str, str], edit: Edit, ids: Collection[str], now: datetime) -> bool:
    """Remember what was found; whether it is new. The same item is one edit until it is settled."""
    e = edits.c
    values = {
        "entry_id": edit.entry_id,
        "place": storable(edit.where),
        "put": edit.put,
        "found": storable(edit.found),
        "wanted": storable(edit.wanted),
        "mark": edit.status,
    }
    same = (e.target_id == place[0], e.session_id == place[1], e.key == edit.key, e.state == "open")
    if connection.execute(update(edits).where(*same).values(values)).rowcount:
        return False
    row = {"target_id": place[0], "session_id": place[1], "key": edit.key, "person_id": owner(edit.key, ids)}
    state = {"id": identities.new_id(), "seen": now, "state": "open", "actor": ""}
    connection.execute(insert(edits).values({**row, **values, **state}))
    return True


def close_edits(connection: Connection, place: tuple[str, str], still: Collection[str], now: datetime) -> int:
    """Those that were open and are no longer found are gone; how many."""
    e = edits.c
    open_here = select(e.id, e.key).where(e.target_id == place[0], e.session_id == place[1], e.state == "open")
    gone = [row.id for row in connection.execute(open_here) if row.key not in still]
    for start in range(0, len(gone), _MANY):
        some = e.id.in_(gone[start : start + _MANY])
        connection.execute(update(edits).where(some).values(state="gone", settled=now))
    return len(gone)


def read_edits(connection: Connection, *where: Any) -> list[HeldEdit]:
    """What was changed by hand, oldest first."""
    query = select(edits, targets.c.name.label("target")).join(targets, targets.c.id == edits.c.target_id)
    return [_held(row) for row in connection.execute(query.where(*where).order_by(edits.c.seq))]


def _held(row: Row[Any]) -> HeldEdit:
    return HeldEdit(
        id=row.id,
        target=row.target,
        target_id=row.target_id,
        session_id=row.session_id,
        edit=Edit(row.key, row.entry_id, row.place, row.put, row.found, row.wanted, row.mark),
        seen=row.seen,
        state=row.state,
        settled=row.settled,
        by=row.actor,
    )


def person_of_edit(connection: Connection, edit_id: str) -> str:
    """Whose item was changed; empty for nobody's."""
    return connection.execute(select(edits.c.person_id).where(edits.c.id == edit_id)).scalar() or ""


def rebase(connection: Connection, held: HeldEdit, now: datetime) -> None:
    """Take what was found for what we had put, so that the next delivery writes over it."""
    ids = {person_of_edit(connection, held.id)} - {""}
    write_put(connection, (held.target_id, held.session_id), {held.edit.key: held.edit.found}, ids, now)


def delete_edits(connection: Connection, person_id: str) -> int:
    """Delete what was changed by hand about a person; how many."""
    return connection.execute(delete(edits).where(edits.c.person_id == person_id)).rowcount
