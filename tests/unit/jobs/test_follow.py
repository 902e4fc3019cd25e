"""From followed frames to who was seen from when to when."""

import numpy as np
import pytest

from mien.core.answers import Contender, Match
from mien.core.faces import Faces
from mien.jobs.follow import SightingList, subtitles

UNKNOWN = Match("unknown", threshold=0.5)


def match(name, similarity=0.8):
    return Match("match", (Contender(f"id-{name}", name, similarity, similarity, 1),), 0.5)


def seen(sightings, time, tracks):
    """One frame with a track and a decision for each face."""
    boxes = np.array([[100 * i, 0, 100 * i + 50, 50] for i in tracks], np.float32).reshape(-1, 4)
    faces = Faces(boxes, np.ones(len(boxes), np.float32), track_ids=np.array(list(tracks), np.int64))
    sightings.add(faces.with_columns(matches=tuple(tracks.values())), time)


def told(sightings):
    return [(s.who, round(s.start, 3), round(s.end, 3), s.track_ids, s.frames) for s in sightings.spans()]


def test_a_span_ends_with_its_last_frame():
    """From the first frame to the end of the last: until the next frame is shown, or the video ends."""
    sightings = SightingList(least=1)
    for n in range(4):
        seen(sightings, n / 10, {1: match("Ada")} | ({2: UNKNOWN} if n < 2 else {}))
    sightings.end(0.5)
    assert told(sightings) == [("unknown", 0.0, 0.2, (2,), 2), ("Ada", 0.0, 0.5, (1,), 4)]


def test_the_last_decision_holds_for_the_whole_track():
    """Who was told late was there from the start; the best similarity with that person is told."""
    sightings = SightingList(least=1)
    for n, decision in enumerate([UNKNOWN, match("Ada", 0.7), match("Ada", 0.9), match("Ada", 0.8)]):
        seen(sightings, n / 10, {1: decision})
    (span,) = sightings.spans()
    assert (span.who, span.start, span.similarity) == ("Ada", 0.0, 0.9)


@pytest.mark.parametrize(("away", "spans"), [(0.9, 1), (1.5, 2)])
def test_a_short_absence_is_bridged(away, spans):
    """Two tracks of one person are one span when the gap is short."""
    sightings = SightingList(least=1, gap=1.0)
    seen(sightings, 0.0, {1: match("Ada", 0.6)})
    seen(sightings, 0.1, {})
    seen(sightings, 0.1 + away, {2: match("Ada", 0.7)})
    found = sightings.spans()
    assert len(found) == spans
    if spans == 1:
        assert (found[0].track_ids, found[0].similarity, found[0].frames) == ((1, 2), 0.7, 2)


def test_strangers_are_not_one_person():
    """Unknown tracks stay apart, however near in time."""
    sightings = SightingList(least=1)
    seen(sightings, 0.0, {1: UNKNOWN})
    seen(sightings, 0.1, {2: UNKNOWN})
    assert [s.track_ids for s in sightings.spans()] == [(1,), (2,)]


def test_nobody_is_in_two_places_at_once():
    """Of two tracks in one frame that end up as one person, the one more like her keeps the name."""
    sightings = SightingList(least=1)
    seen(sightings, 0.0, {1: match("Ada", 0.9), 2: UNKNOWN})
    seen(sightings, 0.1, {1: match("Ada", 0.9), 2: UNKNOWN})
    seen(sightings, 0.2, {2: match("Ada", 0.6)})
    spans = {s.track_ids: s for s in sightings.spans()}
    assert (spans[1,].who, spans[2,].who) == ("Ada", "unknown")
    assert "Ada is another face" in spans[2,].match.reasons[-1].words()


def test_a_face_for_a_frame_or_two_is_left_out():
    """Tracks of fewer frames than the least are no sightings."""
    sightings = SightingList(least=3)
    for n in range(4):
        seen(sightings, n / 10, {1: match("Ada")} | ({2: UNKNOWN} if n < 2 else {}))
    assert [s.who for s in sightings.spans()] == ["Ada"]


def test_subtitles():
    """SubRip: numbered, hours to milliseconds with a comma, a blank line between; a name as it is, a decision in words."""
    sightings = SightingList(least=1)
    seen(sightings, 3599.9996, {1: match("Ада_Б")})
    seen(sightings, 3661.25, {2: Match("no_usable_face")})
    sightings.end(3662.0)
    assert subtitles(sightings.spans()) == (
        "1\n01:00:00,000 --> 01:01:01,250\nАда_Б\n\n2\n01:01:01,250 --> 01:01:02,000\nno usable face\n"
    )


def test_a_span_for_json():
    """Names only for a match; times in seconds."""
    sightings = SightingList(least=1)
    seen(sightings, 0.0, {1: UNKNOWN})
    sightings.end(0.04)
    (row,) = [span.to_dict() for span in sightings.spans()]
    assert (row["who"], row["decision"], row["from"], row["to"], row["track_ids"]) == (None, "unknown", 0.0, 0.04, [1])
