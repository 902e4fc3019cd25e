"""What belongs to a whole backup, and where each part of it goes on another machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mien.store.backup import open_backup, restore_database, write_backup

__all__ = ["Places", "Restored", "back_up", "restore"]

_SETTINGS, _MODELS = "settings/mien.toml", "models/"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts are on this machine.

    Args:
        database: the gallery's file.
        settings: the settings file that is in force, or where one belongs.
        models: the folder of the user's own models.
    """

    database: Path
    settings: Path
    models: Path


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a backup.

    Args:
        made: when it had been made, aware.
        people: how many it knows.
        aside: the copy of the gallery that was replaced; None if there was none.
        written: files that were written beside the gallery.
        kept: files that were there already and stay as they are.
    """

    made: datetime
    people: int
    aside: Path | None
    written: tuple[Path, ...]
    kept: tuple[Path, ...]


def back_up(places: Places, target: Path, *, made: datetime) -> int:
    """Write people, book, settings and models into one file; how many people are in it. See ``write_backup``."""
    return write_backup(places.database, target, _files(places), made=made)


def _files(places: Places) -> Mapping[str, Path]:
    found = {_SETTINGS: places.settings} if places.settings.is_file() else {}
    models = sorted(p for p in places.models.rglob("*") if p.is_file()) if places.models.is_dir() else []
    return found | {f"{_MODELS}{p.relative_to(places.models).as_posix()}": p for p in models}


def restore(path: Path, places: Places, *, replace: bool, at: datetime) -> Restored:
    """Put a backup where its parts belong here. Settings and models that are there already stay, unless ``replace``.

    Raises:
        InputError: no backup, or a damaged one; nothing was restored.
        DuplicateError: there is a gallery with people, and it may not be replaced.
        StoreBusyError: another program is writing.
    """
    with open_backup(path) as backup:
        aside = restore_database(backup, places.database, replace=replace, at=at)
        written, kept = [], []
        for name, source in backup.files.items():
            target = _target(name, places)
            if target is None:
                continue
            if target.exists() and not replace:
                kept.append(target)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            written.append(target)
        return Restored(backup.made, backup.people, aside, tuple(written), tuple(kept))


def _target(name: str, places: Places) -> Path | None:
    """Where a member belongs; None for a name that leads outside, or that this version does not know."""
    if name == _SETTINGS:
        return places.settings
    if not name.startswith(_MODELS):
        return None
    target = (places.models / name.removeprefix(_MODELS)).resolve()
    return target if target.is_relative_to(places.models.resolve()) else None
