"""A detector, an embedder and a gallery whose answers a test writes down."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from mien.core.errors import NotFoundError
from mien.core.faces import Faces, check_image
from mien.core.people import EmbeddingSpace, Person
from mien.core.vectors import unit

SPACE = EmbeddingSpace("fake", 8, "00", "box", "none")


def frontal(boxes: np.ndarray) -> np.ndarray:
    """Landmarks of upright, frontal faces in ``boxes`` (n, 4): (n, 5, 2)."""
    places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return boxes[:, None, :2] + places * (boxes[:, None, 2:] - boxes[:, None, :2])


@dataclass
class FakeDetector:
    """Finds the boxes it was told, whatever the picture; boxes in pixels of the picture it is given."""

    boxes: list[list[float]] = field(default_factory=list)
    name: str = "fake"

    def detect(self, image):
        check_image(image)
        boxes = np.array(self.boxes, np.float32).reshape(-1, 4)
        return Faces(boxes=boxes, scores=np.linspace(0.99, 0.9, len(boxes)), landmarks=frontal(boxes))

    def at_scale(self, scale):
        return self

    def detect_batch(self, images):
        return [self.detect(image) for image in images]


@dataclass
class FakeEmbedder:
    """Embeds a face by its mean colour: a red face is near every other red face."""

    space: EmbeddingSpace = SPACE
    needs_landmarks: bool = False

    def crop(self, image, faces):
        chips = np.zeros((len(faces), 16, 16, 3), np.uint8)
        for chip, (x1, y1, x2, y2) in zip(chips, faces.boxes.astype(int), strict=True):
            chip[:] = image[max(y1, 0) : y2, max(x1, 0) : x2].reshape(-1, 3).mean(axis=0)
        return chips

    def embed(self, image, faces):
        return self.embed_chips(self.crop(image, faces))

    def embed_chips(self, chips):
        colour = chips.mean(axis=(1, 2)) - 100.0
        return unit(np.concatenate([colour, np.zeros((len(chips), self.space.dimensions - 3))], axis=1))


class FakeGallery:
    """People as rows of vectors; what a test needs of a gallery to identify against."""

    def __init__(self, people: dict[str, list[np.ndarray]], space: EmbeddingSpace = SPACE):
        self._people = tuple(
            Person(f"id-{name}", name, datetime(2026, 1, 1, tzinfo=UTC), len(rows)) for name, rows in people.items()
        )
        rows = [row for own in people.values() for row in own]
        self._vectors = unit(np.array(rows, np.float32).reshape(-1, space.dimensions))
        self._owners = np.array([i for i, own in enumerate(people.values()) for _ in own], np.int64)
        self.own_calibration = None

    def vectors(self, space):
        return self._vectors, self._owners, self._people

    def calibration(self, space):
        return self.own_calibration

    def person(self, who):
        for person in self._people:
            if who in {person.name, person.id}:
                return person
        raise NotFoundError(who)


def renamed(person: Person, name: str) -> Person:
    return replace(person, name=name)
