"""One stream: search now and then, refine in between, one decision per track."""

from dataclasses import dataclass

import numpy as np
import pytest

from mien.core.errors import SettingError
from mien.core.faces import Faces, Picture
from mien.core.geometry import iou
from mien.core.people import Calibration
from mien.recognition.follower import Follower, FollowOptions
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from mien.recognition.quality import QualityLimits
from mien.recognition.recognizer import Recognizer
from tests.fakes.plugs import SPACE, FakeEmbedder, FakeGallery, frontal

ANY = QualityLimits(size=10, sharpness=0, darkest=0, brightest=1, contrast=0, yaw=90, roll=180)
RED, GREEN, BLUE = np.array([[250, 100, 100], [100, 250, 100], [100, 100, 250]])
KNOWN = Calibration(SPACE.id, (0.1, 0.001), (0.3, 0.6), (0.7, 1.0), (0.0, 1.0), 10_000, "made up", "none", "2026-01-01")
PEOPLE = {"Red": [np.r_[150, np.zeros(7)]], "Green": [np.r_[0, 150, np.zeros(6)]]}


def frame(time, *people):
    """A grey picture with coloured squares: (left, colour) each 60 pixels wide, 30 from the top."""
    pixels = np.full((120, 400, 3), 100, np.uint8)
    for left, colour in people:
        pixels[30:90, left : left + 60] = colour
    return Picture(pixels, time=time)


@dataclass
class SquareDetector:
    """Finds the coloured squares of ``frame``, and finds them again when they moved by half their side at most."""

    searched: int = 0
    name: str = "squares"

    def at_scale(self, scale):
        return self

    def detect(self, image):
        self.searched += 1
        return self._find(image)

    def refine(self, image, faces):
        found = self._find(image)
        overlap = iou(faces.boxes, found.boxes)
        best = overlap.argmax(axis=1) if len(found) else np.zeros(len(faces), int)
        near = np.flatnonzero(overlap.max(axis=1, initial=0) > 0.3)
        return found[best[near]].with_columns(track_ids=faces.track_ids[near])

    @staticmethod
    def _find(image):
        coloured = np.ptp(image[60].astype(int), axis=1) > 50
        edges = np.flatnonzero(np.diff(np.r_[0, coloured.astype(int), 0]))
        boxes = np.array([[a, 30, a + 60, 90] for a in edges[::2]], np.float32).reshape(-1, 4)
        return Faces(boxes=boxes, scores=np.full(len(boxes), 0.9, np.float32), landmarks=frontal(boxes))


@pytest.fixture
def detector():
    return SquareDetector()


@pytest.fixture
def recognizer(detector):
    identifier = CosineIdentifier(None, IdentifyOptions(threshold=0.6))
    return Recognizer(detector, FakeEmbedder(), identifier, FakeGallery(PEOPLE), ANY)


def names(faces):
    return [match.name for match in faces.matches]


def test_searched_now_and_then_refined_in_between(recognizer, detector):
    """Twelve frames with every=6 are searched twice and embedded a few times, and the track goes on through all."""
    follower = Follower(recognizer, refiner=detector, options=FollowOptions(every=6))
    seen = [follower.follow(frame(n / 25, (10 + 4 * n, RED))) for n in range(12)]
    assert [names(f) for f in seen] == [["Red"]] * 12
    assert {int(f.track_ids[0]) for f in seen} == {1}
    assert [float(f.boxes[0, 0]) for f in seen] == [10 + 4 * n for n in range(12)]
    assert detector.searched == follower.searches == 2
    assert follower.looks == 3  # at 0, 0.2 and 0.4 s


def test_without_a_refiner_boxes_stay_until_the_next_search(recognizer, detector):
    """Faces are told in every frame all the same."""
    follower = Follower(recognizer, options=FollowOptions(every=3))
    seen = [follower.follow(frame(n / 25, (10 + 4 * n, RED))) for n in range(4)]
    assert [float(f.boxes[0, 0]) for f in seen] == [10, 10, 10, 22]
    assert {int(f.track_ids[0]) for f in seen} == {1}


def test_a_slow_camera_is_searched_by_the_clock(recognizer, detector):
    """Five frames a second: somebody who comes is found within half a second, not after ``every`` frames."""
    follower = Follower(recognizer, refiner=detector, options=FollowOptions(every=100, within=0.5))
    follower.follow(frame(0.0, (10, RED)))
    seen = [len(follower.follow(frame(n / 5, (10, RED), (200, GREEN)))) for n in range(1, 5)]
    assert seen == [1, 1, 2, 2]


def test_a_lost_face_is_searched_for_at_once(recognizer, detector):
    """Where the refiner loses somebody the whole picture is searched in that very frame."""
    follower = Follower(recognizer, refiner=detector, options=FollowOptions(every=100))
    follower.follow(frame(0.0, (10, RED)))
    jumped = follower.follow(frame(0.3, (300, RED)))
    assert float(jumped.boxes[0, 0]) == 300
    assert jumped.track_ids.tolist() == [1]  # it looks like the one who was lost
    assert detector.searched == 2


