"""What the commands over pictures share: finding them, reading them, and going on when one is bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import InputError, MienError
from mien.doors.cli.command import Session

if TYPE_CHECKING:
    from mien.core.faces import Picture

__all__ = ["drawn_path", "find", "readable", "shown"]


def shown(path: str | Path) -> str:
    """A file name for people: on one line, with escapes for what cannot be shown."""
    from mien.media.images import printable

    return printable(path)


def find(session: Session, paths: Sequence[str]) -> list[Path]:
    """Every picture in the files, folders and patterns; what cannot be looked at is reported.

    Raises:
        InputError: nothing to do at all.
    """
    from mien.datasets.folders import find_pictures

    found = find_pictures(paths)
    for problem in found.problems:
        session.fail(f"{shown(problem.name)}: {problem.reason}")
    if not found.pictures:
        raise InputError(f"no pictures in {', '.join(shown(p) for p in paths)}")
    return list(found.pictures)


def readable(
    session: Session, paths: Sequence[Path], what: str, *, chip: float | None = None
) -> Iterator[tuple[Path, Picture]]:
    """Each picture that can be read; the others are reported and the rest goes on."""
    from concurrent.futures import ThreadPoolExecutor

    def read(path: Path) -> Picture | MienError:
        try:
            return session.house.read(path, chip=chip)
        except MienError as error:
            return error

    # One picture ahead: the next is decoded while the last is searched.
    with ThreadPoolExecutor(1, thread_name_prefix="mien-read") as reader:
        ahead = reader.submit(read, paths[0]) if paths else None
        for i, path in enumerate(session.each(session.out.track(paths, what, len(paths))), 1):
            picture = ahead.result() if ahead else None
            ahead = reader.submit(read, paths[i]) if i < len(paths) else None
            if isinstance(picture, MienError):
                session.fail(f"mien: {picture}")
            elif picture is not None:
                yield path, picture


def drawn_path(folder: Path, path: Path, taken: set[Path]) -> Path:
    """Where the drawing of ``path`` goes: its name as .jpg in ``folder``, numbered if two pictures share a name."""
    stem = shown(path.stem)
    target = folder / f"{stem}.jpg"
    number = 2
    while target in taken:
        target = folder / f"{stem}-{number}.jpg"
        number += 1
    taken.add(target)
    return target
