"""How sure a name must be, and how the kinds compare: people left out on purpose play the strangers.

The sizes of one fold: a fifth of the people are taken out altogether; of the others a fifth of the groups are held back.
A model is fitted to what is left, and asked about both. Every face is asked about once, by a model that has never seen its
picture, a copy of it, or another frame of its video; and, as a stranger, by one that has never seen the person.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, MissingExtraError
from mien.evaluation.classification import wilson
from mien.training.identifier_data import Samples
from mien.training.identifier_models import KINDS, Found, Kind, Parameters, fit_scorer, grouped_folds, search

__all__ = ["Bar", "Compared", "choose_bar", "closed_set", "compare", "curve_over_people", "needed_strangers"]

PARTS = 5
"""Folds of people and of groups."""

SIZES = (5, 10, 20, 40, 80, 160, 320)
"""Numbers of people in the curve, as far as there are so many."""

Rows = NDArray[np.intp]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a score must reach to be a name, and what it means as a probability.

    Args:
        slope: of the sigmoid that makes probabilities of scores.
        offset: of it.
        probability: the least a name needs.
        strangers: how many faces of strangers it was chosen with.
        accepted: share of them that reaches it.
        accepted_95: the interval in which the true share lies.
        named: share of held-out faces of known people that get their right name with it.
    """

    slope: float
    offset: float
    probability: float
    strangers: int
    accepted: float
    accepted_95: tuple[float, float]
    named: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One kind, judged.

    Args:
        kind: which.
        parameters: chosen, of the last round.
        faces: held-out faces of known people.
        closed: share of them whose likeliest person is right, nobody rejected.
        named: share that gets the right name at the threshold.
        misnamed: share that gets a wrong name at the threshold.
        strangers: faces of people the model was neither fitted nor its threshold chosen with.
        accepted: share of those that get a name.
    """

    kind: Kind
    parameters: Parameters
    faces: int
    closed: float
    named: float
    misnamed: float
    strangers: int
    accepted: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rounded = {name: _plain(getattr(self, name)) for name in ("closed", "named", "misnamed", "accepted")}
        return {
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "faces": self.faces,
            "strangers": self.strangers,
            **rounded,
            "closed_95": [round(v, 4) for v in wilson(self.closed, self.faces)],
            "named_95": [round(v, 4) for v in wilson(self.named, self.faces)],
            "accepted_95": [round(v, 4) for v in wilson(self.accepted, self.strangers)] if self.strangers else None,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Best scores of held-out faces, whether they were right, and best scores of strangers."""

    best: Floats
    right: NDArray[np.bool_]
    strangers: Floats


def needed_strangers(false_accepts: float) -> int:
    """Faces of strangers below which a rate cannot be chosen: one of them must be able to be the false accept."""
    return math.ceil(1 / false_accepts - 1e-9)


def choose_bar(kind: Kind, samples: Samples, parameters: Parameters, false_accepts: float, *, seed: int = 0) -> Bar:
    """The threshold that at most a share ``false_accepts`` of people left out reaches, and the sigmoid.

    The sigmoid (Platt 1999) is fitted to whether the best name is right, a stranger's never being it, with strangers
    and known people counted as equally many.

    Raises:
        InputError: too few strangers for that rate; says how many are needed.
        MissingExtraError: without scikit-learn.
    """
    if len(samples.classes) < 3 and not len(samples.strangers):
        raise InputError(
            "with two people nobody can be left out to play the stranger: three are needed, or faces of others"
            " (--strangers FILE.npz)"
        )
    there = len(samples.strangers) + (len(samples) if len(samples.classes) >= 3 else 0)
    if there < needed_strangers(false_accepts):
        raise InputError(
            f"a false-accept rate of {false_accepts:g} needs {needed_strangers(false_accepts)} faces of people left out or"
            f" more, there are {there}: give faces of other people (--strangers FILE.npz), add photographs, or ask for less"
            f" (--false-accepts {math.ceil(1000 / there) / 1000:g})"
        )
    asked = _ask(kind, samples, parameters, seed)
    threshold = _just_above(asked.strangers, false_accepts)
    slope, offset = _sigmoid(asked)
    accepted = float((asked.strangers >= threshold).mean())
    return Bar(
        slope,
        offset,
        _squash(threshold, slope, offset),
        len(asked.strangers),
        accepted,
        wilson(accepted, len(asked.strangers)),
        float((asked.right & (asked.best >= threshold)).mean()),
    )


