"""A gallery in memory, held to the same contract as the real one, and what tests fill galleries with."""

import difflib
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import DuplicateError, NotFoundError, SpaceMismatchError
from mien.core.people import Calibration, EmbeddingSpace, Person, Template
from mien.core.vectors import check_unit, unit
from mien.store.names import clean_name, name_key

SPACE = EmbeddingSpace("facenet", 16, "ab" * 32, "box+32@160", "(x-127.5)/128 rgb")
OTHER_SPACE = EmbeddingSpace("dlib", 8, "cd" * 32, "landmarks@150", "(x-mean)/256 rgb")


def make_template(seed: int, space: EmbeddingSpace = SPACE, **changes: object) -> Template:
    """A template whose vector, photograph and box follow from ``seed``."""
    vector = np.random.default_rng(seed).normal(size=(1, space.dimensions))
    template = Template(
        embedding=unit(vector)[0],
        space=space,
        source=f"photo-{seed}.jpg",
        photo_sha256=hashlib.sha256(str(seed).encode()).hexdigest(),
        box=(10.5, 20.25, 110.5 + seed, 140.0),
        quality={"sharpness": 100.0 + seed, "brightness": 0.5},
        detector="mtcnn",
    )
    return replace(template, **changes)


def same_template(one: Template, other: Template, *, given_only: bool = False) -> bool:
    """Whether two templates agree in everything, or in everything that was given to the gallery."""
    names = ["space", "source", "photo_sha256", "box", "quality", "detector"]
    names += [] if given_only else ["id", "person_id", "created"]
    return all(getattr(one, name) == getattr(other, name) for name in names) and np.array_equal(
        one.embedding, other.embedding
    )


class MemoryGallery:
    """Implements ``core.protocols.Gallery`` with a list."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._templates: list[Template] = []
        self._revision = 0
        self.calibrations: dict[str, Calibration] = {}

    def people(self) -> list[Person]:
        found = [self._counted(person) for person in self._people.values()]
        return sorted(found, key=lambda person: (name_key(person.name), person.id))

    def _counted(self, person: Person) -> Person:
        return replace(person, templates=sum(t.person_id == person.id for t in self._templates))

    def person(self, who: str) -> Person:
        for person in self._people.values():
            if who == person.id or name_key(who) == name_key(person.name):
                return self._counted(person)
        close = difflib.get_close_matches(who, [person.name for person in self._people.values()])
        raise NotFoundError(f"nobody is called {who!r}; close names: {', '.join(close)}")

    def add(self, name: str, templates: Sequence[Template]) -> tuple[Person, list[Template]]:
        name, now = clean_name(name), datetime.now(UTC)
        for template in templates:
            check_unit(template.embedding[np.newaxis], template.space.dimensions)
        known = [p for p in self._people.values() if name_key(p.name) == name_key(name)]
        person = known[0] if known else Person(str(uuid.uuid4()), name, now)
        added: list[Template] = []
        for template in templates:
            new = replace(template, id=str(uuid.uuid4()), person_id=person.id, created=now)
            if any(_face(new) == _face(t) for t in (*self._templates, *added) if t.photo_sha256):
                raise DuplicateError(f"{template.source} is enrolled already")
            added.append(new)
        self._people[person.id] = person
        self._templates += added
        self._revision += 1
        return self._counted(person), added

    def templates(self, who: str | None = None, space: EmbeddingSpace | None = None) -> list[Template]:
        owner = None if who is None else self.person(who).id
        return [t for t in self._templates if owner in {None, t.person_id} and space in {None, t.space}]

    def find_photo(self, sha256: str, space: EmbeddingSpace) -> list[tuple[Person, Template]]:
        found = [t for t in self.templates(space=space) if sha256 and t.photo_sha256 == sha256]
        return [(self.person(t.person_id), t) for t in found]

    def vectors(self, space: EmbeddingSpace) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[Person, ...]]:
        found = self.templates(space=space)
        if self._templates and not found:
            raise SpaceMismatchError(f"no face in {space.id}; enrol the photographs again with --embedder {space.name}")
        owners = tuple(p for p in self.people() if any(t.person_id == p.id for t in found))
        ids = [person.id for person in owners]
        vectors = np.array([t.embedding for t in found], np.float32).reshape(-1, space.dimensions)
        of_owner = np.array([ids.index(t.person_id) for t in found], np.int64)
        vectors.flags.writeable = of_owner.flags.writeable = False
        return vectors, of_owner, owners

    def revision(self) -> int:
        return self._revision

    def calibration(self, space: EmbeddingSpace) -> Calibration | None:
        return self.calibrations.get(space.id)


def _face(template: Template) -> tuple[object, ...]:
    return template.person_id, template.space, template.photo_sha256, template.box


class NarrowGallery(MemoryGallery):
    """One that is never compared with whole: it tells of nobody who does not matter."""

    def count(self, space: EmbeddingSpace) -> int:
        return len(super().vectors(space)[0])

    def near(self, space: EmbeddingSpace, queries: NDArray[np.float32], *, people: int, floor: float):
        vectors, owners, known = super().vectors(space)
        best = np.full((len(queries), len(known)), -1.0)
        for column in range(len(known)):
            best[:, column] = (queries @ vectors[owners == column].T).max(axis=1)
        least = np.sort(best, axis=1)[:, -min(people, len(known)) :].min(axis=1, initial=floor)
        matter = np.flatnonzero((best >= least[:, None]).any(axis=0))
        keep = np.isin(owners, matter)
        return vectors[keep], np.searchsorted(matter, owners[keep]), tuple(known[i] for i in matter)

    def vectors(self, space: EmbeddingSpace):
        raise AssertionError("a large gallery was read whole")
