"""Views of one person before a camera: what is asked for, what is kept, and who is refused."""

import numpy as np
import pytest

from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.media.measures import NOSE_DEPTH, yaw
from mien.recognition.enrolment import EnrolOptions
from mien.recognition.guidance import EYES_TO_MOUTH, Guide, GuideOptions, nose_height, pitch
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from mien.recognition.quality import QualityLimits, measure
from mien.recognition.recognizer import Recognizer
from mien.recognition.tracking import Likeness
from tests.fakes.gallery import MemoryGallery
from tests.fakes.plugs import FakeDetector, FakeEmbedder

RED, PINK, ROSE, GREEN = (200, 100, 100), (200, 135, 100), (200, 100, 135), (100, 200, 100)
BOX = (20.0, 20.0, 100.0, 120.0)
EYES = 30.0  # pixels between them


def landmarks(turn=0.0, chin=0.0, box=BOX):
    """Five points of a head turned by so many degrees to its own left, with its chin raised by so many: (5, 2)."""
    phi, height = np.radians(turn), 0.54 - np.tan(np.radians(chin)) * NOSE_DEPTH / EYES_TO_MOUTH
    half = EYES / 2 * np.cos(phi)
    points = [(-half, 0), (half, 0), (EYES * NOSE_DEPTH * np.sin(phi), height * EYES_TO_MOUTH * EYES)]
    points += [(-half, EYES_TO_MOUTH * EYES), (half, EYES_TO_MOUTH * EYES)]
    return np.array(points, np.float32) + np.array([(box[0] + box[2]) / 2, 50], np.float32)


def frame(time, *, turn=0.0, chin=0.0, colour=RED, sharp=True, boxes=(BOX,)):
    """A frame with faces of this colour and pose, and its table."""
    pixels = np.full((200, 500, 3), 128, np.uint8)
    for x1, y1, x2, y2 in np.array(boxes).astype(int):
        texture = np.where(np.indices((y2 - y1, x2 - x1)).sum(axis=0) // 8 % 2, 55, -55)[..., None] if sharp else 0
        pixels[y1:y2, x1:x2] = (np.array(colour) + texture + np.zeros((y2 - y1, x2 - x1, 3))).clip(0, 255)
    picture = Picture(pixels, source="door", time=time)
    points = np.array([landmarks(turn, chin, box) for box in boxes], np.float32).reshape(-1, 5, 2)
    faces = Faces(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.99, np.float32), points)
    return picture, measure(picture, faces, limits=QualityLimits())


def guide(**options):
    return Guide(FakeEmbedder(), Likeness(0.9, 0.5), GuideOptions(**options))


WHOLE = [
    ("straight", {}),
    ("left", {"turn": 25, "colour": PINK}),
    ("right", {"turn": -25, "colour": ROSE}),
    ("up", {"chin": 14, "colour": (200, 65, 100)}),
]


def test_pose_is_read_from_five_points():
    """Degrees of turn and of a raised chin come back from a head drawn with them; its own left is positive."""
    for turn in (-30, 0, 20):
        assert yaw(landmarks(turn)[None])[0] == pytest.approx(turn, abs=0.1)
    straight = nose_height(landmarks())
    assert straight == pytest.approx(0.54, abs=0.001)
    for chin in (-12, 0, 12):
        assert pitch(nose_height(landmarks(chin=chin)), straight) == pytest.approx(chin, abs=0.1)


def test_each_view_is_asked_for_until_it_is_there():
    """Straight first, then the sides and up: the advice is for the next one, and at the end it says thank you."""
    ours, said = guide(), []
    for second, (_, look) in enumerate(WHOLE):
        said.append(ours.see(*frame(second, **look)).words)
    assert said[0] == "turn your head a little to your left"
    assert said[1] == "turn your head a little to your right"
    assert said[2] == "raise your chin a little"
    assert (ours.state, ours.missing) == ("looking", ())
    assert ours.see(*frame(4, **WHOLE[3][1])).kind == "done"
    assert [shot.view for shot in ours.shots] == ["straight", "left", "right", "up"]


