"""Rows of the attendance log: to the words of the house and back, merged and removed with their person.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, update

from mien.core.attendance import Correction, Place, Rules, Session, Sighting
from mien.core.errors import NotFoundError
from mien.store import identities
from mien.store.evidence_rows import delete_evidence, drop_without_consent, of_person
from mien.store.names import name_key, storable
from mien.store.schema import answers, consents, corrections, openings, roster, sessions, sighting_candidates, sightings

__all__ = [
    "add_correction",
    "add_sighting",
    "decision_of",
    "delete_attendance",
    "delete_session",
    "end_places",
    "merge_attendance",
    "read_corrections",
    "read_roster",
    "read_session",
    "read_sessions",
    "read_sightings",
    "session_content",
    "session_row",
    "write_roster",
]

_COLUMN_OF = {"by": "actor"}  # BY is a word of SQL's

# Sessions


def session_row(session: Session, session_id: str, name: str, now: datetime) -> dict[str, Any]:
    """The row of a new session."""
    return {
        "id": session_id,
        "name": name,
        "name_key": name_key(name),
        "content": session_content(session),
        "created": now,
    }


def session_content(session: Session) -> dict[str, Any]:
    """Everything of a session but its id and name, for JSON; what it was like before among it."""
    content = {field.name: getattr(session, field.name) for field in fields(Session)}
    content["earlier"] = [session_content(before) for before in session.earlier]
    content["rules"] = asdict(session.rules)
    return {key: _plain(value) for key, value in content.items() if key not in {"id", "name"}}


def _plain(value: Any) -> Any:
    """For JSON: times and dates in ISO, spans in seconds."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, time | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def _session(row: Row[Any]) -> Session:
    return _session_of(row.content, row.id, row.name)


def _session_of(stored: Mapping[str, Any], session_id: str, name: str) -> Session:
    content = dict(stored)
    rules = content.pop("rules")
    spans: dict[str, Any] = {key: _span(value) for key, value in rules.items() if key != "minimum"}
    for key in ("start", "end", "day_border"):
        content[key] = None if content[key] is None else time.fromisoformat(content[key])
    for key in ("first", "last", "since"):  # a session that was never changed may have no "since"
        content[key] = None if content.get(key) is None else date.fromisoformat(content[key])
    for key in ("weekdays", "cameras"):
        content[key] = tuple(content[key])
    content["earlier"] = tuple(_session_of(before, session_id, name) for before in content.get("earlier", ()))
    return Session(**content, rules=Rules(rules["minimum"], **spans), id=session_id, name=name)


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def read_sessions(connection: Connection) -> list[Session]:
    """Every session, in the order in which they were added."""
    return [_session(row) for row in connection.execute(select(sessions).order_by(sessions.c.seq))]


def read_session(connection: Connection, which: str) -> Session:
    """The session of this id or name.

    Raises:
        NotFoundError: naming close names.
    """
    c = sessions.c
    same = or_(c.id == storable(which), c.name_key == name_key(storable(which)))
    row = connection.execute(select(sessions).where(same)).first()
    if row is None:
        raise NotFoundError(f"no session is called {which!r}{_suggestion(connection, which)}")
    return _session(row)


def delete_session(connection: Connection, session_id: str) -> dict[str, int]:
    """Delete a session and what hangs on it; how many rows of each kind."""
    counts = {}
    for kind, table in (("roster", roster), ("openings", openings), ("corrections", corrections)):
        counts[kind] = connection.execute(delete(table).where(table.c.session_id == session_id)).rowcount
    connection.execute(delete(sessions).where(sessions.c.id == session_id))
    return counts


def _suggestion(connection: Connection, which: str) -> str:
    names = {row.name_key: row.name for row in connection.execute(select(sessions.c.name_key, sessions.c.name))}
    close = difflib.get_close_matches(name_key(which), names, n=3)
    if not close:
        return "; see what there is with: mien attendance session list"
    return f"; did you mean {' or '.join(repr(names[key]) for key in close)}?"


def read_roster(connection: Connection, session_id: str) -> list[Place]:
    """Who should come, and those who no longer should, ordered by name."""
    query = select(roster.c.person_id, roster.c.since, roster.c.until).where(roster.c.session_id == session_id)
    found = {row.person_id: row for row in connection.execute(query)}
    known = identities.read_people(connection, found) if found else []
    return [Place(person, found[person.id].since, found[person.id].until) for person in known]


def write_roster(connection: Connection, session_id: str, wanted: set[str], since: date | None) -> int:
    """Give everybody in ``wanted`` a place from a date on; those who have one keep it. How many are new or come back."""
    before = {place.person.id: place for place in read_roster(connection, session_id)}
    back = sorted(i for i in wanted if i in before and before[i].until is not None)
    new = sorted(wanted - before.keys())
    if back:
        here = (roster.c.session_id == session_id, roster.c.person_id.in_(back))
        connection.execute(update(roster).where(*here).values(until=None))
    if new:
        connection.execute(insert(roster), [{"session_id": session_id, "person_id": i, "since": since} for i in new])
    return len(new) + len(back)


def end_places(connection: Connection, session_id: str, staying: set[str], day: date) -> None:
    """Everybody else is no longer expected from ``day`` on; what they did before stays in the book."""
    c = roster.c
    others = (c.session_id == session_id, c.person_id.not_in(staying), c.until.is_(None))
    connection.execute(update(roster).where(*others).values(until=day))


