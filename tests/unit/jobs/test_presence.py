"""What becomes of faces over time: each fact told once, nothing for a flicker."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mien.core.answers import Contender, Match
from mien.core.errors import SettingError
from mien.core.faces import Faces
from mien.jobs.presence import Watcher, WatcherOptions

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def match(name, similarity=0.8):
    return Match("match", (Contender(f"id-{name}", name, similarity, similarity, 1),), 0.5)


def either(*names):
    return Match("ambiguous", tuple(Contender(f"id-{n}", n, 0.7, 0.7, 1) for n in names), 0.5, 0.01)


UNKNOWN = Match("unknown", threshold=0.5)
ADA, BOB = match("Ada"), match("Bob")
SPOOF = Match("spoof", ADA.candidates, 0.5)
UNUSABLE = Match("no_usable_face")


def frame(liveness=None, **tracks):
    """A table of faces: ``frame(t1=ADA, t2=UNKNOWN)``."""
    n = len(tracks)
    return Faces(
        boxes=np.tile(np.array([0, 0, 50, 50], np.float32), (n, 1)),
        scores=np.ones(n, np.float32),
        track_ids=np.array([int(t[1:]) for t in tracks], np.int64),
        matches=tuple(tracks.values()),
        liveness=None if liveness is None else np.full(n, liveness, np.float32),
    )


class Play:
    """Plays faces to a watcher, ten frames a second."""

    def __init__(self, watcher=None, **options):
        self.watcher = watcher or Watcher(WatcherOptions(**options))
        self.time = 0.0
        self.events = []

    def show(self, seconds, liveness=None, *, at=None, **tracks):
        """The same faces for so many seconds; the events of that time in words."""
        new = []
        for _ in range(round(seconds * 10)):
            label = START + timedelta(seconds=self.time) if at is None else at
            new += self.watcher.see(frame(liveness, **tracks), self.time, label)
            self.time += 0.1
        self.events += new
        return [(e.kind, e.name) if e.name else e.kind for e in new]


def test_somebody_arrives_and_leaves():
    """One line each: after three frames, and after being away for five seconds; the stay is told."""
    play = Play()
    assert play.show(0.2, t1=ADA) == []
    assert play.show(3, t1=ADA) == [("arrived", "Ada")]
    assert play.show(4.9) == []
    assert play.show(1) == [("left", "Ada")]
    left = play.events[-1]
    assert left.until == START + timedelta(seconds=3.1)
    assert left.words() == "Ada left after 0:00:03, last seen 5 s ago"
    assert play.show(60) == []


def test_turning_away_for_a_second_is_no_news():
    """Neither left nor arrived again, though the track is another one."""
    play = Play()
    assert play.show(2, t1=ADA) == [("arrived", "Ada")]
    assert play.show(1) == []
    assert play.show(2, t2=ADA) == []
    assert [p.stays for p in play.watcher.people] == [1]


def test_coming_back_later_is_news():
    """Somebody who left arrives again, a second stay of one person."""
    play = Play()
    play.show(1, t1=ADA)
    play.show(6)
    assert play.show(1, t2=ADA) == [("arrived", "Ada")]
    (ada,) = play.watcher.people
    assert (ada.stays, ada.first, ada.last) == (2, START + timedelta(seconds=0.2), START + timedelta(seconds=7.9))


def test_a_name_that_flickers_is_not_told():
    """A name for two frames, or every other frame, is no fact; the decision that lasts is."""
    play = Play()
    for _ in range(10):
        assert play.show(0.2, t1=ADA) == []
        assert play.show(0.1, t1=UNKNOWN) == []
    assert play.show(2, t1=UNKNOWN) == ["unknown"]


def test_a_name_is_not_taken_back_for_a_moment():
    """Four seconds without the name on the same track are nothing; five are a leave, and the face unknown."""
    play = Play()
    play.show(1, t1=ADA)
    assert play.show(4, t1=UNKNOWN) == []
    assert play.show(1, t1=ADA) == []
    assert sorted(map(str, play.show(6, t1=UNKNOWN))) == ["('left', 'Ada')", "unknown"]
    assert play.show(6, t1=ADA) == [("arrived", "Ada")]


def test_the_same_track_named_again_after_a_leave():
    """A name that was gone for longer than the absence allowed arrives again, whatever the track is said to be."""
    play = Play()
    play.show(1, t1=ADA)
    play.show(5.2, t1=UNUSABLE)
    assert play.show(1, t1=ADA) == [("arrived", "Ada")]


def test_a_name_that_changes_is_told_as_such():
    """Ada, then for good Bob on one track: one line that names both, and Ada was not there after all."""
    play = Play()
    play.show(2, t1=ADA)
    assert play.show(0.9, t1=BOB) == []
    assert play.show(2, t1=BOB) == [("renamed", "Bob")]
    assert play.events[-1].was == "Ada"
    assert play.events[-1].words() == "not Ada: Bob (0.80)"
    assert [p.name for p in play.watcher.here] == ["Bob"]
    assert play.show(6) == [("left", "Bob")]


def test_a_changed_name_leaves_somebody_elses_track_alone():
    """If another track is Ada, she is still there."""
    play = Play()
    play.show(1, t1=ADA)
    play.show(0.5, t1=ADA, t2=ADA)
    play.show(2, t1=BOB, t2=ADA)
    assert sorted(p.name for p in play.watcher.here) == ["Ada", "Bob"]


def test_a_stranger_is_told_once_per_track():
    """After a second without a name; another track is another stranger."""
    play = Play()
    assert play.show(0.9, t1=UNKNOWN) == []
    assert play.show(30, t1=UNKNOWN) == ["unknown"]
    assert play.show(2, t2=UNKNOWN) == ["unknown"]
    assert play.watcher.strangers == 2


def test_a_stranger_who_gets_a_name():
    """Better looks name the track: arrived, and what it was before."""
    play = Play()
    play.show(2, t1=UNKNOWN)
    assert play.show(1, t1=ADA) == [("arrived", "Ada")]
    assert play.events[-1].was == "unknown"


def test_an_ambiguous_face():
    """Told once with both names; nobody is there."""
    play = Play()
    assert play.show(10, t1=either("Ada", "Bob")) == ["ambiguous"]
    assert play.events[-1].words() == "ambiguous: Ada or Bob"
    assert play.watcher.people == []


def test_a_face_without_a_usable_view_is_nothing():
    """Too small, too dark: no event, however long."""
    assert Play().show(30, t1=UNUSABLE) == []


def test_a_spoof_is_told_and_takes_the_name_back():
    """A picture of Ada that was named first is told as what it is, and Ada is not there."""
    play = Play()
    assert play.show(1, t1=SPOOF) == ["spoof"]
    assert play.events[-1].words() == "not a living face: Ada"
    play.show(1, t2=ADA)
    assert play.show(1, t2=SPOOF) == ["spoof"]
    assert play.events[-1].was == "Ada"
    assert play.watcher.here == []
    assert play.show(4, t2=ADA) == []


def test_with_a_liveness_check_a_name_waits_for_it():
    """Named but not known to live is told once as unproven; alive, the person arrives."""
    play = Play(Watcher(live_only=True))
    assert play.show(3, np.nan, t1=ADA) == ["unproven"]
    assert play.show(1, 0.9, t1=ADA) == [("arrived", "Ada")]
    assert play.show(2, np.nan, t2=UNKNOWN) == ["unknown"]


def test_nobody_leaves_while_nothing_is_seen():
    """A camera that stalls for a minute sends nobody away; those who are gone afterwards leave then."""
    play = Play()
    play.show(1, t1=ADA)
    play.time += 60
    assert play.show(2, t2=ADA) == []
    play.time += 60
    assert play.show(3) == []
    assert play.show(3) == [("left", "Ada")]


def test_a_wall_clock_that_steps_back():
    """Logic goes by the source's clock; the wall clock's moment is only a label."""
    play = Play()
    play.show(1, t1=ADA)
    assert play.show(2, t1=ADA, at=START - timedelta(hours=1)) == []
    assert play.show(6, at=START - timedelta(hours=2)) == [("left", "Ada")]
    assert "after 0:00:00" in play.events[-1].words()


def test_still_there_every_so_often():
    """While somebody is visible they are told again at most every ten seconds; an ambiguous face too, a stranger not."""
    play = Play(every=10)
    told = play.show(35, t1=ADA, t2=UNKNOWN, t3=either("Bob", "Cy"))
    assert told.count(("still there", "Ada")) == 3
    assert told.count("still there") == 3
    assert told.count("unknown") == told.count("ambiguous") == told.count(("arrived", "Ada")) == 1
    (last,) = play.watcher.finish()
    assert (last.kind, last.name, last.until) == ("still there", "Ada", START + timedelta(seconds=34.9))


def test_memory_does_not_grow_with_the_tracks():
    """Ten thousand strangers passing by leave no more than those of the last minute behind."""
    play = Play()
    for n in range(10_000):
        play.show(0.1, **{f"t{n}": UNKNOWN})
    assert len(play.watcher._tracks) <= 602


def test_events_for_programs():
    """Every field as JSON has it."""
    play = Play()
    play.show(1, t1=ADA)
    event = play.events[0].to_dict()
    assert (event["event"], event["time"], event["at"]) == ("arrived", 0.2, "2026-03-02T08:00:00.200+00:00")
    assert (event["name"], event["person_id"], event["track_id"]) == ("Ada", "id-Ada", 1)
    assert event["match"]["similarity"] == 0.8


@pytest.mark.parametrize("options", [{"least": 0}, {"away": -1.0}, {"doubt": float("nan")}, {"every": float("inf")}])
def test_options_that_cannot_work(options):
    """Refused with what is needed."""
    with pytest.raises(SettingError, match=r"needed|needs"):
        WatcherOptions(**options)
