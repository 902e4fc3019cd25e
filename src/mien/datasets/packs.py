"""Data sets as one ``.npz`` file: ours, and the two that the classic FaceNet + SVM tutorials pass around.

Ours, ``embeddings.npz``: ``embeddings`` (n, d) float32, ``labels`` (n,) text, ``files`` (n,) text, ``split`` (n,) text
(``train``, ``test`` or empty) and ``space``, one text with the embedding space as JSON (``null`` where unknown).

The tutorials', ``faces-dataset.npz`` (chips (n, 160, 160, 3)) and ``face-dataset-embedding.npz`` (vectors (n, d)): four
arrays ``arr_0`` … ``arr_3`` = trainX, trainy, testX, testy, as ``numpy.savez_compressed`` names arrays without names.
Both are read; written are the four with their names ``trainX``, ``trainy``, ``testX``, ``testy``.

Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SpaceMismatchError
from mien.core.people import EmbeddingSpace
from mien.media.images import printable, write_whole

__all__ = [
    "Embeddings",
    "TrainTest",
    "read_arrays",
    "read_embeddings",
    "read_train_test",
    "write_embeddings",
    "write_train_test",
]

Texts = NDArray[np.str_]
_FOUR = ("trainX", "trainy", "testX", "testy")
_FOUR_UNNAMED = ("arr_0", "arr_1", "arr_2", "arr_3")


@dataclass(frozen=True, slots=True, eq=False)
class TrainTest:
    """Chips or vectors to train and to test with, and whose they are.

    Args:
        train: ``(n, size, size, 3)`` uint8 RGB chips or ``(n, d)`` float32 vectors.
        train_labels: ``(n,)`` names.
        test: ``(m, …)`` like ``train``.
        test_labels: ``(m,)`` names.

    Raises:
        InputError: arrays that do not fit each other.
    """

    train: NDArray[Any]
    train_labels: Texts
    test: NDArray[Any]
    test_labels: Texts

    def __post_init__(self) -> None:
        for part, labels in ((self.train, self.train_labels), (self.test, self.test_labels)):
            if labels.ndim != 1 or len(part) != len(labels):
                raise InputError(f"expected one label per row, got rows {part.shape} and labels {labels.shape}")
        if self.train.shape[1:] != self.test.shape[1:]:
            raise InputError(
                f"expected rows of one shape, got {self.train.shape[1:]} to train and {self.test.shape[1:]} to test"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Vectors with their names, files and space.

    Args:
        embeddings: ``(n, d)`` float32.
        labels: ``(n,)`` names.
        files: ``(n,)`` where each came from; empty text where unknown.
        split: ``(n,)`` ``"train"``, ``"test"`` or empty.
        space: the embedding space; None in files of others.

    Raises:
        InputError: columns of different length.
    """

    embeddings: NDArray[np.float32]
    labels: Texts
    files: Texts
    split: Texts
    space: EmbeddingSpace | None = None

    def __post_init__(self) -> None:
        n = len(self.embeddings)
        if self.embeddings.ndim != 2 or any(column.shape != (n,) for column in (self.labels, self.files, self.split)):
            shapes = [self.embeddings.shape, self.labels.shape, self.files.shape, self.split.shape]
            raise InputError(f"expected embeddings (n, d) and n labels, files and splits, got {shapes}")

    def train_test(self) -> TrainTest:
        """The two sides as the tutorials have them; what has no side is for training."""
        test = self.split == "test"
        return TrainTest(self.embeddings[~test], self.labels[~test], self.embeddings[test], self.labels[test])


def write_embeddings(path: str | os.PathLike[str], pack: Embeddings) -> None:
    """Write ``embeddings.npz``, whole or not at all."""
    space = json.dumps(None if pack.space is None else asdict(pack.space))
    columns = {"embeddings": pack.embeddings, "labels": pack.labels, "files": pack.files, "split": pack.split}
    _write(path, columns | {"space": np.array(space)})


def read_embeddings(path: str | os.PathLike[str]) -> Embeddings:
    """Read ``embeddings.npz`` or the tutorials' ``face-dataset-embedding.npz`` (without files and space).

    Raises:
        InputError: no such file, no npz, other arrays, or pickled objects in it.
        SpaceMismatchError: vectors of several spaces in one file.
    """
    arrays = read_arrays(path)
    if not {"embeddings", "labels", "files", "split", "space"} <= arrays.keys():
        pack = _four(path, arrays)
        return _joined(pack)
    spaces = np.unique(arrays["space"].astype(str))
    if len(spaces) > 1:
        raise SpaceMismatchError(
            f"{printable(path)} holds embeddings of {len(spaces)} spaces, which cannot be compared: embed all pictures with one"
            " embedder (mien embed)"
        )
    try:
        known = json.loads(str(spaces[0]))
        space = None if known is None else EmbeddingSpace(**known)
    except (ValueError, TypeError) as error:
        raise InputError(f"{printable(path)}: its embedding space cannot be read: {error}") from error
    vectors = arrays["embeddings"].astype(np.float32, copy=False)
    labels, files, split = (arrays[name].astype(str) for name in ("labels", "files", "split"))
    return Embeddings(vectors, labels, files, split, space)


def write_train_test(path: str | os.PathLike[str], pack: TrainTest) -> None:
    """Write chips or vectors as ``trainX``, ``trainy``, ``testX``, ``testy``, whole or not at all."""
    columns = (pack.train, pack.train_labels, pack.test, pack.test_labels)
    _write(path, dict(zip(_FOUR, columns, strict=True)))


def read_train_test(path: str | os.PathLike[str]) -> TrainTest:
    """Read ``faces-dataset.npz`` or ``face-dataset-embedding.npz``, with or without names in it.

    Raises:
        InputError: no such file, no npz, other arrays, or pickled objects in it.
    """
    return _four(path, read_arrays(path))


def _joined(pack: TrainTest) -> Embeddings:
    vectors = np.concatenate([pack.train, pack.test]).astype(np.float32, copy=False)
    split = np.array(["train"] * len(pack.train) + ["test"] * len(pack.test), str)
    labels = np.concatenate([pack.train_labels, pack.test_labels])
    return Embeddings(vectors, labels, np.full(len(vectors), "", str), split)


def _four(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> TrainTest:
    names = next((names for names in (_FOUR, _FOUR_UNNAMED) if set(names) <= arrays.keys()), None)
    if names is None:
        raise InputError(
            f"{printable(path)}: expected the arrays {', '.join(_FOUR)} (or arr_0 … arr_3), got {', '.join(arrays)}"
        )
    x, y, test_x, test_y = (arrays[name] for name in names)
    return TrainTest(x, y.astype(str), test_x, test_y.astype(str))


def _write(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    try:
        write_whole(Path(path), out.getvalue())
    except OSError as error:
        raise InputError(f"cannot write {printable(path)}: {(error.strerror or str(error)).lower()}") from error


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of an npz by name.

    Raises:
        InputError: no such file, no npz, or pickled objects in it.
    """
    try:
        with Path(path).open("rb") as handle:
            file = np.load(handle, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise InputError(f"{printable(path)}: expected an .npz file of several arrays, got a single array")
            return {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        if str(error).startswith("Object arrays"):
            why = "it holds pickled objects, which could run any code; save it again with labels.astype(str)"
        elif "pickle" in str(error):  # numpy's answer to whatever is none of its own files
            why = (
                "it is no .npz file, or damaged; if it is a pickle: that could run any code and is never opened, save the"
                " arrays with numpy.savez instead"
            )
        else:
            why = "it is no .npz file, or damaged"
        raise InputError(f"cannot read {printable(path)}: {why}") from error
