"""A source looked at: frames to faces to events; whatever the source does is told, never raised."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mien.core.answers import Contender, Match
from mien.core.faces import Faces, Picture
from mien.jobs.watch import Watcher, watch
from mien.media.cameras import CameraState

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADA = Match("match", (Contender("id-Ada", "Ada", 0.8, 0.8, 1),), 0.5)
UNKNOWN = Match("unknown", threshold=0.5)


class Script:
    """A source that does what it is told: a frame, nothing, or a new state."""

    name = "script"
    recorded = False

    def __init__(self, *steps):
        self.steps = list(steps)
        self.state = CameraState("connecting", START)
        self.time = 0.0

    @property
    def ended(self):
        return not self.steps

    def moment(self, time):
        return START + timedelta(seconds=time)

    def newest(self, timeout=1.0):
        step = self.steps.pop(0) if self.steps else None
        self.time += 0.1
        if isinstance(step, CameraState):
            self.state = step
        return Picture(np.zeros((8, 8, 3), np.uint8), time=self.time) if step == "frame" else None


class Finds:
    """A follower that finds the same faces in every frame."""

    def __init__(self, *matches, sizes=None):
        self.matches, self.sizes = matches, sizes or [50] * len(matches)

    def follow(self, picture):
        boxes = np.array([[0, 0, size, size] for size in self.sizes], np.float32).reshape(-1, 4)
        ids = np.arange(1, len(boxes) + 1)
        return Faces(boxes, np.ones(len(boxes), np.float32), track_ids=ids, matches=self.matches)


def told(looks):
    return [(event.kind, event.name or event.reason) for look in looks for event in look.events]


def lost(reason):
    return CameraState("lost", START, reason)


LIVE = CameraState("live", START)


def test_losses_are_told_once_and_nobody_leaves_meanwhile():
    """Live, lost with its first reason, live again: one event each; Ada is there all along."""
    steps = ["frame"] * 5 + [lost("unplugged"), None, lost("refused"), *[None] * 100, LIVE] + ["frame"] * 5
    looks = list(watch(Script(None, *steps), Finds(ADA), Watcher()))
    assert told(looks) == [("camera live", ""), ("arrived", "Ada"), ("camera lost", "unplugged"), ("camera live", "")]


def test_a_camera_that_never_comes():
    """Connecting is no event, the loss is; it goes on asking as long as somebody pulls."""
    looks = list(watch(Script(None, None, lost("there is no camera 7"), None), Finds(), Watcher()))
    assert told(looks) == [("camera lost", "there is no camera 7")]
    assert all(look.picture is None and len(look.faces) == 0 for look in looks)


def test_frames_before_a_loss_are_looked_at():
    """A frame that is still there when the source is lost already counts; then the loss is told."""
    source = Script("frame", "frame", "frame", None)
    source.state = lost("it ended")
    assert told(watch(source, Finds(ADA), Watcher())) == [
        ("camera live", ""),
        ("arrived", "Ada"),
        ("camera lost", "it ended"),
    ]


def test_the_largest_face_only():
    """Of two faces the larger; nothing is known of the other."""
    looks = list(watch(Script(*["frame"] * 5), Finds(UNKNOWN, ADA, sizes=[20, 60]), Watcher(), single=True))
    assert told(looks)[1:] == [("arrived", "Ada")]
    assert {len(look.faces) for look in looks if look.picture is not None} == {1}


def test_liveness_is_asked_in_every_frame():
    """What the check finds to be a spoof is told as one."""

    class Refutes:
        calls = 0

        def check(self, picture, faces):
            self.calls += 1
            spoofs = tuple(Match("spoof", m.candidates, m.threshold) for m in faces.matches)
            return faces.with_columns(liveness=np.zeros(len(faces), np.float32), matches=spoofs)

    check = Refutes()
    looks = list(watch(Script(*["frame"] * 6), Finds(ADA), Watcher(live_only=True), liveness=check))
    assert told(looks)[1:] == [("spoof", "")]
    assert check.calls == 6


@pytest.mark.parametrize("steps", [(), ("frame",), (None,)])
def test_whoever_watches_is_asked_whether_to_go_on(steps):
    """Every look is yielded, with a frame or without, so that Ctrl-C is noticed while a camera is away."""
    looks = watch(Script(*steps, None), Finds(), Watcher())
    assert len(list(looks)) == len(steps) + 1
