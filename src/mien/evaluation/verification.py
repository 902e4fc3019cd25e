"""How well similarities tell one person from two: folds, ROC, TAR at FAR, intervals; numbers in, numbers out.

A picture whose face was not found has an embedding all the same: zeros. What its pairs count as is a policy
(``Failed``) and stands in every record:

- ``"wrong"``: each of its pairs is decided wrongly, whatever the threshold. The strict one, and the default.
- ``"different"``: its pairs have the similarity -1: said to show two people, which is right for half of them.

For curves and rates a pair of one person with such a picture has the similarity -1 (never accepted) under both, and
pairs of two people with it are left out (they can never be accepted, and would flatter the false accept rate).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.vectors import similarities

__all__ = [
    "Failed",
    "FoldAccuracy",
    "ImpostorTail",
    "RocCurve",
    "best_threshold",
    "fold_accuracy",
    "identity_interval",
    "impostor_blocks",
    "impostor_tail",
    "pair_similarity",
    "roc_curve",
    "tail_of",
]

Failed = Literal["wrong", "different"]
Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]

_BLOCK = 1024  # rows of a similarity block: 1,024 × 1,024 float32 are 4 MB
_DRAWS_AT_ONCE = 100


def pair_similarity(embeddings: Vectors, left: Rows, right: Rows) -> NDArray[np.float32]:
    """Cosine of each pair ``(n,)``, -1 where either embedding is zeros (no face found).

    Args:
        embeddings: ``(p, d)`` float32 of unit length, or zeros.
        left: ``(n,)`` rows of ``embeddings``.
        right: ``(n,)`` rows of ``embeddings``.
    """
    missed = np.logical_not(np.any(embeddings, axis=1))
    cosine = np.einsum("nd,nd->n", embeddings[left], embeddings[right])
    return np.where(missed[left] | missed[right], np.float32(-1), cosine.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class FoldAccuracy:
    """Accuracy of each fold at the threshold that is best on the others.

    Args:
        accuracies: ``(k,)`` float64 per fold.
        thresholds: ``(k,)`` float64, the cosine from which on a pair was said to show one person.
        correct: ``(n,)`` bool, each pair's decision.
    """

    accuracies: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    correct: Flags

    @property
    def mean(self) -> float:
        """Mean accuracy of the folds."""
        return float(self.accuracies.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean: the folds' standard deviation (n - 1) over the root of their number."""
        return float(self.accuracies.std(ddof=1) / np.sqrt(len(self.accuracies)))


