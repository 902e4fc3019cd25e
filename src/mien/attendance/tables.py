"""A register as tables for people: check marks, time stamps, totals, and every line with its history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from mien.attendance.zones import find_zone
from mien.core.attendance import Entry, Meeting, Register, Sighting, Status

__all__ = ["FORMS", "MARKS", "Form", "Table", "sighting_dict", "table", "to_dict", "totals"]

Form = Literal["marks", "times", "people", "meetings", "entries"]
FORMS: tuple[Form, ...] = get_args(Form)

MARKS: dict[Status, str] = {
    "present": "✓",
    "late": "✓ late",
    "left": "✓ left",
    "absent": "–",
    "excused": "– excused",
    "expected": "…",
}
BY_HAND = "*"
"""Behind a mark that was made or changed by hand."""

_LEGEND = f"{MARKS['present']} present, {MARKS['absent']} absent, {MARKS['expected']} expected, {BY_HAND} by hand"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns.

    Args:
        title: what it tells of, with the time zone of its times.
        columns: in order.
        rows: one mapping per row; a missing column is empty.
        note: how to read it; empty if it needs no words.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    note: str = ""


def table(register: Register, form: Form) -> Table:
    """The register as check marks, time stamps, totals per person or per meeting, or line by line."""
    makers: dict[Form, Callable[[Register], Table]] = {
        "marks": _marks,
        "times": _times,
        "people": _people,
        "meetings": _meetings,
        "entries": _entries,
    }
    return makers[form](register)


def totals(registers: Sequence[Register]) -> Table:
    """Per person over several sessions: how many meetings attended of how many due in each, and the counts of all."""
    people = sorted({p.id: p for register in registers for p in register.people}.values(), key=lambda p: (p.name, p.id))
    counted = ("name", *_COUNTED, "attended", "share")
    called = [register.session.name for register in registers]
    names = tuple(f"{name} (session)" if name in counted else name for name in called)
    rows = []
    for person in people:
        of_each = [[e for e in register.entries if e.person_id == person.id] for register in registers]
        shares = {name: _attended_of_due(own) for name, own in zip(names, of_each, strict=True)}
        rows.append({"name": person.name, **shares, **_counts([entry for own in of_each for entry in own])})
    columns = (counted[0], *names, *counted[1:])
    return Table(f"totals of {len(names)} sessions", columns, tuple(rows), note="3/4: attended 3 of 4 meetings due")


def _attended_of_due(entries: list[Entry]) -> str:
    """Empty for somebody who was never due there."""
    due = sum(entry.status not in {"expected", "excused"} for entry in entries)
    return f"{sum(entry.attended for entry in entries)}/{due}" if due else ""


def to_dict(register: Register) -> dict[str, Any]:
    """The whole register for JSON; times in ISO 8601 with the offset of the session's zone."""
    zone = find_zone(register.session.zone)
    return {
        "session": {"id": register.session.id, "name": register.session.name, "zone": register.session.zone},
        "people": [{"id": person.id, "name": person.name} for person in register.people],
        "meetings": [
            {"key": m.key, "opens": _iso(m.opens, zone), "due": _iso(m.due, zone), "end": _iso(m.end, zone)}
            for m in register.meetings
        ],
        "entries": list(_entries(register).rows),
        "questions": [
            {
                "id": q.id,
                "meeting": q.meeting,
                "candidates": list(q.candidates),
                "sightings": [sighting_dict(s, zone) for s in q.sightings],
            }
            for q in register.questions
        ],
        "unassigned": [{**sighting_dict(u.sighting, zone), "why": u.why} for u in register.unassigned],
    }


def sighting_dict(sighting: Sighting, zone: ZoneInfo) -> dict[str, Any]:
    """A sighting for JSON."""
    return {
        "id": sighting.id,
        "at": _iso(sighting.at, zone),
        "camera": sighting.camera,
        "decision": sighting.decision,
        "person_id": sighting.person_id,
        "candidates": list(sighting.candidates),
        "similarity": sighting.similarity,
        "margin": sighting.margin,
    }


def _marks(register: Register) -> Table:
    def cell(entry: Entry) -> str:
        return MARKS[entry.status] + (BY_HAND if entry.correction else "")

    return replace(_grid(register, cell, f"{register.session.name}: marks"), note=_LEGEND)


