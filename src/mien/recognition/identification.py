"""From vectors to decisions: match, ambiguous, unknown; one identity at most once per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Contender, Match
from mien.core.errors import InputError, SettingError
from mien.core.faces import Faces
from mien.core.people import Calibration, EmbeddingSpace, Person, Vectors
from mien.core.protocols import Known, Narrowing
from mien.core.reasons import Reason
from mien.core.vectors import similarities
from mien.recognition.assignment import assign
from mien.recognition.calibration import Threshold, derive_margin, derive_threshold

__all__ = ["CosineIdentifier", "IdentifyOptions", "Scores", "score", "unusable_aside"]


UNCALIBRATED_MARGIN = 0.05
"""The margin where a threshold was given by hand for a space about which nothing is known."""

_JUST_REACHED = 1e-6
"""What a similarity equal to the threshold is worth: little, but a name."""


@dataclass(frozen=True, slots=True)
class IdentifyOptions:
    """How sure a name must be.

    Args:
        strangers: at most one stranger in so many is named; the threshold follows from it and the gallery's size.
        threshold: a cosine given by hand instead; None derives it.
        margin: the least lead over the runner-up, a difference of cosines; a smaller one makes the answer ``ambiguous``.
            None derives it from the threshold and the space's calibration.
        top: how many candidates each answer carries.
        once: whether a person may be named only once per picture.

    Raises:
        SettingError: a value outside of its range.
    """

    strangers: int = 100
    threshold: float | None = None
    margin: float | None = None
    top: int = 3
    once: bool = True

    def __post_init__(self) -> None:
        if self.threshold is not None and not -1.0 <= self.threshold <= 1.0:
            raise SettingError(f"threshold is {self.threshold}: a cosine between -1 and 1 is needed (--threshold 0.5)")
        if self.margin is not None and not 0.0 <= self.margin <= 2.0:
            raise SettingError(
                f"margin is {self.margin}: a difference of cosines between 0 and 2 is needed (--margin 0.05)"
            )
        if self.top < 1:
            raise SettingError(f"top is {self.top}: at least 1 candidate is needed (--top 3)")


@dataclass(frozen=True, slots=True)
class _Bar:
    """What an answer must reach to be a name: similarity, and lead over the runner-up."""

    threshold: float
    margin: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Cosines of m faces with the n templates of p people.

    Args:
        best: ``(m, p)`` float32, the best cosine over each person's templates.
        cosines: ``(m, n)`` float32, templates grouped by person.
        bounds: ``(p + 1,)``; templates of person i are columns ``bounds[i]`` to ``bounds[i + 1]``.
        people: the owners.
        numbers: ``(m,)`` int64, what each face of the picture is called (``Faces.numbers``).
    """

    best: NDArray[np.float32]
    cosines: NDArray[np.float32]
    bounds: NDArray[np.int64]
    people: tuple[Person, ...]
    numbers: NDArray[np.int64]

    def contender(self, row: int, column: int) -> Contender:
        """One person as a candidate for one face."""
        person = self.people[column]
        own = self.cosines[row, self.bounds[column] : self.bounds[column + 1]]
        return Contender(person.id, person.name, float(self.best[row, column]), _trimmed_mean(own), len(own))


