"""What a folder of chips says of itself: ``manifest.csv``, one row per chip, written as the chips are."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from mien.core.errors import InputError, SettingError
from mien.media.images import printable, write_whole

__all__ = ["MANIFEST", "Manifest", "Row", "RowFile", "cut_of", "read_rows", "sources_of"]

MANIFEST = "manifest.csv"

AnyRow = TypeVar("AnyRow")


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
        path = folder / MANIFEST
        self.rows: dict[str, Row] = {row.chip: row for row in read_rows(path, _row, what="aligned faces")}
        other = next((row.cut for row in self.rows.values() if row.cut != cut), None)
        if other is not None:
            raise SettingError(f"{printable(folder)} holds chips cut as {other}, not as {cut}; choose another folder")
        self._file = RowFile(path, [Row._fields, *self.rows.values()])

    def add(self, row: Row) -> None:
        """Remember a chip that is there; safe at once, even if the process ends."""
        self.rows[row.chip] = row
        self._file.add(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class RowFile:
    """A CSV file that grows by a row as each thing is done.

    Args:
        path: written anew with ``lines``, so that a torn row is gone; its folder is made if it is not there.
        lines: the header and the rows so far.

    Raises:
        InputError: it cannot be written to.
    """

    def __init__(self, path: Path, lines: Iterable[tuple[object, ...]]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, b"".join(map(_line, lines)))
            self._file = path.open("ab")
        except OSError as error:
            raise InputError(f"cannot write {printable(path)}: {(error.strerror or str(error)).lower()}") from error

    def add(self, row: tuple[object, ...]) -> None:
        """Write one row; safe at once, even if the process ends."""
        self._file.write(_line(row))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_rows(path: Path, parse: Callable[[list[str]], AnyRow], *, what: str) -> list[AnyRow]:
    """The whole rows of a file of rows after its header; none where there is no file.

    Args:
        parse: a row from its cells; a ValueError says that it is none.
        what: the rows are about, for the error.

    Raises:
        InputError: the file holds other rows.
    """
    if not path.is_file():
        return []
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    if not text.endswith("\n"):  # the process ended in the middle of a row
        rows = rows[:-1]
    try:
        return [parse(row) for row in rows]
    except ValueError as error:
        raise InputError(f"{printable(path)} is no manifest of {what}; remove it or choose another folder") from error


def _line(values: tuple[object, ...]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue().encode("utf-8", "surrogateescape")


def cut_of(folder: Path) -> str:
    """How the chips in ``folder`` were cut, as its manifest says; empty where it has none, or one about other things."""
    path = folder / MANIFEST
    if not path.is_file() or not path.read_bytes().startswith(_line(Row._fields).strip()):
        return ""
    return next((row.cut for row in read_rows(path, _row, what="aligned faces")), "")


def sources_of(folder: Path) -> dict[str, str]:
    """Chip below ``folder`` -> the photograph it was cut from; empty where no manifest of aligned faces is."""
    if not cut_of(folder):
        return {}
    return {row.chip: row.source for row in read_rows(folder / MANIFEST, _row, what="aligned faces")}


def _row(texts: list[str]) -> Row:
    chip, person, split, source, sha256, x1, y1, x2, y2, score, cut = texts
    return Row(chip, person, split, source, sha256, float(x1), float(y1), float(x2), float(y2), float(score), cut)
