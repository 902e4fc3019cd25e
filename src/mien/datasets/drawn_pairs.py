"""Pairs drawn by a seed from a folder per person, in folds that share nobody, as LFW's second view has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.pairs import Pairs

__all__ = ["DrawOptions", "draw_pairs"]

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """How pairs are drawn.

    Args:
        folds: how many, at most: every fold needs two people of its own, one of them with two pictures.
        per_fold: pairs of one person per fold, and as many of two people; fewer where there are no more.
        seed: another one draws other folds and pairs.
    """

    folds: int = 10
    per_fold: int = 300
    seed: int = 0


def draw_pairs(photos: Mapping[str, Sequence[Path]], options: DrawOptions = DrawOptions()) -> Pairs:
    """Pairs over all pictures of a folder per person; no person is in two folds, so no threshold has seen them.

    Of each fold people take turns, so that one with many pictures does not decide it; the pairs of two people are drawn
    evenly. All pictures take part in the comparisons of strangers, whether a pair was drawn of them or not.

    Args:
        photos: pictures by person, as ``person_folders`` finds them.
        options: how many and by which seed.

    Raises:
        InputError: one person only, nobody with two pictures, or too few people for two folds.
    """
    names = sorted(photos)
    paths = sorted((path, i) for i, name in enumerate(names) for path in photos[name])
    people = np.array([i for _, i in paths], np.intp)
    rows = [np.flatnonzero(people == i) for i in range(len(names))]
    random = np.random.default_rng(options.seed)
    drawn = [
        (pair, same, k)
        for k, members in enumerate(_divided(names, rows, options, random))
        for pair, same in _fold([rows[i] for i in members], options.per_fold, random)
    ]
    left, right = (np.array([pair[side] for pair, _, _ in drawn], np.intp) for side in (0, 1))
    return Pairs(
        pictures=tuple(path for path, _ in paths),
        people=people,
        names=tuple(names),
        left=left,
        right=right,
        same=np.array([same for _, same, _ in drawn], bool),
        fold=np.array([k for _, _, k in drawn], np.intp),
    )


def _divided(
    names: Sequence[str], rows: Sequence[NDArray[np.intp]], options: DrawOptions, random: np.random.Generator
) -> list[list[int]]:
    """People by fold: those with two pictures dealt out first, so that every fold has one."""
    order = random.permutation(len(names)).tolist()
    several = [i for i in order if len(rows[i]) > 1]
    if len(names) < 2:
        raise InputError(f"expected pictures of several people, got one person only ({', '.join(names)}); add another")
    folds = min(options.folds, len(several), len(names) // 2)
    if folds < 2:
        raise InputError(
            f"expected four people at least, two of them with two pictures, got {len(names)} people and "
            f"{len(several)} with two: a threshold must come from people it is not used on; add people or pictures"
        )
    dealt = [*several, *(i for i in order if len(rows[i]) < 2)]
    return [sorted(dealt[k::folds]) for k in range(folds)]


def _fold(rows: Sequence[NDArray[np.intp]], wanted: int, random: np.random.Generator) -> Iterator[tuple[Pair, bool]]:
    """The pairs of one fold: as many of one person as of two."""
    sizes = np.array([len(own) for own in rows])
    of_one = int((sizes * (sizes - 1) // 2).sum())
    of_two = int((sizes.sum() ** 2 - (sizes**2).sum()) // 2)
    count = min(wanted, of_one, of_two)
    yield from ((pair, True) for pair in _of_one(rows, count, random))
    yield from ((pair, False) for pair in _of_two(rows, count, of_two, random))


def _of_one(rows: Sequence[NDArray[np.intp]], count: int, random: np.random.Generator) -> list[Pair]:
    """Pairs of one person each; people take turns."""
    waiting = [random.permutation(list(combinations(own.tolist(), 2))).tolist() for own in rows if len(own) > 1]
    pairs: list[Pair] = []
    while len(pairs) < count:
        for i in random.permutation(len(waiting)).tolist():
            if waiting[i] and len(pairs) < count:
                pairs.append(_sorted(*waiting[i].pop()))
    return pairs


def _of_two(rows: Sequence[NDArray[np.intp]], count: int, possible: int, random: np.random.Generator) -> list[Pair]:
    """Different pairs of two people each, all equally likely."""
    if possible <= 4 * count:
        every = [_sorted(a, b) for one, other in combinations(rows, 2) for a in one.tolist() for b in other.tolist()]
        return [every[i] for i in random.permutation(len(every))[:count].tolist()]
    owner = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    every_row = np.concatenate(rows)
    pairs: dict[Pair, None] = {}  # a set that keeps its order
    while len(pairs) < count:
        a, b = random.integers(len(every_row), size=2)
        if owner[a] != owner[b]:
            pairs[_sorted(int(every_row[a]), int(every_row[b]))] = None
    return list(pairs)


def _sorted(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)
