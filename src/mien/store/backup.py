"""Everything in one file and back: people, book, settings, models. A ZIP of the database and what belongs to it.

The file holds ``manifest.json`` (format, version, time, sha256 of every other member), ``gallery.db`` (a consistent copy
of the SQLite file, taken while others write) and the further files under the names that the caller gave them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mien.core.errors import DuplicateError, InputError, NotFoundError, StoreBusyError, StoreError
from mien.store.gallery import open_gallery

__all__ = ["Backup", "open_backup", "restore_database", "set_aside_name", "write_backup"]

_FORMAT, _VERSION = "mien backup", 1
_DATABASE, _MANIFEST = "gallery.db", "manifest.json"
_CHUNK = 1 << 20
_LARGEST = 64 << 30
"""Bytes of all members unpacked; more is no backup but a bomb."""
_PATIENCE = 10.0
"""Seconds to wait for another writer."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file holds, unpacked and checked.

    Args:
        made: when it was made, aware.
        database: the gallery's file, brought up to this version of mien.
        files: the other members by name.
        people: how many it knows.
    """

    made: datetime
    database: Path
    files: Mapping[str, Path]
    people: int


def write_backup(database: Path, target: Path, files: Mapping[str, Path], *, made: datetime) -> int:
    """Write the file, or nothing; how many people are in it.

    Args:
        database: the gallery's SQLite file; others may read and write it meanwhile.
        target: where to; only its owner may read it.
        files: what else belongs to it, by the name it has in the backup.
        made: the time, aware.

    Raises:
        NotFoundError: there is no gallery.
        DuplicateError: the file is there already.
        StoreError: it cannot be written.
    """
    if not database.is_file():
        raise NotFoundError(f"there is no gallery at {database}; nothing was backed up")
    if target.exists():
        raise DuplicateError(f"{target} is there already; choose another name")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            copy = Path(folder) / _DATABASE
            _copy(database, copy)
            packed = Path(folder) / "backup.zip"
            packed.touch(mode=0o600)
            _pack(packed, {_DATABASE: copy, **files}, made)
            people = _people(copy)
            packed.replace(target)
    except OSError as error:
        raise StoreError(
            f"cannot write {target} ({error.strerror}); name a folder that exists and has space"
        ) from error
    return people


def _copy(source: Path, target: Path) -> None:
    """A consistent copy of a database that others may be writing to."""
    target.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(source.resolve().as_uri() + "?mode=ro", uri=True, timeout=_PATIENCE)) as held,
            closing(sqlite3.connect(target)) as copy,
        ):
            held.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
    except sqlite3.OperationalError as error:
        raise StoreBusyError(f"{source} could not be copied ({error}); try again") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{source} is damaged ({error}); it was not backed up") from error


def _people(database: Path) -> int:
    """How many people a database of any version knows."""
    try:
        with closing(sqlite3.connect(database)) as held:
            return int(held.execute("SELECT count(*) FROM people").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{database.name} is no gallery ({error}); nothing was backed up") from error


def _pack(target: Path, members: Mapping[str, Path], made: datetime) -> None:
    digests = {name: _sha256(path) for name, path in members.items()}
    about = {"format": _FORMAT, "version": _VERSION, "made": made.isoformat(), "files": digests}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(_MANIFEST, json.dumps(about, indent=2, ensure_ascii=False))
        for name, path in members.items():
            file.write(path, name)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def open_backup(path: Path) -> Iterator[Backup]:
    """The content of a file, unpacked into a folder that goes at the end; every byte is checked before it is used.

    Raises:
        NotFoundError: no such file.
        InputError: no backup of ours, a newer one, or a damaged one.
        StoreVersionError: its database was written by a newer mien.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; give a backup (mien backup FILE)")
    with tempfile.TemporaryDirectory() as folder:
        try:
            made, members = _unpacked(path, Path(folder))
        except (zipfile.BadZipFile, OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is no backup, or a damaged one ({error}); make one with: mien backup") from error
        database = members.pop(_DATABASE)
        with open_gallery(database) as gallery:  # brought up to this version, refused if it is of a newer one
            people = len(gallery.people())
        yield Backup(made, database, members, people)


def _unpacked(path: Path, folder: Path) -> tuple[datetime, dict[str, Path]]:
    with zipfile.ZipFile(path) as file:
        about = json.loads(file.read(_MANIFEST))
        if about["format"] != _FORMAT or about["version"] > _VERSION:
            raise InputError(f"{path} is version {about['version']} of {about['format']!r}; upgrade mien to read it")
        if sum(info.file_size for info in file.infolist()) > _LARGEST:
            raise InputError(f"{path} unpacks to more than {_LARGEST >> 30} GB; it is no backup of mien")
        digests: dict[str, str] = about["files"]
        if _DATABASE not in digests:
            raise InputError(f"{path} holds no gallery; it is no backup of mien")
        members = {}
        for number, (name, digest) in enumerate(digests.items()):
            place = folder / f"{number}{Path(name).suffix}"  # never a name from the file: it could lead anywhere
            with file.open(name) as packed, place.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, _CHUNK)
            if _sha256(place) != digest:
                raise InputError(f"{path}: {name} was altered or damaged; nothing was restored")
            members[name] = place
        return datetime.fromisoformat(about["made"]), members


def set_aside_name(database: Path, at: datetime) -> Path:
    """Where a gallery that is replaced is kept: removing a person finds it there as it finds the copies of upgrades."""
    return database.with_name(f"{database.name}.before-restore-{at:%Y%m%dT%H%M%S}.bak")


def restore_database(backup: Backup, database: Path, *, replace: bool, at: datetime) -> Path | None:
    """Put the backup's gallery where ``database`` is, at once for every program that has it open; the copy of what was there.

    Args:
        backup: from ``open_backup``.
        database: the gallery's SQLite file, there or not.
        replace: whether one with people in it is replaced.
        at: the time, aware.

    Raises:
        DuplicateError: there is a gallery with people, and it may not be replaced.
        StoreBusyError: another program is writing.
    """
    aside = None
    if database.exists():
        with open_gallery(database) as there:
            people = len(there.people())
        if people and not replace:
            raise DuplicateError(
                f"{database} knows {people} people already; add --replace to put the backup in their place (a copy is kept)"
            )
        if people:
            aside = set_aside_name(database, at)
            _copy(database, aside)
    database.parent.mkdir(parents=True, exist_ok=True)
    if not database.exists():
        database.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(backup.database)) as source, closing(sqlite3.connect(database)) as target:
            target.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            source.backup(target)
    except sqlite3.OperationalError as error:
        raise StoreBusyError(
            f"{database} is in use ({error}); end other programs of mien, then try again. Nothing was restored"
        ) from error
    with open_gallery(database):  # back into the journal mode that several programs need
        return aside
