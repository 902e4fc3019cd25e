"""What should stand on a worksheet: check marks with a row per person, time stamps with a row per entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from mien.attendance.tables import BY_HAND, MARKS
from mien.attendance.zones import find_zone
from mien.core.attendance import Entry, Meeting, Register

__all__ = ["ID", "JOINT", "KINDS", "KindOfSheet", "Part", "Row", "Sheet", "fixed_columns", "make_sheet"]

KindOfSheet = Literal["marks", "times"]
KINDS: tuple[KindOfSheet, ...] = get_args(KindOfSheet)

ID = "mien id"
"""Head of the column by which rows are found; nobody else's column is called so."""

JOINT = " | "
"""Between the cells of a part, as they are remembered and shown."""

_NAME = "name"
_LOG = ("date", "session", _NAME, "arrived", "last seen", "status", "minutes late", "by", "reason", ID)


@dataclass(frozen=True, slots=True)
class Part:
    """Cells of one row that are compared as one.

    Args:
        key: the same each time; ends with the person's id.
        cells: text by column; all empty if nothing should stand there.
        entry_id: which line of the register; empty for none.
    """

    key: str
    cells: Mapping[str, str]
    entry_id: str = ""

    @property
    def text(self) -> str:
        """Its cells as one text; empty if all of them are."""
        return join(list(self.cells.values()))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a worksheet.

    Args:
        id: what stands in the column ``ID``.
        label: for people.
        head: the part with the id and what says whose row it is; without it there is no row.
        parts: the others.
    """

    id: str
    label: str
    head: Part
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet as it should be.

    Args:
        kind: of marks or of time stamps.
        session_id: of which session.
        title: what a new one is called.
        columns: heads, in the order of a new one.
        rows: in the order of a new one.
    """

    kind: KindOfSheet
    session_id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def join(cells: list[str]) -> str:
    """Cells as one text; empty if all of them are."""
    return JOINT.join(cells) if any(cells) else ""


def fixed_columns(kind: KindOfSheet) -> tuple[str, ...]:
    """Heads that every worksheet of the kind has."""
    return (_NAME, ID) if kind == "marks" else _LOG


def make_sheet(register: Register, kind: KindOfSheet, put: Mapping[str, str], title: str = "") -> Sheet:
    """The worksheet of a register.

    Args:
        register: what should stand there.
        kind: of marks or of time stamps.
        put: what we had put there, by key; a line that is no longer wanted is cleared.
        title: what a new one is called; the session's name and the kind if empty.

    Raises:
        SettingError: the session's zone is unknown.
    """
    keys = tuple(m.key for m in register.meetings) if kind == "marks" else ()
    rows = tuple(_mark_rows(register)) if kind == "marks" else tuple(_log_rows(register, put))
    title = title or f"{clean(register.session.name)[:80]} {kind}"  # 100 characters at most, says Google
    return Sheet(kind, register.session.id, title, (*fixed_columns(kind), *keys), rows)


def clean(text: str) -> str:
    """Text as a cell can hold it on one line."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _mark_rows(register: Register) -> Iterator[Row]:
    """A row per person; the cell of somebody who is still expected stays empty, so that a dash is a decision."""
    entries: dict[str, list[Entry]] = {}
    for entry in register.entries:
        entries.setdefault(entry.person_id, []).append(entry)
    for person in register.people:
        name = clean(person.name)
        head = Part(f"marks/row/{person.id}", {_NAME: name, ID: person.id})
        parts = [Part(f"marks/{e.id}", {e.meeting: _mark(e)}, e.id) for e in entries.get(person.id, ())]
        yield Row(person.id, name, head, tuple(parts))


def _mark(entry: Entry) -> str:
    return "" if entry.status == "expected" else MARKS[entry.status] + (BY_HAND if entry.correction else "")


def _log_rows(register: Register, put: Mapping[str, str]) -> Iterator[Row]:
    """A row per entry that attended or was corrected, oldest meeting first."""
    zone = find_zone(register.session.zone)
    names = {person.id: clean(person.name) for person in register.people}
    meetings = {meeting.key: meeting for meeting in register.meetings}
    for entry in sorted(register.entries, key=lambda e: meetings[e.meeting].opens):
        key = f"times/{entry.id}"
        told = entry.attended or entry.correction is not None
        if told or put.get(key):
            cells = _log_cells(register, entry, meetings[entry.meeting], names[entry.person_id], zone)
            head = Part(key, cells if told else dict.fromkeys(_LOG, ""), entry.id)
            yield Row(entry.id, f"{names[entry.person_id]}, {entry.meeting}", head)


def _log_cells(register: Register, entry: Entry, meeting: Meeting, name: str, zone: ZoneInfo) -> dict[str, str]:
    by_hand = entry.correction
    cells = (
        meeting.date.isoformat(),
        clean(register.session.name),
        name,
        _local(entry.arrived, zone),
        _local(entry.last_seen, zone),
        entry.status,
        "" if entry.late_by is None else str(int(entry.late_by.total_seconds() // 60)),
        clean(by_hand.by) if by_hand else "camera",
        clean(by_hand.reason) if by_hand else "",
        entry.id,
    )
    return dict(zip(_LOG, cells, strict=True))


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    """A time by the session's clock with the zone's letters, which differ on the night when an hour comes twice."""
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
