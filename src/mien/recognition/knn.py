"""The k nearest templates vote; strangers' votes do not count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Match
from mien.core.errors import InputError, SettingError
from mien.core.faces import Faces, Picture
from mien.core.people import Calibration, EmbeddingSpace, Person
from mien.core.protocols import Known
from mien.core.reasons import Reason
from mien.core.vectors import check_unit
from mien.recognition.assignment import assign
from mien.recognition.identification import CosineIdentifier, IdentifyOptions, Scores, score, unusable_aside
from mien.recognition.recognizer import Recognizer, largest_usable

__all__ = ["KnnClassifier", "KnnIdentifier", "KnnOptions"]

_NEAREST = 1e-3
"""Distances count as no smaller: a template of the very photograph outvotes others, but not infinitely."""


@dataclass(frozen=True, slots=True)
class KnnOptions:
    """How the neighbours vote.

    Args:
        k: how many templates vote at most.
        lead: the least lead over the runner-up, a share of all votes; a smaller one makes the answer ``ambiguous``.

    Raises:
        SettingError: a value outside of its range.
    """

    k: int = 5
    lead: float = 0.2

    def __post_init__(self) -> None:
        if self.k < 1:
            raise SettingError(f"k is {self.k}: at least 1 neighbour is needed (--k 5)")
        if not 0 <= self.lead <= 1:
            raise SettingError(f"lead is {self.lead}: a share of the votes between 0 and 1 is needed")


class KnnIdentifier(CosineIdentifier):
    """Exact k nearest neighbours among unit vectors, with the thresholds of the cosine identifier.

    A neighbour votes with one over its distance (Dudani 1976, without his scaling); one whose cosine misses the
    calibrated threshold does not vote, and where none votes the answer is ``unknown``. So a stranger needs the same
    cosine to be named as with ``CosineIdentifier``, while of several people who reach it the one with more and nearer
    pictures wins (docs/decisions/082-nearest-neighbours.md).

    Args:
        calibration: what the embedder's space confuses; the gallery's own calibration goes before it.
        options: how sure a name must be; its ``margin`` is not used.
        knn: how the neighbours vote.
    """

    def __init__(
        self, calibration: Calibration | None, options: IdentifyOptions | None = None, knn: KnnOptions | None = None
    ) -> None:
        super().__init__(calibration, options)
        self.knn = knn or KnnOptions()

    def identify(self, faces: Faces, among: Known) -> tuple[Match, ...]:
        """One decision per face of one picture; errors as ``CosineIdentifier.identify``."""
        if not len(faces):
            return ()
        if faces.embeddings is None or faces.space is None:
            raise InputError("faces have no embeddings to identify: run the embedder first, or Recognizer.identify")
        threshold = self.threshold(faces.space, among).similarity
        scores = score(faces, *self.who_matters(faces, among, threshold))
        shares = self._shares(scores, threshold)
        usable = np.array([q.usable for q in faces.quality] if faces.quality else [True] * len(faces))
        taken = self._taken(shares * usable[:, None]) if self.options.once and scores.people else {}
        matches = [self._decided(scores, shares, row, (threshold, taken)) for row in range(len(faces))]
        return unusable_aside(faces, matches)

    def _shares(self, scores: Scores, threshold: float) -> NDArray[np.float32]:
        """``(m, p)`` float32: each person's share of the votes on each face; rows of zeros where nobody votes."""
        cosines = scores.cosines
        votes = np.zeros((len(cosines), len(scores.people)), np.float32)
        if not cosines.shape[1]:
            return votes
        owners = np.repeat(np.arange(len(scores.people)), np.diff(scores.bounds))
        k = min(self.knn.k, cosines.shape[1])
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(cosines, nearest, axis=1)
        weights = np.where(near >= threshold, 1 / np.maximum(np.sqrt(np.maximum(2 - 2 * near, 0)), _NEAREST), 0)
        np.add.at(votes, (np.arange(len(cosines))[:, None], owners[nearest]), weights.astype(np.float32))
        total = votes.sum(axis=1, keepdims=True)
        shares: NDArray[np.float32] = np.divide(votes, total, out=np.zeros_like(votes), where=total > 0)
        return shares

    @staticmethod
    def _taken(shares: NDArray[np.float32]) -> dict[int, int]:
        """People to the face of the picture they were given to, where several faces have votes for them."""
        contested = np.flatnonzero((shares > 0).sum(axis=0) > 1)
        return {int(contested[column]): row for row, column in assign(shares[:, contested])}

    def _decided(
        self, scores: Scores, shares: NDArray[np.float32], row: int, bar: tuple[float, dict[int, int]]
    ) -> Match:
        """The decision for one face; ``bar`` is the threshold, and who belongs to which face of the picture."""
        threshold, taken = bar
        if not scores.people:
            return Match("unknown", threshold=threshold, reasons=(Reason("identify", "nobody is enrolled yet"),))
        best, own = scores.best[row], shares[row]
        order = [int(column) for column in np.lexsort((-best, -own))]
        gone = [c for c in order if own[c] > 0 and taken.get(c, row) != row]
        free = [c for c in order if c not in gone]
        reasons = tuple(_elsewhere(scores, row, c, taken[c]) for c in gone)
        candidates = tuple(scores.contender(row, c) for c in [*free, *gone][: self.options.top])
        margin = float(best[free[0]] - np.delete(best, free[0]).max()) if free and len(best) > 1 else None
        if not free or own[free[0]] <= 0:
            reached = float(best[free[0]]) if free else -1.0
            missed = Reason("identify", "similarity", reached, threshold, "--threshold")
            return Match("unknown", candidates, threshold, margin, (missed, *reasons) if free else reasons)
        ahead = float(own[free[0]] - (own[free[1]] if len(free) > 1 else 0.0))
        if ahead < self.knn.lead:
            split = Reason("identify", f"lead in the votes of {self.knn.k} neighbours", ahead, self.knn.lead)
            return Match("ambiguous", candidates, threshold, margin, (split, *reasons))
        return Match("match", candidates, threshold, margin, reasons)