def compare(
    samples: Samples, false_accepts: float, *, kinds: Sequence[Kind] = KINDS, rounds: int = 2, seed: int = 0
) -> Generator[tuple[int, int], None, tuple[Compared, ...]]:
    """Hold the kinds against each other on the same faces; yields how many are done, of how many; returns the results.

    In each round a fifth of the people is set apart as strangers who are asked about at the end, and of the others a
    fifth of the groups (or the pack's own test side). Parameters and threshold come from the rest alone.
    """
    results: dict[Kind, list[tuple[_Asked, float, Parameters]]] = {kind: [] for kind in kinds}
    steps = [(r, kind) for r in range(rounds) for kind in kinds]
    for done, (r, kind) in enumerate(steps):
        yield done, len(steps)
        inner, faces, targets, strangers = _round(samples, r, seed)
        found = search(kind, inner.vectors, inner.targets, grouped_folds(inner.targets, inner.groups, seed=seed))
        asked, threshold = _judged(kind, inner, found, (faces, targets, strangers, false_accepts), seed)
        results[kind].append((asked, threshold, found.parameters))
    return tuple(_pooled(kind, rows) for kind, rows in results.items())


def closed_set(kind: Kind, samples: Samples, parameters: Parameters, *, seed: int = 0) -> NDArray[np.float32]:
    """Scores ``(n, c)`` of every face by a model that was fitted without its fold."""
    folds = grouped_folds(samples.targets, samples.groups, seed=seed)
    scores = np.zeros((len(samples), len(samples.classes)), np.float32)
    for fold in np.unique(folds):
        held = folds == fold
        scores[held] = fit_scorer(kind, samples.vectors[~held], samples.targets[~held], parameters).scores(
            samples.vectors[held]
        )
    return scores


def curve_over_people(
    samples: Samples, parameters: dict[Kind, Parameters], *, draws: int = 3, seed: int = 0
) -> Generator[tuple[int, int], None, dict[Kind, list[tuple[int, float]]]]:
    """Closed-set accuracy against the number of people, mean over random draws of so many; yields and returns like ``compare``.

    The parameters are the same for all sizes, so that the curve shows the number of people and nothing else.
    """
    people = len(samples.classes)
    sizes = [*(s for s in SIZES if s < people), people]
    curve: dict[Kind, list[tuple[int, float]]] = {kind: [] for kind in parameters}
    order = np.random.default_rng(seed)
    for done, size in enumerate(sizes):
        yield done, len(sizes)
        drawn = [order.choice(people, size, replace=False) for _ in range(draws if size < people else 1)]
        parts = [_of_people(samples, np.sort(chosen)) for chosen in drawn]
        for kind, chosen_parameters in parameters.items():
            right = [closed_set(kind, p, chosen_parameters, seed=seed).argmax(axis=1) == p.targets for p in parts]
            curve[kind].append((size, float(np.concatenate(right).mean())))
    return curve


def _round(samples: Samples, number: int, seed: int) -> tuple[Samples, Floats, Rows, Floats]:
    """What is learnt from in one round, and what is asked about: faces, whose they are, strangers."""
    away = _people_parts(samples, seed) == number % PARTS
    out = away[samples.targets] if len(samples.classes) > 3 else np.zeros(len(samples), bool)
    others = samples.stranger_ids % 2 == number % 2
    held = samples.test if samples.test.any() else _held_back(samples, number % PARTS, seed)
    known = np.unique(samples.targets[~out & ~held])
    learnt = replace(
        samples.rows(~out & ~held, known),
        strangers=samples.strangers[~others],
        stranger_ids=samples.stranger_ids[~others],
    )
    asked = np.flatnonzero(~out & held)
    strangers = np.concatenate([samples.vectors[out], samples.strangers[others]])
    return learnt, samples.vectors[asked], np.searchsorted(known, samples.targets[asked]), strangers


def _held_back(samples: Samples, part: int, seed: int) -> NDArray[np.bool_]:
    """A fifth of the groups of everybody who keeps two at least."""
    folds = grouped_folds(samples.targets, samples.groups, PARTS, seed=seed)
    own = [len(set(samples.groups[samples.targets == c].tolist())) for c in range(len(samples.classes))]
    held: NDArray[np.bool_] = (folds == part) & (np.array(own)[samples.targets] > 2)
    return held


