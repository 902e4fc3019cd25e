"""What classifiers say of faces, once and over a track."""

import numpy as np
import pytest

from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.recognition.attributes import AttributeVote, VoteOptions, classify

PIXELS = np.zeros((50, 100, 3), np.uint8)


class Scripted:
    """Says what it is told to, whatever it sees; remembers the boxes."""

    def __init__(self, name="me", classes=("me", "not_me"), says=0.9):
        self.name, self.classes, self.says, self.boxes = name, classes, says, []

    def classify(self, image, faces):
        self.boxes.append(faces.boxes)
        says = np.broadcast_to(np.float32(self.says), len(faces))
        return np.stack([says, 1 - says], axis=1)


def faces(*ids):
    boxes = [[10 * i, 10, 10 * i + 10, 20] for i in range(1, len(ids) + 1)]
    return Faces(boxes=np.float32(boxes).reshape(-1, 4), scores=[1] * len(ids), track_ids=ids)


def labels(found):
    return [[a.label for a in attributes] for attributes in found.attributes]


def run(vote, classifier, says, *, step=0.1):
    """The label of track 7 after each frame."""
    told = []
    for n, value in enumerate(says):
        classifier.says = value
        told.append(labels(vote.look(Picture(PIXELS, time=n * step), faces(7)))[0])
    return [label for label in told for label in label]


def test_a_photograph_is_told_at_once():
    """Every classifier, every face, boxes in pixels of the decoded picture."""
    a, b = Scripted(), Scripted("mask", ("mask", "none"), [0.2, 0.7])
    found = classify([a, b], Picture(PIXELS, scale=0.5), faces(1, 2))
    assert labels(found) == [["me", "none"], ["me", "mask"]]
    assert found.attributes[0][1].probability == pytest.approx(0.8)
    np.testing.assert_allclose(a.boxes[0], faces(1, 2).boxes / 2)


def test_nobody_in_a_photograph():
    """No face, no attributes, no fault."""
    assert classify([Scripted()], Picture(PIXELS), Faces.empty()).attributes == ()


def test_a_track_is_told_after_three_looks():
    """Nothing is said of the first two frames."""
    classifier = Scripted()
    assert run(AttributeVote([classifier]), classifier, [0.9] * 5) == ["me"] * 3


def test_one_wrong_frame_does_not_flicker():
    """Frames that say otherwise change nothing while they are few, nor do answers that hover around one half."""
    classifier = Scripted()
    assert set(run(AttributeVote([classifier]), classifier, [0.9] * 5 + [0.1, 0.1] + [0.9] * 5)) == {"me"}
    hovering = [0.52, 0.47] * 30
    assert len(set(run(AttributeVote([classifier]), classifier, hovering))) == 1


def test_who_changes_is_told_within_a_second():
    """Another answer for good takes the place of the old one, once."""
    classifier = Scripted()
    told = run(AttributeVote([classifier]), classifier, [0.9] * 20 + [0.1] * 12)
    assert told[:18] == ["me"] * 18
    assert 4 <= told[18:].index("not_me") <= 10
    assert set(told[18 + told[18:].index("not_me") :]) == {"not_me"}


def test_looks_are_some_time_apart():
    """A fast camera is not classified in every frame."""
    classifier = Scripted()
    run(AttributeVote([classifier]), classifier, [0.9] * 100, step=0.01)
    assert 9 <= len(classifier.boxes) <= 11


def test_tracks_are_apart_and_forgotten():
    """Each track has its own vote; one that was away for a minute begins anew."""
    classifier, options = Scripted(), VoteOptions(least=1)
    vote = AttributeVote([classifier], options)
    classifier.says = [0.9, 0.1]
    assert labels(vote.look(Picture(PIXELS, time=0.0), faces(1, 2))) == [["me"], ["not_me"]]
    classifier.says = [0.4]
    assert labels(vote.look(Picture(PIXELS, time=1.0), faces(1))) == [["me"]]
    assert labels(vote.look(Picture(PIXELS, time=70.0), faces(1))) == [["not_me"]]


@pytest.mark.parametrize("wrong", [{"least": 0}, {"least": 11}, {"lead": 2}])
def test_options_that_cannot_work(wrong):
    """They are refused."""
    with pytest.raises(SettingError):
        VoteOptions(**wrong)