def _elsewhere(scores: Scores, row: int, column: int, other: int) -> Reason:
    """Why somebody with votes was not chosen."""
    own, theirs = float(scores.best[row, column]), float(scores.best[other, column])
    name, number = scores.people[column].name, scores.numbers[other]
    text = f"{name} ({own:.2f}) is face {number} of this picture ({theirs:.2f})"
    return Reason("assignment", "identity given once per picture", own, theirs, "--no-once", text=text)


class KnnClassifier:
    """Pictures and clips of one person each in, who it is out; fitted with vectors and labels.

    What ``mien classify`` does, for a notebook::

        classifier = KnnClassifier(recognizer, KnnIdentifier(None, IdentifyOptions(threshold=0.5)))
        classifier.fit(vectors, labels).classify_image(picture).name

    Args:
        recognizer: finds the faces and embeds them; its gallery is not asked.
        identifier: ``KnnIdentifier``, or ``CosineIdentifier`` to compare with; a threshold of -1 and a lead of 0 make it the textbook's closed set.
    """

    def __init__(self, recognizer: Recognizer, identifier: CosineIdentifier) -> None:
        self._recognizer = recognizer
        self._identifier = identifier
        self._known: _Fitted | None = None

    def fit(self, vectors: NDArray[np.float32], labels: Sequence[str]) -> Self:
        """Learn unit vectors ``(n, d)`` of the recognizer's space by their labels, in place of those learnt before.

        Raises:
            InputError: vectors of another shape or length, or not one label each.
        """
        space = self._recognizer.embedder.space
        check_unit(vectors, space.dimensions)
        if len(vectors) != len(labels) or not len(labels):
            raise InputError(f"expected one label per vector and at least one, got {len(labels)} for {len(vectors)}")
        names, owners = np.unique(np.array(labels, dtype=str), return_inverse=True)
        counts = np.bincount(owners, minlength=len(names)).tolist()
        people = tuple(_person(str(name), count) for name, count in zip(names, counts, strict=True))
        self._known = _Fitted(space, vectors.astype(np.float32, copy=False), owners.astype(np.int64), people)
        return self

    def classify_image(self, picture: Picture) -> Match:
        """Who the largest usable face of a picture is; ``no_usable_face`` without one.

        Raises:
            InputError: nothing was fitted.
        """
        if self._known is None:
            raise InputError("nothing was learnt yet: fit(vectors, labels) comes first")
        faces = self._recognizer.find(picture)
        face = largest_usable(faces)
        return self._identifier.identify(face, self._known)[0] if len(face) else _nobody(faces)

    def classify_video(self, pictures: Iterable[Picture]) -> Match:
        """Who is in frames of one person: every frame with a usable face has a vote, and ``unknown`` may win.

        Of the frames that say so the surest match is given. For clips with several people there are tracks
        (``mien who``).
        """
        answers = [self.classify_image(picture) for picture in pictures]
        answers = [answer for answer in answers if answer.decision != "no_usable_face"]
        if not answers:
            return Match("no_usable_face")
        (winner, _), *_ = Counter(answer.name for answer in answers).most_common(1)
        return max((a for a in answers if a.name == winner), key=lambda a: a.similarity or -1.0)


def _nobody(faces: Faces) -> Match:
    """The answer for a picture without a usable face: what is held against the largest there is."""
    largest = faces.sorted("size")[:1]
    if largest.quality:
        return Match("no_usable_face", reasons=largest.quality[0].reasons)
    return Match("no_usable_face", reasons=(Reason("identify", "no face", text="no face found"),))


def _person(name: str, templates: int) -> Person:
    """A label as somebody who is known."""
    return Person(name, name, datetime.now(UTC), templates)


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """What was learnt, as an identifier reads a gallery."""

    space: EmbeddingSpace
    data: NDArray[np.float32]
    owners: NDArray[np.int64]
    people: tuple[Person, ...]

    def vectors(self, _space: EmbeddingSpace) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[Person, ...]]:
        return self.data, self.owners, self.people

    def calibration(self, _space: EmbeddingSpace) -> Calibration | None:
        return None
