"""Names from a CSV file, as schools and spreadsheets export them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from mien.core.errors import InputError

__all__ = ["read_names"]

_HEADS = ("id", "name", "student", "person", "full name")
"""What the column may be called, in any case; an id goes before a name."""

_DELIMITERS = ",;\t"


def read_names(path: Path) -> list[str]:
    """Names or ids in the file's order, each once: those under ``id`` or ``name``, or the first column without a head.

    Raises:
        InputError: no such file, no UTF-8, no names, or a row without one; names the line.
    """
    text = _read(path)
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    rows = [
        row for row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1) if any(map(str.strip, row[1]))
    ]
    heads = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    column = next((heads.index(head) for head in _HEADS if head in heads), None)
    body = rows if column is None else rows[1:]
    names = [_name(path, line, row, column or 0) for line, row in body]
    if not names:
        raise InputError(f"{path} has no names; give a column called name, with a name in each row")
    return list(dict.fromkeys(names))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text (byte {error.start}); save it as CSV UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a CSV file") from None


def _name(path: Path, line: int, row: list[str], column: int) -> str:
    name = row[column].strip() if column < len(row) else ""
    if not name:
        raise InputError(f"{path}, row {line}: no name in column {column + 1}; fill it in or delete the row")
    return name
