"""Which face of a look is kept as evidence of an event."""

from dataclasses import replace
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from mien.core.answers import Contender, Match
from mien.core.faces import Faces, Picture
from mien.doors.cli.attendance_evidence import crop_of_event
from mien.jobs.watch import Event, Watched

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADA = Match("match", (Contender("p1", "Ada", 0.9, 0.9, 1),), 0.5)
NOBODY = replace(ADA, decision="unknown")
PIXELS = np.full((100, 200, 3), 40, np.uint8)
PIXELS[:, 100:] = 220
BOXES = np.array([[10, 10, 60, 60], [120, 10, 170, 60]], np.float32)


def look(*matches):
    """Track 7 on the dark left, track 8 on the bright right."""
    faces = Faces(BOXES, np.ones(2, np.float32), track_ids=np.array([7, 8]), matches=matches)
    return Watched(Picture(PIXELS, source="door", time=1.0), faces)


def level(jpeg):
    return float(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE).mean())


def test_the_face_of_the_track_is_kept():
    """Of two faces the one that the event is about."""
    arrived = Event("arrived", 1.0, AT, "Ada", "p1", 8, ADA, until=AT)
    assert level(crop_of_event(look(NOBODY, ADA), arrived)) == pytest.approx(220, abs=3)


@pytest.mark.parametrize("kind", ["left", "still there"])
def test_another_face_on_the_track_is_nobodys_evidence(kind):
    """Ada allowed crops of herself; whoever stands on her track when she has left, or at the end, did not."""
    event = Event(kind, 1.0, AT, "Ada", "p1", 8, ADA, until=AT)
    assert crop_of_event(look(NOBODY, NOBODY), event) is None
    assert crop_of_event(look(NOBODY, replace(ADA, decision="ambiguous")), event) is None
    assert crop_of_event(look(NOBODY, replace(ADA, candidates=(Contender("p2", "Bob", 0.9, 0.9, 1),))), event) is None


def test_nothing_was_looked_at():
    """No look, no picture and no such track give no crop."""
    event = Event("left", 1.0, AT, "Ada", "p1", 9, ADA)
    assert crop_of_event(None, event) is None
    assert crop_of_event(Watched(None, Faces.empty()), event) is None
    assert crop_of_event(look(ADA, ADA), event) is None
