"""Which face belongs to which track, and what a track's looks say together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.answers import Quality
from mien.core.errors import SettingError
from mien.core.faces import Faces
from mien.core.reasons import Reason
from mien.core.vectors import unit
from mien.recognition.tracking import Likeness, Tracker, TrackOptions, weigh

LIKENESS = Likeness(same=0.8, different=0.2)
ADA, BOB = np.eye(2, 8, dtype=np.float32)


def faces(*lefts, side=100):
    boxes = np.array([[x, 0, x + side, side] for x in lefts], np.float32).reshape(-1, 4)
    return Faces(boxes=boxes, scores=np.ones(len(boxes), np.float32))


def place(tracker, table, time, *, still=True, vectors=None):
    """Place faces and keep the looks given, as the follower does."""
    vectors = vectors or {}
    ids = tracker.place(table, time, still=still, vectors=vectors, likeness=LIKENESS)
    for row, vector in vectors.items():
        tracker.learn(int(ids[row]), vector, 1.0, time)
    return ids.tolist()


def test_a_face_that_moves_a_little_keeps_its_track():
    """Overlap alone carries a track on, whatever the order of the rows."""
    tracker = Tracker()
    assert place(tracker, faces(0, 300), 0.0) == [1, 2]
    assert place(tracker, faces(310, 10), 0.1) == [2, 1]


def test_a_new_place_is_a_new_track():
    """Somebody who overlaps nobody begins a track; numbers are never given twice."""
    tracker = Tracker()
    assert place(tracker, faces(0), 0.0) == [1]
    assert place(tracker, faces(500), 0.1) == [2]
    tracker.forget(60.0)
    assert place(tracker, faces(0), 60.0) == [3]


@given(st.lists(st.integers(0, 400), max_size=6), st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_every_track_is_given_once(before, after, still):
    """However faces crowd, no two of one frame share a track."""
    tracker = Tracker()
    place(tracker, faces(*before), 0.0)
    ids = place(tracker, faces(*after), 0.1, still=still)
    assert len(set(ids)) == len(ids) == len(after)


def test_likeness_brings_somebody_back_elsewhere():
    """Somebody who was hidden and comes back at another place within the patience is the same track."""
    tracker = Tracker()
    assert place(tracker, faces(0), 0.0, vectors={0: ADA}) == [1]
    assert place(tracker, faces(600), 1.0, vectors={0: ADA}) == [1]
    assert place(tracker, faces(600), 1.1, still=False, vectors={0: BOB}) == [2]


def test_crossing_people_keep_their_tracks():
    """Where two boxes overlap both tracks, the embeddings decide and not the place."""
    tracker = Tracker()
    place(tracker, faces(0, 40), 0.0, vectors={0: ADA, 1: BOB})
    crossed = faces(5, 35)
    assert tracker.doubtful(crossed, still=True).all()
    assert place(tracker, crossed, 0.1, vectors={0: BOB, 1: ADA}) == [2, 1]


def test_place_says_nothing_after_a_cut():
    """Two people in the same place before and after a cut are two tracks."""
    tracker = Tracker()
    place(tracker, faces(0), 0.0, vectors={0: ADA})
    assert not tracker.doubtful(faces(0), still=True).any()
    assert tracker.doubtful(faces(0), still=False).all()
    assert place(tracker, faces(0), 0.1, still=False, vectors={0: BOB}) == [2]
    assert place(tracker, faces(0), 0.2, still=False) == [3]


def test_an_unlike_face_does_not_join_a_track_by_its_place():
    """Overlap does not outweigh a look that says somebody else; between like and unlike it decides."""
    tracker = Tracker()
    place(tracker, faces(0), 0.0, vectors={0: ADA})
    assert place(tracker, faces(0), 0.1, vectors={0: unit(ADA + BOB)}) == [1]
    assert place(tracker, faces(0), 0.2, vectors={0: unit(BOB - 2 * ADA)}) == [2]


def test_somebody_else_in_the_same_place_begins_a_track():
    """A look unlike the track's own does not spoil its vote."""
    tracker = Tracker()
    place(tracker, faces(0), 0.0, vectors={0: ADA})
    other = tracker.learn(1, BOB, 1.0, 1.0, likeness=LIKENESS)
    assert other == 2
    assert tracker[1].looks == tracker[2].looks == 1
    assert tracker[2].likeness(BOB) == pytest.approx(1)


def test_the_vote_is_the_weighted_mean_of_the_looks():
    """Better looks count more, and what is compared with a template is the mean of the looks' cosines, not more."""
    tracker = Tracker()
    place(tracker, faces(0), 0.0)
    looks = unit(np.random.default_rng(0).normal(size=(3, 8)))
    for look, weight in zip(looks, (0.2, 0.3, 0.5), strict=True):
        tracker.learn(1, look, weight, 0.0)
    assert tracker[1].vote @ ADA == pytest.approx(np.average(looks @ ADA, weights=(0.2, 0.3, 0.5)), abs=1e-6)


def test_the_best_looks_are_kept():
    """Beyond what a track keeps the poorest goes; what is worth embedding is first, further, better or late."""
    tracker = Tracker(TrackOptions(looks=2, spacing=0.2, recheck=2.0, better=1.2))
    place(tracker, faces(0), 0.0)
    assert tracker.wants(1, 0.1, 0.0)
    assert not tracker.wants(1, 0.0, 0.0)  # not usable
    tracker.learn(1, ADA, 0.1, 0.0)
    assert not tracker.wants(1, 1.0, 0.1)  # too soon
    assert tracker.wants(1, 0.1, 0.3)
    tracker.learn(1, ADA, 0.5, 0.3)
    assert not tracker.wants(1, 0.11, 0.6)
    assert tracker.wants(1, 0.2, 0.6)
    assert tracker.wants(1, 0.11, 2.4)
    tracker.learn(1, BOB, 0.4, 0.6)
    assert (tracker[1].looks, tracker[1].worst) == (2, 0.4)


def test_better_faces_weigh_more():
    """Large, sharp and frontal counts more; not usable counts nothing."""
    good = Quality(size=120, sharpness=120, brightness=0.5, contrast=0.2, yaw=0, roll=0)
    assert weigh(good) == 1
    for worse in ({"size": 40}, {"sharpness": 10}, {"yaw": 45}):
        changed = Quality(
            **{k: getattr(good, k) for k in ("size", "sharpness", "brightness", "contrast", "yaw", "roll")} | worse
        )
        assert 0 < weigh(changed) < 1
    assert weigh(Quality(120, 120, 0.5, 0.2, 0, 0, reasons=(Reason("gate", "sharpness"),))) == 0


@pytest.mark.parametrize("options", [{"overlap": 0}, {"overlap": 1.5}, {"looks": 0}])
def test_options_that_cannot_work(options):
    """A value outside of its range is refused in one line."""
    with pytest.raises(SettingError):
        TrackOptions(**options)
