"""A register as an Excel workbook: a sheet per table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.attendance.sinks.files import write_whole
from mien.attendance.tables import FORMS, Table, table
from mien.core.attendance import Register
from mien.core.errors import MissingExtraError

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

__all__ = ["ExcelSink"]

_TIMES = frozenset({"arrived", "last_seen", "old_arrived", "changed"})
_LONGEST = 60
"""Characters; wider columns would push the others off the screen."""


@dataclass(frozen=True, slots=True)
class ExcelSink:
    """Implements ``core.protocols.Sink`` with openpyxl.

    Times are dates to Excel, local to the session's zone, which stands in the title: a cell cannot hold a zone.

    Args:
        path: the ``.xlsx`` file.
        replace: whether a file that is there is replaced.
    """

    path: Path
    replace: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def write(self, register: Register) -> None:
        """Write the workbook, all of it or nothing.

        Raises:
            MissingExtraError: openpyxl is not installed.
            InputError: the file is there already and may not be replaced, or it cannot be written.
        """
        workbook = _new_workbook()
        for form in FORMS:
            _fill(workbook.create_sheet(form.capitalize()), table(register, form))
        write_whole(self.path, workbook.save, replace=self.replace)


def _new_workbook() -> Workbook:
    try:
        from openpyxl import Workbook
    except ImportError:
        raise MissingExtraError("Excel files", "sheets") from None
    workbook = Workbook()
    workbook.remove(workbook.active)
    return workbook


def _fill(sheet: Worksheet, shown: Table) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    _put(sheet.cell(1, 1), f"{shown.title} ({shown.note})" if shown.note else shown.title)
    for column, name in enumerate(shown.columns, 1):
        head = sheet.cell(2, column)
        _put(head, name)
        head.font = Font(bold=True)
        texts = [name, *(str(row.get(name) or "") for row in shown.rows)]
        sheet.column_dimensions[get_column_letter(column)].width = min(_LONGEST, max(map(len, texts)) + 2)
    for number, row in enumerate(shown.rows, 3):
        for column, name in enumerate(shown.columns, 1):
            _put(sheet.cell(number, column), _local(row.get(name)) if name in _TIMES else row.get(name))
    sheet.freeze_panes = "B3"  # title, heads and names stay in sight


def _local(text: str | None) -> datetime | None:
    """An ISO time without its offset: the time on the wall."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=None)


def _put(cell: Cell, value: Any) -> None:
    """Set a cell; text stays text, whatever it begins with."""
    if not isinstance(value, str):
        cell.value = value
        return
    cell.value = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in value)
    cell.data_type = "s"
