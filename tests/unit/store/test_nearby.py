"""A gallery too large for its memory answers as if it were compared whole."""

import threading

import numpy as np
import pytest

from mien.core.errors import SpaceMismatchError
from mien.core.faces import Faces
from mien.core.people import Calibration
from mien.core.vectors import unit
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from mien.recognition.knn import KnnIdentifier
from mien.store.gallery import open_gallery
from mien.store.nearby import SearchLimits
from tests.fakes.gallery import OTHER_SPACE, SPACE, make_template
from tests.unit.store.conftest import FixedClock

CALIBRATION = Calibration(
    space_id=SPACE.id,
    far=(1e-1, 1e-4),
    similarity=(0.2, 0.8),
    genuine=(0.3, 0.6, 0.9),
    genuine_at=(0.0, 0.5, 1.0),
    comparisons=1000,
    data="made up",
    protocol="all pairs",
    date="2026-03-01",
)
NOTHING_FITS = SearchLimits(megabytes=1e-6)


@pytest.fixture
def large(path):
    """The gallery as one that holds only the compact form."""
    with open_gallery(path, actor="tester", clock=FixedClock(), patience=5, limits=NOTHING_FITS) as opened:
        yield opened


@pytest.fixture
def whole(path, large):
    """The same database as a gallery that holds all vectors; read after it was filled."""
    with open_gallery(path, actor="tester", clock=FixedClock(), patience=5) as opened:
        yield opened


def fill(gallery, people=60):
    """People of one to three pictures, some of them alike."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(people // 2, 16))
    for i in range(people):
        centre = centres[i // 2] + 0.4 * random.normal(size=16)
        looks = unit(centre + 0.3 * random.normal(size=(1 + i % 3, 16)))
        gallery.add(f"Person {i:03}", [make_template(10 * i + j, embedding=v) for j, v in enumerate(looks)])


def faces_of(vectors) -> Faces:
    """Faces of one picture with these embeddings."""
    count = len(vectors)
    boxes = np.array([[20 * i, 0, 20 * i + 10, 10] for i in range(count)], np.float32)
    return Faces(boxes, np.ones(count, np.float32), embeddings=vectors, space=SPACE)


def questions(gallery):
    """Pictures of one, three and eight faces: of people known, twice the same, and strangers."""
    known = np.stack([t.embedding for t in gallery.templates(space=SPACE)])
    random = np.random.default_rng(3)
    for count in (1, 3, 8):
        for _ in range(6):
            near = known[random.integers(0, len(known), count)]
            near[-1] = near[0]
            yield faces_of(unit(near + 0.25 * random.normal(size=near.shape)))
            yield faces_of(unit(random.normal(size=(count, 16))))


def told(matches):
    """What is compared of answers: everything but the last digits."""
    return [
        (
            m.decision,
            m.person_id,
            round(m.margin or 0, 5),
            [(c.person_id, round(c.similarity, 5), c.templates) for c in m.candidates],
        )
        for m in matches
    ]


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("kind_of", [CosineIdentifier, KnnIdentifier])
def test_answers_are_those_of_the_whole_gallery(large, whole, once, kind_of):
    """Decision, name, margin and candidates of every face are the same, for both identifiers, once per picture or not."""
    fill(large)
    identifier = kind_of(CALIBRATION, IdentifyOptions(strangers=20, once=once))
    decisions = set()
    for faces in questions(whole):
        expected = told(identifier.identify(faces, whole))
        assert told(identifier.identify(faces, large)) == expected
        decisions |= {answer[0] for answer in expected}
    assert {"match", "unknown"} <= decisions
    assert whole.near(SPACE, faces.embeddings, people=3, floor=0.5) is None
    assert len(large.near(SPACE, faces.embeddings[:1], people=3, floor=0.9)[2]) < 30


def test_the_threshold_counts_everybody(large, whole):
    """The threshold follows the whole gallery, not those who were looked at."""
    fill(large)
    identifier = CosineIdentifier(CALIBRATION)
    assert identifier.threshold(SPACE, large) == identifier.threshold(SPACE, whole)
    assert large.count(SPACE) == len(whole.vectors(SPACE)[0])


def test_changes_are_seen_at_once(large, path):
    """What is added, removed, renamed and merged, here or by another program, counts at the next face."""
    fill(large, 20)
    fresh = unit(np.random.default_rng(99).normal(size=(1, 16)))

    def nearest():
        vectors, owners, people = large.near(SPACE, fresh, people=1, floor=1.0)
        return people[owners[int((vectors @ fresh[0]).argmax())]].name

    before = nearest()
    with open_gallery(path) as other:
        other.add("Newcomer", [make_template(1000, embedding=fresh[0])])
    assert nearest() == "Newcomer" != before
    large.rename("Newcomer", "Renamed")
    assert nearest() == "Renamed"
    large.merge("Person 001", "Renamed")
    assert nearest() == "Person 001"
    large.remove("Person 001")
    assert nearest() not in {"Person 001", "Renamed"}


def test_only_what_is_new_is_read(large, monkeypatch):
    """After a change the compact form is not made anew: the vectors of the new template alone are read."""
    fill(large, 20)
    query = unit(np.ones((1, 16)))
    large.near(SPACE, query, people=1, floor=1.0)
    from mien.core.vectors import CompactVectors

    written, real = [], CompactVectors.put
    monkeypatch.setattr(
        CompactVectors, "put", lambda self, rows, vectors: written.append(len(rows)) or real(self, rows, vectors)
    )
    large.add("Newcomer", [make_template(1000)])
    large.near(SPACE, query, people=1, floor=1.0)
    assert written == [1]


def test_another_space_is_told_as_ever(large):
    """A gallery of another space only says how to embed it again; an empty one knows nobody."""
    assert large.near(SPACE, unit(np.ones((1, 16))), people=1, floor=0.5) is None
    large.add("Ada", [make_template(1, OTHER_SPACE)])
    with pytest.raises(SpaceMismatchError, match="--embedder facenet"):
        CosineIdentifier(CALIBRATION).identify(faces_of(unit(np.ones((1, 16)))), large)


def test_threads_share_it(large):
    """Threads that ask while others enrol get whole states."""
    fill(large, 20)
    stop, wrong = threading.Event(), []

    def ask():
        while not stop.is_set():
            _vectors, owners, people = large.near(SPACE, unit(np.ones((1, 16))), people=5, floor=0.9)
            counted = np.bincount(owners, minlength=len(people)).tolist()
            if counted != [person.templates for person in people]:
                wrong.append(counted)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(10):
        large.add(f"Person {i:03}", [make_template(5000 + i), make_template(6000 + i)])
    stop.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []
