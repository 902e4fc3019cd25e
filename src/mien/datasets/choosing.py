"""How many versions of each picture help: cross-validation of a quick linear classifier on features of pictures and versions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError

__all__ = ["Trial", "best", "cross_validate", "folds"]

Floats = NDArray[np.float32]
Whole = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Trial:
    """How well one number of versions did.

    Args:
        per_image: versions of each picture that were learnt beside it.
        scores: balanced accuracy on pictures left out, one per fold and repetition.
    """

    per_image: int
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean balanced accuracy, 0 to 1."""
        return float(np.mean(self.scores))

    @property
    def spread(self) -> float:
        """Standard deviation over folds and repetitions."""
        return float(np.std(self.scores))

    @property
    def error(self) -> float:
        """Standard error of the mean, as if the folds were independent (they share training pictures: it is a little low)."""
        return self.spread / math.sqrt(len(self.scores))


def cross_validate(
    features: Floats, targets: Whole, groups: Whole, candidates: Sequence[int], *, repeats: int = 3, seed: int = 0
) -> list[Trial]:
    """Try each number of versions on the same folds; what is tested is always the pictures as they are.

    Args:
        features: ``(n, 1 + versions, d)``: of each picture, first itself, then its versions.
        targets: ``(n,)`` class of each.
        groups: ``(n,)`` group of each; a group is never divided between learning and testing.
        candidates: numbers of versions to try, none above ``versions``.
        repeats: times that the pictures are divided into five folds anew.
        seed: of the folds.

    Raises:
        InputError: a class with fewer than two groups, or more versions wanted than there are.
    """
    if max(candidates) >= features.shape[1]:
        raise InputError(f"{max(candidates)} versions wanted, {features.shape[1] - 1} were made")
    parts = [part for turn in range(repeats) for part in folds(targets, groups, seed=seed + turn)]
    return [Trial(count, tuple(_score(features, targets, test, count) for test in parts)) for count in candidates]


def best(trials: Sequence[Trial]) -> Trial:
    """The fewest versions whose mean is within one standard error of the best (Breiman et al. 1984, the 1 SE rule)."""
    top = max(trials, key=lambda trial: trial.mean)
    return min((t for t in trials if t.mean >= top.mean - top.error), key=lambda trial: trial.per_image)


def folds(targets: Whole, groups: Whole, *, count: int = 5, seed: int = 0) -> Iterator[NDArray[np.bool_]]:
    """``count`` masks ``(n,)`` of what is tested: whole groups, each class as even as its groups allow.

    Raises:
        InputError: a class with fewer than two groups: it could not be learnt without what is tested.
    """
    order = np.random.default_rng(seed)
    members = {int(g): np.flatnonzero(groups == g) for g in order.permutation(np.unique(groups))}
    for target in np.unique(targets):
        if len(np.unique(groups[targets == target])) < 2:
            raise InputError(
                "cross-validation needs two groups of pictures of each class at least: one to learn, one to test"
            )
    load = np.zeros((count, int(targets.max()) + 1))
    where = np.zeros(len(targets), np.intp)
    for rows in members.values():
        kind = np.bincount(targets[rows], minlength=load.shape[1])
        fold = int(np.argmin(load[:, kind.argmax()]))
        load[fold] += kind
        where[rows] = fold
    for fold in range(count):
        test = where == fold
        if test.any() and not test.all():
            yield test


def _score(features: Floats, targets: Whole, test: NDArray[np.bool_], count: int) -> float:
    """Balanced accuracy on ``test`` after learning the other pictures with ``count`` versions each."""
    kept = features[~test, : 1 + count]
    answers = _ridge(kept.reshape(-1, kept.shape[2]), np.repeat(targets[~test], 1 + count), features[test, 0])
    right = answers == targets[test]
    return float(np.mean([right[targets[test] == target].mean() for target in np.unique(targets[test])]))


def _ridge(x: Floats, y: Whole, asked: Floats) -> Whole:
    """Classes of ``asked`` by ridge regression on ±1, one output per class, each class weighing the same.

    The penalty is a tenth of the rows' variance: on standardised features, strong enough for more features than pictures.
    """
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, asked = (x - mean) / deviation, (asked - mean) / deviation
    kinds, place, sizes = np.unique(y, return_inverse=True, return_counts=True)
    weight = (len(y) / (len(kinds) * sizes[place])).astype(np.float32)[:, None]
    wanted = np.where(place[:, None] == np.arange(len(kinds)), 1.0, -1.0).astype(np.float32)
    offset = (weight * wanted).mean(axis=0)
    root = np.sqrt(weight)
    solved = _solved(root * x, root * (wanted - offset), 0.1 * len(y))
    return np.asarray(kinds[(asked @ solved + offset).argmax(axis=1)], np.intp)


def _solved(x: Floats, wanted: Floats, penalty: float) -> Floats:
    """Coefficients ``(d, k)`` of ridge regression, by the smaller of the two systems of equations."""
    if len(x) >= x.shape[1]:
        gram = x.T @ x + np.float32(penalty) * np.eye(x.shape[1], dtype=np.float32)
        return np.asarray(np.linalg.solve(gram, x.T @ wanted), np.float32)
    kernel = x @ x.T + np.float32(penalty) * np.eye(len(x), dtype=np.float32)
    return np.asarray(x.T @ np.linalg.solve(kernel, wanted), np.float32)
