"""Unknown faces of the library into groups; a group that people name becomes templates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.library import LibraryFace
from mien.core.people import EmbeddingSpace, Template
from mien.core.protocols import Known, Library
from mien.jobs.search import named, usable
from mien.recognition.clustering import ClusterFaces, ClusterOptions, cluster
from mien.recognition.identification import CosineIdentifier
from mien.recognition.quality import QualityLimits

__all__ = ["Grouped", "Unknown", "group", "templates_of", "unknown"]

_PICTURES_OF_ONE = 10
"""Templates made of a group at most: the best of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """Faces of nobody known.

    Args:
        faces: in step with ``vectors``.
        vectors: ``(n, d)`` float32.
    """

    faces: tuple[LibraryFace, ...]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Where faces go.

    Args:
        old: ids of faces that join a group, by its id.
        new: ids of the faces of each new group.
        alone: how many faces are in no group.
    """

    old: dict[str, list[str]]
    new: list[list[str]]
    alone: int


class CorrectedLibrary(Library, Protocol):
    """A library in which people told faces apart."""

    def apart(self) -> list[tuple[str, str]]:
        """Pairs of ids of faces that are not the same person."""
        ...


def unknown(library: Library, known: Known, identifier: CosineIdentifier, space: EmbeddingSpace) -> Unknown:
    """Every face of the library that is good enough to be named and that nobody known has."""
    strange = {
        one.face.id
        for one in named(library, known, identifier, space)
        if one.person_id is None and (one.match is None or one.match.decision == "unknown")
    }
    faces: list[LibraryFace] = []
    vectors: list[NDArray[np.float32]] = []
    for table in library.faces(space):
        chosen = [i for i, face in enumerate(table.faces) if face.id in strange]
        faces += [table.faces[i] for i in chosen]
        vectors.append(table.vectors[chosen])
    joined = np.concatenate(vectors) if vectors else np.zeros((0, space.dimensions), np.float32)
    return Unknown(tuple(faces), joined)


def group(
    found: Unknown, apart: Sequence[tuple[str, str]], *, options: ClusterOptions, limits: QualityLimits
) -> Grouped:
    """Which groups unknown faces belong to; those that have one keep it.

    Args:
        found: the faces.
        apart: pairs of ids that are not the same person.
        options: how groups are made.
        limits: what a face must reach to found a group; poorer ones only join.
    """
    rows = {face.id: i for i, face in enumerate(found.faces)}
    told: dict[int, set[int]] = {}
    for one, other in apart:
        if one in rows and other in rows:
            told.setdefault(rows[one], set()).add(rows[other])
            told.setdefault(rows[other], set()).add(rows[one])
    there = sorted({face.group_id for face in found.faces if face.group_id is not None})
    numbers = {group_id: i for i, group_id in enumerate(there)}
    faces = ClusterFaces(
        vectors=found.vectors,
        good=np.array([usable(face, limits) for face in found.faces], bool),
        pictures=np.array([face.content if face.kind == "photo" else -1 for face in found.faces], np.int64),
        groups=np.array([numbers.get(face.group_id or "", -1) for face in found.faces], np.int64),
        apart={row: frozenset(others) for row, others in told.items()},
    )
    labels = cluster(faces, options)
    return _placed(found.faces, labels, there)


def _placed(faces: Sequence[LibraryFace], labels: NDArray[np.int64], there: Sequence[str]) -> Grouped:
    old: dict[str, list[str]] = {}
    new: dict[int, list[str]] = {}
    for face, label in zip(faces, labels.tolist(), strict=True):
        if label < 0 or face.group_id is not None:
            continue
        if label < len(there):
            old.setdefault(there[label], []).append(face.id)
        else:
            new.setdefault(label, []).append(face.id)
    return Grouped(old, [new[label] for label in sorted(new)], int((labels < 0).sum()))


def templates_of(
    faces: Sequence[LibraryFace],
    vectors: Mapping[str, NDArray[np.float32]],
    space: EmbeddingSpace,
    limits: QualityLimits,
) -> list[Template]:
    """The best faces of a group as templates: only those that pass the gate, the sharpest and largest first.

    Raises:
        InputError: none passes.
    """
    good = sorted(
        (f for f in faces if usable(f, limits)), key=lambda f: -min(f.quality.size, 160) * f.quality.sharpness
    )
    if not good:
        raise InputError("no face of the group passes the gate for learning; name a better photograph: mien enroll")
    names = ("size", "sharpness", "brightness", "contrast", "yaw", "roll")
    return [
        Template(
            embedding=vectors[face.id],
            space=space,
            source=os.fsdecode(face.paths[0]) if face.paths else "",
            photo_sha256=face.sha256,
            box=face.box,
            quality={name: float(getattr(face.quality, name)) for name in names},
            detector="library",
        )
        for face in good[:_PICTURES_OF_ONE]
    ]
