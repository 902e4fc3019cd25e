"""An identifier that was trained: a network from vectors to the probability of each person, with a threshold of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Match
from mien.core.errors import InputError, SettingError, SpaceMismatchError, WeightsError
from mien.core.faces import Faces
from mien.core.people import Calibration, EmbeddingSpace, Person
from mien.core.protocols import Known, Network
from mien.core.reasons import Reason
from mien.core.vectors import unit
from mien.recognition.assignment import assign
from mien.recognition.identification import CosineIdentifier, IdentifyOptions, Scores, score, unusable_aside

__all__ = ["LEAD", "TrainedIdentifier", "TrainedOptions"]

LEAD = 0.2
"""The least lead over the runner-up, as a share of the best probability; a smaller one makes the answer ``ambiguous``."""

_JUST_REACHED = 1e-6
"""What a probability equal to the threshold is worth: little, but a name."""


@dataclass(frozen=True, slots=True)
class TrainedOptions:
    """What a model's record says.

    Args:
        name: of the identifier.
        people: ids of the people, in the order of the network's outputs; empty text for who was not enrolled.
        names: their names when it was trained.
        space_id: the embedding space of the vectors it takes.
        threshold: the least probability of a name.
    """

    name: str
    people: tuple[str, ...]
    names: tuple[str, ...]
    space_id: str
    threshold: float

    @property
    def refit(self) -> str:
        """The command that trains it anew."""
        return f"mien train identifier EMBEDDINGS --name {self.name} --enrolled --replace"


class TrainedIdentifier(CosineIdentifier):
    """Names by a trained network, open set: below its threshold a face is ``unknown``.

    The network decides; the cosines beside each candidate are those with the gallery's templates, as for every other
    identifier, so that what follows a face through a video reads them as ever. Comparing two photographs with each other
    (``mien verify``) and checking enrolments have nothing to do with a trained model and stay with the cosine. A name is
    looked up by id: renaming somebody changes nothing, removing or merging somebody retires the model.

    Args:
        network: ``(n, d)`` unit vectors in, ``(n, c)`` probabilities out.
        trained: from the record.
        calibration: what the embedder's space confuses, for pairs.
        options: ``threshold`` given by hand goes before the trained one and is a probability; ``margin`` is not used.
    """

    def __init__(
        self,
        network: Network,
        trained: TrainedOptions,
        calibration: Calibration | None = None,
        options: IdentifyOptions | None = None,
    ) -> None:
        super().__init__(calibration, options)
        self.trained = trained
        self._network = network
        given = self.options.threshold
        if given is not None and not 0 <= given <= 1:
            raise SettingError(
                f"threshold is {given}: {trained.name} needs a probability from 0 to 1 (--threshold 0.5)"
            )
        self._least = trained.threshold if given is None else given

    def identify(self, faces: Faces, among: Known) -> tuple[Match, ...]:
        """One decision per face of one picture.

        Raises:
            InputError: faces without embeddings.
            SpaceMismatchError: vectors of another space than it was trained with.
            WeightsError: one of its people is not in the gallery any more.
        """
        if not len(faces):
            return ()
        if faces.embeddings is None or faces.space is None:
            raise InputError("faces have no embeddings to identify: run the embedder first, or Recognizer.identify")
        self.check_space(faces.space)
        vectors, owners, people = among.vectors(faces.space)
        columns = self._columns(people)
        chances = self._network.run(unit(faces.embeddings))[
            0
        ]  # a track's vote is shorter than what it was trained with
        scores = score(faces, vectors, owners, people)
        usable = np.array([q.usable for q in faces.quality] if faces.quality else [True] * len(faces))
        taken = self._taken(chances * usable[:, None]) if self.options.once else {}
        matches = [self._decided(scores, columns, (chances[row], row), taken) for row in range(len(faces))]
        return unusable_aside(faces, matches)

    def check_space(self, space: EmbeddingSpace) -> None:
        """Refuse vectors that the network was not trained with.

        Raises:
            SpaceMismatchError: naming both spaces.
        """
        if space.id != self.trained.space_id:
            raise SpaceMismatchError(
                f"{self.trained.name} was trained with vectors of {self.trained.space_id}, these are of {space.id}: choose"
                f" that embedder (--embedder), or train anew: {self.trained.refit}"
            )

    def unlearnt(self, among: Known, space: EmbeddingSpace) -> list[str]:
        """Names of people who were enrolled since and whom it can therefore never name."""
        known = set(self.trained.people)
        return [person.name for person in among.vectors(space)[2] if person.id not in known]

    def _columns(self, people: tuple[Person, ...]) -> list[int]:
        """Where each of its people stands among those of the gallery."""
        if not all(self.trained.people):
            strange = [n for i, n in zip(self.trained.people, self.trained.names, strict=True) if not i]
            raise WeightsError(
                f"{self.trained.name} names {len(strange)} people who were not enrolled when it was trained"
                f" ({', '.join(strange[:3])}{' …' if len(strange) > 3 else ''}): enrol them (mien enroll) and train anew:"
                f" {self.trained.refit}; mien predict asks it as it is"
            )
        place = {person.id: i for i, person in enumerate(people)}
        gone = sum(i not in place for i in self.trained.people)
        if gone:
            raise WeightsError(
                f"{self.trained.name} is retired: {gone} of its {len(self.trained.people)} people are not in the gallery any"
                f" more (removed, or merged with others); train it anew without them: {self.trained.refit}"
            )
        return [place[i] for i in self.trained.people]

    def _taken(self, chances: NDArray[np.float32]) -> dict[int, int]:
        """Outputs to the face of the picture they were given to, where several faces could have that name."""
        worth = np.where(chances >= self._least, chances - self._least + _JUST_REACHED, 0.0)
        contested = np.flatnonzero((worth > 0).sum(axis=0))
        return {int(contested[column]): row for row, column in assign(worth[:, contested])}

    def _decided(
        self, scores: Scores, columns: list[int], asked: tuple[NDArray[np.float32], int], taken: dict[int, int]
    ) -> Match:
        """The decision for one face: its probabilities and row."""
        chance, row = asked
        order = [int(c) for c in np.argsort(-chance, kind="stable")]
        gone = [c for c in order if chance[c] >= self._least and taken.get(c, row) != row]
        free = [c for c in order if c not in gone]
        shown = [*free, *gone][: self.options.top]
        candidates = tuple(scores.contender(row, columns[c]) for c in shown)
        reasons = tuple(self._elsewhere(scores, chance[c], c, taken[c]) for c in gone)
        similar = [c.similarity for c in candidates]
        margin = similar[0] - max(similar[1:]) if len(similar) > 1 else None
        best = float(chance[free[0]]) if free else 0.0
        threshold = self._least
        if best < threshold or not free:
            missed = Reason("identify", f"probability by {self.trained.name}", best, threshold, "--threshold")
            return Match("unknown", candidates, threshold, margin, (missed, *reasons))
        lead = 1.0 - (float(chance[free[1]]) / best if len(free) > 1 else 0.0)
        if lead < LEAD:
            close = Reason("identify", "lead over the runner-up, as a share", lead, LEAD)
            return Match("ambiguous", candidates, threshold, margin, (close, *reasons))
        return Match("match", candidates, threshold, margin, reasons)

    def _elsewhere(self, scores: Scores, chance: float, column: int, other: int) -> Reason:
        """Why somebody likelier was not chosen."""
        text = f"{self.trained.names[column]} ({chance:.2f}) is face {scores.numbers[other]} of this picture"
        return Reason(
            "assignment", "identity given once per picture", float(chance), self._least, "--no-once", text=text
        )
