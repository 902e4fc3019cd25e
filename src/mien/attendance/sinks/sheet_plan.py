"""What is to be done on one worksheet: what should stand there against what is found. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mien.attendance.reconcile import Item, about, reconcile
from mien.attendance.sinks import sheet_grid
from mien.attendance.sinks.sheet_grid import Cell, Grid, Request
from mien.attendance.sinks.sheet_rows import ID, Part, Row, Sheet, fixed_columns
from mien.core.attendance import Edit
from mien.core.errors import DeliveryError

__all__ = ["Plan", "Spot", "Step", "known_of", "make_plan", "tab_key"]

_CELLS = 20_000
"""Per request: about 1.5 MB, below the 2 MB that Google advises (https://developers.google.com/sheets/api/limits)."""


@dataclass(frozen=True, slots=True)
class Spot:
    """The tab that is written to.

    Args:
        gid: of the tab, or of the one to be made.
        title: as it is called.
        grid: what stands there; None if it is to be made.
        taken: somebody else made it and it is now ours too: to be noted on it.
    """

    gid: int
    title: str
    grid: Grid | None
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One request: all of it happens or nothing.

    Args:
        requests: of the batch.
        writes: what stands there afterwards, by key.
    """

    requests: Sequence[Request]
    writes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from one look at a tab.

    Args:
        confirmed: what is to be remembered at once, by key.
        edits: what somebody else changed.
        steps: requests, one after another.
    """

    confirmed: Mapping[str, str]
    edits: tuple[Edit, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class _Unit:
    """What must not be torn apart: one part of a row, or a new row."""

    writes: dict[str, str]
    cells: list[Cell] = field(default_factory=list)
    row: dict[int, str] = field(default_factory=dict)


def tab_key(sheet: Sheet) -> str:
    """Under which the gid of its tab is remembered."""
    return f"{sheet.kind}/tab"


def known_of(sheet: Sheet, put: Mapping[str, str]) -> dict[str, str]:
    """What is remembered of this sheet."""
    return {key: value for key, value in put.items() if key.lstrip("~").startswith(f"{sheet.kind}/")}


def make_plan(sheet: Sheet, spot: Spot, put: Mapping[str, str], withdrawn: Collection[str]) -> Plan:
    """What is to be done, and what was changed by hand.

    Raises:
        DeliveryError: a head stands there twice.
    """
    if spot.grid is None:
        return _all_new(sheet, spot, put)
    return _Comparison(sheet, spot, spot.grid, known_of(sheet, put)).plan(withdrawn)


def _all_new(sheet: Sheet, spot: Spot, put: Mapping[str, str]) -> Plan:
    """A tab that is to be made; whatever was put on a former one is forgotten."""
    columns = {head: i for i, head in enumerate(sheet.columns)}
    made = [
        *sheet_grid.new_tab(spot.gid, spot.title, sheet.columns, len(sheet.rows)),
        sheet_grid.noted(spot.gid, _note(sheet)),
    ]
    writes = {tab_key(sheet): str(spot.gid), **{_column_key(sheet, head): head for head in sheet.columns}}
    units = [_new_row(row, columns) for row in sheet.rows if row.head.text]
    return Plan(dict.fromkeys(known_of(sheet, put), ""), (), _steps(spot.gid, Step(made, writes), units))


def _note(sheet: Sheet) -> str:
    return f"{sheet.kind}/{sheet.session_id}"


def _column_key(sheet: Sheet, head: str) -> str:
    return f"{sheet.kind}/column/{head}"


@dataclass(slots=True)
class _Comparison:
    """A tab that is there, against what should stand on it.

    Args:
        sheet: what should.
        spot: where.
        grid: what is found.
        known: what is remembered.
    """

    sheet: Sheet
    spot: Spot
    grid: Grid
    known: dict[str, str]

    def plan(self, withdrawn: Collection[str]) -> Plan:
        self._check_heads()
        tab = reconcile([self._item(tab_key(self.sheet), str(self.spot.gid), str(self.spot.gid), "")])
        confirmed = dict(tab.confirmed)
        if self.grid.header is None:  # no row can be found
            if gone := reconcile([self._column(ID)]).edits:
                return Plan(confirmed, gone)
            stale = [key for key in self.known if key.lstrip("~") != tab_key(self.sheet)]
            confirmed.update(dict.fromkeys(stale, ""))
            self.known = {}
        heads = reconcile([self._column(head) for head in self.sheet.columns])
        confirmed.update(heads.confirmed)
        edits = [*heads.edits, *self._copies()]
        new = [head for head in self.sheet.columns if _column_key(self.sheet, head) in heads.writes]
        at = 1 + max((self.grid.columns[head] for head in self._our_columns()), default=-1)
        columns = {**self.grid.columns, **{head: at + i for i, head in enumerate(new)}}
        units = list(self._withdraw(withdrawn, confirmed))
        for row in self.sheet.rows:
            units.extend(self._compare(row, columns, confirmed, edits))
        return Plan(confirmed, tuple(edits), _steps(self.spot.gid, self._structure(new, at, heads.writes), units))

    def _check_heads(self) -> None:
        if double := set(self.grid.twice) & set(self.sheet.columns):
            named = " and ".join(sorted(double))
            raise DeliveryError(
                f"the tab {self.spot.title!r} has two columns called {named}; rename one", passing=False
            )

    def _item(self, key: str, wanted: str, found: str, where: str, entry_id: str = "") -> Item:
        return Item.of(self.known, key, wanted, found, f"{self.spot.title}{where}", entry_id)

    def _column(self, head: str) -> Item:
        found = head if head in self.grid.columns else ""
        return self._item(_column_key(self.sheet, head), head, found, f": column {head}")

    def _our_columns(self) -> list[str]:
        """Heads that are there and ours, of meetings that the register no longer tells of too."""
        ours = {*fixed_columns(self.sheet.kind), *self.sheet.columns}
        return [h for h in self.grid.columns if h in ours or _column_key(self.sheet, h) in self.known]

    def _structure(self, new: Sequence[str], at: int, writes: Mapping[str, str]) -> Step:
        requests = [sheet_grid.noted(self.spot.gid, _note(self.sheet))] if self.spot.taken else []
        if new:
            requests += sheet_grid.columns_added(self.spot.gid, self.grid.header or 0, at, new)
        return Step(requests, writes)

    def _withdraw(self, person_ids: Collection[str], confirmed: dict[str, str]) -> Iterator[_Unit]:
        """Empty all that is ours in the rows of removed people, edited by hand or not: they are to be forgotten."""
        cells = [
            Cell(row, self.grid.columns[head], "")
            for row in self.grid.rows_of(person_ids)
            for head in self._our_columns()
            if self.grid.text(row, self.grid.columns[head])
        ]
        gone = dict.fromkeys(about(self.known, person_ids), "")
        if cells:
            yield _Unit(gone, cells)
        else:
            confirmed.update(gone)

    def _compare(
        self, row: Row, columns: Mapping[str, int], confirmed: dict[str, str], edits: list[Edit]
    ) -> Iterator[_Unit]:
        """One row: what is to be written; what is to be remembered and reported is added to the lists given."""
        position = self.grid.rows.get(row.id)
        if position is None:
            outcome = reconcile([self._missing(row)] if columns.keys() >= row.head.cells.keys() else [])
            units = [_new_row(row, columns)] if outcome.writes else []
        else:
            parts = {p.key: p for p in (row.head, *row.parts) if columns.keys() >= p.cells.keys()}
            outcome = reconcile([self._found(position, part) for part in parts.values()])
            units = [self._rewritten(position, parts[key], columns) for key in outcome.writes]
        confirmed.update(outcome.confirmed)
        edits.extend(outcome.edits)
        yield from units

    def _missing(self, row: Row) -> Item:
        return self._item(row.head.key, row.head.text, "", f": row of {row.label}", row.head.entry_id)

    def _found(self, position: int, part: Part) -> Item:
        where = f"!{self.grid.where(position, part)}"
        if self.grid.columns.keys() >= part.cells.keys():
            return self._item(part.key, part.text, self.grid.found(position, part), where, part.entry_id)
        found = self.grid.found(position, part)  # one of its columns is new: nothing of ours stands in that
        return Item(part.key, part.text, found, None, None, f"{self.spot.title}{where}", part.entry_id)

    def _rewritten(self, position: int, part: Part, columns: Mapping[str, int]) -> _Unit:
        cells = [
            Cell(position, columns[head], text)
            for head, text in part.cells.items()
            if head not in self.grid.columns or self.grid.text(position, self.grid.columns[head]) != text
        ]
        return _Unit({part.key: part.text}, cells)

    def _copies(self) -> Iterator[Edit]:
        """Rows that somebody copied: the first is kept up to date."""
        wanted = {row.id: row for row in self.sheet.rows}
        for row_id, position in self.grid.copies:
            if row_id in wanted:
                head = wanted[row_id].head
                where = f"{self.spot.title}!{self.grid.where(position, head)}"
                key = f"{self.sheet.kind}/copy/{position}/{head.key.rpartition('/')[2]}"
                yield Edit(key, head.entry_id, where, None, self.grid.found(position, head), "")


def _new_row(row: Row, columns: Mapping[str, int]) -> _Unit:
    parts = [p for p in (row.head, *row.parts) if p.text and columns.keys() >= p.cells.keys()]
    cells = {columns[head]: text for part in parts for head, text in part.cells.items()}
    return _Unit({part.key: part.text for part in parts}, row=cells)


def _steps(gid: int, structure: Step, units: Sequence[_Unit]) -> tuple[Step, ...]:
    """Requests of a bearable size. What goes to a certain place comes first, right after the look at the tab."""
    ordered = sorted(units, key=lambda unit: bool(unit.row))
    steps = []
    for i, some in enumerate(_portions(ordered) or [[]]):
        first = structure if i == 0 else Step([], {})
        requests = [*first.requests, *sheet_grid.write_cells(gid, [cell for unit in some for cell in unit.cells])]
        if rows := [unit.row for unit in some if unit.row]:
            requests.append(sheet_grid.append_rows(gid, rows))
        writes = {key: value for unit in some for key, value in unit.writes.items()}
        if requests:
            steps.append(Step(requests, {**first.writes, **writes}))
    return tuple(steps)


def _portions(units: Sequence[_Unit]) -> list[list[_Unit]]:
    portions: list[list[_Unit]] = []
    room = 0
    for unit in units:
        size = len(unit.cells) or max(unit.row, default=0) + 1
        if room < size or not portions:
            portions.append([])
            room = _CELLS
        portions[-1].append(unit)
        room -= size
    return portions
