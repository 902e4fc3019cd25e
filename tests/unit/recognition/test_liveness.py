"""Living faces and pictures of them in one stream: who is marked, and who is not."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

from mien.core.answers import Contender, Match
from mien.core.attendance import Sighting
from mien.core.errors import InputError, SettingError
from mien.core.faces import Faces, Picture
from mien.recognition.challenge import ChallengeOptions
from mien.recognition.liveness import ChallengeCheck, PassiveCheck, PassiveOptions
from tests.fakes.heads import FLAT, HEAD, seen

ONE = ChallengeOptions(turns=1)
PIXELS = np.zeros((300, 400, 3), np.uint8)


def named(name, decision="match"):
    return Match(decision, (Contender(f"id-{name}", name, 0.9, 0.9, 1),), 0.5)


STRANGER = Match("unknown", (Contender("id-Ada", "Ada", 0.2, 0.2, 1),), 0.5)


def frame(*people):
    """A follower's table of (landmarks, track, match) each."""
    landmarks = np.array([p[0] for p in people], np.float32).reshape(-1, 5, 2)
    boxes = np.concatenate([landmarks.min(axis=1) - 20, landmarks.max(axis=1) + 20], axis=1).reshape(-1, 4)
    ids = [p[1] for p in people]
    return Faces(boxes, np.ones(len(people)), landmarks, track_ids=ids, matches=tuple(p[2] for p in people))


class Actor:
    """Somebody, or a picture of somebody, who does what they are asked."""

    def __init__(self, points=HEAD, track=1, match=None):
        self.points, self.track, self.match, self.yaw = points, track, match or named("Ada"), 0.0

    def act(self, instruction):
        goal = 50.0 if "left" in instruction else -50.0 if "right" in instruction else 0.0
        self.yaw += float(np.clip(goal - self.yaw, -4, 4))
        return seen(self.points, yaw=self.yaw), self.track, self.match


def play(check, *actors, start=0.0, seconds=8.0):
    """The faces of every frame, ten a second."""
    frames = []
    for n in range(int(seconds * 10)):
        shown = frame(*(a.act(check.instruction(a.track)) for a in actors))
        frames.append(check.check(Picture(PIXELS, time=start + n / 10), shown))
    return frames


def decisions(frames, row=0):
    """Decision and liveness, each change once."""
    said = [(f.matches[row].decision, None if np.isnan(f.liveness[row]) else float(f.liveness[row])) for f in frames]
    return [s for s, before in zip(said, [None, *said], strict=False) if s != before]


def test_who_turns_is_live_from_then_on():
    """Named from the first frame, but nothing is known of liveness until the turns are done."""
    assert decisions(play(ChallengeCheck(), Actor())) == [("match", None), ("match", 1.0)]


def test_a_photograph_is_a_spoof_with_its_reason():
    """It names nobody, keeps its candidates, and says what was measured against what."""
    last = play(ChallengeCheck(), Actor(FLAT), seconds=40)
    assert ("match", 1.0) not in decisions(last)
    spoof = next(f.matches[0] for f in last if f.matches[0].decision == "spoof")
    assert (spoof.person_id, spoof.candidates[0].name) == (None, "Ada")
    assert spoof.reasons[-1].stage == "liveness"


def test_strangers_are_not_asked():
    """They mark nobody anyway."""
    check = ChallengeCheck()
    frames = play(check, Actor(match=STRANGER))
    assert decisions(frames) == [("unknown", None)]
    assert check.instruction(1) == ""


def test_an_ambiguous_face_is_asked_too():
    """A question is answered with a person: a photograph must not ask it."""
    assert decisions(play(ChallengeCheck(), Actor(match=named("Ada", "ambiguous")))) == [
        ("ambiguous", None), ("ambiguous", 1.0),
    ]  # fmt: skip


