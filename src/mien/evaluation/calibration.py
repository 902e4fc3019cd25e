"""How alike strangers look in one embedding space, and pictures of one person: the sample a threshold is derived from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.people import Calibration, EmbeddingSpace
from mien.core.vectors import similarities
from mien.evaluation.verification import impostor_tail

__all__ = ["measure_calibration"]

_FAR = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)


def measure_calibration(
    embeddings: NDArray[np.float32], people: NDArray[np.intp], *, space: EmbeddingSpace, data: str, date: str
) -> Calibration:
    """How often strangers reach which similarity, and pictures of one person fall below it, over all pictures.

    Args:
        embeddings: ``(p, d)`` float32 of unit length; zeros take no part.
        people: ``(p,)`` who each picture shows.
        space: where the embeddings live.
        data: the data set and what was left out of it.
        date: ISO date.

    Raises:
        InputError: without a person on two pictures.
    """
    tail = impostor_tail(embeddings, people, share=1.01 * _FAR[0])
    far = tuple(rate for rate in _FAR if rate * tail.comparisons >= 10)
    genuine_at = tuple(round(float(share), 4) for share in (0, 0.001, 0.002, 0.005, *np.arange(0.01, 1, 0.01), 1))
    cosines, weights = _genuine(embeddings, people)
    genuine = np.quantile(cosines, genuine_at, weights=weights, method="inverted_cdf")
    return Calibration(
        space_id=space.id,
        far=far,
        similarity=tuple(round(tail.threshold_at(rate), 5) for rate in far),
        genuine=tuple(round(float(value), 5) for value in genuine),
        genuine_at=genuine_at,
        comparisons=tail.comparisons,
        data=data,
        protocol="strangers: every picture with every one of other people; genuine: all pairs of a person, people weigh alike",
        date=date,
    )


def _genuine(
    embeddings: NDArray[np.float32], people: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Cosines of all pairs of pictures of one person, and weights that give each person the same say."""
    found = embeddings.any(axis=1)
    cosines, weights = [], []
    for person in np.unique(people[found]):
        vectors = embeddings[found & (people == person)]
        own = similarities(vectors, vectors)[np.triu_indices(len(vectors), 1)]
        cosines.append(own)
        weights.append(np.full(len(own), 1 / max(len(own), 1)))
    if not sum(map(len, cosines)):
        raise InputError("expected at least one person on two pictures, got none; add pictures of the same people")
    return np.concatenate(cosines), np.concatenate(weights)