# Sightings


def add_sighting(connection: Connection, sighting: Sighting, sighting_id: str) -> bool:
    """Write one; False if its id is there already.

    Raises:
        NotFoundError: it names a person who is not there.
    """
    if connection.execute(select(sightings.c.seq).where(sightings.c.id == sighting_id)).first() is not None:
        return False
    named = [sighting.person_id] if sighting.person_id is not None else list(sighting.candidates)
    ids = list(dict.fromkeys(identities.person_id_of(connection, i) for i in named))  # those of merged people lead on
    row = {
        "id": sighting_id,
        "at": sighting.at,
        "camera": storable(sighting.camera),
        "decision": sighting.decision,
        "person_id": ids[0] if sighting.person_id is not None else None,
        "similarity": sighting.similarity,
        "margin": sighting.margin,
    }
    connection.execute(insert(sightings).values(row))
    if sighting.candidates:
        given = [{"sighting_id": sighting_id, "person_id": i, "rank": rank} for rank, i in enumerate(ids)]
        connection.execute(insert(sighting_candidates), given)
    return True


def read_sightings(connection: Connection, since: datetime, until: datetime) -> list[Sighting]:
    """Those seen between two moments, both included, in the order in which they came in."""
    c, s = sighting_candidates.c, sightings.c
    between = s.at.between(since, until)
    candidates: dict[str, list[str]] = {}
    query = select(c.sighting_id, c.person_id).join(sightings, s.id == c.sighting_id).where(between)
    for sighting_id, person_id in connection.execute(query.order_by(c.sighting_id, c.rank)):
        candidates.setdefault(sighting_id, []).append(person_id)
    found = connection.execute(select(sightings).where(between).order_by(s.seq))
    return [_sighting(row, tuple(candidates.get(row.id, ()))) for row in found]


def _sighting(row: Row[Any], candidates: tuple[str, ...]) -> Sighting:
    return Sighting(
        at=row.at,
        camera=row.camera,
        decision=row.decision,
        person_id=row.person_id,
        candidates=candidates,
        similarity=row.similarity,
        margin=row.margin,
        id=row.id,
    )


def decision_of(connection: Connection, sighting_id: str) -> str | None:
    """What was decided about this sighting; None if it is not there."""
    return connection.execute(select(sightings.c.decision).where(sightings.c.id == sighting_id)).scalar()


# Corrections


def add_correction(connection: Connection, correction: Correction) -> None:
    """Write a mark made by hand.

    Raises:
        NotFoundError: its session or person is not there.
    """
    read_session(connection, correction.session_id)
    if identities.person_id_of(connection, correction.person_id) != correction.person_id:
        raise NotFoundError(f"nobody has the id {correction.person_id} any more; name the person it leads to")
    row = {_COLUMN_OF.get(field.name, field.name): getattr(correction, field.name) for field in fields(Correction)}
    connection.execute(insert(corrections).values({**row, "reason": storable(correction.reason)}))


def read_corrections(connection: Connection, session_id: str) -> list[Correction]:
    """Marks made by hand, in the order in which they were made."""
    names = [_COLUMN_OF.get(field.name, field.name) for field in fields(Correction)]
    query = select(*(corrections.c[name] for name in names)).where(corrections.c.session_id == session_id)
    return [Correction(*row) for row in connection.execute(query.order_by(corrections.c.seq))]


# With their person


def delete_attendance(connection: Connection, person_id: str) -> dict[str, int]:
    """Delete what was seen of a person and said about them; how many rows of each kind.

    An ambiguous sighting goes if they were the answer; if they were only one of its candidates, it stays without them.
    """
    s, c = sightings.c, sighting_candidates.c
    crops = delete_evidence(connection, of_person(person_id))
    answered = select(answers.c.sighting_id).where(answers.c.person_id == person_id, answers.c.seq.in_(_last_answers()))
    gone = {
        "sightings": delete(sightings).where(or_(s.person_id == person_id, s.id.in_(answered))),
        "candidates": delete(sighting_candidates).where(c.person_id == person_id),
        "corrections": delete(corrections).where(corrections.c.person_id == person_id),
        "roster": delete(roster).where(roster.c.person_id == person_id),
    }
    return {"evidence": crops} | {kind: connection.execute(statement).rowcount for kind, statement in gone.items()}


def _last_answers() -> Select[tuple[int]]:
    """The answer that counts, of each sighting that has one: who was named before it has no claim on the sighting."""
    return select(func.max(answers.c.seq)).group_by(answers.c.sighting_id)


def merge_attendance(connection: Connection, keep: str, gone: str) -> None:
    """Move what was seen of ``gone`` and said about them to ``keep``, whose consent now counts for both."""
    for table in (sightings, answers, corrections):
        connection.execute(update(table).where(table.c.person_id == gone).values(person_id=keep))
    for table, place in ((roster, roster.c.session_id), (sighting_candidates, sighting_candidates.c.sighting_id)):
        both = select(place).where(table.c.person_id == keep)
        connection.execute(update(table).where(table.c.person_id == gone, place.not_in(both)).values(person_id=keep))
        connection.execute(delete(table).where(table.c.person_id == gone))
    connection.execute(delete(consents).where(consents.c.person_id == gone))
    drop_without_consent(connection, keep)
