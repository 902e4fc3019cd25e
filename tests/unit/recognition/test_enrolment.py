"""Learning people: the gate, several faces, duplicates, each photo whole or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from mien.core.answers import Quality
from mien.core.errors import InputError, SpaceMismatchError, StoreError
from mien.core.faces import Picture
from mien.core.people import Calibration, Person
from mien.recognition.enrolment import EnrolOptions
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from mien.recognition.quality import QualityLimits, judge
from mien.recognition.recognizer import Recognizer
from tests.fakes.gallery import MemoryGallery, NarrowGallery
from tests.fakes.plugs import SPACE, FakeDetector, FakeEmbedder

RED, GREEN, PINK = (200, 100, 100), (100, 200, 100), (200, 110, 105)
BOX = [20, 20, 100, 120]


def photo(colour, *, name="a.jpg", sharp=True, boxes=(BOX,)) -> Picture:
    """A picture whose faces have this mean colour, with texture so that the gate finds it sharp."""
    pixels = np.full((200, 300, 3), 128, np.uint8)
    for x1, y1, x2, y2 in boxes:
        patch = np.array(colour, np.int16) + np.zeros((y2 - y1, x2 - x1, 3), np.int16)
        if sharp:
            patch += np.where(np.indices(patch.shape[:2]).sum(axis=0) // 8 % 2, 55, -55)[..., None].astype(np.int16)
        pixels[y1:y2, x1:x2] = patch.clip(0, 255)
    return Picture(pixels, source=name, sha256=f"sha-{name}")


@pytest.fixture(params=[MemoryGallery, NarrowGallery])
def recognizer(request) -> Recognizer:
    """Over a gallery that is compared with whole, and over one that tells only of those who matter."""
    identifier = CosineIdentifier(None, IdentifyOptions(threshold=0.9))
    return Recognizer(FakeDetector([BOX]), FakeEmbedder(), identifier, request.param())


def test_a_person_is_known_from_the_next_call_on(recognizer):
    """Nothing is trained: after enrolling, another photograph is named and a stranger is not."""
    (outcome,) = recognizer.enroll("Đức Nguyễn", [photo(RED)])
    assert outcome.accepted
    assert outcome.person.name == "Đức Nguyễn"
    assert recognizer.identify(photo(PINK, name="b.jpg")).matches[0].name == "Đức Nguyễn"
    assert recognizer.identify(photo(GREEN, name="c.jpg")).matches[0].decision == "unknown"


def test_the_template_knows_where_it_comes_from(recognizer):
    """Source, digest, box in pixels of the original, quality and detector go in with the vector."""
    small = photo(RED)
    recognizer.enroll("Ada", [Picture(small.pixels, 0.5, small.source, small.sha256)])
    (template,) = recognizer.gallery.templates("Ada")
    assert template.box == (40, 40, 200, 240)
    assert (template.source, template.photo_sha256, template.detector) == ("a.jpg", "sha-a.jpg", "fake")
    assert template.quality["size"] == 160


def test_refused_photos_say_why_and_the_rest_go_in(recognizer):
    """One blurred, one twice, one good: the good ones are in, the others have their reasons."""
    pictures = [photo(RED, name="blurred", sharp=False), photo(RED, name="good"), photo(RED, name="good")]
    blurred, good, again = recognizer.enroll("Ada", pictures)
    assert [blurred.accepted, good.accepted, again.accepted] == [False, True, False]
    assert "sharpness" in blurred.reasons[0].words()
    assert "is below 30" in blurred.reasons[0].words()
    assert "this photo is already enrolled for Ada" in again.reasons[0].words()
    assert len(recognizer.gallery.templates("Ada")) == 1


def test_no_face_and_several_faces_are_refused_with_places(recognizer):
    """A photograph without a face, and one with two: how many and where, and how to choose."""
    recognizer.detector.boxes = []
    (nothing,) = recognizer.enroll("Ada", [photo(RED, name="nothing")])
    assert "no face" in nothing.reasons[0].words()
    two = [[150, 20, 230, 120], BOX]
    recognizer.detector.boxes = two
    (several,) = recognizer.enroll("Ada", [photo(RED, name="several", boxes=two)])
    assert several.reasons[0].words() == "2 faces: 1 at 20,20 (80 px), 2 at 150,20 (80 px); choose one with --face N"
    assert recognizer.gallery.people() == []


def test_a_face_can_be_chosen_from_the_left(recognizer):
    """--face 2 takes the second from the left; a number that is not there is refused."""
    two = [[150, 20, 230, 120], BOX]
    recognizer.detector.boxes = two
    (outcome,) = recognizer.enroll("Ada", [photo(RED, boxes=two)], options=EnrolOptions(face=2))
    assert outcome.template.box[0] == 150
    (outcome,) = recognizer.enroll("Ada", [photo(RED, name="x", boxes=two)], options=EnrolOptions(face=3))
    assert "--face 3: the picture has 2" in outcome.reasons[0].words()


def test_a_passer_by_who_fails_the_gate_does_not_stop_the_enrolment(recognizer):
    """A small or blurred second face is background as long as the largest face is the good one."""
    recognizer.detector.boxes = [BOX, [200, 20, 225, 45]]
    (outcome,) = recognizer.enroll("Ada", [photo(RED)])
    assert outcome.template.box[0] == 20


def test_a_good_face_beside_a_larger_blurred_one_is_not_taken_for_the_person_meant(recognizer):
    """If the largest face fails the gate, somebody smaller is not learnt in its place."""
    small = [200, 20, 250, 80]
    recognizer.detector.boxes = [BOX, small]
    (outcome,) = recognizer.enroll("Ada", [photo(RED, boxes=(small,))])
    assert not outcome.accepted
    assert "2 faces" in outcome.reasons[0].words()


def test_somebody_elses_face_is_refused_unless_it_is_said_to_be_a_twin(recognizer):
    """The firewall names who it already is and how near; --allow-similar lets a twin in with a warning."""
    recognizer.enroll("Ada", [photo(RED)])
    (outcome,) = recognizer.enroll("Eve", [photo(PINK, name="b.jpg")])
    assert not outcome.accepted
    assert "this face is already Ada, 0.99" in outcome.reasons[0].words()
    (twin,) = recognizer.enroll("Eve", [photo(PINK, name="b.jpg")], options=EnrolOptions(allow_similar=True))
    assert twin.accepted
    assert "looks like Ada" in twin.warning


def test_a_photo_unlike_the_others_of_the_person_goes_in_with_a_warning(recognizer):
    """Somebody may have changed, but a look is worth it: where nothing is known about strangers it is only a warning."""
    recognizer.enroll("Ada", [photo(RED)])
    (outcome,) = recognizer.enroll("Ada", [photo(GREEN, name="b.jpg")])
    assert outcome.accepted
    assert "unlike the photos of Ada" in outcome.warning


def test_a_photo_as_unlike_as_a_strangers_does_not_poison_the_person(recognizer):
    """Below what one stranger in ten reaches it is refused with both numbers; --allow-unlike lets it in."""
    known = Calibration(SPACE.id, (0.1, 0.001), (0.5, 0.9), (0.6, 1.0), (0.0, 1.0), 10_000, "x", "y", "2026-01-01")
    recognizer.identifier = CosineIdentifier(known, IdentifyOptions(threshold=0.9))
    recognizer.enroll("Ada", [photo(RED)])
    (outcome,) = recognizer.enroll("Ada", [photo(GREEN, name="b.jpg")])
    assert not outcome.accepted
    assert "no nearer than a stranger (0.50)" in outcome.reasons[0].words()
    options = EnrolOptions(allow_unlike=True)
    assert recognizer.enroll("Ada", [photo(GREEN, name="b.jpg")], options=options)[0].accepted


def test_one_good_face_of_a_group_is_not_taken_for_the_person_meant(recognizer):
    """Faces of much the same size compete even if they fail the gate: somebody has to choose."""
    other = [150, 20, 220, 110]
    recognizer.detector.boxes = [BOX, other]
    (outcome,) = recognizer.enroll("Ada", [photo(RED, boxes=(BOX,))])
    assert "2 faces" in outcome.reasons[0].words()


def test_enrolling_takes_a_list_of_pictures_or_arrays(recognizer):
    """Arrays are pictures too; a single picture or a file name is refused with the way to say it."""
    assert recognizer.enroll("Ada", [photo(RED).pixels])[0].accepted
    with pytest.raises(InputError, match=r"enroll\(name, \[picture\]\)"):
        recognizer.enroll("Eve", photo(GREEN))
    with pytest.raises(InputError, match=r"read files with mien\.read_image"):
        recognizer.enroll("Eve", ["a.jpg"])


def test_a_name_that_cannot_be_one_is_an_error_and_leaves_nothing(recognizer):
    """An empty name is refused before anything is stored."""
    with pytest.raises(InputError):
        recognizer.enroll("  ", [photo(RED)])
    assert recognizer.gallery.people() == []


def test_what_went_in_before_a_full_disk_stays(recognizer, monkeypatch):
    """Each photograph is its own transaction: the error passes on, the first photograph stays."""
    add = recognizer.gallery.add

    def full_after_one(name: str, templates) -> tuple[Person, list]:
        if recognizer.gallery.people():
            raise StoreError("the disk is full")
        return add(name, templates)

    monkeypatch.setattr(recognizer.gallery, "add", full_after_one)
    with pytest.raises(StoreError, match="disk is full"):
        recognizer.enroll("Ada", [photo(RED), photo(PINK, name="b.jpg")])
    assert len(recognizer.gallery.templates("Ada")) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 22}, "face size 22 px is below 40 px"),
        ({"sharpness": 4}, "sharpness 4 is below 30"),
        ({"brightness": 0.05}, "brightness 0.05 is below 0.12"),
        ({"brightness": 0.97}, "brightness 0.97 is above 0.92"),
        ({"contrast": 0.01}, "contrast 0.01 is below 0.05"),
        ({"yaw": -50}, "turn of the head 50° is above 40°"),
        ({"roll": 80}, "tilt of the head 80° is above 60°"),
    ],
)
def test_every_limit_names_the_measured_value_and_itself(change, words):
    """A face that misses one limit is refused for that one, in words with both numbers."""
    fine = {"size": 80, "sharpness": 200, "brightness": 0.5, "contrast": 0.2, "yaw": 0, "roll": 0}
    assert judge(Quality(**fine), limits=QualityLimits()).usable
    judged = judge(Quality(**(fine | change)), limits=QualityLimits())
    assert [r.words() for r in judged.reasons] == [words]
    assert judged.reasons[0].setting.startswith("--")


def test_two_pictures_are_verified_by_their_largest_faces(recognizer):
    """Same colour is the same person, another is not, no face is no answer."""
    assert recognizer.verify(photo(RED), photo(PINK)).same is True
    assert recognizer.verify(photo(RED), photo(GREEN)).same is False
    recognizer.detector.boxes = []
    nothing = recognizer.verify(photo(RED), photo(RED))
    assert nothing.same is None
    assert "the first and the second" in nothing.note


def test_a_batch_is_each_picture_on_its_own(recognizer):
    """identify_batch gives one table per picture, equal to asking one by one."""
    recognizer.enroll("Ada", [photo(RED)])
    tables = recognizer.identify_batch([photo(PINK), photo(GREEN)])
    assert [t.matches[0].decision for t in tables] == ["match", "unknown"]


def test_photographs_can_be_enrolled_again_with_another_embedder(recognizer):
    """The way out that the error of two spaces names is open: the other space begins empty and says so."""
    recognizer.enroll("Ada", [photo(RED)])
    other = replace(SPACE, name="other", weights="11")
    fresh = Recognizer(recognizer.detector, FakeEmbedder(other), recognizer.identifier, recognizer.gallery)
    with pytest.raises(SpaceMismatchError, match="enrol the photographs again with --embedder other"):
        fresh.identify(photo(PINK, name="b.jpg"))
    (outcome,) = fresh.enroll("Ada", [photo(RED)])
    assert outcome.accepted
    assert "first face in the space other" in outcome.warning
    assert fresh.identify(photo(PINK, name="b.jpg")).matches[0].name == "Ada"
    assert recognizer.identify(photo(PINK, name="b.jpg")).matches[0].name == "Ada"


def test_a_photo_that_another_process_enrols_at_the_same_moment_is_refused_and_the_rest_goes_on(
    recognizer, monkeypatch
):
    """Between the look and the write somebody else was quicker: a refusal like any other, no error."""
    recognizer.enroll("Ada", [photo(RED)])
    monkeypatch.setattr(recognizer.gallery, "find_photo", lambda *_: [])
    again, new = recognizer.enroll("Ada", [photo(RED), photo(PINK, name="b.jpg")])
    assert not again.accepted
    assert "enrolled already" in again.reasons[0].words()
    assert new.accepted
