"""Lists of picture pairs that show one person or two: LFW's ``pairs.txt``, whole or cut to some folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError

__all__ = ["Pairs", "read_lfw_pairs"]

Side = tuple[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of pictures in folds; left and right are rows of ``pictures``.

    Args:
        pictures: each picture once, sorted.
        people: ``(p,)`` intp, which of ``names`` each picture shows.
        names: each person once, sorted.
        left: ``(n,)`` intp rows of ``pictures``.
        right: ``(n,)`` intp rows of ``pictures``.
        same: ``(n,)`` bool, whether both show one person.
        fold: ``(n,)`` intp, counted from 0.
        missing: pictures that the list names and that are not there, sorted.
        dropped: pairs that were left out because of them.
    """

    pictures: tuple[Path, ...]
    people: NDArray[np.intp]
    names: tuple[str, ...]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    same: NDArray[np.bool_]
    fold: NDArray[np.intp]
    missing: tuple[Path, ...] = ()
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.same)

    @property
    def folds(self) -> int:
        """How many folds have pairs."""
        return len(np.unique(self.fold))


def read_lfw_pairs(file: Path, *, pictures: Path, strict: bool = False) -> Pairs:
    """Pairs of an LFW list (``pairs.txt``, ``pairsDevTrain.txt``) over the pictures ``NAME/NAME_0001.jpg`` in a folder.

    The first line says folds and pairs per fold (or pairs alone: one fold); each fold has that many lines
    ``name n1 n2`` (one person) and then as many ``name1 n1 name2 n2`` (two). Source: vis-www.cs.umass.edu/lfw, README.
    A list cut to its first folds, with the first line to match, is read the same way.

    Args:
        file: the list.
        pictures: the folder with a folder per person.
        strict: stop at pictures that are not there instead of leaving their pairs out and counting them.

    Raises:
        InputError: a line that is no pair, a length that the first line does not announce, or, with ``strict``,
            pictures that are missing.
    """
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    folds, per_fold = _header(file, lines)
    rows = [_pair(file, number, words) for number, words in enumerate(lines[1:], start=2)]
    same = [left[0] == right[0] for left, right in rows]
    _check_folds(file, same, folds, per_fold)

    def path_of(side: Side) -> Path:
        return pictures / side[0] / f"{side[0]}_{side[1]:04d}.jpg"

    named = {side for row in rows for side in row}
    missing = {side for side in named if not path_of(side).is_file()}
    if strict and missing:
        example = min(path_of(side) for side in missing)
        raise InputError(f"{file}: {len(missing)} of {len(named)} pictures are missing, e.g. {example}; drop strict")
    kept = [i for i, row in enumerate(rows) if not missing.intersection(row)]
    return _table(
        [rows[i] for i in kept],
        fold=np.array([i // (2 * per_fold) for i in kept], np.intp),
        path_of=path_of,
        missing=tuple(sorted(path_of(side) for side in missing)),
        dropped=len(rows) - len(kept),
    )


def _header(file: Path, lines: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Folds and pairs of each kind per fold."""
    first = lines[0] if lines else []
    if len(first) not in {1, 2} or not all(word.isdigit() and int(word) for word in first):
        raise InputError(
            f"{file}: expected 'folds pairs' in the first line, got {' '.join(first)!r}; is it LFW's list?"
        )
    return (int(first[0]), int(first[1])) if len(first) == 2 else (1, int(first[0]))


def _pair(file: Path, number: int, words: Sequence[str]) -> tuple[Side, Side]:
    """The two pictures of one line, each as name and number."""
    if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
        return (words[0], int(words[1])), (words[0], int(words[2]))
    if len(words) == 4 and words[1].isdigit() and words[3].isdigit():
        return (words[0], int(words[1])), (words[2], int(words[3]))
    raise InputError(f"{file}:{number}: expected 'name n1 n2' or 'name1 n1 name2 n2', got {' '.join(words)!r}")


def _check_folds(file: Path, same: Sequence[bool], folds: int, per_fold: int) -> None:
    """Refuse a list whose length or order is not the one its first line announces."""
    announced = ([True] * per_fold + [False] * per_fold) * folds
    if len(same) != len(announced):
        raise InputError(f"{file}: the first line announces {len(announced)} pairs, got {len(same)}; correct it")
    wrong = next((i for i, (a, b) in enumerate(zip(same, announced, strict=True)) if a != b), None)
    if wrong is not None:
        kind = "one person" if announced[wrong] else "two people"
        raise InputError(
            f"{file}: pair {wrong + 1} should show {kind}: {per_fold} such pairs a fold, same before different"
        )


def _table(
    rows: Sequence[tuple[Side, Side]],
    *,
    fold: NDArray[np.intp],
    path_of: Callable[[Side], Path],
    missing: tuple[Path, ...],
    dropped: int,
) -> Pairs:
    """The pairs with names and pictures as row numbers."""
    sides = sorted({side for row in rows for side in row})
    names = sorted({name for name, _ in sides})
    row_of = {side: i for i, side in enumerate(sides)}
    person_of = {name: i for i, name in enumerate(names)}

    def rows_of(which: int) -> Iterator[int]:
        return (row_of[row[which]] for row in rows)

    return Pairs(
        pictures=tuple(path_of(side) for side in sides),
        people=np.array([person_of[name] for name, _ in sides], np.intp),
        names=tuple(names),
        left=np.fromiter(rows_of(0), np.intp),
        right=np.fromiter(rows_of(1), np.intp),
        same=np.array([left[0] == right[0] for left, right in rows], bool),
        fold=fold,
        missing=missing,
        dropped=dropped,
    )
