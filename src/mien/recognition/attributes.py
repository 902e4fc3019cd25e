"""What classifiers say of faces: at once for a photograph, by a vote over the track for a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Attribute
from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.core.protocols import Classifier

__all__ = ["AttributeVote", "VoteOptions", "classify"]

Answer = NDArray[np.float64]


def classify(classifiers: Sequence[Classifier], picture: Picture, faces: Faces) -> Faces:
    """The faces of a photograph with ``attributes``, one for each classifier.

    Args:
        classifiers: any number.
        picture: the photograph.
        faces: in pixels of the original.
    """
    here = faces.scaled(picture.scale)
    answers = [classifier.classify(picture.pixels, here) for classifier in classifiers]
    told = [
        tuple(
            _attribute(c, answer[row], int(answer[row].argmax()))
            for c, answer in zip(classifiers, answers, strict=True)
        )
        for row in range(len(faces))
    ]
    return faces.with_columns(attributes=tuple(told))


@dataclass(frozen=True, slots=True)
class VoteOptions:
    """How the answers of many frames become one.

    Args:
        least: looks at a track before anything is said of it.
        looks: of how many last looks the probabilities are averaged.
        spacing: least seconds between two looks, so that they differ.
        lead: by how much the mean of another class must lie above that of the class that was said, to take its place.
        forget: seconds after which a track that was not seen is forgotten.

    Raises:
        SettingError: a value outside of its range.
    """

    least: int = 3
    looks: int = 10
    spacing: float = 0.1
    lead: float = 0.2
    forget: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.looks:
            raise SettingError(f"least is {self.least}: from 1 to looks ({self.looks}) looks are needed")
        if not 0 <= self.lead <= 1:
            raise SettingError(f"lead is {self.lead}: a difference of probabilities from 0 to 1 is needed")


@dataclass(slots=True)
class _Track:
    """What the classifiers said of one track."""

    answers: list[deque[Answer]]  # of each classifier, ``(k,)``
    said: list[int]  # the class told by each, -1 for none yet
    seen: float = 0.0
    looked: float = field(default=-np.inf)


class AttributeVote:
    """Asks classifiers about the faces of one stream, now and then; what is said of a track does not flicker.

    Args:
        classifiers: any number.
        options: how.
    """

    def __init__(self, classifiers: Sequence[Classifier], options: VoteOptions | None = None) -> None:
        self.options = options or VoteOptions()
        self._classifiers = tuple(classifiers)
        self._tracks: dict[int, _Track] = {}

    def look(self, picture: Picture, faces: Faces) -> Faces:
        """The faces of the next frame with ``attributes``; none yet on tracks that were looked at too seldom.

        Args:
            picture: the frame, with its ``time``.
            faces: with ``track_ids``, in pixels of the original.
        """
        time = picture.time or 0.0
        ids = [] if faces.track_ids is None else faces.track_ids.tolist()
        self._tracks = {i: t for i, t in self._tracks.items() if time - t.seen <= self.options.forget}
        tracks = [self._tracks.setdefault(i, self._new()) for i in ids]
        due = [row for row, track in enumerate(tracks) if time - track.looked >= self.options.spacing]
        if due:
            self._ask(picture, faces[due].scaled(picture.scale), [tracks[row] for row in due])
        for row, track in enumerate(tracks):
            track.seen, track.looked = time, time if row in due else track.looked
        return faces.with_columns(attributes=tuple(self._told(track) for track in tracks))

    def _new(self) -> _Track:
        count = len(self._classifiers)
        return _Track([deque(maxlen=self.options.looks) for _ in range(count)], [-1] * count)

    def _ask(self, picture: Picture, faces: Faces, tracks: list[_Track]) -> None:
        for number, classifier in enumerate(self._classifiers):
            for track, answer in zip(tracks, classifier.classify(picture.pixels, faces), strict=True):
                track.answers[number].append(answer.astype(np.float64))

    def _told(self, track: _Track) -> tuple[Attribute, ...]:
        """What is said of a track now."""
        if not track.answers or len(track.answers[0]) < self.options.least:
            return ()
        told = []
        for number, classifier in enumerate(self._classifiers):
            mean = np.mean(track.answers[number], axis=0)
            best, said = int(mean.argmax()), track.said[number]
            if said < 0 or mean[best] - mean[said] >= self.options.lead:
                said = track.said[number] = best
            told.append(_attribute(classifier, mean, said))
        return tuple(told)


def _attribute(classifier: Classifier, answer: NDArray[np.floating], index: int) -> Attribute:
    probabilities = dict(zip(classifier.classes, answer.tolist(), strict=True))
    return Attribute(classifier.name, classifier.classes[index], probabilities)
