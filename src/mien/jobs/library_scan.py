"""What is on the disk: every picture and video below a folder, and which of the known ones are gone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mien.core.errors import InputError, MienError
from mien.core.library import FileKind, Seen
from mien.core.protocols import Library
from mien.media.images import READABLE_SUFFIXES, printable
from mien.media.video import VIDEO_SUFFIXES

__all__ = ["Root", "find_gone", "look"]

_PORTION = 500
_WITNESSES = 1000
"""Names by which other machines recognise a folder; so many that it must have been changed wholly to be taken for another."""


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that is indexed, told from another that takes its place when a disk is unmounted.

    Args:
        path: absolute, in bytes.
        identity: device and inode.
        names: for a folder that several machines reach, some of what is in it: they number devices and inodes each
            their own way.
    """

    path: bytes
    identity: tuple[int, int] = field(default=(0, 0))
    names: frozenset[bytes] = frozenset()

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Root:
        """The folder at a path.

        Raises:
            InputError: there is none, or it may not be looked into.
        """
        try:
            real = os.path.realpath(os.fsencode(path))
            os.listdir(real)  # noqa: PTH208 - in bytes
            return cls(real, _identity(real))
        except OSError as error:
            raise InputError(f"cannot index {printable(path)}: {_why(error)}; give a folder that is there") from error

    def shared(self) -> Root:
        """The same folder, as other machines may recognise it too: one of its names is enough, files come and go.

        Raises:
            InputError: there is nothing in it.
        """
        seen = sorted(name for name in os.listdir(self.path) if not name.startswith(b"."))  # noqa: PTH208 - in bytes
        names = frozenset(seen[:_WITNESSES])
        if not names:
            raise InputError(f"{self.shown} is empty; is its disk there?")
        return replace(self, names=names)

    def check(self) -> None:
        """Whether the folder is still the one that was found.

        Raises:
            MienError: it is not: its disk is gone.
        """
        try:
            there = os.listdir(self.path)  # noqa: PTH208 - in bytes
            same = not self.names.isdisjoint(there) if self.names else _identity(self.path) == self.identity
        except OSError:
            same = False
        if not same:
            raise MienError(
                f"{self.shown} is not there any more: was its disk taken out? What was done is kept, nothing counts as deleted;"
                " index it again when it is back"
            )

    @property
    def shown(self) -> str:
        """For messages."""
        return printable(os.fsdecode(self.path))


def look(root: Root, problems: list[tuple[bytes, str]]) -> Iterator[list[Seen]]:
    """Every picture and video below a folder, by the ending of its name, some hundred at a time.

    Hidden files and folders are passed over, links are followed, and a folder reached before is not entered again.

    Args:
        root: where.
        problems: takes folders and files that cannot be looked at, with the reason.
    """
    portion: list[Seen] = []
    for seen in _walk(root.path, problems, set()):
        portion.append(seen)
        if len(portion) >= _PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


def _walk(folder: bytes, problems: list[tuple[bytes, str]], entered: set[tuple[int, int]]) -> Iterator[Seen]:
    try:
        here = _identity(folder)
        names = sorted(name for name in os.listdir(folder) if not name.startswith(b"."))  # noqa: PTH208 - in bytes
    except OSError as error:
        problems.append((folder, _why(error)))
        return
    if here in entered:
        return
    entered.add(here)
    folders: list[bytes] = []
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118 - in bytes
        kind = _kind(name)
        try:
            status = os.stat(path)  # noqa: PTH116 - in bytes
        except OSError as error:
            if kind is not None:
                problems.append((path, _why(error)))
            continue
        if stat.S_ISDIR(status.st_mode):
            folders.append(path)
        elif kind is not None and stat.S_ISREG(status.st_mode):
            yield Seen(path, kind, status.st_size, status.st_mtime_ns)
    for path in folders:
        yield from _walk(path, problems, entered)


def _kind(name: bytes) -> FileKind | None:
    suffix = os.path.splitext(os.fsdecode(name))[1].lower()  # noqa: PTH122 - names need not be paths
    return "photo" if suffix in READABLE_SUFFIXES else "video" if suffix in VIDEO_SUFFIXES else None


def find_gone(root: Root, library: Library) -> tuple[list[int], int]:
    """Rows of the files below a folder that are no longer there, and how many of the known ones still are.

    Files in folders that may not be looked into are not gone.
    """
    below = os.path.join(root.path, b"")  # noqa: PTH118 - in bytes
    gone: list[int] = []
    there = 0
    for page in library.paths():
        for seq, path, state in page:
            if not path.startswith(below):
                continue
            if _is_gone(path):
                gone += [seq] if state != "gone" else []
            else:
                there += 1
    return gone, there


def _is_gone(path: bytes) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - in bytes
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _identity(path: bytes) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - in bytes
    return status.st_dev, status.st_ino


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
