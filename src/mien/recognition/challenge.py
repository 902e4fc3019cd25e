"""Turn your head: one challenge of one person, told from the landmarks of successive frames."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SettingError
from mien.core.reasons import Reason
from mien.recognition.parallax import Pose, frontal, parallax, pose, slimness

__all__ = ["Challenge", "ChallengeOptions", "State"]

State = Literal["straight", "turn", "back", "passed", "flat", "wrong way", "timed out"]

FAILED: frozenset[State] = frozenset({"flat", "wrong way", "timed out"})


@dataclass(frozen=True, slots=True)
class ChallengeOptions:
    """What a head must do. Movements are those of ``recognition.parallax``; docs/benchmarks/liveness.md has how the limits
    were chosen.

    Args:
        turns: how many turns, each to a side drawn at random: a recorded video fits one in ``2 ** turns``.
        parallax: how far the nose must move against the plane of eyes and mouth; 0.28 is a yaw of 27° as
            ``media.measures`` tells it.
        depth: least depth of the nose that the turn must show, where a head has about 0.6: parallax over the sine of the
            turn as the face's narrowing tells it.
        straight: how far the nose may stand beside the middle of a face that looks straight, and beside where it was when
            it comes back.
        aspect: least and greatest distance of the eyes over that from the eyes to the mouth of a face from the front; a
            photograph folded along the nose has less. Of 99 frontal people of LFW one has less than 0.8.
        step: farthest that the nose moves between two frames; more is another picture, and all begins anew.
        least: seconds that the turns take at least, so that meanwhile the follower looks at who it is
            (``TrackOptions.recheck``): nobody else can slip in, turn their head, and slip out again.
        steady: for how long a face must look straight before it is taken for frontal, seconds.
        frames: over how many frames the middle is taken, so that one with bad landmarks decides nothing.
        slim: a face that has narrowed to this share and whose nose has moved less than half ``parallax`` is flat.
        timeout: how long all may take, seconds.
        gap: for how long the face may be out of sight, seconds.

    Raises:
        SettingError: a value outside of its range.
    """

    turns: int = 2
    parallax: float = 0.28
    depth: float = 0.3
    straight: float = 0.15
    aspect: tuple[float, float] = (0.8, 1.25)
    step: float = 0.15
    least: float = 2.0
    steady: float = 0.3
    frames: int = 3
    slim: float = 0.8
    timeout: float = 30.0
    gap: float = 0.5

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise SettingError(f"turns is {self.turns}: a challenge needs at least 1")
        if self.frames < 1:
            raise SettingError(f"frames is {self.frames}: a middle needs at least 1")
        if not 0 < self.straight < self.parallax:
            raise SettingError(f"straight is {self.straight}: it must lie between 0 and parallax, {self.parallax}")


class Challenge:
    """Asks a head to turn, and sees whether it does. Belongs to one face of one stream.

    Args:
        options: what it must do.
        chance: draws the sides.
        sides: what was asked of this person a moment ago and not done; drawn if None.

    Attributes:
        state: ``straight``, ``turn`` and ``back`` say what is waited for; ``passed`` stays for as long as the face does not
            jump or go out of sight; ``flat``, ``wrong way`` and ``timed out`` are failures and final.
        reason: why it failed.
        done: how many of the turns are done.
        passed_at: when it was passed, seconds.
    """

    def __init__(
        self,
        options: ChallengeOptions | None = None,
        chance: random.Random | None = None,
        *,
        sides: Sequence[int] | None = None,
    ) -> None:
        self.options = options or ChallengeOptions()
        self.state: State = "straight"
        self.reason: Reason | None = None
        self._chance = chance or random.SystemRandom()
        self._begun: float | None = None
        self._sides = self._drawn() if sides is None else list(sides)
        self._start_anew()

    @property
    def sides(self) -> tuple[int, ...]:
        """Where the nose shall go, turn by turn."""
        return tuple(self._sides)

    @property
    def side(self) -> int:
        """Where the nose shall go: 1 towards the image's right, which is the person's left, -1 the other way."""
        return self._sides[min(self.done, len(self._sides) - 1)]

    @property
    def instruction(self) -> str:
        """What the person is to do; empty when nothing is left to do."""
        if self.state == "straight":
            return "look straight into the camera"
        if self.state == "turn":
            return f"turn your head slowly to your {'left' if self.side > 0 else 'right'}"
        return "and back" if self.state == "back" else ""

    def see(self, landmarks: NDArray[np.floating], time: float) -> State:
        """The state after the next frame.

        Args:
            landmarks: ``(5, 2)`` pixels.
            time: of the frame, seconds; never less than the last one.
        """
        if self.state in FAILED:
            return self.state
        self._begun = time if self._begun is None else self._begun
        seen = pose(landmarks)
        if self.state != "passed" and time - self._begun > self.options.timeout:
            late = time - self._begun
            self._fail(
                "timed out", Reason("liveness", "time for the turns", late, self.options.timeout, "", "above", "s")
            )
        elif seen is not None:
            self._take(seen, time)
        return self.state

    # the steps

    def _start_anew(self) -> None:
        """Forget what was seen; the sides stay, so that nobody gets others by interrupting until they suit a recording."""
        self.state = "straight"
        self.done = 0
        self.passed_at: float | None = None
        self._turning = 0.0  # when the first turn was asked for
        self._poses: deque[tuple[float, Pose]] = deque()
        self._reference: Pose | None = None

    def _drawn(self) -> list[int]:
        return [self._chance.choice((-1, 1)) for _ in range(self.options.turns)]

    def _take(self, seen: Pose, time: float) -> None:
        if self._poses and self._interrupted(seen, time):
            if self.state == "passed":
                self._begun, self._sides = time, self._drawn()
            self._start_anew()
        self._poses.append((time, seen))
        if self._reference is None:
            self._await_front(time)
            return
        while len(self._poses) > self.options.frames:
            self._poses.popleft()
        moved, slim = self._moved(self._reference)
        if self.state == "turn":
            self._await_turn(moved, slim)
        elif self.state == "back":
            self._await_back(moved, time)

    def _interrupted(self, seen: Pose, time: float) -> bool:
        """Whether this cannot be the next view of the same thing: it was away, or has jumped."""
        before, last = self._poses[-1]
        jump = abs(parallax(self._reference or last, seen) - parallax(self._reference or last, last))
        return time - before > self.options.gap or jump > self.options.step

    def _await_front(self, time: float) -> None:
        """Collect frames from the front; the middle of enough of them is what the turn is measured against."""
        options, (_, seen) = self.options, self._poses[-1]
        low, high = options.aspect
        if abs(seen.nose - 0.5) > options.straight or not low <= seen.aspect <= high:
            self._poses.clear()
        elif time - self._poses[0][0] >= options.steady and len(self._poses) >= options.frames:
            self._reference = frontal([p for _, p in self._poses])
            self.state, self._turning = "turn", time

    def _await_turn(self, moved: float, slim: float) -> None:
        options = self.options
        sine = math.sqrt(1 - slim**2)
        if abs(moved) < options.parallax / 2 and slim < options.slim:
            self._fail("flat", Reason("liveness", "movement of the nose", abs(moved), options.parallax))
        elif abs(moved) >= options.parallax and abs(moved) < options.depth * sine:
            self._fail("flat", Reason("liveness", "depth of the nose", abs(moved) / sine, options.depth))
        elif moved * self.side >= options.parallax:
            self.state = "back"
        elif moved * self.side <= -options.parallax:
            text = f"the head turned to the {'right' if self.side > 0 else 'left'}, not as asked"
            self._fail("wrong way", Reason("liveness", "turn", moved * self.side, options.parallax, text=text))

    def _await_back(self, moved: float, time: float) -> None:
        last = self.done == len(self._sides) - 1
        if abs(moved) > self.options.straight or (last and time - self._turning < self.options.least):
            return
        self.done += 1
        self.state = "turn"
        if self.done == len(self._sides):
            self.state, self.passed_at = "passed", time

    def _moved(self, reference: Pose) -> tuple[float, float]:
        """Middle of the last frames: how far the nose has moved, and how slim the face is."""
        poses = [p for _, p in self._poses]
        moved = float(np.median([parallax(reference, p) for p in poses]))
        return moved, float(np.median([slimness(reference, p) for p in poses]))

    def _fail(self, state: State, reason: Reason) -> None:
        self.state, self.reason = state, reason
