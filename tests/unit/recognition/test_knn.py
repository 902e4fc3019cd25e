"""Votes of the nearest neighbours: who wins, when nobody does, and the classifier around them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.answers import Quality
from mien.core.errors import InputError, SettingError
from mien.core.faces import Faces
from mien.core.reasons import Reason
from mien.core.vectors import unit
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from mien.recognition.knn import KnnClassifier, KnnIdentifier, KnnOptions
from mien.recognition.quality import QualityLimits
from mien.recognition.recognizer import Recognizer
from tests.fakes.plugs import FakeEmbedder, FakeGallery
from tests.unit.recognition.test_follower import BLUE, GREEN, PEOPLE, RED, SquareDetector, frame
from tests.unit.recognition.test_identification import faces_of, near

ANY = QualityLimits(size=10, sharpness=0, darkest=0, brightest=1, contrast=0, yaw=90, roll=180)


def decide(people, *vectors, k=5, lead=0.2, quality=None, **options):
    identifier = KnnIdentifier(None, IdentifyOptions(**{"threshold": 0.5} | options), KnnOptions(k, lead))
    return identifier.identify(faces_of(*vectors, quality=quality), FakeGallery(people))


def test_the_nearest_wins_when_nobody_else_comes_near():
    """Neighbours below the threshold have no vote, so one picture per person is enough."""
    (match,) = decide({"Ada": [near(1.0)], "Eve": [near(0.0, 1.0)]}, near(0.8, 0.3))
    assert match.name == "Ada"
    assert match.similarity == pytest.approx(0.8)
    assert [c.name for c in match.candidates] == ["Ada", "Eve"]


def test_more_pictures_outvote_a_single_nearer_one():
    """One picture labelled wrongly does not decide; the cosine identifier would follow it."""
    people = {"Ada": [near(0.8, 0.6), near(0.82, 0.55), near(0.79, 0.6)], "Eve": [near(0.92, 0.39)]}
    assert decide(people, near(1.0))[0].name == "Ada"
    assert CosineIdentifier(None, IdentifyOptions(threshold=0.5)).identify(faces_of(near(1.0)), FakeGallery(people))[
        0
    ].name in {"Eve", "ambiguous"}
    assert decide(people, near(1.0), k=1)[0].name == "Eve"


def test_a_split_vote_is_ambiguous_and_says_so():
    """Two people equally near: no name, but both candidates and the lead that was missed."""
    (match,) = decide({"Ada": [near(0.8, 0.6)], "Eve": [near(0.8, -0.6)]}, near(1.0))
    assert match.decision == "ambiguous"
    assert {c.name for c in match.candidates} == {"Ada", "Eve"}
    assert "neighbours" in match.reasons[0].words()


def test_a_stranger_is_unknown_whatever_the_votes():
    """Nobody reaches the threshold: unknown, with the similarity that was reached."""
    (match,) = decide({"Ada": [near(1.0)] * 5}, near(0.49))
    assert match.decision == "unknown"
    assert match.reasons[0].measured == pytest.approx(0.49, abs=1e-6)


def test_one_person_once_per_picture():
    """Two faces like Ada: the one with the better vote has the name, the other the reason."""
    people = {"Ada": [near(1.0)], "Eve": [near(0.55, 0.8)]}
    best, other = decide(people, near(0.95), near(0.9, 0.3), lead=0.0)
    assert best.name == "Ada"
    assert other.name == "Eve"
    assert "Ada" in other.reasons[-1].words()
    both = decide(people, near(0.95), near(0.95), once=False)
    assert [m.name for m in both] == ["Ada", "Ada"]


def test_an_unusable_face_is_not_named_and_takes_no_name():
    """The gate's reasons stand instead of a vote."""
    good = Quality(100, 100, 0.5, 0.2, 0, 0)
    bad = Quality(5, 1, 0.5, 0.2, 0, 0, (Reason("gate", "face size", 5, 20),))
    first, second = decide({"Ada": [near(1.0)]}, near(1.0), near(0.9), quality=(bad, good))
    assert (first.decision, second.name) == ("no_usable_face", "Ada")


