"""One person over many frames: which face belongs to which track, and what a track's looks say together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Quality
from mien.core.errors import SettingError
from mien.core.faces import Faces
from mien.core.geometry import iou
from mien.core.vectors import unit
from mien.recognition.assignment import assign

__all__ = ["Likeness", "Track", "TrackOptions", "Tracker", "weigh"]

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """How faces become tracks.

    Args:
        overlap: least intersection over union of a face with where its track was last.
        patience: seconds that somebody may be unseen and still be the same track.
        looks: how many embeddings a track keeps: the best ones.
        spacing: least seconds between two looks, so that they differ.
        recheck: seconds after which a track is looked at again, whatever it has: is it still the same person?
        better: how many times as good as the worst look that is kept a new one must be, to be worth embedding.

    Raises:
        SettingError: a value outside of its range.
    """

    overlap: float = 0.3
    patience: float = 1.5
    looks: int = 8
    spacing: float = 0.2
    recheck: float = 2.0
    better: float = 1.2

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= 1:
            raise SettingError(f"overlap is {self.overlap}: a share above 0, at most 1, is needed")
        if self.looks < 1:
            raise SettingError(f"looks is {self.looks}: a track needs at least 1")


@dataclass(frozen=True, slots=True)
class Likeness:
    """What two faces' cosine says, in the scale of one embedding space.

    Args:
        same: from here on they are taken as one person.
        different: below, as two; between the two, place decides.
    """

    same: float
    different: float


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    vector: Vector
    weight: float


@dataclass(slots=True, eq=False)
class Track:
    """One face over time; the tracker's own, others read it.

    Args:
        id: never given twice by one tracker.
        box: ``(4,)`` float32, where it was last, pixels.
        seen: when it was seen last, seconds.
        looked: when it was embedded last, seconds; minus infinity if never.
        learnt: how many looks it was ever given.
    """

    id: int
    box: NDArray[np.float32]
    seen: float
    looked: float = -np.inf
    learnt: int = 0
    _looks: list[_Look] = field(default_factory=list)

    @property
    def looks(self) -> int:
        """How many embeddings speak for it."""
        return len(self._looks)

    @property
    def vote(self) -> Vector:
        """Mean of its looks, weighted by their quality, ``(d,)`` float32, at most of unit length.

        Its product with a template is the mean of the looks' cosines: strangers reach a threshold with it no more often
        than with one look; brought to unit length, more often (docs/decisions/084-what-a-track-says.md).
        """
        weights = np.array([look.weight for look in self._looks], np.float32)
        vote: Vector = weights @ np.stack([look.vector for look in self._looks]) / weights.sum()
        return vote

    @property
    def worst(self) -> float:
        """Weight of the poorest look that is kept; 0 without any."""
        return min((look.weight for look in self._looks), default=0.0)

    def learn(self, vector: Vector, weight: float, keep: int) -> None:
        """Add a look; beyond ``keep`` the poorest goes."""
        self.learnt += 1
        self._looks.append(_Look(vector, weight))
        self._looks.sort(key=lambda look: -look.weight)
        del self._looks[keep:]

    def likeness(self, vector: Vector) -> float:
        """Cosine of a unit vector with the vote."""
        return float(unit(self.vote) @ vector)


class Tracker:
    """Gives faces of successive frames the numbers of their tracks. Belongs to one stream.

    Args:
        options: how faces become tracks.
    """

    def __init__(self, options: TrackOptions | None = None) -> None:
        self.options = options or TrackOptions()
        self._tracks: dict[int, Track] = {}
        self._next = 1

    def __getitem__(self, track_id: int) -> Track:
        return self._tracks[track_id]

    def __contains__(self, track_id: int) -> bool:
        return track_id in self._tracks

    def forget(self, time: float) -> None:
        """End the tracks that nobody has seen for longer than the patience."""
        self._tracks = {i: t for i, t in self._tracks.items() if time - t.seen <= self.options.patience}

    def doubtful(self, faces: Faces, *, still: bool) -> NDArray[np.bool_]:
        """Which faces cannot be told by their place alone: all after a cut, those over no track or over several.

        Args:
            faces: of the next frame.
            still: whether the picture went on where it was; False after a cut.
        """
        if not still:
            return np.ones(len(faces), bool)
        near = self._overlaps(faces) >= self.options.overlap
        crowded = near[:, near.sum(axis=0) > 1].any(axis=1)
        doubtful: NDArray[np.bool_] = (near.sum(axis=1) != 1) | crowded
        return doubtful

    def place(
        self, faces: Faces, time: float, *, still: bool, vectors: Mapping[int, Vector], likeness: Likeness | None
    ) -> NDArray[np.int64]:
        """The track of each face, ``(n,)`` int64, each given once; a face that belongs to none begins one.

        Args:
            faces: of one frame.
            time: of the frame, seconds.
            still: whether the picture went on where it was; False after a cut: only likeness counts then.
            vectors: unit vectors of some faces, by row.
            likeness: what their cosines say; None where nothing is known about the space.
        """
        known = list(self._tracks.values())
        overlap = self._overlaps(faces)
        worth = np.where(overlap >= self.options.overlap, overlap, 0) if still else np.zeros_like(overlap)
        if likeness is not None:
            for row, vector in vectors.items():
                for column, track in enumerate(known):
                    worth[row, column] = _with_likeness(worth[row, column], track, vector, likeness)
        tracks = {row: known[column].id for row, column in assign(worth)}
        ids = np.array([tracks.get(row) or self.begin() for row in range(len(faces))], np.int64)
        self.carry(faces, ids, time)
        return ids

    def carry(self, faces: Faces, ids: NDArray[np.int64], time: float) -> None:
        """Note where the tracks ``ids`` are now."""
        for box, track_id in zip(faces.boxes, ids.tolist(), strict=True):
            track = self._tracks[track_id]
            track.box, track.seen = box, time

    def begin(self) -> int:
        """A new track, nowhere yet; its id."""
        track = Track(self._next, np.zeros(4, np.float32), -np.inf)
        self._tracks[track.id] = track
        self._next += 1
        return track.id

    def wants(self, track_id: int, weight: float, time: float) -> bool:
        """Whether a look of this weight at this time is worth embedding: a first, a further, a better or a late one."""
        track, options = self._tracks[track_id], self.options
        if weight <= 0 or time - track.looked < options.spacing:
            return False
        late = time - track.looked >= options.recheck
        return late or track.looks < options.looks or weight >= options.better * track.worst

    def learn(
        self, track_id: int, vector: Vector, weight: float, time: float, *, likeness: Likeness | None = None
    ) -> int:
        """Add a look to a track, or to a new one if it shows somebody else in the same place; the track's id."""
        track = self._tracks[track_id]
        if likeness is not None and track.looks and track.likeness(vector) < likeness.different:
            box, seen = track.box, track.seen
            track = self._tracks[self.begin()]
            track.box, track.seen = box, seen
        track.learn(vector, weight, self.options.looks)
        track.looked = time
        return track.id

    def _overlaps(self, faces: Faces) -> NDArray[np.float32]:
        """``(n, tracks)``: intersection over union of faces with where the tracks were last."""
        boxes = np.array([t.box for t in self._tracks.values()], np.float32).reshape(-1, 4)
        return iou(faces.boxes, boxes)


def _with_likeness(overlap: float, track: Track, vector: Vector, likeness: Likeness) -> float:
    """What a pair is worth when the face was embedded: a like face comes before every overlap, an unlike one is none."""
    if not track.looks:
        return overlap
    cosine = track.likeness(vector)
    if cosine >= likeness.same:
        return 1 + overlap + cosine - likeness.same
    return 0.0 if cosine < likeness.different else overlap


def weigh(quality: Quality) -> float:
    """What a look counts in the vote of its track, 0.01 to 1; 0 if it is not usable.

    Larger (up to 112 pixels, what embedders see), sharper and more frontal faces count more.
    """
    if not quality.usable:
        return 0.0
    size = min(quality.size / 112, 1.0)
    sharpness = math.sqrt(min(quality.sharpness / 100, 1.0))
    frontal = max(1 - abs(quality.yaw) / 90, 0.0)
    return max(size * sharpness * frontal, 0.01)
