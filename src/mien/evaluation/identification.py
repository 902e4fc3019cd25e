"""One face among many people: closed set (rank 1, CMC) and open set (DIR at FPIR), and what a larger gallery costs.

Terms of ISO/IEC 19795-1 and NIST's FRTE 1:N: a *mated* probe shows somebody of the gallery, a *non-mated* one nobody. FPIR is the share of non-mated
probes that are given a name, DIR (1 - FNIR at rank 1) the share of mated ones that are given their own above the same threshold.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.vectors import similarities
from mien.evaluation.intervals import person_interval

__all__ = ["Identification", "IdentificationRules", "Trial", "divide", "identify_trial", "judge_identification"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]
_BLOCK = 1024
_TIMED = 50


@dataclass(frozen=True, slots=True)
class IdentificationRules:
    """How identification is judged.

    Args:
        templates: pictures of a person that go into the gallery.
        left_out: share of the people with pictures to spare who stay out of the gallery, as strangers.
        sizes: people in the gallery; 0 for all there are.
        fpir: false positive identification rates to give the detection and identification rate at.
        ranks: how far the CMC goes.
        seed: of who is left out and which pictures are enrolled.
    """

    templates: int = 1
    left_out: float = 0.5
    sizes: tuple[int, ...] = (0,)
    fpir: tuple[float, ...] = (0.1, 0.03, 0.01)
    ranks: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Who is in the gallery and who comes before it; all are rows of the pictures.

    Args:
        gallery: pictures that are enrolled.
        mated: pictures of the same people.
        strangers: pictures of others.
    """

    gallery: Rows
    mated: Rows
    strangers: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """What one gallery gave.

    Args:
        people: in the gallery.
        templates: pictures in it whose face was found.
        mated: probes of them; those whose face was not found are among them, as failures.
        strangers: probes of others whose face was found.
        cmc: share of the mated probes whose own person is among the first k, k from 1.
        rank1_interval: 95 % of the first, bootstrap over people.
        dir: rate by FPIR, with its interval and the threshold.
        search_ms: one probe against the gallery, median.
    """

    people: int
    templates: int
    mated: int
    strangers: int
    cmc: tuple[float, ...]
    rank1_interval: tuple[float, float]
    dir: Mapping[float, tuple[float, tuple[float, float], float]]
    search_ms: float

    def to_dict(self) -> dict[str, Any]:
        """For a record."""
        return {
            "people": self.people,
            "templates": self.templates,
            "mated_probes": self.mated,
            "stranger_probes": self.strangers,
            "rank1": self.cmc[0],
            "rank1_95": list(self.rank1_interval),
            "cmc": list(self.cmc),
            "dir": {
                f"{fpir:g}": {"rate": rate, "low": ends[0], "high": ends[1], "cosine": cosine}
                for fpir, (rate, ends, cosine) in self.dir.items()
            },
            "search_ms": self.search_ms,
        }


def divide(people: Rows, rules: IdentificationRules, *, size: int = 0) -> Trial:
    """Who is enrolled with which pictures, and who comes before the gallery.

    People with more pictures than are enrolled can be in it; a share of them is left out, and everybody else is a
    stranger. A smaller gallery is drawn from the same people and keeps the same strangers, so that sizes differ in size alone.

    Args:
        people: ``(p,)`` who each picture shows.
        rules: how many templates, who is left out, the seed.
        size: people in the gallery; 0 for all there are.

    Raises:
        InputError: too few people.
    """
    random = np.random.default_rng(rules.seed)
    counts = np.bincount(people)
    able = random.permutation(np.flatnonzero(counts > rules.templates))
    out = round(rules.left_out * len(able))
    inside = able[out:]
    if len(inside) < 2:
        raise InputError(
            f"expected two people at least for a gallery, each with more than {rules.templates} pictures, got {len(inside)} "
            f"after {out} were left out; add pictures, or leave fewer out"
        )
    if size > len(inside):
        raise InputError(f"a gallery of {size} people was asked for, {len(inside)} can be in it")
    enrolled, probes = [], []
    for person in np.sort(inside[: size or len(inside)]).tolist():
        own = np.random.default_rng((rules.seed, person)).permutation(np.flatnonzero(people == person))
        enrolled.append(own[: rules.templates])
        probes.append(own[rules.templates :])
    strangers = np.flatnonzero(~np.isin(people, inside))
    return Trial(np.concatenate(enrolled), np.concatenate(probes), strangers)