def test_another_person_on_the_track_inherits_nothing():
    """Ada passed; then the same track is taken for Bob: he is asked from the start."""
    check = ChallengeCheck(ONE)
    assert decisions(play(check, Actor()))[-1] == ("match", 1.0)
    assert decisions(play(check, Actor(FLAT, match=named("Bob")), start=8.0)) == [("match", None), ("spoof", 0.0)]


def test_a_stranger_who_passed_as_nobody_gives_nothing_to_a_photograph():
    """Somebody unknown turns their head and then holds up Ada's photograph on the same track."""
    check = ChallengeCheck(ONE)
    play(check, Actor(match=STRANGER))
    assert decisions(play(check, Actor(FLAT), start=8.0)) == [("match", None), ("spoof", 0.0)]


def test_a_photograph_in_the_place_of_who_left_inherits_nothing():
    """Ada passed and went; half a second later her photograph is on the same track, which was patient for longer."""
    check = ChallengeCheck(ONE)
    play(check, Actor())
    check.check(Picture(PIXELS, time=8.2), frame())
    assert decisions(play(check, Actor(FLAT), start=8.7)) == [("match", None), ("spoof", 0.0)]


def test_a_photograph_slipped_in_without_a_gap_inherits_nothing_if_it_jumps():
    """After a pass the face goes on being watched: what jumps in the very next frame is another picture."""
    check = ChallengeCheck(ONE)
    play(check, Actor())
    turned = Actor(HEAD)
    turned.yaw = 40
    assert decisions(play(check, turned, start=8.0, seconds=0.1)) == [("match", None)]


def test_a_pass_wears_off():
    """Somebody who stays is asked again after a while."""
    check = ChallengeCheck(ONE, valid=5.0)
    assert decisions(play(check, Actor(), seconds=14))[:3] == [("match", None), ("match", 1.0), ("match", None)]


def test_who_failed_rests_on_every_track_and_may_then_try_again():
    """A new track is no new attempt; after the rest there is one."""
    check = ChallengeCheck(ONE, rest=5.0)
    flat = play(check, Actor(FLAT), seconds=40)
    first = next(n for n, f in enumerate(flat) if f.matches[0].decision == "spoof") / 10
    check = ChallengeCheck(ONE, rest=5.0)
    play(check, Actor(FLAT), seconds=first + 0.1)
    assert decisions(play(check, Actor(track=2), start=first + 0.2, seconds=12)) == [
        ("spoof", 0.0), ("match", None), ("match", 1.0),
    ]  # fmt: skip


def test_hiding_does_not_draw_other_sides():
    """Whoever has one recording cannot cover it until the sides suit: out of sight they stay, as long as a failure rests."""

    def asked(check, start, track):
        play(check, Actor(track=track), start=start, seconds=0.8)
        return check.instruction(track)

    for seed in range(8):
        check = ChallengeCheck(ONE, rest=15.0, chance=random.Random(seed))
        sides = [asked(check, 2.0 * n, track=n) for n in range(6)]
        assert all(said == sides[0] for said in sides), seed
    later = set()
    for seed in range(8):
        check = ChallengeCheck(ONE, rest=15.0, chance=random.Random(seed))
        later.add(asked(check, 0.0, 1) == asked(check, 30.0, 2))
    assert later == {True, False}


def test_two_people_are_asked_each_for_themselves():
    """One obeys, the other is a photograph."""
    frames = play(ChallengeCheck(ONE), Actor(), Actor(FLAT, 2, named("Bob")), seconds=20)
    assert decisions(frames)[-1] == ("match", 1.0)
    assert ("match", 1.0) not in decisions(frames, 1)


def test_a_spoof_makes_a_sighting_of_nobody():
    """What goes into the book has the decision and no person."""
    frames = play(ChallengeCheck(ONE), Actor(FLAT), seconds=40)
    spoof = next(f.matches[0] for f in frames if f.matches[0].decision == "spoof")
    sighting = Sighting.of(spoof, datetime(2026, 3, 2, 8, tzinfo=UTC), "door")
    assert (sighting.decision, sighting.person_id, sighting.candidates) == ("spoof", None, ())


