"""A trained identifier at work: names, strangers, close calls, once per picture, and when it is retired."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from mien.core.answers import Quality
from mien.core.errors import InputError, SettingError, SpaceMismatchError, WeightsError
from mien.core.faces import Faces
from mien.core.people import EmbeddingSpace
from mien.core.reasons import Reason
from mien.recognition.identification import IdentifyOptions
from mien.recognition.trained import TrainedIdentifier, TrainedOptions
from tests.fakes.plugs import SPACE, FakeGallery, renamed
from tests.unit.recognition.test_identification import CALIBRATION, faces_of, near

PEOPLE = {"Ada": [near(1.0)], "Eve": [near(0.0, 1.0)]}


@dataclass
class Told:
    """A network that answers what a test writes down."""

    answers: list[list[float]] = field(default_factory=list)

    def run(self, batch):
        assert np.linalg.norm(batch, axis=1) == pytest.approx(np.ones(len(batch)), abs=1e-5)
        return (np.array(self.answers, np.float32)[: len(batch)],)


def trained(*answers, ids=("id-Ada", "id-Eve"), names=("Ada", "Eve"), threshold=0.5, **options):
    about = TrainedOptions("svm", ids, names, SPACE.id, threshold)
    return TrainedIdentifier(Told(list(answers)), about, CALIBRATION, IdentifyOptions(**options))


def decide(*answers, people=PEOPLE, quality=None, **more):
    vectors = [near(0.8, 0.3)] * len(answers)
    return trained(*answers, **more).identify(faces_of(*vectors, quality=quality), FakeGallery(people))


def test_the_likeliest_is_named_with_the_cosine_beside_it():
    """The network decides, also against the cosine, which is shown."""
    (match,) = decide([0.1, 0.9])
    assert (match.decision, match.name, match.person_id) == ("match", "Eve", "id-Eve")
    assert match.similarity == pytest.approx(0.3)
    assert match.threshold == 0.5


def test_the_vote_of_a_track_is_brought_to_unit_length():
    """The mean of a track's looks is shorter; the network sees what it was trained with, the cosine stays the mean's."""
    vote = faces_of(near(0.8, 0.3))
    vote = vote.with_columns(embeddings=0.5 * vote.embeddings)
    (match,) = trained([0.9, 0.1]).identify(vote, FakeGallery(PEOPLE))
    assert (match.name, match.similarity) == ("Ada", pytest.approx(0.4))


def test_below_the_threshold_everybody_is_a_stranger():
    """Open set: the likeliest is not likely enough, and the reason says by how much."""
    (match,) = decide([0.49, 0.1])
    assert match.decision == "unknown"
    assert match.reasons[0].words().startswith("probability by svm 0.49")
    assert decide([0.49, 0.1], threshold=0.4)[0].name == "Ada"


def test_a_close_runner_up_is_ambiguous():
    """Two likely people: both are shown, none is named."""
    (match,) = decide([0.9, 0.8])
    assert match.decision == "ambiguous"
    assert [c.name for c in match.candidates] == ["Ada", "Eve"]


def test_one_identity_once_per_picture():
    """Two faces like Ada: the likelier has the name, the other the next one or none."""
    first, second = decide([0.9, 0.1], [0.95, 0.1])
    assert (first.decision, second.name) == ("unknown", "Ada")
    assert "Ada (0.90) is face" in first.reasons[-1].words()
    assert [m.name for m in decide([0.9, 0.1], [0.95, 0.1], once=False)] == ["Ada", "Ada"]


def test_an_unusable_face_takes_no_name():
    """The gate's reasons stand instead."""
    good = Quality(100, 100, 0.5, 0.2, 0, 0)
    bad = Quality(5, 1, 0.5, 0.2, 0, 0, (Reason("gate", "face size", 5, 20),))
    first, second = decide([0.99, 0.1], [0.9, 0.1], quality=(bad, good))
    assert (first.decision, second.name) == ("no_usable_face", "Ada")


def test_removing_one_of_its_people_retires_it():
    """Nobody is named any more, not even others, until it is trained anew; the error has the command."""
    with pytest.raises(
        WeightsError, match=r"retired: 1 of its 2.*mien train identifier EMBEDDINGS --name svm --enrolled"
    ):
        decide([0.9, 0.1], people={"Ada": [near(1.0)]})


def test_a_renamed_person_keeps_working():
    """People are known by id."""
    gallery = FakeGallery(PEOPLE)
    gallery._people = (renamed(gallery._people[0], "Countess Lovelace"), gallery._people[1])
    (match,) = trained([0.9, 0.1]).identify(faces_of(near(1.0)), gallery)
    assert match.name == "Countess Lovelace"


def test_people_enrolled_since_are_told():
    """They can never be named; the gallery's order does not matter."""
    gallery = FakeGallery({"Zoe": [near(0.0, 0.0, 1.0)], **PEOPLE})
    identifier = trained([0.9, 0.1])
    assert identifier.unlearnt(gallery, SPACE) == ["Zoe"]
    assert identifier.identify(faces_of(near(1.0)), gallery)[0].name == "Ada"


def test_people_who_were_never_enrolled_cannot_be_followed():
    """Without an id nobody could remove them: enrol first."""
    with pytest.raises(WeightsError, match=r"1 people who were not enrolled.*Eve.*mien predict"):
        decide([0.9, 0.1], ids=("id-Ada", ""))


def test_another_space_is_refused():
    """Vectors of another embedder mean nothing to the network."""
    other = EmbeddingSpace("other", 8, "11", "box", "none")
    faces = Faces(np.zeros((1, 4)), np.ones(1), embeddings=near(1.0)[None], space=other)
    with pytest.raises(SpaceMismatchError, match="other-"):
        trained([0.9, 0.1]).identify(faces, FakeGallery(PEOPLE))


def test_nothing_to_do_and_nothing_to_do_it_with():
    """No face is no question; faces without vectors are a mistake; a cosine is no probability."""
    assert trained().identify(Faces.empty(), FakeGallery(PEOPLE)) == ()
    with pytest.raises(InputError, match="no embeddings"):
        trained([1.0, 0.0]).identify(Faces(np.zeros((1, 4)), np.ones(1)), FakeGallery(PEOPLE))
    with pytest.raises(SettingError, match="probability from 0 to 1"):
        TrainedIdentifier(Told(), TrainedOptions("svm", (), (), SPACE.id, 0.5), None, IdentifyOptions(threshold=-0.5))
