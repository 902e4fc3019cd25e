"""Three ways of telling known people apart by their vectors, and the cosine they are held against.

All score "how much is this face like this person", one column per person, and columns do not compete for a sum of one: a
stranger may be unlike everybody. That is why the machines are one against the rest: scikit-learn's ``SVC`` counts the
duels that a class wins (``decision_function`` of "ovo"), and somebody always wins them (docs/decisions/102-identifiers.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, MissingExtraError, SettingError
from mien.core.vectors import similarities

__all__ = ["KINDS", "Found", "Kind", "Scorer", "fit_scorer", "grouped_folds", "search"]

Kind = Literal["svm", "knn", "linear", "cosine"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Vectors = NDArray[np.float32]
Scores = NDArray[np.float32]
Rows = NDArray[np.intp]
Parameters = Mapping[str, Any]

_GRIDS: Mapping[Kind, tuple[Parameters, ...]] = MappingProxyType(
    {
        "svm": (
            *({"kernel": "linear", "C": c} for c in (1.0, 10.0)),
            *({"kernel": "rbf", "C": c, "gamma": g} for c, g in itertools.product((1.0, 10.0), (0.5, 1.0, 2.0))),
        ),
        "knn": tuple({"k": k} for k in (1, 3, 5, 9)),
        "linear": tuple({"C": c} for c in (1.0, 10.0, 100.0)),
        "cosine": ({},),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A fitted model as plain arrays; ``scores`` says what its ONNX form must say.

    ``x @ vectors.T``, for ``"rbf"`` through ``exp(2 gamma (cosine - 1))``, then ``@ weights + bias``; for ``"knn"`` the
    cosines of the k nearest instead, each given to its owner, and divided by k; for ``"cosine"`` the best of each owner.

    Args:
        form: ``"linear"``, ``"rbf"``, ``"knn"`` or ``"cosine"``.
        vectors: ``(m, d)`` what is compared with; for ``"linear"`` ``(0, d)``.
        weights: ``(m, c)``, for ``"linear"`` ``(d, c)``; for the other two who owns which vector, one-hot.
        bias: ``(c,)``.
        gamma: of the kernel.
        k: neighbours.
    """

    form: Literal["linear", "rbf", "knn", "cosine"]
    vectors: Vectors
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    gamma: float = 0.0
    k: int = 0

    def scores(self, faces: Vectors) -> Scores:
        """How much each face ``(n, d)`` is like each person: ``(n, c)`` float32."""
        if self.form == "linear":
            return (faces @ self.weights + self.bias).astype(np.float32, copy=False)
        cosines = similarities(faces, self.vectors)
        if self.form == "rbf":
            kernel: NDArray[np.float32] = np.exp(np.float32(2 * self.gamma) * (cosines - 1))
            machines: Scores = kernel @ self.weights + self.bias
            return machines
        if self.form == "knn":
            return self._votes(cosines)
        owners = self.weights.argmax(axis=1)
        return np.stack([cosines[:, owners == c].max(axis=1) for c in range(self.weights.shape[1])], axis=1)

    def _votes(self, cosines: NDArray[np.float32]) -> Scores:
        nearest = np.argpartition(-cosines, self.k - 1, axis=1)[:, : self.k]
        near = np.maximum(np.take_along_axis(cosines, nearest, axis=1), 0)
        votes: Scores = np.einsum("nk,nkc->nc", near, self.weights[nearest]) / np.float32(self.k)
        return votes


@dataclass(frozen=True, slots=True)
class Found:
    """What a grid search came to.

    Args:
        parameters: the best ones.
        accuracy: their mean recall over people, faces out of fold.
        tried: every point of the grid with its accuracy.
    """

    parameters: Parameters
    accuracy: float
    tried: tuple[tuple[Parameters, float], ...]


