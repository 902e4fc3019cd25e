"""Files that are whole or not there: atomic writes, locks between processes, checked downloads."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.core.errors import WeightsError
from mien.zoo.catalog import Source

__all__ = ["download", "locked", "sha256_of", "write_atomically"]

_CHUNK = 1 << 20
_TIMEOUT = 60  # seconds without a byte


def sha256_of(path: Path) -> str:
    """Hex digest of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside, then move into place: a reader sees the old file or the whole new one.

    Raises:
        WeightsError: a full disk, or a folder that cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(beside).chmod(0o644)
            Path(beside).replace(path)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> WeightsError:
    return WeightsError(f"{path} could not be written: {error.strerror}; free some space or choose another folder")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock between processes, in a file beside ``path``; it ends with its process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f".{path.name}.lock").open("a+b")
    except OSError as error:
        raise _unwritable(path, error) from error
    with file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download(source: Source, target: Path) -> Path:
    """Fetches a file, checks it, moves it into place; a broken transfer goes on where it stopped."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with locked(target):
        if not target.is_file():
            _fetch(source, part)
            found = sha256_of(part)
            if found != source.sha256:
                part.unlink()
                raise WeightsError(
                    f"{source.url} sent a file with sha256 {found[:12]}…, expected {source.sha256[:12]}…; try later"
                )
            part.replace(target)
    return target


def _fetch(source: Source, part: Path) -> None:
    """Appends to ``part`` what is still missing of it."""
    have = part.stat().st_size if part.is_file() else 0
    if have and have == source.size:
        return
    request = urllib.request.Request(source.url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - checked next
    if request.type not in {"http", "https"}:
        raise WeightsError(f"{source.url} is not fetched: only http and https are")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - http or https, see above
            mode = "ab" if have and answer.status == 206 else "wb"
            with part.open(mode) as file:
                shutil.copyfileobj(answer, file, _CHUNK)
    except (urllib.error.URLError, OSError) as error:
        raise WeightsError(
            f"{source.url} could not be fetched: {error}; try again, it goes on where it stopped"
        ) from error
    have = part.stat().st_size
    if have < source.size:
        raise WeightsError(
            f"{source.url} broke off after {have} of {source.size} bytes; try again, it goes on from there"
        )
