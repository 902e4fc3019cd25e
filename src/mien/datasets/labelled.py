"""Labelled pictures of any classes: a folder per class, with or without train, val and test above, or arrays in an npz.

``read_labelled`` reads names and labels only; pixels come one by one from ``LabelledSet.read``, which tells a damaged
file from a whole one. People are classes like any other here; cats and dogs are too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.faces import Picture
from mien.datasets.folders import Problem, natural_order, person_folders
from mien.datasets.packs import read_arrays
from mien.media.images import ReadOptions, printable, read_image

__all__ = ["LEAST_PER_CLASS", "SIDES", "LabelledSet", "Part", "read_labelled", "require_classes"]

Part = Literal["", "train", "val", "test"]
Pixels = NDArray[np.uint8]

SIDES: tuple[Part, ...] = ("train", "val", "test")
"""What a data set can be divided into, in this order; "" is one that is not divided."""

LEAST_PER_CLASS = 3
"""Pictures without which a class cannot be learnt and tested: one to train, one to validate, one to test."""

_PARTS: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_ARRAYS: tuple[tuple[Part, tuple[tuple[str, str], ...]], ...] = (
    ("train", (("trainX", "trainy"), ("x_train", "y_train"), ("arr_0", "arr_1"))),
    ("val", (("valX", "valy"), ("x_val", "y_val"))),
    ("test", (("testX", "testy"), ("x_test", "y_test"), ("arr_2", "arr_3"))),
    ("", (("images", "labels"), ("X", "y"), ("x", "y"))),
)
"""Names that arrays of pictures and of labels go by: ours and the tutorials', Keras's, NumPy's own."""


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Pictures with a label each.

    Args:
        root: the folder or npz they are in.
        names: of each picture: its path below ``root`` with ``/``; in an npz its side and number (``train/0012``).
        labels: the class of each.
        sides: ``"train"``, ``"val"`` or ``"test"`` of each; ``""`` where the set is not divided.
        arrays: pixels ``(h, w, 3)`` uint8 RGB of each where they come from an npz; empty for files.
        problems: what could not be taken, found without opening a picture.
    """

    root: Path
    names: tuple[str, ...]
    labels: tuple[str, ...]
    sides: tuple[Part, ...]
    arrays: tuple[Pixels, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels, each once, in natural order; a network's outputs stand in this order."""
        return tuple(sorted(set(self.labels), key=natural_order))

    @cached_property
    def targets(self) -> NDArray[np.intp]:
        """``(n,)`` index of each picture's label in ``classes``."""
        place = {label: i for i, label in enumerate(self.classes)}
        return np.array([place[label] for label in self.labels], np.intp)

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each class has."""
        found = Counter(self.labels)
        return {label: found[label] for label in self.classes}

    def path(self, index: int) -> Path:
        """The file of one picture; in an npz a name for messages."""
        return self.root / self.names[index]

    def read(self, index: int, options: ReadOptions | None = None) -> Picture:
        """One picture, decoded.

        Raises:
            ImageError: a file that is damaged, no picture, or gone.
        """
        if self.arrays:
            return Picture(self.arrays[index], 1.0, str(self.path(index)))
        return read_image(self.path(index), options or ReadOptions())

    def only(self, rows: Iterable[int]) -> LabelledSet:
        """The pictures of some rows, in that order."""
        chosen = [int(row) for row in rows]
        return LabelledSet(
            self.root,
            tuple(self.names[i] for i in chosen),
            tuple(self.labels[i] for i in chosen),
            tuple(self.sides[i] for i in chosen),
            tuple(self.arrays[i] for i in chosen) if self.arrays else (),
        )

    def side(self, side: Part) -> LabelledSet:
        """The pictures of one side."""
        return self.only(i for i, part in enumerate(self.sides) if part == side)


def read_labelled(source: str | os.PathLike[str], *, merge_case: bool = False) -> LabelledSet:
    """The pictures of ``SRC/Class/``, of ``SRC/train/Class/`` (and val, test), or of an npz; none is opened yet.

    Args:
        source: the folder, or a file ending in ``.npz``.
        merge_case: labels that differ in case only (``Cat``, ``cat``) are one, spelt as most of its pictures are.

    Raises:
        InputError: no such place, no class in it, labels that differ in case only, arrays that are no pictures.
    """
    root = Path(source)
    found = _read_arrays(root) if root.suffix.lower() == ".npz" else _read_folders(root)
    return _one_spelling(found, merge=merge_case)


def require_classes(found: LabelledSet, *, least: int = LEAST_PER_CLASS) -> None:
    """Refuse what no classifier can be trained with.

    Args:
        found: all sides together.
        least: pictures that each class needs.

    Raises:
        InputError: one class only, or a class with fewer than ``least`` pictures.
    """
    where = printable(found.root)
    if len(found.classes) < 2:
        raise InputError(
            f"{where} has one class only ({printable(found.classes[0])}): a classifier tells two or more apart; add a folder"
            " of what it is not"
        )
    few = [f"{printable(label)} ({count})" for label, count in found.counts.items() if count < least]
    if few:
        shown = ", ".join(few[:5]) + (f" and {len(few) - 5} more classes" if len(few) > 5 else "")
        raise InputError(
            f"{where}: too few pictures of {shown}; each class needs {least} at least, to train, to validate and to"
            " test; add more photographs or leave the class out"
        )


def _read_folders(root: Path) -> LabelledSet:
    names: list[str] = []
    labels: list[str] = []
    sides: list[Part] = []
    problems: list[Problem] = []
    for side, folder in _side_folders(root):
        found = person_folders(folder, what="class")
        problems += found.problems
        for label, paths in found.photos.items():
            names += [path.relative_to(root).as_posix() for path in paths]
            labels += [label] * len(paths)
            sides += [side] * len(paths)
    return LabelledSet(root, tuple(names), tuple(labels), tuple(sides), problems=tuple(problems))


def _side_folders(root: Path) -> list[tuple[Part, Path]]:
    """The folders of the sides, where ``root`` holds no other folder; else ``root`` itself, undivided."""
    entries = sorted(root.iterdir()) if root.is_dir() else []
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    named = [(_PARTS[entry.name.lower()], entry) for entry in folders if entry.name.lower() in _PARTS]
    if not named or len(named) < len(folders):
        return [("", root)]
    return sorted(named, key=lambda pair: SIDES.index(pair[0]))


def _read_arrays(path: Path) -> LabelledSet:
    arrays = read_arrays(path)
    names: list[str] = []
    labels: list[str] = []
    sides: list[Part] = []
    pixels: list[Pixels] = []
    for side, alternatives in _ARRAYS:
        pair = next((pair for pair in alternatives if set(pair) <= arrays.keys()), None)
        if pair is None:
            continue
        rows = _pictures(path, pair[0], arrays[pair[0]])
        texts = _labels(path, pair[1], arrays, len(rows))
        pixels += list(rows)
        labels += texts
        sides += [side] * len(rows)
        names += [f"{side}/{i:04d}" if side else f"{i:04d}" for i in range(len(rows))]
    if not names:
        raise InputError(
            f"{printable(path)}: expected pictures and labels (trainX and trainy, x_train and y_train, images and labels), got"
            f" the arrays {', '.join(arrays)}"
        )
    return LabelledSet(path, tuple(names), tuple(labels), tuple(sides), tuple(pixels))


def _pictures(path: Path, name: str, array: NDArray[Any]) -> Pixels:
    """``(n, h, w, 3)`` of an array of pictures; grey ones get three equal channels."""
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8 or array.ndim not in {3, 4} or (array.ndim == 4 and array.shape[3] != 3):
        raise InputError(
            f"{printable(path)}: expected {name} to be pictures (n, h, w, 3) or (n, h, w) of uint8 0–255, got {array.shape} of"
            f" {array.dtype}; save them with (x * 255).round().astype('uint8') if they are 0–1"
        )
    return np.stack([array] * 3, axis=-1) if array.ndim == 3 else array


def _labels(path: Path, name: str, arrays: Mapping[str, NDArray[Any]], rows: int) -> list[str]:
    """``rows`` names; numbers become the names in ``classes`` where the file has them."""
    column = arrays[name]
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.shape != (rows,):
        raise InputError(f"{printable(path)}: expected {rows} labels in {name}, one per picture, got {column.shape}")
    known = arrays.get("classes")
    if known is None or not np.issubdtype(column.dtype, np.integer):
        return [str(label) for label in column.tolist()]
    if column.size and not 0 <= column.min() <= column.max() < len(known):
        raise InputError(f"{printable(path)}: {name} has numbers beyond the {len(known)} names in classes")
    return [str(known[i]) for i in column.tolist()]


def _one_spelling(found: LabelledSet, *, merge: bool) -> LabelledSet:
    """Refuse, or merge, labels that differ in case only."""
    counts = Counter(found.labels)
    spellings: dict[str, list[str]] = {}
    for label, _ in counts.most_common():
        spellings.setdefault(label.casefold(), []).append(label)
    doubled = [labels for labels in spellings.values() if len(labels) > 1]
    if not doubled:
        return found
    if not merge:
        raise InputError(
            f"{printable(found.root)}: {_doubled(doubled, counts)}; rename one folder, or --merge-case makes them one"
        )
    return replace(found, labels=tuple(spellings[label.casefold()][0] for label in found.labels))


def _doubled(doubled: Sequence[Sequence[str]], counts: Mapping[str, int]) -> str:
    each = (" and ".join(f"{printable(label)} ({counts[label]})" for label in labels) for labels in doubled)
    return f"labels that differ in upper and lower case only (pictures): {'; '.join(each)}"