class CosineIdentifier:
    """Compares with every template of every person.

    The similarity to a person is the best cosine over their templates; the trimmed mean (without the lower quarter, so
    that one bad photograph does not pull it down) stands beside it for the reader.

    Args:
        calibration: what the embedder's space confuses; the gallery's own calibration goes before it.
        options: how sure a name must be.
    """

    def __init__(self, calibration: Calibration | None, options: IdentifyOptions | None = None) -> None:
        self._calibration = calibration
        self.options = options or IdentifyOptions()

    def threshold(self, space: EmbeddingSpace, among: Known) -> Threshold:
        """The threshold for the gallery as it is now; errors as ``threshold_for``."""
        count = among.count(space) if isinstance(among, Narrowing) else len(among.vectors(space)[0])
        return self.threshold_for(space, among, templates=count)

    def threshold_for(self, space: EmbeddingSpace, among: Known, *, templates: int) -> Threshold:
        """The threshold for a gallery of ``templates`` templates of ``space``.

        Raises:
            SettingError: no threshold was given and the space has no calibration.
        """
        calibration = self._known(space, among)
        given = self.options.threshold
        if given is not None:
            lost = None if calibration is None else calibration.genuine_lost(given)
            return Threshold(given, None, templates, None, supported=True, genuine_lost=lost, calibration=None)
        if calibration is None:
            raise SettingError(
                f"nothing is known about strangers in the space {space.id}: give a threshold (--threshold 0.5), "
                "or use an embedder with a calibration (mien models list)"
            )
        return derive_threshold(calibration, strangers=self.options.strangers, templates=templates)

    def margin(self, space: EmbeddingSpace, among: Known) -> float:
        """The least lead over the runner-up for the gallery as it is now, a difference of cosines."""
        if self.options.margin is not None or self._known(space, among) is None:
            return self.margin_for(space, among, 1.0)
        return self.margin_for(space, among, self.threshold(space, among).similarity)

    def margin_for(self, space: EmbeddingSpace, among: Known, similarity: float) -> float:
        """The least lead over the runner-up where ``similarity`` is the threshold."""
        if self.options.margin is not None:
            return self.options.margin
        calibration = self._known(space, among)
        return UNCALIBRATED_MARGIN if calibration is None else derive_margin(calibration, similarity)

    def stranger_level(self, space: EmbeddingSpace, among: Known, *, share: float = 0.1) -> float | None:
        """The similarity that a share of strangers reaches in this space; None if nothing is known about it."""
        calibration = self._known(space, among)
        return None if calibration is None else calibration.similarity_at(share)

    def _known(self, space: EmbeddingSpace, among: Known) -> Calibration | None:
        """What is known about strangers in this very space: the gallery's own calibration goes first."""
        calibration = among.calibration(space) or self._calibration
        return calibration if calibration is not None and calibration.space_id == space.id else None

    def identify(self, faces: Faces, among: Known) -> tuple[Match, ...]:
        """One decision per face of one picture.

        Args:
            faces: with embeddings; rows whose quality is not usable are answered ``no_usable_face``.
            among: the people that are known.

        Raises:
            InputError: faces without embeddings.
            SpaceMismatchError: the gallery was made with another embedder.
        """
        if not len(faces):
            return ()
        if faces.embeddings is None or faces.space is None:
            raise InputError("faces have no embeddings to identify: run the embedder first, or Recognizer.identify")
        bar = _Bar(self.threshold(faces.space, among).similarity, self.margin(faces.space, among))
        vectors, owners, people = self.who_matters(faces, among, bar.threshold)
        scores = score(faces, vectors, owners, people)
        matches = [self._decide(scores, row, bar, None) for row in range(len(faces))]
        usable = [faces.quality is None or faces.quality[row].usable for row in range(len(faces))]
        if self.options.once and people:
            matches = self._once_each(scores, bar, usable, matches)
        return unusable_aside(faces, matches)

    def who_matters(self, faces: Faces, among: Known, threshold: float) -> Vectors:
        """The vectors that the decisions about the faces of one picture hang on: all, or those of the people who matter.

        Everybody who reaches the threshold matters, and as many of the most alike as an answer may tell of: the
        candidates, those who could be given to other faces of the picture, and the runner-up.
        """
        space, queries = faces.space, faces.embeddings
        if space is None or queries is None:
            raise InputError("faces have no embeddings to identify: run the embedder first, or Recognizer.identify")
        if isinstance(among, Narrowing):
            told = self.options.top + len(faces) + 1
            near = among.near(space, np.asarray(queries), people=told, floor=threshold)
            if near is not None:
                return near
        return among.vectors(space)

    def _once_each(self, scores: Scores, bar: _Bar, usable: list[bool], alone: list[Match]) -> list[Match]:
        """The decisions when every person may be named once: the assignment that lies furthest above the threshold.

        Counted is what exceeds the threshold, so that a sure face keeps its name however many doubtful ones could be
        named if it took another.
        """
        worth = np.where(scores.best >= bar.threshold, scores.best - bar.threshold + _JUST_REACHED, 0.0)
        worth[~np.array(usable)] = 0.0
        contested = (worth > 0).sum(axis=0)
        if contested.max(initial=0) <= 1:
            return alone
        wanted = np.flatnonzero(contested)
        pairs = [(row, int(wanted[column])) for row, column in assign(worth[:, wanted])]
        return [self._decide(scores, row, bar, pairs) if usable[row] else alone[row] for row in range(len(alone))]

    def _decide(self, scores: Scores, row: int, bar: _Bar, pairs: list[tuple[int, int]] | None) -> Match:
        """The decision for one face; with ``pairs``, people given to other faces of the picture are not available."""
        threshold = bar.threshold
        if not scores.people:
            return Match("unknown", threshold=threshold, reasons=(Reason("identify", "nobody is enrolled yet"),))
        cosine = scores.best[row]
        order = [int(c) for c in np.argsort(-cosine, kind="stable")[: self.options.top + len(pairs or ()) + 1]]
        taken = {column: other for other, column in pairs or () if other != row}
        free = next((c for c in order if c not in taken), None)
        reached = float(cosine[free]) if free is not None else -1.0
        nearer = [c for c in order if c in taken and cosine[c] >= max(threshold, reached)]
        reasons = tuple(_taken(scores, row, c, taken[c]) for c in nearer)
        named = free if free is not None and reached >= threshold else None
        lead = order[0] if named is None else named
        candidates = tuple(
            scores.contender(row, c) for c in [lead, *(c for c in order if c != lead)][: self.options.top]
        )
        rivals = [c for c in order if c != lead and (named is None or c not in nearer)]
        margin = float(cosine[lead] - cosine[rivals[0]]) if rivals else None
        if named is None:
            missed = Reason("identify", "similarity", reached, threshold, "--threshold")
            why = reasons if free is None else (missed, *reasons)
            return Match("unknown", candidates, threshold, margin, why)
        if margin is not None and margin < bar.margin and rivals[0] not in taken:
            close = Reason("identify", "margin to the runner-up", margin, bar.margin, "--margin")
            return Match("ambiguous", candidates, threshold, margin, (close, *reasons))
        return Match("match", candidates, threshold, margin, reasons)


