"""What a folder of chips says of itself: ``manifest.csv``, one row per chip, written as the chips are."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from mien.core.errors import InputError, SettingError
from mien.media.images import printable, write_whole

__all__ = ["MANIFEST", "Manifest", "Row"]

MANIFEST = "manifest.csv"


class Row(NamedTuple):
    """One chip and where it came from.

    ``chip`` and ``source`` are paths below the two folders, with ``/``; ``split`` is ``train``, ``test`` or empty; the
    box is x1, y1, x2, y2 in pixels of the original photograph; ``cut`` says how, e.g. ``box+32@160``.
    """

    chip: str
    person: str
    split: str
    source: str
    sha256: str
    x1: float
    y1: float
    x2: float
    y2: float
    score: float
    cut: str


class Manifest:
    """The manifest of a folder of chips, open for adding; a context manager.

    Args:
        folder: made if it is not there.
        cut: how chips are cut now.

    Raises:
        SettingError: the folder holds chips that were cut otherwise.
        InputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, cut: str) -> None:
        self._path = folder / MANIFEST
        self.rows: dict[str, Row] = {row.chip: row for row in _read(self._path)}
        other = next((row.cut for row in self.rows.values() if row.cut != cut), None)
        if other is not None:
            raise SettingError(f"{printable(folder)} holds chips cut as {other}, not as {cut}; choose another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, _line(Row._fields) + b"".join(map(_line, self.rows.values())))  # a torn row is gone
            self._file = self._path.open("ab")
        except OSError as error:
            raise InputError(
                f"cannot write {printable(self._path)}: {(error.strerror or str(error)).lower()}"
            ) from error

    def add(self, row: Row) -> None:
        """Remember a chip that is there; safe at once, even if the process ends."""
        self.rows[row.chip] = row
        self._file.write(_line(row))
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _line(values: tuple[object, ...]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue().encode("utf-8", "surrogateescape")


def _read(path: Path) -> list[Row]:
    """The whole rows of a manifest; none where there is no file."""
    if not path.is_file():
        return []
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    if not text.endswith("\n"):  # the process ended in the middle of a row
        rows = rows[:-1]
    try:
        return [_row(row) for row in rows]
    except ValueError as error:
        raise InputError(
            f"{printable(path)} is no manifest of aligned faces; remove it or choose another folder"
        ) from error


def _row(texts: list[str]) -> Row:
    chip, person, split, source, sha256, x1, y1, x2, y2, score, cut = texts
    return Row(chip, person, split, source, sha256, float(x1), float(y1), float(x2), float(y2), float(score), cut)
