"""What the commands over pictures share: finding them, reading them, and going on when one is bad."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import ImageError, InputError, MienError, SettingError
from mien.doors.cli.command import Session

if TYPE_CHECKING:
    from mien.core.faces import Picture

__all__ = ["drawn_path", "find", "prepare_folder", "readable", "shown"]


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

    if session.interrupted:
        return
    house = session.house  # made here: a setting that cannot work is no fault of a picture

    def read(path: Path) -> Picture | MienError:
        try:
            return house.read(path, chip=chip)
        except MienError as error:
            return error

    # One picture ahead: the next is decoded while the last is searched.
    with ThreadPoolExecutor(1, thread_name_prefix="mien-read") as reader:
        ahead = reader.submit(read, paths[0]) if paths else None
        for i, path in enumerate(session.each(session.out.track(paths, what, len(paths))), 1):
            picture = ahead.result() if ahead else None
            ahead = reader.submit(read, paths[i]) if i < len(paths) else None
            if isinstance(picture, MienError):
                named = isinstance(picture, ImageError)  # other errors do not say which picture
                session.fail(f"mien: {picture}" if named else f"mien: {shown(path)}: {picture}")
                session.unread.append({"picture": shown(path), "error": str(picture), "faces": []})
            elif picture is not None:
                yield path, picture


def prepare_folder(folder: Path, pictures: Sequence[Path] = ()) -> None:
    """Make the folder that results go to, before any work is done for them.

    Args:
        folder: where to.
        pictures: what is read; none may lie in the folder, since a drawing is named after its photograph.

    Raises:
        InputError: it cannot be made or written to.
        SettingError: a drawing would take the place of a photograph.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else (error.strerror or str(error)).lower()
        raise InputError(f"cannot write into {shown(folder)}: {reason}; choose another folder") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write into {shown(folder)}: no permission; choose another folder")
    here = folder.resolve()
    if any(parent.resolve() == here for parent in {picture.parent for picture in pictures}):
        raise SettingError(
            f"{shown(folder)} holds photographs that are read, a drawing could take the place of one; choose another folder"
        )


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
