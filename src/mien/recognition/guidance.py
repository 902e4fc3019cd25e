"""Learning a face before a camera: which views are wanted, which were seen, and what to tell the person now.

No clock, no camera, no gallery: frames with their times go in, advice comes out, and in the end the best frame of each
view. What is learnt from them passes the same gate and the same checks as photographs (``recognition.enrolment``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Quality
from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.core.protocols import Embedder
from mien.core.reasons import Reason
from mien.media.measures import NOSE_DEPTH
from mien.recognition.enrolment import choose_face
from mien.recognition.recognizer import Recognizer
from mien.recognition.tracking import Likeness

__all__ = ["Advice", "Guide", "GuideOptions", "Shot", "View", "guide_of", "nose_height", "pitch", "told"]

View = Literal["straight", "left", "right", "up", "down"]
"""As the person sees it: ``left`` is turned to their own left, which is the right of the picture."""

EYES_TO_MOUTH = 1.1
"""From the eyes to the mouth in eye distances; median 1.08 on 131 of LFW's photographs with MTCNN's landmarks."""

_STRANGER_FRAMES = 3
"""One frame may be a slip of the landmarks; so many in a row are somebody else."""

_TURN: dict[View, str] = {
    "straight": "look straight into the camera",
    "left": "turn your head a little to your left",
    "right": "turn your head a little to your right",
    "up": "raise your chin a little",
    "down": "lower your chin a little",
}


@dataclass(frozen=True, slots=True)
class GuideOptions:
    """What is collected.

    Args:
        views: which, in the order in which they are asked for; ``straight`` is the first and the only one that must be.
        straight: degrees up to which a head counts as straight, to either side and up and down.
        turned: degrees from which a head counts as turned aside. Detectors draw turned faces towards the front: one that
            measures 15 is turned by 20 to 30.
        raised: degrees from which a chin counts as raised or lowered, against the person's own straight view.
        settle: seconds for which a better picture of the last view is waited for.
        patience: seconds after which it ends with the views there are.
        likest: cosine of two views from which on they are one view taken twice: frames of somebody who holds still
            have 0.93 to 0.97 (facenet, four of NUAA's subjects).

    Raises:
        SettingError: views that do not begin with ``straight``, or times that cannot be.
    """

    views: tuple[View, ...] = ("straight", "left", "right", "up")
    straight: float = 10.0
    turned: float = 15.0
    raised: float = 9.0
    settle: float = 0.5
    patience: float = 60.0
    likest: float = 0.97

    def __post_init__(self) -> None:
        if self.views[:1] != ("straight",):
            raise SettingError(f"views are {', '.join(self.views) or 'none'}: the first must be straight")
        if self.patience <= 0:
            raise SettingError(f"patience is {self.patience:g} s: more than 0 is needed")


@dataclass(frozen=True, slots=True)
class Advice:
    """What to tell the person in front of the camera.

    Args:
        kind: what it is about; as long as it stays the same, the words need not be said again.
        words: for the person.
    """

    kind: str
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """The best frame of one view.

    Args:
        view: which.
        picture: the frame.
        vector: ``(d,)`` float32 of unit length.
        quality: what was measured on the face.
        height: ``nose_height`` of the face.
    """

    view: View
    picture: Picture
    vector: NDArray[np.float32]
    quality: Quality
    height: float

    @property
    def worth(self) -> float:
        """Which of two shots of one view is kept: sharp and large goes first; twice the size is no gain beyond 160 px."""
        return self.quality.sharpness * min(self.quality.size, 160.0)


@dataclass(slots=True, eq=False)
class Guide:
    """Collects the views of one person from frames in order of time. Belongs to one enrolment.

    Args:
        embedder: tells whether it is the same person, and whether a view is new.
        likeness: what a cosine says in the embedder's space.
        options: what is collected.
    """

    embedder: Embedder
    likeness: Likeness
    options: GuideOptions = field(default_factory=GuideOptions)
    state: Literal["looking", "done", "refused"] = "looking"
    _shots: dict[View, Shot] = field(default_factory=dict)
    _began: float | None = None
    _newest: float = 0.0  # when the last new view came
    _strangers: int = 0  # frames in a row

    @property
    def shots(self) -> tuple[Shot, ...]:
        """What was collected, in the order of ``options.views``; nothing once somebody else came before the camera."""
        if self.state == "refused":
            return ()
        return tuple(self._shots[view] for view in self.options.views if view in self._shots)

    @property
    def missing(self) -> tuple[View, ...]:
        """The views that are still wanted."""
        return tuple(view for view in self.options.views if view not in self._shots)

    def see(self, picture: Picture, faces: Faces) -> Advice:
        """Take one frame into account.

        Args:
            picture: with its ``time``.
            faces: all faces of it in its pixels, with landmarks, and quality judged by the limits for learning.
        """
        time = picture.time or 0.0
        self._began = time if self._began is None else self._began
        advice = self._look(picture, faces, time) if self.state == "looking" else None
        if self.state != "looking":
            return advice or self._last_word()
        settled = not self.missing and time - self._newest >= self.options.settle
        if settled or time - self._began >= self.options.patience:
            self.state = "done"
            return self._last_word()
        return advice or self._wanted()

    def _look(self, picture: Picture, faces: Faces, time: float) -> Advice | None:
        """Keep what is worth keeping; what to say, None if the frame is good."""
        faces = faces.sorted("left")
        index, reason = choose_face(faces, None)
        if reason is not None:
            return _about_faces(len(faces))
        face = faces[index]
        quality = face.quality[0] if face.quality else None
        if quality is None or face.landmarks is None:
            raise SettingError("this detector gives no landmarks, which tell how a head is turned; use mtcnn")
        if quality.reasons:
            return _about_quality(quality.reasons[0])
        height = nose_height(face.landmarks[0])
        view = self._view(quality.yaw, height)
        if not self._shots and view != "straight":
            return None
        vector = self.embedder.embed(picture.pixels, face)[0]
        somebody_else = self._stranger(vector)
        if somebody_else is not None or view is None:
            return somebody_else
        return self._keep(Shot(view, picture, vector, quality, height), time)

    def _view(self, yaw: float, height: float) -> View | None:
        """Which of the wanted views it is; None in between, so that views differ."""
        o = self.options
        first = self._shots.get("straight")
        tilt = 0.0 if first is None else pitch(height, first.height)
        level = abs(tilt) <= o.straight
        if abs(yaw) <= o.straight and level and abs(tilt) < o.raised:
            return "straight"
        found: View | None = None
        if abs(yaw) >= o.turned and level:
            found = "left" if yaw > 0 else "right"
        elif abs(yaw) <= o.straight and abs(tilt) >= o.raised:
            found = "up" if tilt > 0 else "down"
        return found if found in o.views else None

    def _stranger(self, vector: NDArray[np.float32]) -> Advice | None:
        """What to say if it is not surely who was seen before; somebody else for several frames ends it."""
        if not self._shots:
            return None
        cosine = max(float(vector @ known.vector) for known in self._shots.values())
        self._strangers = self._strangers + 1 if cosine < self.likeness.different else 0
        if self._strangers >= _STRANGER_FRAMES:
            self.state = "refused"
            words = f"somebody else came before the camera ({cosine:.2f} like the first views): nothing is stored"
            return Advice("refused", f"{words}; start again with one person")
        if cosine < self.likeness.same:
            words = f"not surely the same face ({cosine:.2f} < {self.likeness.same:.2f}): look towards the camera"
            return Advice("unlike", words)
        return None

    def _keep(self, shot: Shot, time: float) -> Advice | None:
        """Keep the shot if it is a new view or better than the one there is."""
        others = [float(shot.vector @ s.vector) for view, s in self._shots.items() if view != shot.view]
        before = self._shots.get(shot.view)
        if max(others, default=-1.0) > self.options.likest:
            return Advice("same view", "that is nearly the same view again: turn a little further")
        if before is None:
            self._newest = time
        if before is None or shot.worth > before.worth:
            self._shots[shot.view] = shot
        return None

    def _wanted(self) -> Advice:
        if not self.missing:
            return Advice("hold", "hold still")
        view = self.missing[0]
        return Advice(view, _TURN[view])

    def _last_word(self) -> Advice:
        if self.state == "refused":
            return Advice("refused", "somebody else came before the camera: nothing is stored")
        if not self.missing:
            return Advice("done", "thank you, that is all")
        return Advice("done", "time is up")


def guide_of(recognizer: Recognizer, options: GuideOptions | None = None) -> Guide:
    """A guide for one enrolment, which takes two faces for one person as the recognizer does."""
    threshold = recognizer.pair_threshold()
    known = threshold.calibration
    different = -1.0 if known is None else min(known.similarity_at(0.1), threshold.similarity)
    return Guide(recognizer.embedder, Likeness(threshold.similarity, different), options or GuideOptions())


def told(views: Sequence[View]) -> str:
    """Views in words: ``turned left and chin up``."""
    words = {
        "straight": "straight",
        "left": "turned left",
        "right": "turned right",
        "up": "chin up",
        "down": "chin down",
    }
    return " and ".join(words[view] for view in views)


def nose_height(landmarks: NDArray[np.float32]) -> float:
    """Where the nose stands between the eyes (0) and the mouth (1), along the face's own axis.

    On 131 of LFW's photographs with MTCNN's landmarks: median 0.54, nine in ten between 0.37 and 0.71. People differ, so
    it is compared with the same person's straight view, where it stays within 0.03 (three of NUAA's subjects).

    Args:
        landmarks: ``(5, 2)`` pixels.
    """
    points = landmarks.astype(np.float64)
    across = points[1] - points[0]
    down = np.array([-across[1], across[0]])
    eyes, mouth = (points[0] + points[1]) / 2, (points[3] + points[4]) / 2
    length = float((mouth - eyes) @ down)
    return float((points[2] - eyes) @ down) / length if length > 0 else 0.5


def pitch(height: float, straight: float) -> float:
    """How far a chin is raised, degrees, negative = lowered, from ``nose_height`` now and in the straight view.

    The nose stands ``NOSE_DEPTH`` eye distances before the face: raised by φ it moves up by NOSE_DEPTH·sin φ, while the
    face shortens to cos φ.
    """
    return math.degrees(math.atan((straight - height) * EYES_TO_MOUTH / NOSE_DEPTH))


def _about_faces(count: int) -> Advice:
    """Why no face was chosen, as the person can mend it."""
    if not count:
        return Advice("no face", "no face: come before the camera")
    return Advice("several", f"one face only, please: {count} in the picture")


def _about_quality(reason: Reason) -> Advice:
    """What the gate holds against the face, as the person can mend it."""
    measured, limit = reason.measured or 0.0, reason.limit or 0.0
    kind = f"{reason.what} {reason.side}"
    words = {
        "face size below": f"come closer: face {measured:.0f} px < {limit:.0f}",
        "sharpness below": f"hold still: sharpness {measured:.0f} < {limit:.0f}",
        "brightness below": f"more light on your face, please: {measured:.2f} < {limit:.2f}",
        "brightness above": f"too much light on your face: {measured:.2f} > {limit:.2f}",
        "contrast below": f"the picture is too flat, change the light: contrast {measured:.2f} < {limit:.2f}",
        "turn of the head above": f"turn back a little: {measured:.0f}° > {limit:.0f}°",
        "tilt of the head above": f"hold your head upright: {measured:.0f}° > {limit:.0f}°",
    }
    return Advice(kind, words.get(kind) or reason.words())