def identify_trial(embeddings: Vectors, people: Rows, trial: Trial, rules: IdentificationRules) -> Identification:
    """Judge one gallery.

    A mated probe without a face, or whose person has no template with one, is never identified. A stranger without a face
    is left out: it cannot be named, and would flatter the FPIR.

    Args:
        embeddings: ``(p, d)`` float32 of unit length; zeros where no face was found.
        people: ``(p,)`` who each picture shows.
        trial: from ``divide``.
        rules: rates and ranks.
    """
    found = np.asarray(embeddings.any(axis=1))
    gallery = trial.gallery[found[trial.gallery]]
    strangers = trial.strangers[found[trial.strangers]]
    names, owners = np.unique(people[gallery], return_inverse=True)
    own_score, rank = _mated(embeddings, people, trial.mated, (gallery, names, owners))
    rank[~found[trial.mated]] = len(names) + 1
    stranger_best = _best(embeddings[strangers], embeddings[gallery])
    who = people[trial.mated]
    rates = {}
    for fpir in rules.fpir:
        if fpir * len(strangers) < 10:
            continue  # ten strangers must be named at least, as for any rate
        limit = float(np.sort(stranger_best)[::-1][int(fpir * len(strangers))])
        hit = (rank == 1) & (own_score > limit)
        rates[fpir] = (float(hit.mean()), person_interval(hit, who), limit)
    return Identification(
        people=len(np.unique(people[trial.gallery])),
        templates=len(gallery),
        mated=len(trial.mated),
        strangers=len(strangers),
        cmc=tuple(float((rank <= k).mean()) for k in range(1, min(rules.ranks, len(names)) + 1)),
        rank1_interval=person_interval(rank == 1, who),
        dir=rates,
        search_ms=_search_time(embeddings[gallery], embeddings[trial.mated[found[trial.mated]]]),
    )


def judge_identification(embeddings: Vectors, people: Rows, rules: IdentificationRules) -> list[Identification]:
    """One result per size of the gallery, smallest first."""
    if not embeddings.any():
        raise InputError("no face was found in any picture: there is nothing to judge")
    largest = len(np.unique(people[divide(people, rules).gallery]))
    sizes = sorted({size or largest for size in rules.sizes})
    return [identify_trial(embeddings, people, divide(people, rules, size=size), rules) for size in sizes]


def _mated(
    embeddings: Vectors, people: Rows, probes: Rows, gallery: tuple[Rows, Rows, Rows]
) -> tuple[NDArray[np.float32], Rows]:
    """Similarity of each probe to its own person (best template), and that person's rank, from 1."""
    rows, names, owners = gallery
    order = np.argsort(owners, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(owners[order]) > 0))
    scores, ranks = [], []
    for start in range(0, len(probes), _BLOCK):
        block = probes[start : start + _BLOCK]
        best = np.maximum.reduceat(similarities(embeddings[block], embeddings[rows[order]]), starts, axis=1)
        at = np.minimum(np.searchsorted(names, people[block]), len(names) - 1)
        enrolled = names[at] == people[block]
        own = np.where(enrolled, best[np.arange(len(block)), at], -np.inf)
        scores.append(own)
        ranks.append(np.where(enrolled, 1 + (best > own[:, None]).sum(axis=1), len(names) + 1))
    return np.concatenate(scores), np.concatenate(ranks)


def _best(probes: Vectors, gallery: Vectors) -> NDArray[np.float32]:
    """The most alike template of each probe ``(n,)``."""
    parts = [
        similarities(probes[i : i + _BLOCK], gallery).max(axis=1, initial=-1) for i in range(0, len(probes), _BLOCK)
    ]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _search_time(gallery: Vectors, probes: Sequence[NDArray[np.float32]] | Vectors) -> float:
    """Milliseconds of one exact search, median of some probes."""
    times = []
    for probe in probes[:_TIMED]:
        started = time.perf_counter()
        int(similarities(np.asarray(probe)[None], gallery).argmax())
        times.append((time.perf_counter() - started) * 1000)
    return float(np.median(times)) if times else 0.0
