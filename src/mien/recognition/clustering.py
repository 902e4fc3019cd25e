"""Unknown faces into groups, one per person as far as can be told: dense places in the space of vectors.

DBSCAN (Ester et al. 1996) on the unit sphere: a face with enough good faces near it is a core, cores near each other are one
group. What is near follows from the impostor scores of the space. What may not be together is kept apart while groups grow:
the surest links are made first, and a link that would join two faces of one photograph, two that people told apart, or two
groups that are there already, is not made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import MissingExtraError
from mien.core.people import Calibration
from mien.core.vectors import similarities

__all__ = ["ClusterFaces", "ClusterOptions", "cluster", "near_enough"]

_BLOCK = 1024
"""Faces compared with all others at a time."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How groups are made.

    Args:
        near: the cosine from which two faces are near.
        dense: how many good faces must be near a core, itself among them.
        least: the smallest group.
    """

    near: float
    dense: int = 2
    least: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class ClusterFaces:
    """What is grouped; everything in step.

    Args:
        vectors: ``(n, d)`` float32 of unit length.
        good: ``(n,)`` whether a face is good enough to found a group and to lead to others; others only join.
        pictures: ``(n,)`` int64: faces of one photograph are different people. -1 is in none (videos).
        groups: ``(n,)`` int64: the group a face is in already; -1 for none. Such groups are never joined.
        apart: for the row of a face the rows it is not the same person as; both ways.
    """

    vectors: NDArray[np.float32]
    good: NDArray[np.bool_]
    pictures: NDArray[np.int64]
    groups: NDArray[np.int64]
    apart: Mapping[int, frozenset[int]] = field(default_factory=dict)


def near_enough(calibration: Calibration, faces: int, *, strangers: int = 100) -> float:
    """The cosine at which a face is near at most one stranger among ``faces`` in one case of ``strangers``.

    Never lower than what one comparison in a thousand of strangers reaches: small libraries have families in them.
    """
    far = min(1e-3, 1.0 / (strangers * max(faces, 1)))
    return calibration.similarity_at(max(far, calibration.smallest_far))


def cluster(faces: ClusterFaces, options: ClusterOptions) -> NDArray[np.int64]:
    """The group of each face, ``(n,)``: -1 for none, those given in ``groups`` kept, new ones numbered on from there.

    Raises:
        MissingExtraError: without scikit-learn.
    """
    count = len(faces.vectors)
    if not count:
        return np.zeros(0, np.int64)
    rows, columns, cosines = _links(faces, options)
    cores = _cores(count, rows, columns, faces.good, options)
    grown = _Growing(faces)
    order = np.argsort(-cosines, kind="stable")
    among = cores[rows] & cores[columns]
    for i in order[among[order]].tolist():
        grown.join(int(rows[i]), int(columns[i]))
    alone = ~cores
    beside = (cores[rows] & alone[columns]) | (alone[rows] & cores[columns])
    for i in order[beside[order]].tolist():  # the others join the core they are most like, and lead nowhere
        one, other = int(rows[i]), int(columns[i])
        grown.attach(one if alone[one] else other, other if alone[one] else one)
    return _numbered(grown.roots(), faces.groups, options.least)


def _links(
    faces: ClusterFaces, options: ClusterOptions
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Every two faces that are near, of which one is good: rows, columns, cosines."""
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []
    for start in range(0, len(faces.vectors), _BLOCK):
        block = similarities(faces.vectors[start : start + _BLOCK], faces.vectors[start:])
        row, column = np.nonzero(block >= options.near)
        later = (column > row) & (faces.good[row + start] | faces.good[column + start])
        row, column = row[later], column[later]
        found.append((row + start, column + start, block[row, column]))
    rows, columns, cosines = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, cosines


def _cores(
    count: int, rows: NDArray[np.int64], columns: NDArray[np.int64], good: NDArray[np.bool_], options: ClusterOptions
) -> NDArray[np.bool_]:
    """Which faces are cores, ``(n,)``: good ones with enough good ones near, as scikit-learn's DBSCAN finds them."""
    try:
        from scipy.sparse import csr_matrix
        from sklearn.cluster import DBSCAN
    except ImportError as error:
        raise MissingExtraError("groups of faces", "lab") from error
    both = good[rows] & good[columns]
    one, other = rows[both], columns[both]
    every = np.arange(count)
    ones = np.concatenate([one, other, every])
    others = np.concatenate([other, one, every])
    near = csr_matrix((np.full(len(ones), 0.5), (ones, others)), shape=(count, count))
    found = DBSCAN(eps=1.0, min_samples=options.dense, metric="precomputed").fit(near)
    cores = np.zeros(count, bool)
    cores[found.core_sample_indices_] = True
    return cores & good


class _Growing:
    """Groups that grow link by link and never hold what may not be together."""

    def __init__(self, faces: ClusterFaces) -> None:
        count = len(faces.vectors)
        self._apart = faces.apart
        self._parent = list(range(count))
        self._members: list[list[int]] = [[i] for i in range(count)]
        self._pictures: list[set[int]] = [{int(p)} - {-1} for p in faces.pictures]
        self._group = faces.groups.tolist()
        first: dict[int, int] = {}
        for i, group in enumerate(self._group):
            if group >= 0:  # what is together stays together, whatever it looks like
                self._merge(self.root(first.setdefault(group, i)), self.root(i))

    def root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def roots(self) -> NDArray[np.int64]:
        return np.array([self.root(i) for i in range(len(self._parent))], np.int64)

    def attach(self, face: int, core: int) -> None:
        """A face that founds nothing joins, if it has not yet."""
        if len(self._members[self.root(face)]) == 1:
            self.join(face, core)

    def join(self, one: int, other: int) -> None:
        a, b = self.root(one), self.root(other)
        if a != b and self._may(a, b):
            self._merge(a, b)

    def _may(self, a: int, b: int) -> bool:
        if min(self._group[a], self._group[b]) >= 0 or self._pictures[a] & self._pictures[b]:
            return False
        small, large = sorted((self._members[a], self._members[b]), key=len)
        told = [self._apart[i] for i in small if i in self._apart]
        return not told or not frozenset.union(*told) & set(large)

    def _merge(self, a: int, b: int) -> None:
        if a == b:
            return
        if len(self._members[a]) < len(self._members[b]):
            a, b = b, a
        self._parent[b] = a
        self._members[a] += self._members[b]
        self._pictures[a] |= self._pictures[b]
        self._group[a] = max(self._group[a], self._group[b])


def _numbered(roots: NDArray[np.int64], given: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Roots to groups: the group given to any face of it, else a new number, the largest new group first."""
    labels = np.full(len(roots), -1, np.int64)
    found, inverse, counts = np.unique(roots, return_inverse=True, return_counts=True)
    number = int(given.max(initial=-1)) + 1
    for k in sorted(range(len(found)), key=lambda k: -int(counts[k])):
        members: Sequence[int] = np.flatnonzero(inverse == k).tolist()
        known = int(given[members].max())
        if known >= 0:
            labels[members] = known
        elif counts[k] >= least:
            labels[members] = number
            number += 1
    return labels