def test_nobody_enrolled_is_no_error():
    """An empty gallery answers unknown, no face answers nothing."""
    assert decide({}, near(1.0))[0].decision == "unknown"
    assert KnnIdentifier(None).identify(Faces.empty(), FakeGallery({})) == ()


def test_values_out_of_range_are_refused():
    """At least one neighbour, a lead that is a share."""
    with pytest.raises(SettingError, match="k is 0"):
        KnnOptions(k=0)
    with pytest.raises(SettingError, match="lead is 2"):
        KnnOptions(lead=2)
    with pytest.raises(InputError, match="no embeddings"):
        KnnIdentifier(None).identify(Faces(np.zeros((1, 4)), np.ones(1)), FakeGallery({}))


some = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=(7, 8)).astype(np.float32))


@given(some)
def test_one_neighbour_names_whom_the_cosine_names(vectors):
    """With k = 1, a closed set and no lead it is the nearest neighbour, which is the most similar person."""
    people = {name: [row] for name, row in zip("abcde", unit(vectors[:5]), strict=True)}
    options = IdentifyOptions(threshold=-1.0, margin=0.0, once=False)
    faces = faces_of(*vectors[5:])
    knn = KnnIdentifier(None, options, KnnOptions(1, 0)).identify(faces, FakeGallery(people))
    cosine = CosineIdentifier(None, options).identify(faces, FakeGallery(people))
    assert [m.similarity for m in knn] == pytest.approx([m.similarity for m in cosine])


@given(some, st.integers(1, 9), st.floats(-0.9, 0.9))
def test_a_named_face_always_reaches_the_threshold(vectors, k, threshold):
    """Whatever the neighbours, a name needs the cosine it would need without a vote."""
    people = {"Ada": unit(vectors[:3]), "Eve": unit(vectors[3:5])}
    for match in decide(people, *vectors[5:], k=k, threshold=threshold):
        if match.decision == "match":
            assert match.similarity >= threshold


@pytest.fixture
def classifier():
    """Fitted with the colours of two people."""
    detector, embedder = SquareDetector(), FakeEmbedder()
    recognizer = Recognizer(detector, embedder, CosineIdentifier(None), FakeGallery({}), ANY)
    made = KnnClassifier(recognizer, KnnIdentifier(None, IdentifyOptions(threshold=0.6)))
    vectors = unit(np.array([people[0] for people in PEOPLE.values()], np.float32))
    return made.fit(vectors, list(PEOPLE))


def test_classify_image_names_the_largest_face(classifier):
    """As the notebook's: a picture in, a name out; a stranger and a picture without a face too."""
    assert classifier.classify_image(frame(0, (10, RED))).name == "Red"
    assert classifier.classify_image(frame(0, (10, BLUE))).name == "unknown"
    assert classifier.classify_image(frame(0)).decision == "no_usable_face"


def test_classify_video_is_a_vote_over_the_frames(classifier):
    """Most frames decide; frames without a face have no vote; none at all is no usable face."""
    empty = frame(0)
    clip = [frame(0, (10, RED)), empty, empty, empty, frame(1, (10, GREEN)), frame(2, (10, GREEN))]
    assert classifier.classify_video(clip).name == "Green"
    assert classifier.classify_video([empty]).decision == "no_usable_face"


def test_fit_refuses_what_does_not_fit(classifier):
    """One label per vector, unit vectors of the space; and nothing is classified before."""
    with pytest.raises(InputError, match="one label per vector"):
        classifier.fit(np.eye(8, dtype=np.float32)[:2], ["a"])
    with pytest.raises(InputError, match="shape"):
        classifier.fit(np.ones((1, 3), np.float32), ["a"])
    fresh = KnnClassifier(classifier._recognizer, KnnIdentifier(None))
    with pytest.raises(InputError, match="fit"):
        fresh.classify_image(frame(0, (10, RED)))