def test_a_doubtful_face_that_goes_is_let_go(recognizer, detector):
    """A loss of what the detector was not sure of is no reason to search."""
    follower = Follower(recognizer, refiner=detector, options=FollowOptions(every=100, sure=0.95))
    assert len(follower.follow(frame(0.0, (10, RED), (200, BLUE)))) == 2
    left = [follower.follow(frame(n / 25, (10, RED))) for n in range(1, 4)]
    assert [f.track_ids.tolist() for f in left] == [[1]] * 3
    assert detector.searched == 1


def test_unknown_stays_unknown(recognizer, detector):
    """A stranger's track is named nobody, however often it is looked at."""
    follower = Follower(recognizer, refiner=detector)
    seen = [follower.follow(frame(n / 5, (10, BLUE), (200, GREEN))) for n in range(20)]
    assert [names(f) for f in seen] == [["unknown", "Green"]] * 20


def test_somebody_is_named_once_per_frame(recognizer, detector):
    """Of two faces like Red only one is Red; the other has the reason."""
    follower = Follower(recognizer, refiner=detector)
    faces = follower.follow(frame(0.0, (10, RED), (200, [250, 120, 100])))
    assert names(faces) == ["Red", "unknown"]
    assert "Red" in faces.matches[1].reasons[-1].words()


def test_a_cut_to_somebody_else_in_the_same_place(recognizer, detector):
    """After a cut the same place says nothing: another person, another track, at once."""
    follower = Follower(recognizer, refiner=detector, options=FollowOptions(every=100))
    follower.follow(frame(0.0, (10, RED)))
    other = frame(0.04, (10, GREEN))
    other.pixels[:, 80:] = 180
    after = follower.follow(other)
    assert (names(after), after.track_ids.tolist()) == (["Green"], [2])


def test_people_who_look_alike_do_not_share_a_track_after_a_cut(detector):
    """A cosine of 0.8 would name a face in this space, but only what one stranger in 100,000 reaches (0.9) goes on."""
    recognizer = Recognizer(detector, FakeEmbedder(), CosineIdentifier(KNOWN), FakeGallery(PEOPLE), ANY)
    follower = Follower(recognizer, refiner=detector, options=FollowOptions(every=100))
    shots = [frame(n / 25, (10, colour)) for n, colour in enumerate((RED, [250, 212, 100], RED))]
    shots[1].pixels[:, 80:] = 180
    seen = [follower.follow(shot) for shot in shots]
    assert [f.track_ids.tolist() for f in seen] == [[1], [2], [1]]
    assert seen[1].matches[0].similarity == pytest.approx(0.8, abs=0.01)


def test_somebody_else_without_a_cut_is_noticed(detector):
    """In a space that is known, the next look at another person in a track's place begins a track of their own."""
    recognizer = Recognizer(detector, FakeEmbedder(), CosineIdentifier(KNOWN), FakeGallery(PEOPLE), ANY)
    follower = Follower(recognizer, refiner=detector, options=FollowOptions(every=100))
    seen = [follower.follow(frame(n / 10, (10, RED if n < 3 else GREEN))) for n in range(6)]
    assert [f.track_ids.tolist() for f in seen] == [[1]] * 4 + [[2]] * 2  # looked at five times a second
    assert [names(f) for f in seen][-1] == ["Green"]


def test_a_look_that_is_not_usable_is_not_compared(detector):
    """Faces that miss the limits are told as such, with the reason, and never embedded."""
    identifier = CosineIdentifier(None, IdentifyOptions(threshold=0.6))
    large = QualityLimits(size=200, sharpness=0, darkest=0, brightest=1, contrast=0)
    follower = Follower(Recognizer(detector, FakeEmbedder(), identifier, FakeGallery(PEOPLE), large), refiner=detector)
    faces = follower.follow(frame(0.0, (10, RED)))
    assert names(faces) == ["no_usable_face"]
    assert "face size" in faces.matches[0].reasons[0].words()
    assert follower.looks == 0


def test_after_a_long_stop_a_track_is_new(recognizer, detector):
    """A stream that stood still for longer than the patience goes on with new tracks, without a fault."""
    follower = Follower(recognizer, refiner=detector)
    assert follower.follow(frame(0.0, (10, RED))).track_ids.tolist() == [1]
    assert follower.follow(frame(60.0, (10, RED))).track_ids.tolist() == [2]


def test_nobody_is_an_empty_table(recognizer, detector):
    """No face: an empty table with every column, and nothing embedded."""
    follower = Follower(recognizer, refiner=detector)
    for n in range(3):
        faces = follower.follow(frame(n / 25))
        assert (len(faces), faces.matches, len(faces.track_ids)) == (0, (), 0)


def test_every_frame_or_less():
    """every=0 cannot work."""
    with pytest.raises(SettingError):
        FollowOptions(every=0)
    with pytest.raises(SettingError, match="within is 0"):
        FollowOptions(within=0)
