"""What runs that differ in their seed alone say together: mean and spread, and whether two kinds of runs differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from mien.core.errors import InputError

__all__ = ["Difference", "Spread", "difference"]

# fmt: off
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
        2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)
# fmt: on
"""Student's t, two-sided 95 %, for 1 to 30 degrees of freedom; beyond, the last one, which is a little too wide."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure of several runs.

    Args:
        values: one per run.

    Raises:
        InputError: no value.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError("expected the figure of one run or more, got none")

    @property
    def mean(self) -> float:
        """Over the runs."""
        return fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the runs (n - 1); None of a single one."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def best_below_worst(self) -> float:
        """By which share of it the least value lies below the greatest."""
        greatest = max(self.values)
        return (greatest - min(self.values)) / greatest if greatest > 0 else 0.0

    def words(self, digits: int = 4) -> str:
        """E.g. ``0.0412 ± 0.0051 (0.0371–0.0469)``; a single value stands alone."""
        if self.deviation is None:
            return f"{self.mean:.{digits}f}"
        low, high = min(self.values), max(self.values)
        return f"{self.mean:.{digits}f} ± {self.deviation:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Difference:
    """Two kinds of runs held against each other, seed by seed.

    Args:
        mean: of the differences, first minus second.
        half: half the width of its 95 % interval; None where there is one seed only.
        seeds: how many both have.
    """

    mean: float
    half: float | None
    seeds: int

    @property
    def shown(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.half is not None and abs(self.mean) > self.half


def difference(first: Sequence[float], second: Sequence[float], *, held: float = 0.0) -> Difference:
    """The mean difference of runs that share seed and split, with Student's 95 % interval.

    Runs of several random splits share most of their training pictures, so they vary less among each other than new data
    would make them; the variance is widened by ``held`` for that (Nadeau and Bengio 2003, Inference for the generalization
    error, Machine Learning 52: the corrected resampled t-test).

    Args:
        first: one figure per seed.
        second: of the same seeds, in the same order.
        held: pictures validated with, as a share of those learnt from; 0 where the split is the same for all seeds.

    Raises:
        InputError: not as many of both, or none.
    """
    if len(first) != len(second) or not first:
        raise InputError(f"expected figures of the same seeds, got {len(first)} and {len(second)}")
    each = [a - b for a, b in zip(first, second, strict=True)]
    if len(each) == 1:
        return Difference(each[0], None, 1)
    quantile = _T95[min(len(each) - 1, len(_T95)) - 1]
    return Difference(fmean(each), quantile * stdev(each) * math.sqrt(1 / len(each) + held), len(each))