def test_views_come_in_any_order_but_straight_first():
    """A turned head before the straight one is not kept; afterwards it counts whatever was asked for."""
    ours = guide()
    assert ours.see(*frame(0, turn=-25)).kind == "straight"
    ours.see(*frame(1))
    assert ours.see(*frame(2, turn=-25, colour=ROSE)).kind == "left"
    assert ours.missing == ("left", "up")


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ({"boxes": ()}, "no face: come before the camera"),
        ({"boxes": (BOX, (200, 20, 280, 120))}, "one face only, please: 2 in the picture"),
        ({"boxes": ((20, 20, 54, 60),)}, "come closer: face 34 px < 40"),
        ({"sharp": False}, "hold still: sharpness 0 < 30"),
        ({"turn": 60}, "turn back a little: 60° > 40°"),
        ({"turn": 12}, "look straight into the camera"),
    ],
)
def test_what_hinders_is_said(look, words):
    """Each advice names what was measured, what is needed, and what to do."""
    assert guide().see(*frame(0, **look)).words == words


def test_passers_by_in_the_background_do_not_count():
    """A face of less than half the size is background, as for photographs."""
    ours = guide()
    ours.see(*frame(0, boxes=(BOX, (300, 20, 334, 54))))
    assert [shot.view for shot in ours.shots] == ["straight"]


def test_the_best_frame_of_a_view_is_kept():
    """A sharper frame takes the place of the first; a poorer one does not."""
    ours = guide()
    soft, faces = frame(0)
    soft = Picture((soft.pixels // 2 + 60).astype(np.uint8), time=0)
    ours.see(soft, measure(soft, faces, limits=QualityLimits()))
    ours.see(*frame(1))
    ours.see(soft, measure(soft, faces, limits=QualityLimits()))
    assert ours.shots[0].picture.time == 1


def test_the_same_view_again_is_no_new_one():
    """Turned points on a face whose vector has not changed (a photograph that is tilted): it is asked for more."""
    ours = guide()
    ours.see(*frame(0))
    assert ours.see(*frame(1, turn=25)).kind == "same view"
    assert len(ours.shots) == 1


def test_somebody_else_is_refused_and_nothing_is_kept():
    """One frame of another face may be a slip; three in a row end it, with no views at all."""
    ours = guide()
    ours.see(*frame(0))
    ours.see(*frame(1, colour=GREEN))
    ours.see(*frame(2))
    assert ours.state == "looking"
    for second in (3, 4, 5):
        advice = ours.see(*frame(second, colour=GREEN))
    assert (ours.state, advice.kind, ours.shots) == ("refused", "refused", ())
    assert "somebody else came before the camera" in advice.words
    assert ours.see(*frame(6)).kind == "refused"


def test_time_runs_out_with_the_views_there_are():
    """After the patience it is done, and says what is missing."""
    ours = guide(patience=5)
    ours.see(*frame(100))
    assert ours.see(*frame(104)).kind == "left"
    assert ours.see(*frame(105)).kind == "done"
    assert ours.missing == ("left", "right", "up")
    assert len(ours.shots) == 1


@pytest.mark.parametrize("options", [{"views": ()}, {"views": ("left", "straight")}, {"patience": 0}])
def test_options_that_cannot_be(options):
    """Without a straight view, or without time, nobody is enrolled."""
    with pytest.raises(SettingError):
        GuideOptions(**options)


def test_a_detector_without_landmarks_is_told():
    """How a head is turned cannot be known without landmarks."""
    picture, faces = frame(0)
    with pytest.raises(SettingError, match="use mtcnn"):
        guide().see(picture, faces.with_columns(landmarks=None))


def test_views_go_in_together_or_not_at_all():
    """One picture that the gate refuses keeps the others out; all good ones go in and are known at once."""
    identifier = CosineIdentifier(None, IdentifyOptions(threshold=0.9))
    recognizer = Recognizer(FakeDetector([list(BOX)]), FakeEmbedder(), identifier, MemoryGallery())
    good, blurred = frame(0)[0], frame(1, sharp=False)[0]
    outcomes = recognizer.enroller.enroll_together("Ada", [good, blurred], options=EnrolOptions())
    assert [o.accepted for o in outcomes] == [False, False]
    assert "none goes in" in outcomes[0].reasons[0].words()
    assert "sharpness" in outcomes[1].reasons[0].words()
    assert recognizer.gallery.people() == []
    assert recognizer.enroller.enroll_together("Ada", []) == []
    outcomes = recognizer.enroller.enroll_together("Ada", [good, frame(2, colour=PINK)[0]])
    assert [o.accepted for o in outcomes] == [True, True]
    assert recognizer.gallery.person("Ada").templates == 2
    assert recognizer.identify(good).matches[0].name == "Ada"
