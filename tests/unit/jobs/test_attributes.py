"""What classifiers say of a stream, as events."""

from datetime import UTC, datetime

import numpy as np

from mien.core.answers import Attribute, Contender, Match
from mien.core.faces import Faces
from mien.jobs.attributes import AttributeTeller
from mien.jobs.presence import Watcher, WatcherOptions

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOBODY = Match("unknown")
ADA = Match("match", (Contender("a1", "Ada", 0.7, 0.7, 1),))


def faces(*said, ids=(3, 4), matches=(NOBODY, NOBODY)):
    """Two faces; of each what classifiers say, as ``(classifier, label)``."""
    told = tuple(tuple(Attribute(c, label, {"me": 0.8, "not_me": 0.2}) for c, label in one) for one in said)
    boxes = np.array([[10, 10, 60, 60], [100, 10, 160, 60]], np.float32)
    return Faces(boxes, [1, 1], track_ids=ids, matches=matches, attributes=told)


def test_each_class_is_told_once_and_again_when_it_changes():
    """Two tracks, one of which is not known yet; then one changes, and its event says what was said before."""
    teller = AttributeTeller()
    first = list(teller.see(faces([("m", "me")], []), 0.0, NOON))
    assert [event.words() for event in first] == ["face 3: me (0.80)"]
    assert [e.words() for e in teller.see(faces([("m", "me")], [("m", "me")]), 0.1, NOON)] == ["face 4: me (0.80)"]
    (changed,) = teller.see(faces([("m", "not_me")], [("m", "me")]), 0.2, NOON)
    assert changed.words() == "face 3: not_me (0.20) (said to be me before)"
    assert changed.to_dict()["attribute"]["class"] == "not_me"
    assert teller.counts() == {"m": {"me": 1, "not_me": 1}}


def test_a_name_stands_in_place_of_the_number():
    """Who is known is called by their name."""
    (event, *_) = AttributeTeller().see(faces([("m", "me")], [], matches=(ADA, NOBODY)), 0.0, NOON)
    assert (event.words(), event.person_id) == ("Ada: me (0.80)", "a1")


def test_faces_that_nobody_classified():
    """No classifier, no events."""
    teller = AttributeTeller()
    plain = faces([], []).with_columns(attributes=None)
    assert list(teller.see(plain, 0.0, NOON)) == []
    assert list(teller.see(Faces.empty(), 0.0, NOON)) == []
    assert teller.counts() == {}


def test_a_face_that_is_classified_is_unknown_only_if_there_is_somebody_to_know():
    """With an empty gallery the class says it all; a stranger to a gallery of people is told as ever."""
    stranger = Match("unknown", ADA.candidates)
    for match, kinds in ((NOBODY, set()), (stranger, {"unknown"})):
        watcher, told = Watcher(WatcherOptions(doubt=0.2)), set()
        for n in range(20):
            seen = faces([("m", "me")], [("m", "me")], matches=(match, match))
            told |= {event.kind for event in watcher.see(seen, n / 10, NOON)}
        assert told == kinds
