"""One stream: search now and then, refine in between, name each track once and better with every better look."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Match
from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.core.protocols import Refiner
from mien.recognition.attributes import AttributeVote
from mien.recognition.quality import measure
from mien.recognition.recognizer import Recognizer
from mien.recognition.tracking import Likeness, Tracker, TrackOptions, weigh

__all__ = ["FollowOptions", "Follower"]

_GRID = 32
"""Points along each side of the picture that are compared to see a cut."""

_TAKEN_FOR_ANOTHER = 1e-5
"""Share of strangers' comparisons that may make two people one track: far fewer than may be named by mistake, as a track
that begins anew costs a few looks, while two people on one share a name (docs/decisions/084-what-a-track-says.md)."""


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """How a stream is followed.

    Args:
        every: the whole picture is searched in every so-manieth frame; and after a cut, and where a sure face was lost.
        within: seconds after which it is searched however few frames there were: a slow camera has time for it.
        sure: score from which on a face that is lost is searched for at once; false alarms come and go below it.
        cut: mean difference of two frames, grey levels, from which on the second is another scene.
        tracks: how faces become tracks.

    Raises:
        SettingError: a value outside of its range.
    """

    every: int = 12
    within: float = 0.5
    sure: float = 0.9
    cut: float = 16.0
    tracks: TrackOptions = field(default_factory=TrackOptions)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise SettingError(f"every is {self.every}: search every frame (1) or every so-manieth (12)")
        if self.within <= 0:
            raise SettingError(f"within is {self.within}: seconds above 0 are needed (0.5)")


class Follower:
    """Follows the faces of one stream and says who they are. Belongs to one stream and one thread.

    Args:
        recognizer: searches, embeds and identifies.
        refiner: finds the faces of the last frame again without a search and keeps their ``track_ids``; without one
            they stay where the last search found them.
        options: how.
        attributes: asks classifiers about the faces, fresh for this stream.

    Attributes:
        searches: how many frames were searched so far.
        looks: how many faces were embedded so far.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        refiner: Refiner | None = None,
        options: FollowOptions | None = None,
        attributes: AttributeVote | None = None,
    ) -> None:
        self.options = options or FollowOptions()
        self.searches = 0
        self.looks = 0
        self._recognizer = recognizer
        self._refiner = refiner
        self._attributes = attributes
        self._tracker = Tracker(self.options.tracks)
        self._last = Faces.empty()  # boxes, scores and track_ids of the last frame, in its pixels
        self._since = 0  # frames since the last search
        self._searched_at = 0.0  # seconds
        self._glance: NDArray[np.int16] | None = None  # the last frame at a few points
        self._decided: tuple[tuple[tuple[int, int], ...], dict[int, Match]] = ((), {})  # tracks and their looks; who

    def follow(self, picture: Picture) -> Faces:
        """Faces of the next frame with quality, track_ids, matches (and attributes), in pixels of the original.

        A match is the decision on the whole track so far, so that it may still improve. Somebody is named once per
        frame at most.

        Args:
            picture: with its ``time``; frames in order of time.

        Raises:
            SpaceMismatchError: the gallery was made with another embedder.
            SettingError: no threshold is known for the embedder.
        """
        time = picture.time or 0.0
        still = self._goes_on(picture)
        self._tracker.forget(time)
        fresh = 0 < self._since < self.options.every and time - self._searched_at < self.options.within
        faces = self._refined(picture) if still and fresh else None
        if faces is not None:
            self._tracker.carry(faces, _ids(faces), time)
            self._since += 1
        else:
            faces = self._searched(picture, time, still=still)
            self._since, self._searched_at = 1, time
        faces = self._look(picture, faces, time)
        self._last = Faces(faces.boxes, faces.scores, track_ids=faces.track_ids)
        faces = faces.with_columns(matches=self._matches(faces)).scaled(1 / picture.scale)
        return faces if self._attributes is None else self._attributes.look(picture, faces)

    # where

    def _goes_on(self, picture: Picture) -> bool:
        """Whether the frame shows the same scene as the last one."""
        height, width = picture.pixels.shape[:2]
        rows, columns = (np.linspace(0, side - 1, _GRID).astype(int) for side in (height, width))
        glance = picture.pixels[np.ix_(rows, columns)].astype(np.int16)
        last, self._glance = self._glance, glance
        return last is not None and float(np.abs(glance - last).mean()) < self.options.cut

    def _refined(self, picture: Picture) -> Faces | None:
        """The faces of the last frame in this one, with quality; None if a sure one of them was lost."""
        if any(i not in self._tracker for i in _ids(self._last).tolist()):  # the stream stood still for too long
            return None
        if self._refiner is None or not len(self._last):
            found = self._last
        else:
            found = self._refiner.refine(picture.pixels, self._last)
        lost = ~np.isin(_ids(self._last), _ids(found))
        if (self._last.scores[lost] >= self.options.sure).any():
            return None
        return measure(picture, found, limits=self._recognizer.limits)

    def _searched(self, picture: Picture, time: float, *, still: bool) -> Faces:
        """Faces of the whole picture with quality and track_ids; those whose place does not tell are embedded."""
        self.searches += 1
        faces = self._recognizer.detector.at_scale(picture.scale).detect(picture.pixels)
        faces = measure(picture, faces, limits=self._recognizer.limits)
        weights = _weights(faces)
        doubtful = self._tracker.doubtful(faces, still=still) & (weights > 0)
        vectors = self._embedded(picture, faces, doubtful)
        likeness = self._likeness() if vectors else None
        ids = self._tracker.place(faces, time, still=still, vectors=vectors, likeness=likeness)
        for row, vector in vectors.items():
            ids[row] = self._tracker.learn(int(ids[row]), vector, float(weights[row]), time)
        return faces.with_columns(track_ids=ids)

    # who

    def _look(self, picture: Picture, faces: Faces, time: float) -> Faces:
        """Embed the faces whose tracks want a look; one that shows somebody else begins a track of its own."""
        weights, ids = _weights(faces), _ids(faces).copy()
        wanted = [self._tracker.wants(i, w, time) for i, w in zip(ids.tolist(), weights.tolist(), strict=True)]
        vectors = self._embedded(picture, faces, np.array(wanted, bool))
        likeness = self._likeness() if vectors else None
        for row, vector in vectors.items():
            ids[row] = self._tracker.learn(int(ids[row]), vector, float(weights[row]), time, likeness=likeness)
        return faces.with_columns(track_ids=ids)

    def _embedded(self, picture: Picture, faces: Faces, rows: NDArray[np.bool_]) -> dict[int, NDArray[np.float32]]:
        """Unit vectors of some rows, by row."""
        wanted = np.flatnonzero(rows)
        if not len(wanted):
            return {}
        self.looks += len(wanted)
        vectors = self._recognizer.embedder.embed(picture.pixels, faces[wanted])
        return dict(zip(wanted.tolist(), vectors, strict=True))

    def _likeness(self) -> Likeness:
        """One person from what ``_TAKEN_FOR_ANOTHER`` of strangers reach; two people below what one in ten reaches."""
        recognizer = self._recognizer
        space, known = recognizer.embedder.space, recognizer.gallery
        same = recognizer.identifier.stranger_level(space, known, share=_TAKEN_FOR_ANOTHER)
        different = recognizer.identifier.stranger_level(space, known)
        if same is None or different is None:
            return Likeness(recognizer.pair_threshold().similarity, -1.0)
        return Likeness(same, different)

    def _matches(self, faces: Faces) -> tuple[Match, ...]:
        """The decision on each face's track; made anew only when somebody came, left or was looked at."""
        ids = _ids(faces).tolist()
        state = tuple((i, self._tracker[i].learnt) for i in sorted(ids))
        if state != self._decided[0]:
            self._decided = (state, self._decide(faces))
        decided = self._decided[1]
        return tuple(decided[i] if i in decided else _unusable(faces, row) for row, i in enumerate(ids))

    def _decide(self, faces: Faces) -> dict[int, Match]:
        """Who the tracks are that were looked at, each person once."""
        rows = [row for row, i in enumerate(_ids(faces).tolist()) if self._tracker[i].looks]
        if not rows:
            return {}
        ids = _ids(faces)[rows].tolist()
        recognizer = self._recognizer
        votes = np.stack([self._tracker[i].vote for i in ids])
        looked = Faces(faces.boxes[rows], faces.scores[rows], embeddings=votes, space=recognizer.embedder.space)
        return dict(zip(ids, recognizer.identifier.identify(looked, recognizer.gallery), strict=True))


def _ids(faces: Faces) -> NDArray[np.int64]:
    return np.zeros(0, np.int64) if faces.track_ids is None else faces.track_ids


def _weights(faces: Faces) -> NDArray[np.float64]:
    """``(n,)``: what each face would count as a look."""
    return np.array([weigh(quality) for quality in faces.quality or ()], np.float64)


def _unusable(faces: Faces, row: int) -> Match:
    """The answer for a track of which no usable face was seen so far."""
    return Match("no_usable_face", reasons=faces.quality[row].reasons if faces.quality else ())
