"""Errors per group at ONE operating threshold: whom does it fail? And honestly, of whom there is too little to tell.

A share below a target can be shown only by so many trials: with none wrong in n, the 95 % interval reaches to 3 / n
(Hanley and Lippman-Hand 1983), so a target of 1 % needs about 300. Fewer have no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.pairs import Pairs
from mien.evaluation.classification import wilson
from mien.evaluation.intervals import person_interval
from mien.evaluation.verification import impostor_blocks, pair_similarity

__all__ = ["Slice", "needed", "slice_errors", "slice_of", "verification_slices"]

Verdict = Literal["meets", "misses", "unclear", "not enough data"]


def needed(target: float) -> int:
    """Trials that can show an error rate of ``target``: three over it.

    Raises:
        InputError: no share above 0 and below 1.
    """
    if not 0 < target < 1:
        raise InputError(f"a target is an error rate above 0 and below 1, got {target:g}")
    return math.ceil(round(3 / target, 6))


@dataclass(frozen=True, slots=True)
class Slice:
    """One group.

    Args:
        name: of the group.
        trials: how many decisions.
        errors: how many of them were wrong.
        target: the error rate that is wanted.
        interval: 95 % of the error rate.
    """

    name: str
    trials: int
    errors: int
    target: float
    interval: tuple[float, float]

    @property
    def enough(self) -> bool:
        """Whether so many trials can show the target, or so many errors that it is missed."""
        return self.trials >= needed(self.target)

    @property
    def rate(self) -> float:
        """Share of wrong decisions; 0 of none."""
        return self.errors / max(self.trials, 1)

    @property
    def verdict(self) -> Verdict:
        """Whether the target is met: clearly if the interval lies below it, missed if it lies above."""
        if not self.enough:
            return "not enough data"
        if self.interval[0] > self.target:
            return "misses"
        return "meets" if self.rate <= self.target else "unclear"

    def words(self) -> str:
        """The rate with its interval, or how many trials are lacking."""
        if not self.enough:
            return f"not enough data ({self.trials:,}; need about {needed(self.target):,})"
        return f"{self.rate:.4f} ({self.interval[0]:.4f} – {self.interval[1]:.4f})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON; no rate where there is too little to tell."""
        shown = {"rate": self.rate, "low": self.interval[0], "high": self.interval[1]} if self.enough else {}
        return {
            "trials": self.trials,
            "errors": self.errors,
            **shown,
            "target": self.target,
            "verdict": self.verdict,
            "words": self.words(),
        }


def slice_of(name: str, wrong: NDArray[np.bool_], target: float) -> Slice:
    """One group of independent decisions ``(n,)``, with Wilson's interval."""
    errors, trials = int(wrong.sum()), len(wrong)
    return Slice(name, trials, errors, target, wilson(errors / max(trials, 1), trials))


def slice_errors(wrong: NDArray[np.bool_], labels: Sequence[str], target: float) -> list[Slice]:
    """A slice per label, in the order of the labels' words; trials without a label (``""``) are left out.

    Args:
        wrong: ``(n,)`` bool, whether each decision was wrong, all at one threshold.
        labels: the group of each.
        target: the error rate that is wanted.
    """
    groups = np.array(labels, object)
    return [slice_of(name, wrong[groups == name], target) for name in sorted(set(labels) - {""})]


def verification_slices(
    embeddings: NDArray[np.float32],
    pairs: Pairs,
    labels: Sequence[str],
    *,
    threshold: float,
    targets: tuple[float, float],
) -> dict[str, Mapping[str, Slice]]:
    """False rejects and false accepts of each group at one threshold.

    A pair belongs to a group if both its pictures do. False rejects are of the list's pairs of one person (a face that
    was not found rejects), false accepts of all pairs of pictures of different people of that group.

    Args:
        embeddings: ``(p, d)`` float32; zeros where no face was found.
        pairs: their pictures.
        labels: ``p`` groups, ``""`` for none.
        threshold: the cosine from above which two pictures are said to show one person.
        targets: false reject rate and false accept rate that are wanted.

    Returns:
        By group: ``missed`` and ``accepted``.
    """
    of = np.array(labels, object)
    similarity = pair_similarity(embeddings, pairs.left, pairs.right)
    found = np.asarray(embeddings.any(axis=1))
    slices: dict[str, Mapping[str, Slice]] = {}
    for name in sorted(set(labels) - {""}):
        own = pairs.same & (of[pairs.left] == name) & (of[pairs.right] == name)
        who = pairs.people[pairs.left[own]]
        rejected = similarity[own] <= threshold
        missed = Slice(name, int(own.sum()), int(rejected.sum()), targets[0], person_interval(rejected, who))
        slices[name] = {
            "missed": missed,
            "accepted": _accepted(
                name, embeddings[found & (of == name)], pairs.people[found & (of == name)], (threshold, targets[1])
            ),
        }
    return slices


def _accepted(name: str, vectors: NDArray[np.float32], people: NDArray[np.intp], rule: tuple[float, float]) -> Slice:
    trials = errors = 0
    for block in impostor_blocks(vectors, people):
        trials += len(block)
        errors += int((block > rule[0]).sum())
    return Slice(name, trials, errors, rule[1], wilson(errors / max(trials, 1), trials))