def best_threshold(similarity: NDArray[np.float32], same: Flags) -> float:
    """The cosine that decides most pairs rightly: halfway between two neighbours, the middle one of equally good cuts."""
    order = np.argsort(similarity, kind="stable")
    values, is_same = similarity[order].astype(np.float64), same[order]
    rejected_right = np.concatenate([[0], np.cumsum(~is_same)])  # with the cut before the i-th value
    accepted_right = is_same.sum() - np.concatenate([[0], np.cumsum(is_same)])
    cuts = np.concatenate([[values[0] - 1e-6], (values[1:] + values[:-1]) / 2, [values[-1] + 1e-6]])
    possible = np.concatenate([[True], values[1:] > values[:-1], [True]])  # no cut between equal values
    right = np.where(possible, rejected_right + accepted_right, -1)
    best = np.flatnonzero(right == right.max())
    return float(cuts[best[len(best) // 2]])


def fold_accuracy(
    similarity: NDArray[np.float32], same: Flags, fold: Rows, *, failed: Failed = "wrong"
) -> FoldAccuracy:
    """LFW's protocol: each fold judged at the threshold that is best on all other folds (Huang et al. 2007, View 2).

    Args:
        similarity: ``(n,)`` cosines; -1 where a face was not found.
        same: ``(n,)`` whether a pair shows one person.
        fold: ``(n,)`` the fold of each pair.
        failed: what a pair with a face not found counts as; see the module.

    Raises:
        InputError: with fewer than two folds, or a fold whose others hold pairs of one kind only.
    """
    folds = np.unique(fold)
    if len(folds) < 2:
        raise InputError(
            f"expected two folds or more, got {len(folds)}: a threshold must come from pairs it is not used on"
        )
    found = similarity > -1
    trusted = found | (failed == "different")
    thresholds, accuracies, correct = [], [], np.zeros(len(same), bool)
    for k in folds:
        here, others = fold == k, (fold != k) & trusted
        if same[others].all() or not same[others].any():
            raise InputError(f"the folds besides {k} hold pairs of one kind only; expected both to set a threshold by")
        thresholds.append(best_threshold(similarity[others], same[others]))
        correct[here] = ((similarity[here] >= thresholds[-1]) == same[here]) & trusted[here]
        accuracies.append(correct[here].mean())
    return FoldAccuracy(np.array(accuracies), np.array(thresholds), correct)


@dataclass(frozen=True, slots=True, eq=False)
class RocCurve:
    """True accepts over false accepts, from the highest threshold to the lowest.

    Args:
        far: ``(t,)`` float64, share of the pairs of two people accepted, ascending from 0 to 1.
        tar: ``(t,)`` float64, share of the pairs of one person accepted, ascending from 0 to 1.
        thresholds: ``(t,)`` float64 cosines, descending; the first accepts nothing.
    """

    far: NDArray[np.float64]
    tar: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    @property
    def equal_error(self) -> float:
        """The error at the threshold where false accepts and false rejects are nearest to equal (EER)."""
        gap = np.abs(self.far - (1 - self.tar))
        at = int(gap.argmin())
        return float((self.far[at] + 1 - self.tar[at]) / 2)

    @property
    def auc(self) -> float:
        """Area under the curve: how often a pair of one person is more alike than one of two, ties counting half."""
        return float(np.trapezoid(self.tar, self.far))


def roc_curve(similarity: NDArray[np.float32], same: Flags) -> RocCurve:
    """Every threshold that makes a difference. Pairs of two people with a face not found (-1) are left out.

    Raises:
        InputError: without pairs of both kinds.
    """
    kept = same | (similarity > -1)
    values, is_same = similarity[kept].astype(np.float64), same[kept]
    if is_same.all() or not is_same.any():
        raise InputError("expected pairs of one person and of two, got one kind only; add pairs of the other")
    order = np.argsort(-values, kind="stable")
    values, is_same = values[order], is_same[order]
    last = np.flatnonzero(np.append(values[1:] < values[:-1], True))  # equal values are accepted together
    tar = np.cumsum(is_same)[last] / is_same.sum()
    far = np.cumsum(~is_same)[last] / (~is_same).sum()
    return RocCurve(np.append(0.0, far), np.append(0.0, tar), np.append(np.inf, values[last]))


@dataclass(frozen=True, slots=True, eq=False)
class ImpostorTail:
    """The most alike pairs of different people, out of all there are.

    Args:
        similarity: ``(k,)`` float32, descending.
        comparisons: how many pairs of different people were compared.
    """

    similarity: NDArray[np.float32]
    comparisons: int

    def threshold_at(self, far: float) -> float:
        """The smallest cosine above which at most a share ``far`` of the comparisons lie: accept from just above it on.

        Raises:
            InputError: if fewer than ten false accepts would be expected, or the tail is not that long.
        """
        if far * self.comparisons < 10:
            raise InputError(
                f"FAR {far:g} needs {10 / far:,.0f} comparisons of different people, got {self.comparisons:,}: "
                f"ask for {10 / max(self.comparisons, 1):.2g} or more, or add pictures"
            )
        allowed = int(far * self.comparisons)
        if allowed >= len(self.similarity):
            raise InputError(f"FAR {far:g} lies outside the tail that was kept; keep a larger share")
        return float(self.similarity[allowed])

    def tar_at(self, far: float, genuine: NDArray[np.float32]) -> float:
        """Share of the ``genuine`` cosines ``(g,)`` that lie above the threshold of ``far``, 0 to 1."""
        return float((genuine > self.threshold_at(far)).mean())


def impostor_tail(embeddings: Vectors, people: Rows, *, share: float = 0.1) -> ImpostorTail:
    """Compare every picture with every picture of other people, block by block, and keep the most alike.

    Memory is that of the tail and one block of 1,024 × 1,024, whatever the number of pictures.

    Args:
        embeddings: ``(p, d)`` float32 of unit length; zeros (no face found) take no part.
        people: ``(p,)`` who each picture shows.
        share: which share of the comparisons to keep, the largest FAR that can be asked for.
    """
    found = embeddings.any(axis=1)
    vectors, people = embeddings[found], people[found]
    counts = np.unique(people, return_counts=True)[1]
    comparisons = (len(people) ** 2 - int((counts.astype(np.int64) ** 2).sum())) // 2
    return tail_of(impostor_blocks(vectors, people), comparisons, share=share)


def tail_of(blocks: Iterable[NDArray[np.float32]], comparisons: int, *, share: float = 0.1) -> ImpostorTail:
    """The most alike of cosines that come in blocks.

    Args:
        blocks: flat arrays.
        comparisons: how many cosines come in all.
        share: which share of them to keep.
    """
    keep = min(comparisons, int(share * comparisons) + 1)
    tail = np.empty(0, np.float32)
    for block in blocks:
        floor = tail.min() if len(tail) == keep and keep else -np.inf
        tail = np.concatenate([tail, block[block > floor]])
        if len(tail) > keep:
            tail = np.partition(tail, len(tail) - keep)[len(tail) - keep :]
    return ImpostorTail(np.sort(tail)[::-1], comparisons)


def impostor_blocks(vectors: Vectors, people: Rows) -> Iterator[NDArray[np.float32]]:
    """Cosines of all pairs of different people, each pair once, in flat blocks.

    Args:
        vectors: ``(p, d)`` float32 of unit length; zeros are compared too, leave them out.
        people: ``(p,)`` who each picture shows.
    """
    for i in range(0, len(people), _BLOCK):
        for j in range(i, len(people), _BLOCK):
            wanted = people[i : i + _BLOCK, None] != people[None, j : j + _BLOCK]
            if i == j:
                wanted = np.triu(wanted, 1)
            yield similarities(vectors[i : i + _BLOCK], vectors[j : j + _BLOCK])[wanted]


def identity_interval(
    outcome: Flags, left: Rows, right: Rows, *, draws: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of a share of pairs, drawing people, not pairs: pairs that share a person are not independent.

    In a draw each person occurs as often as chance has it; a pair counts as often as its person occurs, or as the
    product for two people (Bolle, Ratha & Pankanti 2004, the subsets bootstrap, for both sides).

    Args:
        outcome: ``(n,)`` bool, what is counted: a decision that was right, a pair that was accepted.
        left: ``(n,)`` the person on the left.
        right: ``(n,)`` the person on the right.
        draws: how many times.
        level: the share of the draws between the two ends.

    Returns:
        The ends; the draws are those of a fixed seed.
    """
    people = int(max(left.max(), right.max())) + 1
    occurring = np.unique(np.concatenate([left, right]))
    random = np.random.default_rng(0)
    shares = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        times = np.zeros((min(_DRAWS_AT_ONCE, draws - start), people), np.float32)
        times[:, occurring] = random.multinomial(
            len(occurring), np.full(len(occurring), 1 / len(occurring)), len(times)
        )
        weight = times[:, left] * np.where(left == right, np.float32(1), times[:, right])
        total = weight.sum(axis=1)
        shares.append((weight @ outcome.astype(np.float32))[total > 0] / total[total > 0])
    low, high = np.quantile(np.concatenate(shares), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