def fit_scorer(kind: Kind, vectors: Vectors, targets: Rows, parameters: Parameters) -> Scorer:
    """Fit one model to vectors ``(n, d)`` and people ``(n,)``, every number from 0 on being somebody.

    Raises:
        MissingExtraError: without scikit-learn.
    """
    count = int(targets.max()) + 1
    owners = np.eye(count, dtype=np.float32)[targets]
    none = np.zeros(count, np.float32)
    if kind in {"knn", "cosine"}:
        form: Literal["knn", "cosine"] = "knn" if kind == "knn" else "cosine"
        return Scorer(form, vectors, owners, none, k=min(int(parameters.get("k", 1)), len(vectors)))
    make = _machines(kind, parameters)
    if kind == "linear" or parameters["kernel"] == "linear":
        fitted = [make().fit(vectors, targets == c) for c in range(count)]
        weights = np.stack([m.coef_[0] for m in fitted], axis=1)
        return Scorer("linear", vectors[:0], _single(weights), _single([m.intercept_[0] for m in fitted]))
    gamma = float(parameters["gamma"])
    kernel = np.exp(2 * gamma * (similarities(vectors, vectors) - 1))
    machines = [make().fit(kernel, targets == c) for c in range(count)]
    duals = np.zeros((len(vectors), count), np.float32)
    for c, machine in enumerate(machines):
        duals[machine.support_, c] = machine.dual_coef_[0]
    used = duals.any(axis=1)
    return Scorer("rbf", vectors[used], duals[used], _single([m.intercept_[0] for m in machines]), gamma=gamma)


def search(kind: Kind, vectors: Vectors, targets: Rows, folds: Rows) -> Found:
    """The point of the kind's grid with the best mean recall over people, on folds that share no group; the first of equals."""
    tried = tuple((p, _out_of_fold(kind, vectors, targets, folds, p)) for p in _GRIDS[kind])
    best = max(tried, key=lambda each: each[1])
    return Found(best[0], best[1], tried)


def _out_of_fold(kind: Kind, vectors: Vectors, targets: Rows, folds: Rows, parameters: Parameters) -> float:
    right = np.zeros(len(targets), bool)
    for fold in np.unique(folds):
        held = folds == fold
        scorer = fit_scorer(kind, vectors[~held], targets[~held], parameters)
        right[held] = scorer.scores(vectors[held]).argmax(axis=1) == targets[held]
    return float(np.mean([right[targets == c].mean() for c in np.unique(targets)]))


def grouped_folds(targets: Rows, groups: Rows, count: int = 5, *, seed: int = 0) -> Rows:
    """A fold for each face, ``(n,)`` from 0: groups stay whole, and nobody has all their faces in one fold.

    The groups of each person go round the folds, the largest first, so that each fold is a like sample of everybody.

    Raises:
        InputError: somebody whose faces are all tied to one fold by pictures they share with others.
    """
    fold: dict[int, int] = {}
    order = np.random.default_rng(seed)
    for person in np.unique(targets):
        own, sizes = np.unique(groups[targets == person], return_counts=True)
        load = np.bincount([fold[g] for g in own.tolist() if g in fold], minlength=count)
        turn = order.permutation(count)
        for group, size in sorted(zip(own.tolist(), sizes.tolist(), strict=True), key=lambda each: -each[1]):
            if group not in fold:
                fold[group] = int(turn[np.argmin(load[turn])])
                load[fold[group]] += size
    folds = np.array([fold[g] for g in groups.tolist()], np.intp)
    alone = [int(c) for c in np.unique(targets) if len(set(folds[targets == c].tolist())) < 2]
    if alone:
        raise InputError(
            f"{len(alone)} people share their photographs with others so that no fold without them is left; add photographs"
        )
    return folds


def _machines(kind: Kind, parameters: Parameters) -> Callable[[], Any]:
    """Makes scikit-learn's machine for one person against the rest."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import SVC
    except ModuleNotFoundError:
        raise MissingExtraError("trained identifiers", "lab") from None
    if kind == "linear":
        return lambda: LogisticRegression(C=parameters["C"], class_weight="balanced", solver="liblinear", max_iter=1000)
    if kind == "svm":
        kernel = "linear" if parameters["kernel"] == "linear" else "precomputed"
        return lambda: SVC(C=parameters["C"], kernel=kernel, class_weight="balanced")
    raise SettingError(f"kind {kind!r} is unknown; choose one of svm, knn, linear")


def _single(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
