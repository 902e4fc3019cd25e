"""What a user says of pictures or people in a CSV file: a column per kind of group (camera, light, age band …)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from mien.core.errors import InputError
from mien.media.images import printable

__all__ = ["read_groups"]

_PICTURE = ("picture", "file", "image", "filename", "path")
_PERSON = ("person", "name", "label")


def read_groups(file: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """For each column the group of every picture, ``""`` where nothing is said.

    Args:
        file: CSV with a header; one column names the ``picture`` (as below the folder) or the ``person`` (the folder).
        names: the pictures, e.g. ``"Ada/1.jpg"``.

    Raises:
        InputError: no such column, no other column, a row of another length, or nothing said of any picture.
    """
    try:
        rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {printable(file)}: {error}") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    lower = [cell.lower() for cell in header]
    key = next((lower.index(n) for n in (*_PICTURE, *_PERSON) if n in lower), None)
    columns = [(i, name) for i, name in enumerate(header) if i != key and name]
    if key is None or not columns:
        raise InputError(
            f"{printable(file)}:1: expected a column picture or person and one or more to group by, got {', '.join(header)}"
        )
    said: dict[str, list[str]] = {}
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) != len(header):
            raise InputError(f"{printable(file)}:{number}: expected {len(header)} cells, got {len(row)}")
        if row:
            said[row[key].strip()] = row
    people = lower[key] in _PERSON
    keys = [name.split("/")[0] if people else name for name in names]
    if not any(k in said for k in keys):
        raise InputError(
            f"{printable(file)} says nothing of any of the {len(names)} pictures; its {header[key]} should be as {names[0]!r}"
            + (f" → {keys[0]!r}" if people else "")
        )
    return {name: [said[k][i].strip() if k in said else "" for k in keys] for i, name in columns}
