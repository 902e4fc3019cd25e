"""A stream in which only living faces count: a head that turns is marked after its pass, a photograph never."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from mien.core.faces import Faces, Picture
from mien.jobs.attend import sighting_of
from mien.jobs.presence import Watcher, WatcherOptions
from mien.jobs.watch import watch
from mien.recognition.challenge import ChallengeOptions
from mien.recognition.liveness import ChallengeCheck
from tests.fakes.heads import FLAT, HEAD, seen
from tests.unit.recognition.test_liveness import Actor, frame, named

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass
class State:
    name: str = "live"
    reason: str = ""
    since: datetime = BEGIN


@dataclass
class TenASecond:
    """A source of so many empty frames."""

    frames: int
    shown: int = 0
    recorded: bool = True
    state: State = field(default_factory=State)

    @property
    def time(self):
        return self.shown / 10

    @property
    def ended(self):
        return self.shown >= self.frames

    def newest(self, _):
        if self.ended:
            return None
        self.shown += 1
        return Picture(np.zeros((300, 400, 3), np.uint8), time=self.time)

    @staticmethod
    def moment(time):
        return BEGIN + timedelta(seconds=time)


@dataclass
class Stage:
    """A follower that finds an actor who hears what is asked."""

    actor: Actor
    check: ChallengeCheck

    def follow(self, picture) -> Faces:
        return frame(self.actor.act(self.check.instruction(self.actor.track)))


def played(points, seconds, **options):
    """Events and sightings of an actor in front of a camera that wants living faces."""
    check = ChallengeCheck(ChallengeOptions(**options))
    watcher = Watcher(WatcherOptions(every=60.0), live_only=True)
    stage = Stage(Actor(points), check)
    events = [e for look in watch(TenASecond(10 * seconds), stage, watcher, liveness=check) for e in look.events]
    events += watcher.finish()
    sightings = [s for e in events if (s := sighting_of(e, camera="door", run="test")) is not None]
    return [e.kind for e in events], sightings


def test_a_head_is_marked_once_it_has_turned_and_not_before():
    """While nothing is known of liveness there is no sighting at all; then they arrive."""
    kinds, sightings = played(HEAD, 20)
    assert kinds[:2] == ["unproven", "arrived"]
    assert {(s.decision, s.person_id) for s in sightings} == {("match", "id-Ada")}
    assert sightings[0].at >= BEGIN + timedelta(seconds=2.3)


def test_a_photograph_makes_a_sighting_that_names_nobody():
    """It is told and written as what it is, again and again asked, and nobody ever arrives."""
    kinds, sightings = played(FLAT, 60)
    assert "arrived" not in kinds
    assert "spoof" in kinds
    assert {(s.decision, s.person_id, s.candidates) for s in sightings} == {("spoof", None, ())}


def test_who_stands_still_marks_nobody_until_the_time_is_over():
    """A photograph held still is named by the recogniser all the while."""
    actor = Actor(FLAT)
    actor.act = lambda _: (seen(FLAT), 1, named("Ada"))
    check = ChallengeCheck(ChallengeOptions(timeout=5.0))
    watcher = Watcher(live_only=True)
    kinds = [
        e.kind for look in watch(TenASecond(100), Stage(actor, check), watcher, liveness=check) for e in look.events
    ]
    assert kinds == ["unproven", "spoof"]
