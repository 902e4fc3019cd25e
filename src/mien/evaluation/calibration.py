"""How alike strangers look in one embedding space, and pictures of one person: the sample a threshold is derived from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.people import Calibration, EmbeddingSpace
from mien.core.vectors import similarities
from mien.evaluation.verification import ImpostorTail, impostor_blocks, impostor_tail, tail_of

__all__ = ["calibrate_gallery", "measure_calibration"]

_FAR = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
_GENUINE_AT = tuple(round(float(share), 4) for share in (0, 0.001, 0.002, 0.005, *np.arange(0.01, 1, 0.01), 1))
_LEAST = 100
_BLOCK = 1024


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
    cosines, weights = _genuine(embeddings, people)
    return Calibration(
        space_id=space.id,
        **_curve(tail),
        genuine=_quantiles(cosines, weights),
        genuine_at=_GENUINE_AT,
        comparisons=tail.comparisons,
        data=data,
        protocol="strangers: every picture with every one of other people; genuine: all pairs of a person, people weigh alike",
        date=date,
    )


def calibrate_gallery(
    templates: NDArray[np.float32],
    owners: NDArray[np.integer[Any]],
    strangers: NDArray[np.float32],
    *,
    known: Calibration | None,
    about: tuple[EmbeddingSpace, str, str],
) -> Calibration:
    """How often strangers reach which similarity to the people of one gallery: the user's own numbers.

    Compared are every template with every stranger, and templates with those of other people.

    Args:
        templates: ``(n, d)`` float32 of unit length.
        owners: ``(n,)`` whose each is.
        strangers: ``(m, d)`` float32 of unit length, faces of people who are not in the gallery.
        known: where genuine similarities come from if nobody has two templates; None for nowhere.
        about: the space, the data in words, the ISO date.

    Raises:
        InputError: fewer than 100 comparisons, or nothing to tell genuine similarities from.
    """
    space, data, date = about
    people = owners.astype(np.intp)
    own = (len(people) ** 2 - int((np.unique(people, return_counts=True)[1].astype(np.int64) ** 2).sum())) // 2
    comparisons = len(templates) * len(strangers) + own
    if comparisons < _LEAST:
        raise InputError(
            f"{len(templates)} templates and {len(strangers)} strangers give {comparisons} comparisons; {_LEAST} are needed "
            "for one in ten, and a thousand times as many for what a gallery asks: bring more strangers"
        )
    tail = tail_of(_against(templates, people, strangers), comparisons, share=1.01 * _FAR[0])
    counts = np.unique(people, return_counts=True)[1]
    if (counts > 1).any():
        genuine, at, whose = _quantiles(*_genuine(templates, people)), _GENUINE_AT, "pairs of templates of a person"
    elif known is not None and known.space_id == space.id:
        genuine, at, whose = known.genuine, known.genuine_at, f"of {known.data}, since nobody here has two templates"
    else:
        raise InputError("nobody in the gallery has two templates: enrol a second photograph of at least one person")
    return Calibration(
        space_id=space.id,
        **_curve(tail),
        genuine=genuine,
        genuine_at=at,
        comparisons=comparisons,
        data=data,
        protocol=f"strangers: every template with every stranger and with templates of other people; genuine: {whose}",
        date=date,
    )


def _against(
    templates: NDArray[np.float32], people: NDArray[np.intp], strangers: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Cosines of all impostor comparisons of a gallery, in flat blocks."""
    for i in range(0, len(templates), _BLOCK):
        for j in range(0, len(strangers), _BLOCK):
            yield similarities(templates[i : i + _BLOCK], strangers[j : j + _BLOCK]).ravel()
    yield from impostor_blocks(templates, people)


def _curve(tail: ImpostorTail) -> dict[str, tuple[float, ...]]:
    """Rates that the comparisons support, and the cosines they are reached at."""
    far = tuple(rate for rate in _FAR if rate * tail.comparisons >= 10)
    return {"far": far, "similarity": tuple(round(tail.threshold_at(rate), 5) for rate in far)}


def _quantiles(cosines: NDArray[np.float32], weights: NDArray[np.float64]) -> tuple[float, ...]:
    values = np.quantile(cosines, _GENUINE_AT, weights=weights, method="inverted_cdf")
    return tuple(round(float(value), 5) for value in values)


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
