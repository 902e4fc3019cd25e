"""People to learn an embedding from: chips by person, and sides that share nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, InputError, SettingError
from mien.datasets.folders import Problem
from mien.datasets.labelled import LabelledSet, Part
from mien.media.images import printable
from mien.training.pictures import Cut, Pictures

__all__ = ["Division", "check_batches", "divided", "read_people"]

LEAST_PEOPLE = 2
"""On each side: nobody can be told from nobody."""


@dataclass(frozen=True, slots=True)
class Division:
    """How people are divided; nobody is on two sides.

    Args:
        validation: share of the people to choose the epoch with; 0 chooses it on those who are learnt, for a handful.
        test: share of them to judge on, never looked at before.
        seed: another one divides otherwise.

    Raises:
        SettingError: shares that leave nobody to learn from.
    """

    validation: float = 0.15
    test: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test < 0.9):
            raise SettingError(
                f"validation {self.validation:g} and test {self.test:g} are shares of the people: 0 or more, below 0.9"
                " together"
            )


def read_people(found: LabelledSet, cut: Cut) -> Generator[tuple[int, int], None, Pictures]:
    """A chip of every picture; yields how many are done, of how many. People with one picture are left out and told.

    Args:
        found: a folder per person.
        cut: how a chip is cut.

    Raises:
        InputError: fewer than two people with two pictures, one picture of two people.
    """
    chips: list[NDArray[np.uint8]] = []
    kept: list[int] = []
    problems = list(found.problems)
    owner: dict[str, int] = {}
    for row in range(len(found)):
        name = printable(found.path(row))
        try:
            picture = found.read(row)
            chip = cut.chip(picture.pixels)
        except ImageError as error:
            problems.append(Problem(name, str(error)))
        else:
            digest = hashlib.sha256(chip.tobytes()).hexdigest()
            other = owner.setdefault(digest, row)
            if found.labels[other] != found.labels[row]:
                both = f"{name} and {printable(found.path(other))}"
                raise InputError(f"one picture of two people: {both}; remove it from the wrong folder")
            if other == row:
                chips.append(chip)
                kept.append(row)
            else:
                problems.append(Problem(name, f"the same picture as {printable(found.path(other))}"))
        yield row + 1, len(found)
    return _with_two(found, kept, chips, problems)


def _with_two(
    found: LabelledSet, kept: Sequence[int], chips: Sequence[NDArray[np.uint8]], problems: list[Problem]
) -> Pictures:
    """Only people with two pictures or more: nothing can be learnt about one that stands alone."""
    labels = [found.labels[row] for row in kept]
    people = [p for p in dict.fromkeys(labels) if labels.count(p) > 1]
    single = [p for p in dict.fromkeys(labels) if labels.count(p) == 1]
    problems += [Problem(printable(p), "one usable picture only; two are the least") for p in single]
    if len(people) < LEAST_PEOPLE:
        raise InputError(
            f"expected two people or more with two pictures each to tell apart, got {len(people)}"
            f"{f' ({printable(people[0])})' if people else ''} in {printable(found.root)}: add a folder per person"
        )
    number = {person: index for index, person in enumerate(people)}
    rows = [i for i, label in enumerate(labels) if label in number]
    return Pictures(
        np.stack([chips[i] for i in rows]),
        np.array([number[labels[i]] for i in rows], np.intp),
        tuple(people),
        tuple(printable(found.path(kept[i])) for i in rows),
        tuple("train" for _ in rows),
        tuple(problems),
    )


def divided(pictures: Pictures, how: Division) -> Pictures:
    """The same pictures with sides that share no person.

    Raises:
        InputError: too few people for the sides asked for.
    """
    from dataclasses import replace

    count = len(pictures.classes)
    order = np.random.default_rng(how.seed).permutation(count)
    held = max(LEAST_PEOPLE, round(how.validation * count)) if how.validation else 0
    judged = max(LEAST_PEOPLE, round(how.test * count)) if how.test else 0
    if count - held - judged < LEAST_PEOPLE:
        raise InputError(
            f"{count} people are too few: {LEAST_PEOPLE} at least must be left to learn from beside {held} to choose the"
            f" epoch with and {judged} to judge on; add people, or give --test 0 or --validation 0"
        )
    side_of: dict[int, Part] = {}
    for place, person in enumerate(order.tolist()):
        side_of[person] = "val" if place < held else "test" if place < held + judged else "train"
    return replace(pictures, sides=tuple(side_of[person] for person in pictures.targets.tolist()))


def check_batches(pictures: Pictures, people: int, each: int) -> str:
    """What is to be said about batches of so many people with so many pictures each; empty for nothing.

    Raises:
        SettingError: more people than there are to learn from, or more pictures than anybody has.
    """
    counts = np.array([n for n in pictures.counts("train").values() if n])
    if people > len(counts):
        raise SettingError(
            f"--people {people}: there are {len(counts)} to learn from; give --people {len(counts)} or less, or add people"
        )
    if each > counts.max():
        raise SettingError(
            f"--pictures {each}: nobody has more than {counts.max()}; give --pictures {counts.max()} or less"
        )
    fewer = int((counts < each).sum())
    return (
        f"{fewer} of {len(counts)} people have fewer than {each} pictures: some of theirs come twice in a batch"
        * bool(fewer)
    )


def facts(pictures: Pictures) -> dict[str, Any]:
    """How many people and pictures lie on each side."""
    found: dict[str, Any] = {}
    for side in ("train", "val", "test"):
        rows = np.array(pictures.sides) == side
        found[side] = {"people": len(set(pictures.targets[rows].tolist())), "pictures": int(rows.sum())}
    return found
