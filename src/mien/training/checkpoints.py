"""Epoch borders on disk: a run that was stopped, however, goes on from the last one.

``last.npz`` holds everything that moves: the model's variables (weights, batch statistics, dropout's seeds), the
optimizer's, and the history. ``best.npz`` holds the model's variables of the best epoch. Both are plain arrays, read
without unpickling, and appear whole or not at all; the best is written first, so a stop between the two only means that
the epoch is learnt again, to the same weights.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, TrainingError
from mien.media.images import printable, write_whole
from mien.training.decisions import Epoch

__all__ = ["Checkpoints"]

Arrays = Mapping[str, NDArray[Any]]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self.last = folder / "last.npz"
        self.best = folder / "best.npz"
        self.history = folder / "history.csv"

    def save(self, model: Any, history: Sequence[Epoch], *, best: bool) -> None:
        """Write what the next epoch needs, and the history as a table.

        Raises:
            TrainingError: it cannot be written; the one before is intact.
        """
        state = _variables("model", model.variables)
        if best:
            _write(self.best, state)
        text = np.array(json.dumps([asdict(epoch) for epoch in history]))
        _write(self.last, {**state, **_variables("optimizer", model.optimizer.variables), "history": text})
        _write_bytes(self.history, _table(history))

    def restore(self, model: Any) -> list[Epoch]:
        """Give a compiled model the state of the last epoch border; returns its history, empty if there is none.

        Raises:
            InputError: a checkpoint of another model, or one that was damaged.
        """
        if not self.last.is_file():
            return []
        arrays = _read(self.last)
        _assign(self.last, "model", model.variables, arrays)
        _assign(self.last, "optimizer", model.optimizer.variables, arrays)
        return [Epoch(**line) for line in json.loads(str(arrays["history"]))]

    def load_best(self, model: Any) -> None:
        """Give the model the weights of the best epoch.

        Raises:
            InputError: a checkpoint of another model, or one that was damaged or is gone.
        """
        _assign(self.best, "model", model.variables, _read(self.best))


def _variables(prefix: str, variables: Sequence[Any]) -> dict[str, NDArray[Any]]:
    from mien.training.keras_backend import load_keras

    convert = load_keras().ops.convert_to_numpy
    return {f"{prefix}/{i}": convert(variable) for i, variable in enumerate(variables)}


def _assign(path: Path, prefix: str, variables: Sequence[Any], arrays: Arrays) -> None:
    """Set variables from arrays of the same number and shapes."""
    found = [arrays[name] for name in sorted(arrays, key=_number) if name.startswith(f"{prefix}/")]
    if [tuple(v.shape) for v in variables] != [a.shape for a in found]:
        raise InputError(
            f"{printable(path)} is the checkpoint of another network ({len(found)} arrays, expected {len(variables)});"
            " give the options of that run, or another --out"
        )
    for variable, array in zip(variables, found, strict=True):
        variable.assign(array)


def _number(name: str) -> int:
    """``"model/12"`` -> 12."""
    number = name.rpartition("/")[2]
    return int(number) if number.isdecimal() else -1


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{printable(path)} cannot be read as a checkpoint: {error}; begin anew in another --out"
        ) from error


def _write(path: Path, arrays: Arrays) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # its second parameter is a flag by name
    _write_bytes(path, buffer.getvalue())


def _write_bytes(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise TrainingError(
            f"{printable(path)} could not be written: {why}; the checkpoint before it is intact: free some space and"
            " --resume"
        ) from error


def _table(history: Sequence[Epoch]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, [f.name for f in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in history)
    return out.getvalue().encode()