def _judged(
    kind: Kind, inner: Samples, found: Found, asked: tuple[Floats, Rows, Floats, float], seed: int
) -> tuple[_Asked, float]:
    """Scores of one round, and the threshold that was chosen without them."""
    faces, targets, strangers, false_accepts = asked
    threshold = _just_above(_ask(kind, inner, found.parameters, seed).strangers, false_accepts)
    scorer = fit_scorer(kind, inner.vectors, inner.targets, found.parameters)
    scores = scorer.scores(faces)
    return _Asked(scores.max(axis=1), scores.argmax(axis=1) == targets, scorer.scores(strangers).max(axis=1)), threshold


def _pooled(kind: Kind, rows: Sequence[tuple[_Asked, float, Parameters]]) -> Compared:
    right = np.concatenate([a.right for a, _, _ in rows])
    reached = np.concatenate([a.best >= t for a, t, _ in rows])
    strangers = np.concatenate([a.strangers >= t for a, t, _ in rows])
    return Compared(
        kind,
        rows[-1][2],
        len(right),
        float(right.mean()),
        float((right & reached).mean()),
        float((~right & reached).mean()),
        len(strangers),
        float(strangers.mean()) if len(strangers) else math.nan,
    )


def _ask(kind: Kind, samples: Samples, parameters: Parameters, seed: int) -> _Asked:
    """Every face once, as somebody known by a model without its group, and as a stranger by one without the person."""
    parts = _people_parts(samples, seed)
    folds = grouped_folds(samples.targets, samples.groups, PARTS, seed=seed)
    best, right, strangers = [], [], []
    for part in range(PARTS):
        out = (parts == part)[samples.targets] if len(samples.classes) >= 3 else np.zeros(len(samples), bool)
        held = folds == part
        known, targets = np.unique(samples.targets[~out & ~held], return_inverse=True)
        scorer = fit_scorer(kind, samples.vectors[~out & ~held], targets, parameters)
        scores = scorer.scores(samples.vectors[~out & held])
        best.append(scores.max(axis=1))
        right.append(known[scores.argmax(axis=1)] == samples.targets[~out & held])
        others = samples.strangers[samples.stranger_ids % PARTS == part]
        strangers.append(scorer.scores(np.concatenate([samples.vectors[out], others])).max(axis=1))
    return _Asked(np.concatenate(best), np.concatenate(right), np.concatenate(strangers))


def _people_parts(samples: Samples, seed: int) -> Rows:
    """The part in which each person is left out, ``(c,)``; two people at least are left in."""
    count = len(samples.classes)
    parts: Rows = np.random.default_rng([seed, 1]).permutation(np.arange(count) % PARTS).astype(np.intp)
    return parts


def _of_people(samples: Samples, people: Rows) -> Samples:
    return samples.rows(np.isin(samples.targets, people), people)


def _just_above(strangers: Floats, share: float) -> float:
    """The least score that at most ``share`` of the strangers reach."""
    allowed = int(share * len(strangers) + 1e-9)
    worst = np.sort(strangers)[::-1][min(allowed, len(strangers) - 1)]
    return float(np.nextafter(worst, np.float32(np.inf)))


def _sigmoid(asked: _Asked) -> tuple[float, float]:
    """Slope and offset that make the probability that the best name is right of its score."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError:
        raise MissingExtraError("trained identifiers", "lab") from None
    scores = np.concatenate([asked.best, asked.strangers]).astype(np.float64)
    right = np.concatenate([asked.right, np.zeros(len(asked.strangers), bool)])
    weights = np.repeat([0.5 / len(asked.best), 0.5 / len(asked.strangers)], [len(asked.best), len(asked.strangers)])
    middle, spread = float(scores.mean()), float(scores.std()) or 1.0
    fitted = LogisticRegression(C=10.0).fit((scores[:, None] - middle) / spread, right, weights * len(scores))
    slope = float(fitted.coef_[0, 0]) / spread
    return slope, float(fitted.intercept_[0]) - slope * middle


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _squash(score: float, slope: float, offset: float) -> float:
    return 1 / (1 + math.exp(-(slope * score + offset)))