def _times(register: Register) -> Table:
    zone = find_zone(register.session.zone)

    def cell(entry: Entry) -> str:
        if not entry.attended:
            return ""
        times = dict.fromkeys(_clock(at, zone) for at in (entry.arrived, entry.last_seen) if at is not None)
        return "–".join(times) or MARKS[entry.status] + BY_HAND  # marked by hand without a time

    return _grid(register, cell, f"{register.session.name}: seen, {register.session.zone}")


def _grid(register: Register, cell: Callable[[Entry], str], title: str) -> Table:
    """A row per person, a column per meeting."""
    entries = {(entry.meeting, entry.person_id): entry for entry in register.entries}
    keys = tuple(meeting.key for meeting in register.meetings)
    rows = tuple(
        {"name": p.name} | {key: cell(entries[key, p.id]) for key in keys if (key, p.id) in entries}
        for p in register.people
    )
    return Table(title, ("name", *keys), rows)


def _clock(at: datetime, zone: ZoneInfo) -> str:
    """Hours and minutes; with the offset on the night when they come twice."""
    local = at.astimezone(zone)
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{local:%H:%M%z}" if twice else f"{local:%H:%M}"


def _people(register: Register) -> Table:
    rows = []
    for person in register.people:
        counts = _counts([entry for entry in register.entries if entry.person_id == person.id])
        rows.append({"name": person.name, **counts})
    return Table(f"{register.session.name}: totals per person", ("name", *_COUNTED, "attended", "share"), tuple(rows))


def _meetings(register: Register) -> Table:
    rows = []
    for meeting in register.meetings:
        counts = _counts([entry for entry in register.entries if entry.meeting == meeting.key])
        rows.append({"meeting": meeting.key, **counts})
    columns = ("meeting", *_COUNTED, "attended", "share")
    return Table(f"{register.session.name}: totals per meeting", columns, tuple(rows))


_COUNTED: tuple[Status, ...] = get_args(Status)


def _counts(entries: list[Entry]) -> dict[str, Any]:
    """How many of each status, how many attended, and their share of those that were due (None without any).

    Neither somebody excused nor somebody who may still come speaks for or against attendance.
    """
    counts = Counter(entry.status for entry in entries)
    decided = len(entries) - counts["expected"] - counts["excused"]
    attended = sum(entry.attended for entry in entries)
    share = round(attended / decided, 3) if decided else None
    return {**{status: counts[status] for status in _COUNTED}, "attended": attended, "share": share}


def _entries(register: Register) -> Table:
    zone = find_zone(register.session.zone)
    names = {person.id: person.name for person in register.people}
    meetings = {meeting.key: meeting for meeting in register.meetings}
    rows = tuple(_entry_row(entry, meetings[entry.meeting], names[entry.person_id], zone) for entry in register.entries)
    return Table(f"{register.session.name}: every line, {register.session.zone}", _ENTRY_COLUMNS, rows)


_ENTRY_COLUMNS = (
    *("entry", "meeting", "name", "status", "arrived", "last_seen", "minutes_late", "sightings", "why"),
    *("by", "reason", "old_status", "old_arrived", "changed"),
)


def _entry_row(entry: Entry, meeting: Meeting, name: str, zone: ZoneInfo) -> dict[str, Any]:
    changed = entry.correction
    return {
        "entry": entry.id,
        "meeting": meeting.key,
        "person_id": entry.person_id,
        "name": name,
        "status": entry.status,
        "arrived": _iso(entry.arrived, zone),
        "last_seen": _iso(entry.last_seen, zone),
        "minutes_late": None if entry.late_by is None else round(entry.late_by.total_seconds() / 60, 1),
        "sightings": entry.sightings,
        "why": "; ".join(reason.words() for reason in entry.reasons),
        "by": changed.by if changed else "sightings",
        "reason": changed.reason if changed else "",
        "old_status": changed.old_status if changed else None,
        "old_arrived": _iso(changed.old_arrived, zone) if changed else None,
        "changed": _iso(changed.at, zone) if changed else None,
    }


def _iso(at: datetime | None, zone: ZoneInfo) -> str | None:
    return None if at is None else at.astimezone(zone).isoformat(timespec="seconds")
