"""Exact similarity of unit vectors, and a compact form of them that misses nobody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError

__all__ = ["CompactVectors", "check_unit", "similarities", "unit", "who_may_matter"]


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows ``(n, d)`` scaled to length one, float32; a row of zeros stays zero."""
    vectors = vectors.astype(np.float32, copy=False)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return scaled


def check_unit(vectors: NDArray[np.float32], dimensions: int) -> None:
    """Refuse vectors that are not ``(n, dimensions)``, finite and of unit length.

    Raises:
        InputError: naming what was found.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimensions:
        raise InputError(f"expected embeddings of shape (n, {dimensions}), got {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise InputError("expected finite embeddings, got NaN or infinity; the picture or the weights are damaged")
    length = np.linalg.norm(vectors, axis=1)
    if len(vectors) and np.abs(length - 1).max() > 1e-3:
        raise InputError(f"expected embeddings of unit length, got length {length[np.abs(length - 1).argmax()]:.4g}")


def similarities(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of every query ``(m, d)`` with every vector ``(n, d)``, both of unit length: ``(m, n)`` float32.

    float32 throughout: a float64 query would make numpy copy the whole matrix (12 times slower at 10⁶ vectors).
    """
    product: NDArray[np.float32] = queries.astype(np.float32, copy=False) @ vectors.T
    return product


_BLOCK = 1024
"""Rows unpacked at a time: 2 MB of float32 stay in the processor's cache (benchmarks/search.py)."""

_QUERIES = 8
"""Queries compared at a time: 32 MB of cosines with a million vectors."""

_ROUNDING = 2e-6
"""What float32 may add to a cosine of unit vectors, at most."""


@dataclass(frozen=True, slots=True)
class CompactVectors:
    """Unit vectors in a quarter of their bytes, and how far each may be from what it stands for.

    Args:
        codes: ``(n, d)`` int8; a number is its code times the step of its row.
        step: ``(n,)`` float32.
        error: ``(n,)`` float32, length of the difference to the vector itself: no cosine with it is off by more.
    """

    codes: NDArray[np.int8]
    step: NDArray[np.float32]
    error: NDArray[np.float32]

    @classmethod
    def empty(cls, count: int, dimensions: int) -> CompactVectors:
        """Room for ``count`` vectors, to be filled with ``put``."""
        codes = np.zeros((count, dimensions), np.int8)
        return cls(codes, np.zeros(count, np.float32), np.zeros(count, np.float32))

    def put(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Write vectors ``(k, d)`` into rows ``(k,)``."""
        step = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / 127
        codes = np.rint(vectors / step[:, None]).astype(np.int8)
        self.codes[rows], self.step[rows] = codes, step
        self.error[rows] = np.linalg.norm(vectors - codes * step[:, None], axis=1) + _ROUNDING

    def copy_rows(self, rows: NDArray[np.int64], other: CompactVectors, others: NDArray[np.int64]) -> None:
        """Take rows of another over."""
        for mine, theirs in ((self.codes, other.codes), (self.step, other.step), (self.error, other.error)):
            mine[rows] = theirs[others]

    def cosines(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Nearly the cosine of every query ``(m, d)`` with every vector, ``(m, n)``; off by ``error`` at most."""
        count, dimensions = self.codes.shape
        found = np.empty((len(queries), count), np.float32)
        unpacked = np.empty((min(_BLOCK, count), dimensions), np.float32)
        for start in range(0, count, _BLOCK):
            block = unpacked[: min(_BLOCK, count - start)]
            np.copyto(block, self.codes[start : start + len(block)])
            found[:, start : start + len(block)] = queries @ block.T
        found *= self.step
        return found


def who_may_matter(
    vectors: CompactVectors, starts: NDArray[np.int64], queries: NDArray[np.float32], *, people: int, floor: float
) -> NDArray[np.bool_]:
    """Who can be among the ``people`` most alike to one of the queries, or reach ``floor``: ``(p,)``; never one too few.

    Args:
        vectors: grouped by person.
        starts: ``(p,)`` where the vectors of each person begin; everybody has one or more.
        queries: ``(m, d)`` unit vectors.
        people: how many of the most alike are wanted, for each query.
        floor: a cosine that matters whatever others reach.
    """
    matter = np.zeros(len(starts), bool)
    for first in range(0, len(queries), _QUERIES):
        cosines = vectors.cosines(queries[first : first + _QUERIES])
        least = np.maximum.reduceat(cosines - vectors.error, starts, axis=1)
        most = np.maximum.reduceat(cosines + vectors.error, starts, axis=1)
        wanted = np.full(len(cosines), -np.inf, np.float32)
        if people < len(starts):
            wanted = np.partition(least, len(starts) - people, axis=1)[:, len(starts) - people]
        matter |= (most >= np.minimum(wanted, floor)[:, None]).any(axis=0)
    return matter
