"""How well living faces are told from pictures of them, in the terms of ISO/IEC 30107-3.

APCER: share of attack presentations that are taken for a living face, of one kind of attack; the worst kind counts. BPCER:
share of living (bona fide) presentations that are refused. ACER is the mean of the worst APCER and the BPCER.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError

__all__ = ["LivenessFigures", "Share", "equal_error", "figures", "wilson"]

Scores = NDArray[np.floating]


def wilson(count: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share of independent trials, also near 0 and 1 (Wilson 1927); 95 % with ``z`` 1.96.

    Raises:
        InputError: no trials, or more hits than trials.
    """
    if not 0 <= count <= of or of == 0:
        raise InputError(f"a share of {count} in {of} has no interval: trials are needed, and no more hits than trials")
    share = count / of
    middle = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z / (1 + z**2 / of) * sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


@dataclass(frozen=True, slots=True)
class Share:
    """So many in so many.

    Args:
        count: hits.
        of: trials.
    """

    count: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of it, if trials are independent."""
        return wilson(self.count, self.of)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        low, high = self.interval
        return {
            "count": self.count,
            "of": self.of,
            "share": round(self.share, 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }


@dataclass(frozen=True, slots=True)
class LivenessFigures:
    """Errors at one operating point.

    Args:
        bpcer: living faces that were refused.
        apcer: attacks that were taken for living faces, by kind of attack.
    """

    bpcer: Share
    apcer: Mapping[str, Share]

    @property
    def worst(self) -> str:
        """The kind of attack that passes most often."""
        return max(self.apcer, key=lambda kind: self.apcer[kind].share)

    @property
    def acer(self) -> float:
        """Mean of the worst APCER and the BPCER."""
        return (self.apcer[self.worst].share + self.bpcer.share) / 2

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "bpcer": self.bpcer.to_dict(),
            "apcer": {kind: share.to_dict() for kind, share in self.apcer.items()},
            "worst": self.worst,
            "acer": round(self.acer, 4),
        }


def figures(live: Scores, attacks: Mapping[str, Scores], threshold: float) -> LivenessFigures:
    """Errors at a threshold: what reaches it is taken for a living face.

    Args:
        live: scores of living faces, ``(n,)``, one per presentation.
        attacks: scores of attacks by kind.
        threshold: where.

    Raises:
        InputError: without living faces or without attacks there is nothing to tell apart.
    """
    if not len(live) or not attacks or not all(len(scores) for scores in attacks.values()):
        raise InputError("liveness is judged on living faces and attacks: one of them is missing")
    refused = Share(int((live < threshold).sum()), len(live))
    return LivenessFigures(refused, {kind: Share(int((s >= threshold).sum()), len(s)) for kind, s in attacks.items()})


def equal_error(live: Scores, attack: Scores) -> tuple[float, float]:
    """The threshold at which both kinds of error are nearest to equal, and their mean there (EER).

    Raises:
        InputError: no scores of one kind.
    """
    if not len(live) or not len(attack):
        raise InputError("an equal error rate needs scores of living faces and of attacks")
    values = np.unique(np.concatenate([live, attack]).astype(np.float64))
    cuts = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2, [np.nextafter(values[-1], np.inf)]])
    refused = np.searchsorted(np.sort(live), cuts) / len(live)
    passed = 1 - np.searchsorted(np.sort(attack), cuts) / len(attack)
    nearest = np.abs(refused - passed)
    best = np.flatnonzero(nearest == nearest.min())
    middle = best[len(best) // 2]
    return float(cuts[middle]), float((refused[middle] + passed[middle]) / 2)
