"""How well the faces of a gallery know each other: each is asked about as if it were not there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.vectors import similarities

__all__ = ["Known", "leave_one_out"]

_ROWS_AT_ONCE = 512

_NOBODY = np.float32(-9)
"""Stands for the cosine with nobody: below any there is."""


@dataclass(frozen=True, slots=True)
class Known:
    """What became of faces that were asked about one by one.

    Args:
        faces: how many.
        alone: how many are the only one of their person: nothing can name them rightly.
        nearest: how many of the others have another face of their person as the nearest.
        named: how many are named rightly.
        unknown: how many are not near enough to anybody, those alone not counted.
        ambiguous: how many are about as near to somebody else, those alone not counted.
        wrong: how many are named as somebody else, those alone among them.
    """

    faces: int
    alone: int
    nearest: int
    named: int
    unknown: int
    ambiguous: int
    wrong: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def leave_one_out(vectors: NDArray[np.float32], owners: NDArray[np.int64], *, threshold: float, margin: float) -> Known:
    """Ask about each face, compared with all the others.

    Args:
        vectors: ``(n, d)`` of unit length.
        owners: ``(n,)`` whose each is.
        threshold: the cosine a name needs.
        margin: the lead over the nearest other person that a name needs.
    """
    own, other = _best(vectors, owners)
    alone = own == _NOBODY
    top = np.maximum(own, other)
    reached = top >= threshold
    close = reached & (np.abs(own - other) < margin)
    sure = reached & ~close
    return Known(
        faces=len(vectors),
        alone=int(alone.sum()),
        nearest=int((~alone & (own > other)).sum()),
        named=int((sure & (own > other)).sum()),
        unknown=int((~alone & ~reached).sum()),
        ambiguous=int((~alone & close).sum()),
        wrong=int((sure & (other >= own)).sum()),
    )


def _best(vectors: NDArray[np.float32], owners: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The best cosine of each face with another of its person, and with anybody else's; ``_NOBODY`` for none."""
    own = np.full(len(vectors), _NOBODY, np.float32)
    other = np.full(len(vectors), _NOBODY, np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(vectors)))
        cosines = similarities(vectors[rows], vectors)
        cosines[np.arange(len(rows)), rows] = _NOBODY
        same = owners[rows, None] == owners[None, :]
        own[rows] = np.where(same, cosines, _NOBODY).max(axis=1)
        other[rows] = np.where(same, _NOBODY, cosines).max(axis=1)
    return own, other
