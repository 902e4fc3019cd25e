"""A camera worked on in a thread of its own."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from mien.core.answers import Contender, Match
from mien.core.errors import ImageError
from mien.core.faces import Faces, Picture
from mien.jobs.attend import SightingWriter
from mien.jobs.stations import WatchStation
from mien.media.cameras import CameraState
from mien.media.feeds import Feed

ADA = Match("match", (Contender("p1", "Ada", 0.9, 0.9, 1),), 0.4)


class Frames:
    """A source of so many frames, one after the other; None for endless ones."""

    recorded = False
    name = "door"
    time = 0.0

    def __init__(self, count):
        self.left = count
        self.closed = False
        self.state = CameraState("live", datetime.now(UTC))

    @property
    def ended(self):
        return self.left == 0

    def moment(self, time):
        return datetime.fromtimestamp(1_800_000_000 + time, UTC)

    def newest(self, timeout=1.0):
        if self.left == 0:
            return None
        self.left = None if self.left is None else self.left - 1
        self.time += 0.2
        time.sleep(0.002)
        return Picture(np.zeros((40, 40, 3), np.uint8), time=self.time)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True


class Follows:
    """Sees Ada in every frame; may have a fault."""

    def __init__(self, fault=None):
        self.fault = fault

    def follow(self, picture):
        if self.fault is not None:
            raise self.fault
        boxes = np.array([[5, 5, 25, 25]], np.float32)
        return Faces(boxes, np.ones(1, np.float32), track_ids=np.array([1]), matches=(ADA,))


def wait_for(what, seconds=10.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_somebody_who_is_seen_is_told_once_and_written():
    """A person in every frame is one arrival, however often doors look; their sightings are in the log when it has closed."""
    written = []
    log = SimpleNamespace(append=written.extend)
    source = Frames(30)
    station = WatchStation(source, Follows(), writer=SightingWriter(log), camera="door").start()
    wait_for(lambda: not station.running)
    assert [(p.name, p.stays) for p in station.people] == [("Ada", 1)]
    assert [event.kind for event in station.events].count("arrived") == 1
    assert station.scene.state == "ended"
    assert station.scene.number == 30
    assert source.closed
    assert {s.person_id for s in written} == {"p1"}
    assert station.unwritten == 0


def test_a_station_that_nobody_looks_at_ends_and_lets_the_camera_go():
    """A browser that is closed says no farewell: its station ends by itself; one that is looked at goes on."""
    source = Frames(None)
    station = WatchStation(source, Follows())
    station.unwatched = 0.3
    station.start()
    for _ in range(10):
        assert station.scene.state in {"connecting", "live"}
        time.sleep(0.05)
    assert station.running
    wait_for(lambda: not station.running)
    assert source.closed


def test_a_fault_of_the_thread_is_told_to_whoever_looks():
    """What goes wrong in the thread ends the station with its reason, and lets the camera go."""
    source = Frames(None)
    station = WatchStation(source, Follows(ImageError("the frame is broken"))).start()
    wait_for(lambda: not station.running)
    assert (station.scene.state, station.scene.reason) == ("ended", "the frame is broken")
    assert source.closed


def test_closing_ends_a_station_after_the_frame_at_hand():
    """``close`` returns with the thread ended and the source left; closing again does nothing."""
    source = Frames(None)
    with WatchStation(source, Follows()) as station:
        wait_for(lambda: station.scene.number > 2)
    assert not station.running
    assert source.closed
    station.close()


@pytest.mark.parametrize("sizes", [(40, 60)])
def test_a_feed_keeps_the_newest_frame_only_and_is_lost_without_any(sizes):
    """Of frames handed over faster than anybody looks the last is seen; without frames the camera is lost, then live again."""
    feed = Feed("browser", timeout=0.3)
    try:
        with feed.camera as camera:
            feed.offer(lambda: np.zeros((sizes[0], sizes[0], 3), np.uint8))
            wait_for(lambda: camera.state.name == "live")
            feed.offer(lambda: np.zeros((sizes[1], sizes[1], 3), np.uint8))
            wait_for(lambda: (p := camera.newest(1.0)) is not None and p.size == (sizes[1], sizes[1]))
            wait_for(lambda: camera.state.name == "lost")
            assert "no picture" in camera.state.reason
            feed.offer(lambda: np.zeros((8, 8, 3), np.uint8))
            wait_for(lambda: camera.state.name == "live")
    finally:
        feed.close()
