"""How well an embedder tells people apart before and after a training: TAR at FAR with intervals over people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.vectors import similarities

__all__ = ["BeforeAfter", "compare", "supported"]

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
"""Rates that are told, as far as the comparisons support them."""

_DRAWS = 500


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """One rate, before and after.

    Args:
        what: e.g. ``"TAR at FAR 0.01"``.
        before: 0 to 1.
        after: 0 to 1.
        before_interval: 95 %, people drawn.
        after_interval: 95 %, the same draws.
        gain_interval: of the difference, 95 %, the same draws.
    """

    what: str
    before: float
    after: float
    before_interval: tuple[float, float]
    after_interval: tuple[float, float]
    gain_interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """All pairs, those of one person and of two, most alike first."""

    cosines: NDArray[np.float32]
    left: NDArray[np.intp]
    right: NDArray[np.intp]


def supported(people: NDArray[np.intp], groups: NDArray[np.intp] | None = None) -> tuple[float, ...]:
    """The rates of ``FARS`` at which ten false accepts would be expected among all pairs of two people of one group."""
    comparisons = 0
    for group in np.unique(groups) if groups is not None else (None,):
        own = people if groups is None else people[groups == group]
        counts = np.bincount(own).astype(np.int64)
        comparisons += (len(own) ** 2 - int((counts**2).sum())) // 2
    return tuple(far for far in FARS if far * comparisons >= 10)


def compare(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    people: NDArray[np.intp],
    *,
    within: NDArray[np.intp] | None = None,
    draws: int = _DRAWS,
) -> list[BeforeAfter]:
    """Share of the pairs of one person accepted at each supported rate, for two embedders over the same pictures.

    The threshold is that of the very pairs, in each draw too. A draw takes as many people as there are, some more than once,
    some not at all; a pair counts as often as its person, or as the product for two people.

    Args:
        before: ``(n, d)`` float32 of unit length.
        after: ``(n, e)`` float32 of unit length.
        people: ``(n,)`` 0 to k - 1.
        within: ``(n,)`` only pictures with the same number are compared, such as those of one fold; None for all.
        draws: how many.

    Raises:
        InputError: too few pairs of one person or of two.
    """
    groups = np.zeros(len(people), np.intp) if within is None else within
    fars = supported(people, groups)
    counts = np.bincount(people)
    if not fars or (counts > 1).sum() < 2:
        raise InputError(
            "too few people or pictures to judge on: expected 100 pairs of different people and 2 people twice"
        )
    sides = [_pairs(before, people, groups), _pairs(after, people, groups)]
    whole = np.ones((1, len(counts)), np.float32)
    present = np.flatnonzero(counts)
    random = np.random.default_rng(0)
    times = np.zeros((draws, len(counts)), np.float32)
    times[:, present] = random.multinomial(len(present), np.full(len(present), 1 / len(present)), draws)
    found = []
    point = [_rates(pairs, whole, fars)[0] for pairs in sides]
    drawn = [_rates(pairs, times, fars) for pairs in sides]
    for i, far in enumerate(fars):
        first, second = (_interval(side[:, i]) for side in drawn)
        gain = _interval(drawn[1][:, i] - drawn[0][:, i])
        found.append(BeforeAfter(f"TAR at FAR {far:g}", float(point[0][i]), float(point[1][i]), first, second, gain))
    return found


def _pairs(
    embeddings: NDArray[np.float32], people: NDArray[np.intp], groups: NDArray[np.intp]
) -> tuple[_Pairs, _Pairs]:
    """Pairs of one person, and of two."""
    left, right = np.triu_indices(len(people), 1)
    together = groups[left] == groups[right]
    left, right = left[together], right[together]
    cosines = similarities(embeddings, embeddings)[left, right]
    same = people[left] == people[right]
    parts = []
    for mask in (same, ~same):
        order = np.argsort(-cosines[mask], kind="stable")
        parts.append(_Pairs(cosines[mask][order], people[left[mask]][order], people[right[mask]][order]))
    return parts[0], parts[1]


def _rates(pairs: tuple[_Pairs, _Pairs], times: NDArray[np.float32], fars: tuple[float, ...]) -> NDArray[np.float64]:
    """TAR ``(draws, fars)`` where each person counts ``times`` ``(draws, k)``; NaN where a draw has no such pair."""
    genuine, impostors = pairs
    rates = np.full((len(times), len(fars)), np.nan)
    for draw, weight in enumerate(times):
        false = np.cumsum(weight[impostors.left] * weight[impostors.right], dtype=np.float64)
        own = weight[genuine.left].astype(np.float64)
        if not false[-1] or not own.sum():
            continue
        for i, far in enumerate(fars):
            at = int(np.searchsorted(false, far * false[-1], side="right"))
            threshold = impostors.cosines[min(at, len(false) - 1)]
            rates[draw, i] = own[genuine.cosines > threshold].sum() / own.sum()
    return rates


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)
