"""Which pictures are meant: files, folders and patterns that a user types, and a folder per person."""

from __future__ import annotations

import glob
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.errors import InputError
from mien.media.images import READABLE_SUFFIXES, printable

__all__ = ["Found", "People", "Problem", "find_pictures", "natural_order", "person_folders"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was asked for and left out.

    Args:
        name: as the user knows it, printable on one line.
        reason: why, in a few words.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """Pictures in the order to be read, each once, and what could not be taken."""

    pictures: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class People:
    """Photographs by person, in natural order of the names, and what could not be taken."""

    photos: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> Found:
    """The pictures that files, folders and glob patterns name.

    A file named outright is always taken, whatever its ending; whether it is a picture shows when it is read. A folder
    is searched with all below it for the endings of pictures (``READABLE_SUFFIXES``) in natural order (2 before 10);
    hidden files and folders are passed over and links that lead in circles are followed once. A pattern (``*``, ``?``,
    ``**``) counts where no file has just that name.
    """
    pictures: dict[Path, None] = {}  # a set that keeps its order
    problems: list[Problem] = []
    for path in paths:
        if not os.fspath(path):  # Path("") would be the folder one is in
            problems.append(Problem("''", "an empty name; give a file, a folder or a pattern"))
            continue
        pictures.update(dict.fromkeys(_named(Path(path), problems)))
    return Found(tuple(pictures), tuple(problems))


def person_folders(root: str | os.PathLike[str], *, what: str = "person") -> People:
    """The photographs below ``root``, where each folder is named after the person (or class) whose photographs it holds.

    Names are composed (NFC), so that folders written by macOS and Linux are the same person. Folders without a picture,
    pictures outside any folder and what may not be opened are reported.

    Raises:
        InputError: ``root`` is not a folder, or holds no folder with a picture.
    """
    problems: list[Problem] = []
    photos: dict[str, tuple[Path, ...]] = {}
    for entry in _entries(_directory(Path(root), what), problems):
        if _is_folder(Path(entry.path)):
            name = unicodedata.normalize("NFC", printable(entry.name))
            photos[name] = photos.get(name, ()) + tuple(_named(Path(entry.path), problems))
        elif _is_picture(entry.name):
            problems.append(
                Problem(printable(entry.path), f"lies in no {what}'s folder; put it into one with the {what}'s name")
            )
    photos = {name: files for name, files in photos.items() if files}
    if not photos:
        raise InputError(f"{printable(root)}: expected a folder per {what} with pictures in it, found none")
    return People(photos, tuple(problems))


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A key that sorts numbers inside names by their value: ``a2`` before ``a10``; ties by the name itself."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _directory(root: Path, what: str) -> Path:
    if not _is_folder(root):
        raise InputError(f"{printable(root)}: expected a folder with a folder per {what}")
    return root


def _named(path: Path, problems: list[Problem]) -> Iterator[Path]:
    """The pictures that one argument names; what it names in vain goes to ``problems``."""
    if _is_folder(path):
        yield from _folder(path, problems)
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(os.fspath(path)):
        yield from _pattern(path, problems)
    else:
        problems.append(Problem(printable(path), "there is no such file or folder, or no permission to see it"))


def _folder(path: Path, problems: list[Problem]) -> Iterator[Path]:
    before, found = len(problems), False
    for picture in _walk(path, problems, set()):
        found = True
        yield picture
    if not found and len(problems) == before:
        problems.append(Problem(printable(path), "there are no pictures in this folder"))


def _pattern(path: Path, problems: list[Problem]) -> Iterator[Path]:
    pattern = os.fspath(path)
    matches = sorted(glob.glob(pattern, recursive=True), key=natural_order)  # noqa: PTH207 (Path's takes no absolute one)
    files = [Path(m) for m in matches if _is_folder(Path(m)) or _is_picture(m)]
    if not files:
        problems.append(Problem(printable(path), "no picture matches this pattern"))
    for file in files:
        yield from _walk(file, problems, set()) if _is_folder(file) else [file]


def _walk(folder: Path, problems: list[Problem], seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Pictures of ``folder``, then those of its folders; a folder reached before (by a link) is not entered again."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    entries = _entries(folder, problems)
    yield from (Path(e.path) for e in entries if not _is_folder(Path(e.path)) and _is_picture(e.name))
    for entry in entries:
        if _is_folder(Path(entry.path)):
            yield from _walk(Path(entry.path), problems, seen)


def _entries(folder: Path, problems: list[Problem]) -> list[os.DirEntry[str]]:
    """What is in ``folder`` and not hidden, in natural order."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: natural_order(e.name))
    except OSError as error:
        reason = "no permission to look into this folder" if isinstance(error, PermissionError) else str(error.strerror)
        problems.append(Problem(printable(folder), reason))
        return []


def _is_folder(path: Path) -> bool:
    """Whether it is a folder that can be seen; links in a circle and what lies in a forbidden folder are none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in READABLE_SUFFIXES
