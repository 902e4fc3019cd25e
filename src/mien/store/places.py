"""Where a gallery lives: a file's path, or the URL of a PostgreSQL database; what of it may be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from mien.core.errors import SettingError, StoreError, StoreReadOnlyError
from mien.store.database import Database
from mien.store.sqlite import SqliteDatabase

__all__ = ["file_of", "open_database", "place_of", "without_password"]

_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_FORMS = "give a path, sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"


def without_password(where: str | os.PathLike[str]) -> str:
    """The path or URL as it may be printed: every password in it, also one that breaks the URL, is ``***``."""
    text = os.fspath(where)
    if "://" not in text:
        return text
    text = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", text)
    return re.sub(r"(?i)(password=)[^&]*", r"\1***", text)


def place_of(where: str | os.PathLike[str]) -> Path | URL:
    """The file that a path or a ``sqlite:///`` URL names, or the URL of a PostgreSQL database.

    Raises:
        SettingError: a URL of another kind of database, or none.
    """
    text = os.fspath(where)
    if "://" not in text:
        return Path(text).expanduser()
    shown = without_password(text)
    kind = text.partition("://")[0]
    try:
        url = make_url(text if kind != "postgres" else f"postgresql{text.removeprefix(kind)}")
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise SettingError(f"{shown} is no database URL; {_FORMS}") from None
    if kind in _POSTGRES:
        if not url.database:
            raise SettingError(f"{shown} names no database; add it: postgresql+psycopg://USER:PASSWORD@HOST/DATABASE")
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise SettingError(f"a gallery lives in an SQLite file or in PostgreSQL, got a {kind} URL; {_FORMS}")
    if url.database in {None, "", ":memory:"}:
        raise SettingError(f"{shown} names no file; a gallery needs one: give a path or sqlite:///PATH")
    return Path(str(url.database))


def file_of(where: str | os.PathLike[str]) -> Path | None:
    """The file of the gallery; None for one that is in no file.

    Raises:
        SettingError: see ``place_of``.
    """
    place = place_of(where)
    return place if isinstance(place, Path) else None


def open_database(
    where: str | os.PathLike[str], *, read_only: bool = False, create: bool = True, patience: float = 10.0
) -> Database:
    """Connections to the database of a gallery, whatever its schema.

    Args:
        where: a path or URL.
        read_only: change nothing; a file must be there.
        create: make the file if it is not there.
        patience: seconds to wait for another writer.

    Raises:
        SettingError: see ``place_of``.
        MissingExtraError: PostgreSQL without the extra ``postgres``.
        StoreError: a folder; no file, and none may be made; a server that does not let us in.
        StoreReadOnlyError: the file is not there and cannot be made.
    """
    place = place_of(where)
    if isinstance(place, URL):
        from mien.store.postgres import PostgresDatabase

        return PostgresDatabase(place, read_only=read_only, patience=patience)
    if place.is_dir():
        raise StoreError(f"{place} is a folder; give the file of the gallery, e.g. {place / 'gallery.db'}")
    if not place.exists():
        if read_only or not create:
            raise StoreError(f"no gallery at {place}; enrol somebody first: mien enroll NAME PHOTO")
        _make_file(place)
    return SqliteDatabase(place, read_only=read_only, patience=patience)


def _make_file(path: Path) -> None:
    """An empty file that only its owner may read: faces are nobody else's business."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreReadOnlyError(
            f"cannot make a gallery at {path} ({error.strerror}); name a place that can be written to"
        ) from error
