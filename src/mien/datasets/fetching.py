"""Archives from the network to a folder: resumed where they broke off, checked, unpacked without stepping outside.

``fetched.json`` in the folder says what came from where with which sha256; an archive fetched again must be the same.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from mien.core.errors import InputError
from mien.datasets.sources import Archive
from mien.media.images import printable, write_whole

__all__ = ["FETCHED", "Progress", "fetch_archive", "unpack"]

FETCHED = "fetched.json"

_CHUNK = 1 << 18
_TIMEOUT = 60.0  # seconds without a byte
_ROOM = 200_000_000  # bytes left free on the disk


class Progress(Protocol):
    """Told how far a download is."""

    def __call__(self, done: int, total: int) -> None:
        """``done`` of ``total`` bytes; a total of 0 is not known."""


def fetch_archive(archive: Archive, target: Path, *, mirror: str = "", progress: Progress = lambda _d, _t: None) -> str:
    """Fetch one archive, check it, unpack it; what was fetched and unpacked before is left alone.

    Args:
        archive: what to fetch.
        target: folder of the data set, made if it is not there.
        mirror: fetch ``mirror/name`` instead of the archive's own address; the digest is the same.
        progress: told bytes.

    Returns:
        ``"is there already"``, ``"digest as published"`` or ``"no digest is published; sha256 … written down"``.

    Raises:
        InputError: no network, a transfer that broke off (it can be resumed), a file with another digest (kept aside), an
            archive that is damaged, holds paths outside its folder, or lacks what it should hold, a full disk.
    """
    with _said_in_one_line(target):
        target.mkdir(parents=True, exist_ok=True)
        known = _known(target)
        before = known.get(archive.name, {})
        if before.get("complete") and _holds(archive, target):
            return "is there already"
        part = target / f"{archive.name}.part"
        url = f"{mirror.rstrip('/')}/{archive.name}" if mirror else archive.url
        size = _transfer(url, part, progress)
        digests = _checked(archive, part, before)
        if archive.into is None:
            part.replace(target / archive.name)
        else:
            unpack(part, target / archive.into, kind=archive.name)
            part.unlink()
        if not _holds(archive, target):
            raise InputError(
                f"{archive.name} lacks what it should hold ({archive.least} of {archive.holds}); the data set has changed or"
                " the mirror is another one"
            )
        known[archive.name] = {"url": url, "bytes": size, "sha256": digests["sha256"], "complete": True}
        write_whole(target / FETCHED, json.dumps(known, indent=2).encode())
    if archive.digest:
        return "digest as published"
    return f"no digest is published; sha256 {digests['sha256'][:12]}… written down in {FETCHED}"


def unpack(archive: Path, folder: Path, *, kind: str) -> None:
    """Unpack a zip or tar archive; its files appear in ``folder`` when all of them are there.

    Args:
        archive: the file.
        folder: made if it is not there.
        kind: its name, which tells the format (``.zip``, ``.tgz``, ``.tar.gz``).

    Raises:
        InputError: a damaged archive, paths or links that lead outside, or too little room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / ".unpacking"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        (_unzip if kind.endswith(".zip") else _untar)(archive, beside)
        for entry in beside.iterdir():
            _move_into(entry, folder / entry.name)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(
            f"{kind} cannot be unpacked: {error}; remove {printable(archive)} and fetch it again"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _transfer(url: str, part: Path, progress: Progress) -> int:
    """Append to ``part`` what is still missing of it; its size.

    The server is told which version the part is of (``If-Range``): if the file has changed there, it is sent anew.
    """
    tag = part.with_name(f"{part.name}.tag")
    have = part.stat().st_size if part.is_file() and tag.is_file() else 0
    headers = {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")} if have else {}
    request = urllib.request.Request(url, headers={"User-Agent": "mien", **headers})  # noqa: S310 - checked next
    if request.type not in {"http", "https"}:
        raise InputError(f"{printable(url)} is not fetched: expected an address that begins with http or https")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - http or https, see above
            if answer.status != 206:
                have = 0
            total = have + int(answer.headers.get("Content-Length") or 0)
            _note_version(tag, answer.headers)
            _room_for(total - have, part.parent)
            have = _append(answer, part, have, lambda done: progress(done, total))
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is missing: the last run broke off after the last byte
            return have
        raise InputError(f"{url} answers {error.code} {error.reason}; try later, or another --mirror") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        if isinstance(error, OSError) and error.errno == 28:
            raise
        raise InputError(_broken(url, part, error)) from error
    if total and have < total:
        raise InputError(_broken(url, part, f"it ended after {have:,} of {total:,} bytes"))
    return have


def _append(answer: Any, part: Path, have: int, progress: Callable[[int], None]) -> int:
    with part.open("ab" if have else "wb") as file:
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            have += len(chunk)
            progress(have)
    return have


def _note_version(tag: Path, headers: Any) -> None:
    """Write down which version of the file this is; without a word on that a part cannot be resumed."""
    version = headers.get("ETag") or headers.get("Last-Modified") or ""
    if version and not version.startswith("W/"):
        write_whole(tag, version.encode())
    else:
        tag.unlink(missing_ok=True)


def _broken(url: str, part: Path, error: object) -> str:
    reason = getattr(error, "reason", error)
    have = part.stat().st_size if part.is_file() else 0
    kept = f"; {have:,} bytes are kept, run it again and it goes on from there" if have else "; is there a network?"
    return f"{url} could not be fetched: {reason}{kept}"


def _checked(archive: Archive, part: Path, before: dict[str, Any]) -> dict[str, str]:
    """The digests of a whole file; one that is not as published, or not as the first time, is put aside."""
    found = {kind: _digest(part, kind) for kind in ("sha256", "md5")}
    kind, _, published = archive.digest.partition(":")
    first = str(before.get("sha256", found["sha256"]))
    part.with_name(f"{part.name}.tag").unlink(missing_ok=True)
    wrong = None
    if published and found[kind] != published:
        wrong = f"{kind} {found[kind][:12]}…, published is {published[:12]}…"
    elif first != found["sha256"]:
        wrong = f"sha256 {found['sha256'][:12]}…, the first time it was {first[:12]}… ({FETCHED})"
    if wrong:
        aside = part.with_name(f"{archive.name}.refused")
        part.replace(aside)
        raise InputError(
            f"{archive.name} is not the file expected: {wrong}; kept aside as {printable(aside)}, not unpacked"
        )
    return found


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _known(target: Path) -> dict[str, dict[str, Any]]:
    path = target / FETCHED
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{printable(path)} cannot be read; remove it and fetch again") from error
    return known if isinstance(known, dict) else {}


def _holds(archive: Archive, target: Path) -> bool:
    return not archive.holds or sum(1 for _ in target.glob(archive.holds)) >= archive.least


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        entries = packed.infolist()
        _room_for(sum(entry.file_size for entry in entries), folder)
        for entry in entries:
            name = PurePosixPath(entry.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in entry.filename or (entry.external_attr >> 28) == 0xA:
                raise InputError(
                    f"{archive.name} holds {printable(entry.filename)!r}, which leads outside; not unpacked"
                )
            packed.extract(entry, folder)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        members = []
        for member in packed:
            if not (member.isfile() or member.isdir()):
                raise InputError(f"{archive.name} holds {printable(member.name)!r}, a link or device; not unpacked")
            members.append(member)
        _room_for(sum(member.size for member in members), folder)
        try:
            packed.extractall(folder, members=members, filter="data")
        except tarfile.FilterError as error:
            raise InputError(f"{archive.name} holds a path that leads outside ({error}); not unpacked") from error


def _move_into(entry: Path, target: Path) -> None:
    """Move a file or folder; folders that are there are filled up."""
    if entry.is_dir() and target.is_dir():
        for inner in entry.iterdir():
            _move_into(inner, target / inner.name)
    else:
        entry.replace(target)


def _room_for(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if size + _ROOM > free:
        raise InputError(
            f"{printable(folder)}: {size / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free; choose another disk"
        )


@contextmanager
def _said_in_one_line(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write into {printable(target)}: {(error.strerror or str(error)).lower()}") from error
