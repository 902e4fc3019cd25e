"""Living faces and pictures of faces, in one stream: by what they do when asked, or by how they look."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from mien.core.answers import Match
from mien.core.errors import InputError, SettingError
from mien.core.faces import Faces, Picture
from mien.core.protocols import Classifier
from mien.core.reasons import Reason
from mien.recognition.challenge import FAILED, Challenge, ChallengeOptions

__all__ = ["ChallengeCheck", "PassiveCheck", "PassiveOptions"]


@dataclass(slots=True)
class _Asked:
    """A challenge under way: who is asked, and when their track was seen last, seconds."""

    person: str
    challenge: Challenge
    seen: float
    ended: float | None = None


class ChallengeCheck:
    """Asks everybody who was named to turn their head; a ``LivenessCheck`` for one stream.

    A pass belongs to one person on one track without a gap: a face that is taken for somebody else, or comes back after
    it was out of sight or jumped, is asked anew. Who failed is ``spoof`` until the rest is over, on other tracks, too.
    Strangers are not asked: they mark nobody anyway.

    Args:
        options: what a head must do.
        rest: seconds after a failure before the same person is asked again, and for which the sides that were asked of
            somebody stay after they hid: hiding costs as much time as failing.
        valid: seconds that a pass holds.
        chance: draws the sides; the system's randomness if None.
    """

    def __init__(
        self,
        options: ChallengeOptions | None = None,
        *,
        rest: float = 15.0,
        valid: float = 120.0,
        chance: random.Random | None = None,
    ) -> None:
        self.options = options or ChallengeOptions()
        self._rest = rest
        self._valid = valid
        self._chance = chance or random.SystemRandom()
        self._asked: dict[int, _Asked] = {}
        self._failed: dict[str, tuple[float, Reason]] = {}  # until when a person rests, and why
        self._open: dict[str, tuple[float, tuple[int, ...]]] = {}  # until when the sides asked of a person stay

    def check(self, picture: Picture, faces: Faces) -> Faces:
        """The faces with ``liveness``: 1 for who has passed, 0 for who failed (``spoof``), NaN for all others.

        Args:
            picture: the frame, with its ``time``.
            faces: as ``Follower.follow`` gives them.

        Raises:
            InputError: faces without landmarks, track_ids or matches.
        """
        matches, ids = _complete(faces)
        time = picture.time or 0.0
        self._failed = {who: kept for who, kept in self._failed.items() if time < kept[0]}
        self._open = {who: kept for who, kept in self._open.items() if time < kept[0]}
        here = {track for track, match in zip(ids, matches, strict=True) if _who(match) is not None}
        self._asked = {i: a for i, a in self._asked.items() if i in here or time - a.seen <= self.options.gap}
        told = [self._tell(faces, row, match, time) for row, match in enumerate(matches)]
        return _told(faces, told)

    def instruction(self, track_id: int) -> str:
        """What the person on this track is to do; empty for who is not asked, has passed or has failed."""
        asked = self._asked.get(track_id)
        return "" if asked is None or asked.person in self._failed else asked.challenge.instruction

    def _tell(self, faces: Faces, row: int, match: Match, time: float) -> tuple[float, Match]:
        """Liveness and match of one face."""
        person = _who(match)
        if person is None or faces.landmarks is None or faces.track_ids is None:
            return np.nan, match
        if person in self._failed:
            return 0.0, _spoof(match, self._failed[person][1])
        asked = self._of(int(faces.track_ids[row]), person, time)
        state = asked.challenge.see(faces.landmarks[row], time)
        if state == "passed" or state in FAILED:
            self._open.pop(person, None)
        else:
            self._open[person] = time + self._rest, asked.challenge.sides
        if state in FAILED and asked.challenge.reason is not None:
            self._failed[person] = time + self._rest, asked.challenge.reason
            del self._asked[int(faces.track_ids[row])]
            return 0.0, _spoof(match, asked.challenge.reason)
        return (1.0 if state == "passed" else np.nan), match

    def _of(self, track: int, person: str, time: float) -> _Asked:
        """The challenge of this person on this track, a new one where the old one does not hold."""
        asked = self._asked.get(track)
        if asked is not None and asked.person == person and time - asked.seen <= self.options.gap:
            asked.seen = time
            if asked.challenge.passed_at is None or time - asked.challenge.passed_at <= self._valid:
                return asked
        _, sides = self._open.get(person, (0.0, None))
        asked = self._asked[track] = _Asked(person, Challenge(self.options, self._chance, sides=sides), time)
        return asked


@dataclass(frozen=True, slots=True)
class PassiveOptions:
    """How a classifier's answers become a decision.

    Args:
        threshold: least probability of a living face, in the mean over the frames; 0.18 is where MiniFASNet errs as often
            either way on half of NUAA (docs/benchmarks/liveness.md).
        frames: how many frames are needed, and how many of the last ones are kept.
        spacing: least seconds between two of them, so that they differ.
        gap: for how long the face may be out of sight, seconds.
        live: the class that means a living face.

    Raises:
        SettingError: a value outside of its range.
    """

    threshold: float = 0.18
    frames: int = 3
    spacing: float = 0.1
    gap: float = 0.5
    live: str = "live"

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"threshold is {self.threshold}: a probability from 0 to 1 is needed")
        if self.frames < 1:
            raise SettingError(f"frames is {self.frames}: at least 1 is needed")


@dataclass(slots=True)
class _Scored:
    """What the classifier said on one track."""

    person: str | None
    seen: float
    scores: deque[float] = field(default_factory=deque)
    scored: float = -np.inf


class PassiveCheck:
    """Judges how faces look, without asking anything of anybody; a ``LivenessCheck`` for one stream.

    Args:
        classifier: one of its classes is ``options.live``.
        options: how its answers become a decision.

    Raises:
        SettingError: the classifier has no such class.
    """

    def __init__(self, classifier: Classifier, options: PassiveOptions | None = None) -> None:
        self.options = options or PassiveOptions()
        if self.options.live not in classifier.classes:
            raise SettingError(
                f"a liveness model needs a class {self.options.live!r}; it has {', '.join(classifier.classes)}"
            )
        self._classifier = classifier
        self._column = classifier.classes.index(self.options.live)
        self._tracks: dict[int, _Scored] = {}

    def check(self, picture: Picture, faces: Faces) -> Faces:
        """The faces with ``liveness``: mean probability over the last frames of the track, NaN while they are too few.

        Args:
            picture: the frame, with its ``time``.
            faces: as ``Follower.follow`` gives them.

        Raises:
            InputError: faces without track_ids or matches.
        """
        matches, ids = _complete(faces, landmarks=False)
        time = picture.time or 0.0
        self._tracks = {i: t for i, t in self._tracks.items() if time - t.seen <= self.options.gap}
        tracks = [self._of(i, _who(match), time) for i, match in zip(ids, matches, strict=True)]
        self._score(picture, faces, tracks, time)
        return _told(faces, [self._tell(track, match) for track, match in zip(tracks, matches, strict=True)])

    def instruction(self, track_id: int) -> str:  # noqa: ARG002 - as ChallengeCheck has it
        """Nothing is asked of anybody."""
        return ""

    def _of(self, track_id: int, person: str | None, time: float) -> _Scored:
        track = self._tracks.get(track_id)
        if track is None or track.person != person:
            track = self._tracks[track_id] = _Scored(person, time, deque(maxlen=self.options.frames))
        track.seen = time
        return track

    def _score(self, picture: Picture, faces: Faces, tracks: list[_Scored], time: float) -> None:
        """Let the classifier see the faces whose last score is long enough ago."""
        due = [row for row, track in enumerate(tracks) if time - track.scored >= self.options.spacing]
        if not due:
            return
        found = self._classifier.classify(picture.pixels, faces[due].scaled(picture.scale))
        for row, score in zip(due, found[:, self._column].tolist(), strict=True):
            tracks[row].scores.append(score)
            tracks[row].scored = time

    def _tell(self, track: _Scored, match: Match) -> tuple[float, Match]:
        if len(track.scores) < self.options.frames:
            return np.nan, match
        score, limit = float(np.mean(track.scores)), self.options.threshold
        if score >= limit or match.decision not in {"match", "ambiguous"}:
            return score, match
        return score, _spoof(match, Reason("liveness", "liveness", score, limit, "--liveness-threshold"))


def _who(match: Match) -> str | None:
    """The person that a match names, or that comes first for an ambiguous face; None for all others."""
    return match.candidates[0].person_id if match.decision in {"match", "ambiguous"} else None


def _spoof(match: Match, reason: Reason) -> Match:
    return replace(match, decision="spoof", reasons=(*match.reasons, reason))


def _complete(faces: Faces, *, landmarks: bool = True) -> tuple[tuple[Match, ...], list[int]]:
    """Matches and track ids of faces that a follower has made."""
    missing = [
        name
        for name, column in (("track_ids", faces.track_ids), ("matches", faces.matches), ("landmarks", faces.landmarks))
        if column is None and (landmarks or name != "landmarks")
    ]
    if len(faces) and missing:
        raise InputError(
            f"liveness needs {' and '.join(missing)}: follow the faces with a Follower whose detector finds them"
        )
    ids = [] if faces.track_ids is None else faces.track_ids.tolist()
    return faces.matches or (), ids


def _told(faces: Faces, told: list[tuple[float, Match]]) -> Faces:
    """The faces with what was told of each: liveness, match."""
    liveness = np.array([score for score, _ in told], np.float32)
    return faces.with_columns(liveness=liveness, matches=tuple(match for _, match in told))
