"""A worksheet as it is found, and the requests that make it what it should be. Pure; positions count from 0.

Rows are found by the id that stands in them and columns by their heads, wherever they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mien.attendance.sinks.sheet_rows import ID, Part, join

__all__ = ["Cell", "Grid", "Request", "a1", "append_rows", "columns_added", "gid_of", "new_tab", "noted", "write_cells"]

Request = dict[str, Any]
"""One request of a batch (https://developers.google.com/sheets/api/reference/rest/v4/spreadsheets/request)."""

_NOTE = "mien"


@dataclass(frozen=True, slots=True)
class Cell:
    """Text for one cell."""

    row: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Where things are on a worksheet.

    Args:
        values: cells as shown, rows of different lengths.
        header: the row of the heads; None if there is none.
        columns: column by head.
        rows: row by id.
        copies: rows with an id that stands further up already.
        twice: heads that stand there more than once.
    """

    values: Sequence[Sequence[str]]
    header: int | None
    columns: Mapping[str, int]
    rows: Mapping[str, int]
    copies: tuple[tuple[str, int], ...]
    twice: tuple[str, ...]

    @classmethod
    def read(cls, values: Sequence[Sequence[str]]) -> Grid:
        """Find the heads, which may have something above them, and the ids."""
        header = next((i for i, row in enumerate(values) if ID in map(str.strip, row)), None)
        heads = [] if header is None else [head.strip() for head in values[header]]
        columns = {head: i for i, head in reversed(list(enumerate(heads))) if head}
        rows: dict[str, int] = {}
        copies = []
        for i, row in enumerate(values[header + 1 :] if header is not None else (), (header or 0) + 1):
            row_id = _at(row, columns[ID])
            if row_id in rows:
                copies.append((row_id, i))
            elif row_id:
                rows[row_id] = i
        twice = tuple(sorted({head for head in heads if head and heads.count(head) > 1}))
        return cls(values, header, columns, rows, tuple(copies), twice)

    @property
    def empty(self) -> bool:
        """Whether nothing at all stands there."""
        return not any(cell for row in self.values for cell in row)

    def text(self, row: int, column: int) -> str:
        """What one cell shows."""
        return _at(self.values[row], column) if row < len(self.values) else ""

    def found(self, row: int, part: Part) -> str:
        """What the cells of a part show, as one text; of columns that are there."""
        return join([self.text(row, self.columns[head]) for head in part.cells if head in self.columns])

    def where(self, row: int, part: Part) -> str:
        """Its first cell, e.g. ``"D7"``."""
        return a1(row, min((self.columns[head] for head in part.cells if head in self.columns), default=0))

    def rows_of(self, person_ids: Collection[str]) -> list[int]:
        """Rows of these people, copies among them: an id is a person's or ends with one."""
        of_id = [*self.rows.items(), *self.copies]
        return sorted(row for row_id, row in of_id if row_id.rpartition("/")[2] in person_ids)


def a1(row: int, column: int) -> str:
    """The name of a cell, e.g. ``"D7"``."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row + 1}"


def gid_of(note: str) -> int:
    """The gid that we give to a new tab: the same for the same note, so that two writers cannot both make it."""
    return int.from_bytes(hashlib.sha256(note.encode()).digest()[:4], "big") % (2**31 - 1) + 1


def new_tab(gid: int, title: str, heads: Sequence[str], rows: int) -> list[Request]:
    """A tab with its heads, which stay in sight and out of sorting, and room for what people add."""
    room = {"rowCount": max(rows + 50, 200), "columnCount": max(len(heads) + 10, 26), "frozenRowCount": 1}
    made = {"addSheet": {"properties": {"sheetId": gid, "title": title, "gridProperties": room}}}
    return [made, write_block(gid, 0, 0, [heads])]


def noted(gid: int, note: str) -> Request:
    """A note on a tab, invisible to people, which stays with it whatever it is called."""
    note_on = {"metadataKey": _NOTE, "metadataValue": note, "location": {"sheetId": gid}, "visibility": "DOCUMENT"}
    return {"createDeveloperMetadata": {"developerMetadata": note_on}}


def columns_added(gid: int, header: int, at: int, heads: Sequence[str]) -> list[Request]:
    """New columns between others: what stands to the right moves along, formulas too."""
    room = {"sheetId": gid, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + len(heads)}
    return [
        {"insertDimension": {"range": room, "inheritFromBefore": at > 0}},
        write_block(gid, header, at, [heads]),
    ]


def append_rows(gid: int, rows: Sequence[Mapping[int, str]]) -> Request:
    """Rows (text by column) behind the last row with data, wherever that is when the request arrives."""
    cells = [[row.get(column, "") for column in range(max(row) + 1)] for row in rows]
    return {"appendCells": {"sheetId": gid, "rows": _rows(cells), "fields": "userEnteredValue"}}


def write_cells(gid: int, cells: Iterable[Cell]) -> list[Request]:
    """Cells that lie below each other are written together."""
    ordered = sorted(cells, key=lambda c: (c.column, c.row))
    return [write_block(gid, run[0].row, run[0].column, [[c.text] for c in run]) for run in _runs(ordered)]


def _runs(ordered: Sequence[Cell]) -> Iterator[list[Cell]]:
    for _, group in groupby(enumerate(ordered), key=lambda pair: (pair[1].column, pair[1].row - pair[0])):
        yield [cell for _, cell in group]


def write_block(gid: int, row: int, column: int, rows: Sequence[Sequence[str]]) -> Request:
    """A block of cells whose upper left corner is given."""
    start = {"sheetId": gid, "rowIndex": row, "columnIndex": column}
    return {"updateCells": {"start": start, "rows": _rows(rows), "fields": "userEnteredValue"}}


def _rows(rows: Sequence[Sequence[str]]) -> list[Request]:
    """``stringValue`` is text whatever it begins with; a cell without a value is cleared."""
    return [{"values": [{"userEnteredValue": {"stringValue": t}} if t else {} for t in row]} for row in rows]


def _at(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else ""
