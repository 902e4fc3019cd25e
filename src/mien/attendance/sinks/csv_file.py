"""A register as a CSV file that spreadsheets open as it is meant."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.attendance.sinks.files import write_whole
from mien.attendance.tables import Form, table
from mien.core.attendance import Register

__all__ = ["CsvSink"]

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide signs of East Asian keyboards, which spreadsheets there take for the narrow ones."""


@dataclass(frozen=True, slots=True)
class CsvSink:
    """Implements ``core.protocols.Sink``.

    UTF-8 with a byte order mark, without which Excel takes names and check marks for another encoding. Text that a
    spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV Injection").

    Args:
        path: the file.
        form: which table it holds.
        replace: whether a file that is there is replaced.
    """

    path: Path
    form: Form = "entries"
    replace: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def write(self, register: Register) -> None:
        """Write the file, all of it or nothing.

        Raises:
            InputError: it is there already and may not be replaced, or it cannot be written.
        """
        write_whole(self.path, lambda path: self._fill(path, register), replace=self.replace)

    def _fill(self, path: Path, register: Register) -> None:
        shown = table(register, self.form)
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(shown.columns)
            writer.writerows([_cell(row.get(column)) for column in shown.columns] for row in shown.rows)


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_STARTS_A_FORMULA):
        return f"'{value}"
    return value
