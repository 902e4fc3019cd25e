"""One threshold does not fit every size: it follows the gallery, and strangers stay as rare as was asked for."""

from datetime import UTC, datetime

import numpy as np
import pytest

from mien.core.faces import Faces
from mien.core.people import Person
from mien.core.vectors import unit
from mien.evaluation.calibration import measure_calibration
from mien.recognition.identification import CosineIdentifier, IdentifyOptions
from tests.fakes.gallery import SPACE

STRANGERS, WIDTH, PROBES = 100, 96, 4_000
CHANCE = 3 * np.sqrt((1 - 1 / STRANGERS) / STRANGERS / PROBES)
"""How far above one in a hundred a count of so many may lie by chance: three standard deviations, half a percent."""

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SPREAD = np.arange(1, WIDTH + 1) ** -0.35
FAMILIES = np.random.default_rng(0).normal(size=(400, WIDTH)) * SPREAD


def drawn(count, random, pictures=1):
    """Pictures of people of 400 families: those of one family are more alike than chance would have it."""
    own = random.normal(size=(count, WIDTH)) * SPREAD
    people = unit(0.5 * FAMILIES[random.integers(0, len(FAMILIES), count)] + 0.87 * own)
    looks = np.repeat(people, pictures, axis=0)
    return unit(looks + 0.02 * random.normal(size=looks.shape))


@pytest.fixture(scope="module")
def calibration():
    """What is known of strangers, from two pictures each of 2,000 people."""
    people = np.repeat(np.arange(2_000), 2)
    looks = drawn(2_000, np.random.default_rng(1), pictures=2)
    return measure_calibration(looks, people, space=SPACE, data="made up", date="2026-11-28")


class Known:
    """A gallery of one template each."""

    def __init__(self, vectors):
        people = tuple(Person(str(i), str(i), NOW) for i in range(len(vectors)))
        self.all = vectors, np.arange(len(vectors)), people

    def vectors(self, space):
        return self.all

    def calibration(self, space):
        return None


def reaching(identifier, gallery, strangers):
    """The share of strangers who reach the threshold."""
    boxes = np.tile(np.array([0, 0, 10, 10], np.float32), (len(strangers), 1))
    faces = Faces(boxes, np.ones(len(strangers), np.float32), embeddings=strangers, space=SPACE)
    answers = identifier.identify(faces, gallery)
    return sum(answer.decision != "unknown" for answer in answers) / len(strangers)


@pytest.mark.parametrize("size", [100, 1_000, 10_000])
def test_strangers_stay_as_rare_as_asked(calibration, size):
    """One stranger in a hundred reaches a name, but for chance, among a hundred people and among ten thousand."""
    random = np.random.default_rng(size)
    gallery, identifier = Known(drawn(size, random)), CosineIdentifier(calibration, IdentifyOptions(once=False))
    assert reaching(identifier, gallery, drawn(PROBES, random)) <= 1 / STRANGERS + CHANCE


def test_the_threshold_of_a_small_gallery_does_not_fit_a_large_one(calibration):
    """What holds for a hundred people would name many more strangers among ten thousand."""
    random = np.random.default_rng(5)
    gallery = Known(drawn(10_000, random))
    small = CosineIdentifier(calibration).threshold_for(SPACE, gallery, templates=100).similarity
    identifier = CosineIdentifier(calibration, IdentifyOptions(threshold=small, once=False))
    assert reaching(identifier, gallery, drawn(500, random)) > 5 / STRANGERS
