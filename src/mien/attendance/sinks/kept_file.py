"""A CSV file or Excel workbook that is kept up to date: written whole when the register changed, and left when edited."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.attendance.reconcile import Item, about, reconcile, settled, tried
from mien.attendance.sinks.csv_file import CsvSink
from mien.attendance.sinks.excel import ExcelSink
from mien.attendance.tables import Form, table
from mien.core.attendance import Delivered, Finding, Register
from mien.core.errors import DeliveryError, InputError, MissingExtraError, SettingError

__all__ = ["FileChannel"]

_FILE = "file"
"""Key of the file itself; its value is the digest of what was put there, or found there and may be written over."""
_WRITTEN = "written"
"""Key of the digest of what was really written there with the lines that are remembered."""
_OWN = frozenset({_FILE, f"~{_FILE}", _WRITTEN})
_SESSION = "{session}"
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EBUSY, errno.EIO, errno.ESTALE, errno.ETXTBSY, errno.ENODEV})
"""Full, busy or away for a moment; anything else needs somebody."""
_KINDS = frozenset({".csv", ".xlsx"})


@dataclass(frozen=True, slots=True)
class FileChannel:
    """Implements ``core.protocols.Channel``.

    The keys of entries hold digests of their lines, that of the file the digest of its bytes. A file that is neither as
    it was written last nor as it would be written now was edited: it is left alone and reported.

    Args:
        path: a .csv or .xlsx file; ``{session}`` in its name stands for the session's.
        form: which table a CSV file holds; a workbook holds all.
    """

    path: Path
    form: Form = "entries"

    def __post_init__(self) -> None:
        if self.path.suffix.casefold() not in _KINDS:
            raise SettingError(f"{self.path} is neither .csv nor .xlsx; name a file of one of these kinds")
        if not self.path.is_absolute():
            raise SettingError(f"{self.path} depends on where mien is started; give the whole path")

    @property
    def name(self) -> str:
        """The whole path."""
        return str(self.path)

    def deliver(
        self, register: Register, put: Mapping[str, str], withdrawn: Collection[str] = ()
    ) -> Iterator[Delivered]:
        """Write the file whole if a line of it changed or it is gone; nothing in between is ever seen."""
        path = self._path(register)
        lines = _lines(register)
        gone = dict.fromkeys({*about(put, withdrawn), *(put.keys() - lines.keys() - _OWN)}, "")
        found = _digest_of(path)
        told = {key: value for key, value in put.items() if key in lines}
        if found and found == put.get(_FILE) == put.get(_WRITTEN) and lines == told and not gone:
            return
        part = path.with_name(f".{path.stem}.part{path.suffix}")
        _tidy(part)
        try:
            self._fill(part, register)
            item = Item.of(put, _FILE, _digest_of(part), found, str(path))
            outcome = reconcile([item if found else _afresh(item)])
            if outcome.edits:
                yield Delivered(edits=outcome.edits)
                return
            yield Delivered(tried({_FILE: item.wanted}))
            self._swap(part, path, found)
            yield Delivered({**settled({_FILE: item.wanted}), _WRITTEN: item.wanted, **lines, **gone})
        finally:
            part.unlink(missing_ok=True)

    def check(self) -> list[Finding]:
        """Whether the folder is there and may be written to, and what writes workbooks is installed."""
        folder = self.path.parent
        findings = [Finding("folder", folder.is_dir(), "" if folder.is_dir() else f"{folder} is not there; make it")]
        if findings[-1].ok:
            may = os.access(folder, os.W_OK)
            findings.append(Finding("writable", may, "" if may else f"nothing may be written into {folder}; allow it"))
        if findings[-1].ok and self.path.suffix.casefold() == ".xlsx":
            findings.append(_openpyxl())
        return findings

    def _path(self, register: Register) -> Path:
        name = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in register.session.name)
        return self.path.with_name(self.path.name.replace(_SESSION, name.strip(". ") or "_"))

    def _fill(self, part: Path, register: Register) -> None:
        sink = CsvSink(part, self.form, replace=True)
        try:
            (ExcelSink(part, replace=True) if part.suffix.casefold() == ".xlsx" else sink).write(register)
        except InputError as error:
            code = getattr(error.__cause__, "errno", None)
            raise DeliveryError(str(error), passing=code in _PASSING) from error

    def _swap(self, part: Path, path: Path, found: str) -> None:
        if _digest_of(path) != found:
            raise DeliveryError(f"{path} was saved by somebody this very moment; looked at again later", passing=True)
        try:
            if found:
                shutil.copymode(path, part)  # whom its owner lets read it is not ours to change
            part.replace(path)
        except OSError as error:
            raise _unusable(path, error) from error


def _tidy(part: Path) -> None:
    """Delete what deliveries left that were killed: names stand in it. Only one delivers to a place at a time."""
    try:
        for left in part.parent.glob(f".{glob.escape(part.name)}.*{part.suffix}"):
            left.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(part, error) from error


def _afresh(item: Item) -> Item:
    """A file that is gone was moved or deleted: there is nothing to overwrite, and it is written anew."""
    return Item(item.key, item.wanted, "", where=item.where)


def _lines(register: Register) -> dict[str, str]:
    """A digest per entry, by its id."""
    lines = table(register, "entries").rows
    return {row["entry"]: hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16] for row in lines}


def _digest_of(path: Path) -> str:
    """Of the bytes of a file; empty if it is not there."""
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> DeliveryError:
    words = f"{path} cannot be kept up to date ({error.strerror}); look at the file and its folder"
    return DeliveryError(words, passing=error.errno in _PASSING)


def _openpyxl() -> Finding:
    try:
        import openpyxl  # noqa: F401 - whether it is there
    except ImportError:
        return Finding("openpyxl", ok=False, words=str(MissingExtraError("Excel files", "sheets")))
    return Finding("openpyxl", ok=True, words="")
