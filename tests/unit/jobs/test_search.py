"""Names in the library: what people said goes before what is measured."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from mien.core.answers import Quality
from mien.core.library import FaceTable, LibraryFace
from mien.core.vectors import unit
from mien.jobs.search import alike, named, usable
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from mien.recognition.trained import TrainedIdentifier, TrainedOptions
from tests.fakes.gallery import SPACE
from tests.fakes.library import vector
from tests.fakes.plugs import FakeGallery

GOOD = Quality(60.0, 100.0, 0.5, 0.2, 0.0, 0.0)
TINY = Quality(8.0, 100.0, 0.5, 0.2, 0.0, 0.0)
IDENTIFIER = CosineIdentifier(None, IdentifyOptions(threshold=0.6, margin=0.0))


def near(seed, cosine):
    """A vector with this cosine to that of a seed."""
    base = vector(seed)
    other = vector(seed + 1000)
    across = unit((other - (other @ base) * base)[np.newaxis])[0]
    return (cosine * base + np.sqrt(1 - cosine**2) * across).astype(np.float32)


class OneTable:
    """A library of one page."""

    def __init__(self, *rows, refused=None):
        faces = tuple(
            LibraryFace(name, content, "00", "photo", (0, 0, 60, 60), 0.9, quality, person_id=person)
            for name, content, _, quality, person in rows
        )
        self.table = FaceTable(SPACE, faces, np.array([row[2] for row in rows]), refused or {})

    def faces(self, space, query=None):
        yield self.table


@pytest.fixture
def known():
    return FakeGallery({"Ada": [vector(1)], "Bob": [vector(2)]}, SPACE)


def names(library, known):
    return {one.face.id: one.person_id for one in named(library, known, IDENTIFIER, SPACE)}


def test_faces_are_named_photograph_by_photograph(known):
    """Whoever is near enough is named, once per photograph; the others are unknown, or too poor to tell."""
    rows = [("a", 1, vector(1), GOOD, None), ("b", 1, near(1, 0.9), GOOD, None), ("c", 2, near(1, 0.8), GOOD, None)]
    rows += [("d", 2, vector(9), GOOD, None), ("e", 3, vector(9), TINY, None)]
    library = OneTable(*rows)
    assert names(library, known) == {"a": "id-Ada", "b": None, "c": "id-Ada", "d": None, "e": None}
    decisions = [one.match.decision for one in named(library, known, IDENTIFIER, SPACE)]
    assert decisions == ["match", "unknown", "match", "unknown", "no_usable_face"]


def test_who_people_said_it_is_and_who_it_is_not(known):
    """A name given by hand stands and is not given again in that photograph; a face that is not Ada is never Ada."""
    rows = [("a", 1, vector(9), GOOD, "id-Ada"), ("b", 1, vector(1), GOOD, None)]
    rows += [("c", 2, vector(1), GOOD, None), ("d", 2, near(1, 0.7), GOOD, None)]
    library = OneTable(*rows, refused={"c": frozenset({"id-Ada"})})
    assert names(library, known) == {"a": "id-Ada", "b": None, "c": None, "d": "id-Ada"}


def test_a_trained_identifier_obeys_what_people_said(known):
    """It is asked about every face, and whom a face is not, it is not."""
    network = SimpleNamespace(run=lambda batch: (np.tile(np.array([[0.9, 0.1]], np.float32), (len(batch), 1)),))
    about = TrainedOptions("svm", ("id-Ada", "id-Bob"), ("Ada", "Bob"), SPACE.id, 0.5)
    identifier = TrainedIdentifier(network, about)
    rows = [("a", 1, vector(50), GOOD, None), ("b", 2, vector(51), GOOD, None)]
    library = OneTable(*rows, refused={"b": frozenset({"id-Ada"})})
    found = {one.face.id: one.person_id for one in named(library, known, identifier, SPACE)}
    assert found == {"a": "id-Ada", "b": None}


def test_an_empty_gallery_knows_nobody():
    """Without anybody enrolled every good face is unknown."""
    library = OneTable(("a", 1, vector(1), GOOD, None))
    assert names(library, FakeGallery({}, SPACE)) == {"a": None}


def test_faces_like_one_come_nearest_first():
    """Only those that reach the bar, the most alike first."""
    rows = [
        ("far", 1, vector(7), GOOD, None),
        ("near", 2, near(1, 0.7), GOOD, None),
        ("same", 3, vector(1), GOOD, None),
    ]
    found = alike(OneTable(*rows), vector(1), SPACE, least=0.6)
    assert [one.face.id for one in found] == ["same", "near"]
    assert found[1].similarity == pytest.approx(0.7, abs=1e-5)


def test_a_poor_face_is_not_usable():
    """Eight pixels are no face to be named."""
    face = LibraryFace("a", 1, "00", "photo", (0, 0, 8, 8), 0.9, TINY, taken=datetime(2026, 1, 1, tzinfo=UTC))
    assert not usable(face)
