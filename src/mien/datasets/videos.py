"""Whose videos are whose: a folder per person, or a file name per person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from mien.core.errors import InputError
from mien.datasets.folders import natural_order
from mien.media.images import printable
from mien.media.video import is_video

__all__ = ["person_of", "person_videos"]

_NUMBER = re.compile(r"(?<=.)[ _.-]+\(?\d+\)?$")


def person_videos(root: Path) -> dict[str, tuple[Path, ...]]:
    """The videos below ``root`` by person, in natural order; a file is one person's only video.

    A folder in ``root`` is named after the person whose videos it holds, in whatever folders below; a video in ``root``
    itself is named after its person (``person_of``). Both may be mixed. Hidden files and folders are passed over.

    Raises:
        InputError: there is no such place, or no video in it.
    """
    if root.is_file():
        return {person_of(root.stem): (root,)}
    if not root.is_dir():
        raise InputError(f"{printable(root)}: expected a folder with videos, or a video; there is neither")
    people: dict[str, tuple[Path, ...]] = {}
    for entry in _visible(root.iterdir(), root):
        files = _visible(entry.rglob("*"), root) if entry.is_dir() else [entry]
        videos = tuple(file for file in files if is_video(file) and not file.is_dir())
        name = _name(entry.name) if entry.is_dir() else person_of(entry.stem)
        if videos:
            people[name] = people.get(name, ()) + videos
    if not people:
        raise InputError(f"{printable(root)}: expected a folder per person with videos, or Name.mp4; found no video")
    return people


def person_of(stem: str) -> str:
    """Whose video a file is by its name without the ending: ``Ada``, ``Ada_2``, ``Ada (2)`` and ``Ada-02`` are Ada's."""
    return _name(_NUMBER.sub("", stem))


def _name(text: str) -> str:
    """Composed (NFC), so that names written by macOS and Linux are the same person's."""
    return unicodedata.normalize("NFC", printable(text))


def _visible(found: Iterable[Path], root: Path) -> list[Path]:
    shown = (path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts))
    return sorted(shown, key=lambda path: natural_order(path.as_posix()))
