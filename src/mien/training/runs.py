"""What a run is, remembered in its folder: so that it is not resumed as another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import SettingError
from mien.media.images import printable, write_whole
from mien.training.pictures import Pictures

__all__ = ["MAY_CHANGE", "remember"]

MAY_CHANGE = frozenset({"epochs", "rate", "patience", "plateau", "schedule", "unfreeze", "unfreeze_rate"})
"""What may be given anew when a run is resumed: it decides what comes, not what was."""

_FILE = "run.json"


def remember(run: Path, settings: Mapping[str, Any], pictures: Pictures, *, resume: bool) -> None:
    """Write what the run is; or, when it is there, see that it is the same one.

    Args:
        run: its folder, made if need be.
        settings: of the recipe.
        pictures: what it learns from.
        resume: go on with the run that is there.

    Raises:
        SettingError: the folder holds a run and ``resume`` was not asked for, or holds one of other settings or pictures.
    """
    now = {**settings, "pictures": _digest(pictures)}
    file = run / _FILE
    if file.is_file():
        before = _read(file)
        if not resume:
            raise SettingError(f"{printable(run)} holds a run: --resume goes on with it, another --out begins one")
        other = sorted(key for key in now.keys() - MAY_CHANGE if before.get(key) != now[key])
        if other:
            changes = ", ".join(f"{key} {before.get(key)!r} (now {now[key]!r})" for key in other)
            raise SettingError(
                f"{printable(run)} is a run with {changes}: give what it was begun with, or another --out"
            )
    run.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(now, indent=1).encode())


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SettingError(f"{printable(file)} cannot be read: {error}; begin in another --out") from error
    return dict(found)


def _digest(pictures: Pictures) -> str:
    """Changes with any pixel, label or side."""
    parts = hashlib.sha256(np.ascontiguousarray(pictures.chips).data)
    parts.update(json.dumps([pictures.targets.tolist(), pictures.classes, pictures.sides]).encode())
    return parts.hexdigest()[:16]