def score(faces: Faces, vectors: NDArray[np.float32], owners: NDArray[np.int64], people: tuple[Person, ...]) -> Scores:
    """Cosines grouped by person, and the best of each; ``faces`` carry embeddings."""
    order = np.argsort(owners, kind="stable")
    cosines = similarities(np.asarray(faces.embeddings), vectors)[:, order]
    count = np.bincount(owners, minlength=len(people))
    bounds = np.concatenate([[0], np.cumsum(count)])
    best = np.full((len(faces), len(people)), -1.0, np.float32)
    filled = np.flatnonzero(count)
    if len(filled):
        best[:, filled] = np.maximum.reduceat(cosines, bounds[filled], axis=1)
    return Scores(best, cosines, bounds, people, faces.numbers)


def unusable_aside(faces: Faces, matches: Sequence[Match]) -> tuple[Match, ...]:
    """The decisions, with ``no_usable_face`` for rows whose quality says so."""
    if faces.quality is None:
        return tuple(matches)
    return tuple(
        match if quality.usable else replace(match, decision="no_usable_face", reasons=quality.reasons)
        for match, quality in zip(matches, faces.quality, strict=True)
    )


def _trimmed_mean(cosines: NDArray[np.float32]) -> float:
    """Mean of ``(k,)`` without its lower quarter; -1 for none."""
    if not len(cosines):
        return -1.0
    return float(np.sort(cosines)[len(cosines) // 4 :].mean())


def _taken(scores: Scores, row: int, column: int, other: int) -> Reason:
    """Why a nearer person was not chosen."""
    name, own, theirs = scores.people[column].name, float(scores.best[row, column]), float(scores.best[other, column])
    text = f"{name} ({own:.2f}) is face {scores.numbers[other]} of this picture ({theirs:.2f})"
    return Reason("assignment", "identity given once per picture", own, theirs, "--no-once", text=text)