@pytest.mark.parametrize("check", [ChallengeCheck(), PassiveCheck(type("C", (), {"classes": ("live",)})())])
def test_nobody_is_nothing_to_check(check):
    """An empty table stays one, with an empty column; a table that nobody followed is refused."""
    assert check.check(Picture(PIXELS), frame()).liveness.shape == (0,)
    with pytest.raises(InputError, match="track_ids and matches"):
        check.check(Picture(PIXELS), Faces(boxes=[[0, 0, 9, 9]], scores=[1]))


@dataclass
class FakeClassifier:
    """Says what it is told, and counts the faces it saw."""

    answers: list[float]
    classes: tuple[str, ...] = ("spoof", "live")
    boxes: list[list[float]] = field(default_factory=list)

    def classify(self, image, faces):
        self.boxes += faces.boxes.tolist()
        live = np.array([self.answers.pop(0) for _ in range(len(faces))], np.float32)
        return np.stack([1 - live, live], axis=1)


def watch(check, matches, *, apart=0.1, scale=1.0):
    """Liveness and decision of one still face whose match is given for each frame."""
    told = []
    for n, match in enumerate(matches):
        faces = check.check(Picture(PIXELS, scale, time=n * apart), frame((seen(HEAD), 1, match)))
        told.append((float(faces.liveness[0]), faces.matches[0].decision))
    return told


@pytest.mark.parametrize(("answers", "decision"), [([0.9, 0.2, 0.9], "match"), ([0.1, 0.2, 0.1], "spoof")])
def test_the_mean_of_some_frames_decides(answers, decision):
    """One frame says nothing; three together do."""
    check = PassiveCheck(FakeClassifier(list(answers)), PassiveOptions(frames=3))
    told = watch(check, [named("Ada")] * 3)
    assert [d for _, d in told] == ["match", "match", decision]
    assert np.isnan([score for score, _ in told]).tolist() == [True, True, False]
    assert told[2][0] == pytest.approx(np.mean(answers))


def test_another_person_on_the_track_is_judged_anew():
    """What was seen of Ada does not speak for Bob."""
    check = PassiveCheck(FakeClassifier([1.0] * 9), PassiveOptions(frames=2))
    told = watch(check, [named("Ada")] * 2 + [named("Bob")] * 2)
    assert np.isnan([score for score, _ in told]).tolist() == [True, False, True, False]


def test_frames_that_are_too_near_are_not_judged_twice():
    """Twenty-five frames a second differ too little to count each."""
    classifier = FakeClassifier([1.0] * 20)
    watch(PassiveCheck(classifier, PassiveOptions(spacing=0.2)), [named("Ada")] * 10, apart=0.05)
    assert len(classifier.boxes) == 3


def test_a_stranger_who_looks_false_stays_unknown():
    """The score is there, the decision is the recogniser's."""
    check = PassiveCheck(FakeClassifier([0.0]), PassiveOptions(frames=1))
    assert watch(check, [STRANGER]) == [(0.0, "unknown")]


def test_the_classifier_sees_pixels_of_the_picture():
    """A follower's boxes are in pixels of the original; the picture may be smaller."""
    classifier = FakeClassifier([1.0] * 2)
    watch(PassiveCheck(classifier), [named("Ada")])
    watch(PassiveCheck(classifier), [named("Ada")], scale=0.5)
    full, half = np.array(classifier.boxes)
    assert half.tolist() == pytest.approx((full / 2).tolist())


def test_a_model_without_the_class_is_refused():
    """Cats and dogs tell nothing about liveness."""
    with pytest.raises(SettingError, match="cat, dog"):
        PassiveCheck(FakeClassifier([], ("cat", "dog")))


@pytest.mark.parametrize("wrong", [{"threshold": 2}, {"frames": 0}])
def test_options_that_cannot_work(wrong):
    """They are refused with the value."""
    with pytest.raises(SettingError):
        PassiveOptions(**wrong)
