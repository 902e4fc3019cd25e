"""Train and test sides that share nothing: no video, no near-duplicate, no picture of two people lies on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SettingError

__all__ = ["Side", "Split", "sides", "split"]

Side = Literal["train", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which side each picture is on.

    Args:
        sides: ``"train"`` or ``"test"`` for each picture, in order.
        unsplit: people who are on one side only, and why.
    """

    sides: tuple[Side, ...]
    unsplit: dict[str, str]

    @property
    def train(self) -> NDArray[np.intp]:
        """Indices of the pictures to learn from."""
        return np.flatnonzero(np.array(self.sides) == "train")

    @property
    def test(self) -> NDArray[np.intp]:
        """Indices of the pictures to test with."""
        return np.flatnonzero(np.array(self.sides) == "test")


def split(
    people: Sequence[str],
    groups: Sequence[int] | NDArray[np.intp],
    *,
    share: float = 0.8,
    seed: int = 0,
    placed: Sequence[Side | None] | None = None,
) -> Split:
    """Divide each person's pictures, whole groups at a time, as near to ``share`` for training as the groups allow.

    Everybody with two groups or more has pictures on both sides, unless a group shared with other people, or pictures
    placed before, prevent it. The same arguments give the same split on every machine.

    Args:
        people: whose picture each is.
        groups: number of the group of each (``near_duplicates.groups``); a group is never divided, even among people.
        share: of each person's pictures to train with, between 0 and 1.
        placed: sides given in an earlier run; a group goes where its first placed picture is.

    Raises:
        SettingError: a share that leaves one side empty.
        InputError: arguments of different length.
    """
    if not 0 < share < 1:
        raise SettingError(f"split {share:g} must lie between 0 and 1 (0.8 trains with four of five), both excluded")
    before: Sequence[Side | None] = [None] * len(people) if placed is None else placed
    if not len(people) == len(groups) == len(before):
        raise InputError(
            f"expected as many people, groups and sides, got {len(people)}, {len(groups)} and {len(before)}"
        )
    numbers = [int(g) for g in groups]
    side: dict[int, Side] = {}
    for group, known in zip(numbers, before, strict=True):
        if known is not None:
            side.setdefault(group, known)
    order = np.random.default_rng(seed)
    for _, rows in sorted(_rows_of(people).items()):
        sizes = Counter(numbers[i] for i in rows)
        shuffled = [sorted(sizes)[i] for i in order.permutation(len(sizes))]
        _divide({g: sizes[g] for g in shuffled}, side, share)
    sides = tuple(side[g] for g in numbers)
    return Split(sides, _unsplit(people, numbers, sides))


def sides(
    labels: Sequence[str],
    groups: Sequence[int] | NDArray[np.intp],
    *,
    val: float = 0.0,
    test: float = 0.2,
    seed: int = 0,
) -> list[Literal["train", "val", "test"]]:
    """Three sides: the test side is set apart first, then a validation side is taken from the rest, class by class.

    Args:
        labels: the class of each picture.
        groups: as in ``split``; a group is never divided.
        val: share of each class's pictures to choose an epoch with; 0 makes no such side.
        test: share of each class's pictures to test with; 0 makes no such side.
        seed: another one divides otherwise.

    Raises:
        SettingError: shares that leave nothing to train with.
        InputError: arguments of different length.
    """
    if val < 0 or test < 0 or val + test >= 1:
        raise SettingError(
            f"--val {val:g} and --test {test:g} leave nothing to train with; together they must be below 1"
        )
    found: list[Literal["train", "val", "test"]] = ["train"] * len(labels)
    if test:
        found = list(split(labels, groups, share=1 - test, seed=seed).sides)
    if val:
        rest = [row for row, side in enumerate(found) if side == "train"]
        mine = [int(groups[row]) for row in rest]
        inner = split([labels[row] for row in rest], mine, share=1 - val / (1 - test), seed=seed + 1)
        for row in inner.test:
            found[rest[row]] = "val"
    return found


def _rows_of(people: Sequence[str]) -> dict[str, list[int]]:
    """Which pictures each person has."""
    rows: dict[str, list[int]] = {}
    for i, person in enumerate(people):
        rows.setdefault(person, []).append(i)
    return rows


def _divide(sizes: dict[int, int], side: dict[int, Side], share: float) -> None:
    """Give one person's groups (number: pictures) their sides, those that have none yet, in the order given."""
    wanted = (1 - share) * sum(sizes.values())
    tested = sum(n for g, n in sizes.items() if side.get(g) == "test")
    trained = any(side.get(g) == "train" for g in sizes)
    free = [g for g in sizes if g not in side]
    chosen = []
    for group in free:
        if abs(tested + sizes[group] - wanted) < abs(tested - wanted):
            chosen.append(group)
            tested += sizes[group]
    if not tested and len(free) + trained > 1:
        chosen = [min(free, key=lambda g: sizes[g])]
    if chosen and len(chosen) == len(free) and not trained:
        chosen.remove(max(chosen, key=lambda g: sizes[g]))
    side.update(dict.fromkeys(free, "train"))
    side.update(dict.fromkeys(chosen, "test"))


def _unsplit(people: Sequence[str], groups: Sequence[int], sides: Sequence[Side]) -> dict[str, str]:
    """Why somebody is on one side only."""
    reasons = {}
    for person, rows in sorted(_rows_of(people).items()):
        if len({sides[i] for i in rows}) > 1:
            continue
        if len(rows) == 1:
            why = "there is only one picture"
        elif len({groups[i] for i in rows}) == 1:
            why = f"all {len(rows)} pictures are near-duplicates or frames of one video"
        else:
            why = "their pictures are tied to those of others or were placed before"
        reasons[person] = f"{why}; kept on the {sides[rows[0]]} side"
    return reasons
