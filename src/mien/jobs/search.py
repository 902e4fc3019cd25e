"""Who is in the library: faces named by people, named by the identifier, or unknown; and faces like a given one.

Names are found when they are asked for, from the vectors of the library and the people known now: who is enrolled today is
found in the photographs of ten years at once. What people said goes before what is measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mien.core.answers import Decision, Match
from mien.core.faces import Faces
from mien.core.library import FaceQuery, FaceTable, LibraryFace
from mien.core.people import Calibration, EmbeddingSpace, Person
from mien.core.protocols import Known, Library
from mien.core.vectors import similarities
from mien.recognition.identification import CosineIdentifier
from mien.recognition.quality import QualityLimits, judge
from mien.recognition.trained import TrainedIdentifier

__all__ = ["Found", "alike", "named", "usable", "with_paths"]


@dataclass(frozen=True, slots=True)
class Found:
    """A face of the library and who it is.

    Args:
        face: the face.
        match: the decision; None for a face that was looked for by its likeness.
        person_id: who it is, said by people or by the match; None for nobody known.
        similarity: the cosine with the nearest template, or with the face that was looked for; None where people said it.
        by_hand: people said who it is.
    """

    face: LibraryFace
    match: Match | None = None
    person_id: str | None = None
    similarity: float | None = None
    by_hand: bool = False


def usable(face: LibraryFace, limits: QualityLimits | None = None) -> bool:
    """Whether a face is good enough: to be named, or for the limits given."""
    return judge(face.quality, limits=limits or QualityLimits.for_naming()).usable


def named(
    library: Library,
    known: Known,
    identifier: CosineIdentifier,
    space: EmbeddingSpace,
    query: FaceQuery | None = None,
) -> Iterator[Found]:
    """Every face of the library with who it is, photograph by photograph.

    A name that people gave stands; who people said a face is not, it is not; nobody is named twice in one photograph.

    Args:
        library: whose faces.
        known: the people.
        identifier: how sure a name must be.
        space: in which vectors are compared.
        query: which faces.
    """
    namer = _Namer(known, identifier, space)
    for table in library.faces(space, query):
        bounds = 0
        near = namer.near(table.vectors)
        for _, group in groupby(table.faces, key=lambda face: face.content):
            count = len(list(group))
            rows = slice(bounds, bounds + count)
            bounds += count
            yield from namer.name(table, rows, near[rows])


class _Without:
    """The people that are known, without some."""

    def __init__(self, known: Known, excluded: Collection[str]) -> None:
        self._known = known
        self._excluded = excluded

    def vectors(self, space: EmbeddingSpace) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[Person, ...]]:
        """See ``Known``."""
        vectors, owners, people = self._known.vectors(space)
        stay = np.array([person.id not in self._excluded for person in people], bool)
        renumbered = np.cumsum(stay) - 1
        keep = stay[owners] if len(owners) else np.zeros(0, bool)
        left = tuple(person for person, stays in zip(people, stay, strict=True) if stays)
        return vectors[keep], renumbered[owners[keep]], left

    def calibration(self, space: EmbeddingSpace) -> Calibration | None:
        """See ``Known``."""
        return self._known.calibration(space)


class _Namer:
    """Names the faces of one photograph after the other."""

    def __init__(self, known: Known, identifier: CosineIdentifier, space: EmbeddingSpace) -> None:
        self._known = known
        self._identifier = identifier
        self._space = space
        self._vectors, _, people = known.vectors(space)
        self._trained = isinstance(identifier, TrainedIdentifier)
        self._threshold = identifier.threshold(space, known).similarity if people and not self._trained else 2.0

    def near(self, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which faces come near enough to anybody to be looked at more closely, ``(n,)``."""
        if self._trained:  # decides by more than the nearest picture
            return np.ones(len(vectors), bool)
        if not len(self._vectors) or not len(vectors):
            return np.zeros(len(vectors), bool)
        reached: NDArray[np.bool_] = similarities(vectors, self._vectors).max(axis=1) >= self._threshold
        return reached

    def name(self, table: FaceTable, rows: slice, near: NDArray[np.bool_]) -> Iterator[Found]:
        """The faces of one photograph."""
        faces, vectors = table.faces[rows], table.vectors[rows]
        given = {face.person_id for face in faces if face.person_id is not None}
        open_rows = [i for i, face in enumerate(faces) if face.person_id is None and near[i]]
        matches: dict[int, Match] = {}
        free = [i for i in open_rows if faces[i].id not in table.refused]
        taken = given if self._identifier.options.once else set()
        if free:
            matches |= dict(zip(free, self._ask(faces, vectors, free, taken), strict=True))
        for i in (i for i in open_rows if i not in free):
            others = {m.person_id for m in matches.values() if m.person_id} if self._identifier.options.once else set()
            excluded = {*taken, *others, *table.refused[faces[i].id]}
            matches[i] = self._ask(faces, vectors, [i], excluded)[0]
        for i, face in enumerate(faces):
            yield self._found(face, matches.get(i))

    def _found(self, face: LibraryFace, match: Match | None) -> Found:
        if face.person_id is not None:
            return Found(face, None, face.person_id, None, by_hand=True)
        if match is None:
            decision: Decision = "unknown" if usable(face) else "no_usable_face"
            return Found(face, Match(decision, threshold=min(self._threshold, 1.0)))
        return Found(face, match, match.person_id, match.similarity)

    def _ask(
        self, faces: tuple[LibraryFace, ...], vectors: NDArray[np.float32], rows: list[int], excluded: Collection[str]
    ) -> tuple[Match, ...]:
        limits = QualityLimits.for_naming()
        asked = Faces(
            boxes=np.array([faces[i].box for i in rows], np.float32),
            scores=np.array([faces[i].score for i in rows], np.float32),
            quality=tuple(judge(faces[i].quality, limits=limits) for i in rows),
            embeddings=vectors[rows],
            space=self._space,
        )
        if not excluded:
            return self._identifier.identify(asked, self._known)
        if self._trained:  # knows all of its people or none
            matches = self._identifier.identify(asked, self._known)
            return tuple(replace(m, decision="unknown") if m.person_id in excluded else m for m in matches)
        return self._identifier.identify(asked, _Without(self._known, excluded))


def alike(
    library: Library,
    vector: NDArray[np.float32],
    space: EmbeddingSpace,
    *,
    least: float,
    query: FaceQuery | None = None,
) -> list[Found]:
    """Faces like a given one, the most alike first.

    Args:
        library: whose faces.
        vector: ``(d,)`` float32 of unit length.
        space: where it lives.
        least: the cosine that must be reached.
        query: which faces.
    """
    found: list[Found] = []
    for table in library.faces(space, query):
        cosines = similarities(vector[np.newaxis], table.vectors)[0]
        near = ((table.faces[i], float(cosines[i])) for i in np.flatnonzero(cosines >= least).tolist())
        found += [Found(face, similarity=cosine, person_id=face.person_id) for face, cosine in near]
    found.sort(key=lambda f: -(f.similarity or 0.0))
    return found


def with_paths(library: Library, found: list[Found]) -> list[Found]:
    """The same with the files that hold the faces."""
    faces = library.with_paths([f.face for f in found])
    return [replace(f, face=face) for f, face in zip(found, faces, strict=True)]
