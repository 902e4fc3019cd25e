"""How well groups of faces are the people they show: BCubed and pairwise precision and recall; labels in, numbers out.

Amigó et al. 2009, A comparison of extrinsic clustering evaluation metrics based on formal constraints: BCubed asks of every
face which share of its group is of its person (precision) and which share of its person is in its group (recall), so
that large people do not hide small ones; pairs ask the same of every two faces and grow with the square of a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError

__all__ = ["NOBODY", "ClusteringFigures", "Shares", "judge_clusters"]

NOBODY = frozenset({"", "-1", "noise", "unknown"})
"""Groups that are none: each such face stands alone."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Precision and recall.

    Args:
        precision: 0 to 1.
        recall: 0 to 1.
    """

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True, slots=True)
class ClusteringFigures:
    """Groups held against people.

    Args:
        faces: how many were judged.
        people: how many people they show.
        groups: how many groups there are, faces that stand alone among them.
        bcubed: mean over faces.
        pairwise: over pairs of faces; precision is 1 where no two faces share a group.
        pure: share of the faces whose group shows their person only.
    """

    faces: int
    people: int
    groups: int
    bcubed: Shares
    pairwise: Shares
    pure: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "faces": self.faces,
            "people": self.people,
            "groups": self.groups,
            "bcubed": self.bcubed.to_dict(),
            "pairwise": self.pairwise.to_dict(),
            "pure": self.pure,
        }


def judge_clusters(truth: Sequence[str], groups: Sequence[str]) -> ClusteringFigures:
    """Hold groups against people.

    Args:
        truth: the person that each face shows; faces without (``""``) are not judged.
        groups: the group each was put in; ``NOBODY`` for none.

    Raises:
        InputError: not one group per face, or nobody is known.
    """
    if len(truth) != len(groups):
        raise InputError(f"expected a group for each of {len(truth)} faces, got {len(groups)}")
    known = [i for i, person in enumerate(truth) if person]
    if not known:
        raise InputError("no face says whom it shows: there is nothing to judge groups by")
    people = np.unique([truth[i] for i in known], return_inverse=True)[1]
    named = [f"alone {i}" if groups[i].strip().lower() in NOBODY else f"group {groups[i].strip()}" for i in known]
    own = np.unique(named, return_inverse=True)[1]
    both = np.unique(people.astype(np.int64) * (own.max() + 1) + own, return_inverse=True)[1]
    together, of_person, of_group = (np.bincount(x)[x].astype(np.float64) for x in (both, people, own))
    return ClusteringFigures(
        faces=len(known),
        people=int(people.max()) + 1,
        groups=int(own.max()) + 1,
        bcubed=Shares(float((together / of_group).mean()), float((together / of_person).mean())),
        pairwise=Shares(_pairs(both, own), _pairs(both, people)),
        pure=float((together == of_group).mean()),
    )


def _pairs(both: NDArray[np.integer[Any]], whole: NDArray[np.integer[Any]]) -> float:
    """Share of the pairs within ``whole`` that are pairs within ``both``; 1 without any."""
    right, every = (float((np.bincount(x).astype(np.float64) * (np.bincount(x) - 1)).sum()) for x in (both, whole))
    return right / every if every else 1.0
