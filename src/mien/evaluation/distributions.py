"""How the similarities of one person's pictures and of strangers' are spread: counts, so that a plot can be drawn again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.datasets.pairs import Pairs
from mien.evaluation.verification import impostor_blocks, pair_similarity

__all__ = ["score_spread"]

BINS = 200


def score_spread(embeddings: NDArray[np.float32], pairs: Pairs) -> dict[str, Any]:
    """Counts of cosines in 200 bins from -1 to 1, with mean and standard deviation.

    Args:
        embeddings: ``(p, d)`` float32 of unit length; zeros (no face found) take no part.
        pairs: genuine are the list's pairs of one person, impostors all pictures of different people.

    Returns:
        ``edges`` (201), and for ``genuine`` and ``impostor`` ``counts`` (200), ``mean`` and ``deviation``; plain numbers.
    """
    found = np.asarray(embeddings.any(axis=1))
    edges = np.linspace(-1, 1, BINS + 1)
    similarity = pair_similarity(embeddings, pairs.left, pairs.right)
    kept = pairs.same & found[pairs.left] & found[pairs.right]
    genuine = _Sum(edges)
    genuine.add(similarity[kept])
    impostor = _Sum(edges)
    for block in impostor_blocks(embeddings[found], pairs.people[found]):
        impostor.add(block)
    return {
        "edges": [round(float(edge), 4) for edge in edges],
        "genuine": genuine.to_dict(),
        "impostor": impostor.to_dict(),
    }


class _Sum:
    """A histogram and moments that grow block by block."""

    def __init__(self, edges: NDArray[np.float64]) -> None:
        self._edges = edges
        self._counts = np.zeros(len(edges) - 1, np.int64)
        self._moments = np.zeros(3)

    def add(self, cosines: NDArray[np.float32]) -> None:
        """Count ``(n,)`` cosines."""
        values = np.clip(cosines.astype(np.float64), -1, 1)
        self._counts += np.histogram(values, self._edges)[0]
        self._moments += (len(values), values.sum(), (values**2).sum())

    def to_dict(self) -> dict[str, Any]:
        """Counts, mean and standard deviation; the two are None of nothing."""
        n, total, squares = self._moments
        mean = None if not n else total / n
        deviation = None if mean is None else float(np.sqrt(max(squares / n - mean**2, 0)))
        return {"counts": self._counts.tolist(), "mean": mean, "deviation": deviation}
