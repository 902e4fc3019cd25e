"""A gallery into another embedding space: every face is embedded anew beside what there is, and nothing is searched otherwise
until somebody switches.

Each face is one transaction: a run that was stopped goes on with the faces that are not there yet. What a face is embedded
from is, in this order: the picture that was kept when it was enrolled; the photograph where it was, if its digest is still the
same; a photograph of that digest in a folder that is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mien.core.errors import InputError
from mien.core.faces import Faces, Picture
from mien.core.geometry import iou
from mien.core.people import EmbeddingSpace, Person, Template
from mien.core.protocols import Detector, Embedder
from mien.jobs.running import Event, run
from mien.media.face_photos import read_photo
from mien.media.images import ReadOptions, printable, read_image
from mien.recognition.leave_one_out import Known, leave_one_out
from mien.store.gallery import SqlGallery

__all__ = ["Bar", "Carried", "Photographs", "carried", "compare", "reembed"]

SAME_FACE = 0.5
"""Overlap (intersection over union) from which a face found again is the one that was enrolled."""

Face = tuple[str, str, tuple[float, float, float, float]]


class Photographs:
    """Where the faces of templates can still be seen.

    Args:
        gallery: with what was kept.
        detector: finds faces again in whole photographs.
        read: how photographs are read.
        files: further photographs, known by their digests.
    """

    def __init__(self, gallery: SqlGallery, detector: Detector, read: ReadOptions, files: Sequence[Path] = ()) -> None:
        self._gallery = gallery
        self._detector = detector
        self._read = read
        self._files = files

    @cached_property
    def _by_digest(self) -> dict[str, Path]:
        """Digests of the files, computed when the first one is missed."""
        found = {}
        for path in self._files:
            with path.open("rb") as file:
                found[hashlib.file_digest(file, "sha256").hexdigest()] = path
        return found

    def face(self, template: Template) -> tuple[Picture, Faces]:
        """A picture with the face of a template in it, and the face in pixels of the picture, a table of one row.

        Raises:
            InputError: nothing was kept and the photograph is not to be found, or the face is not found in it.
            ImageError: it cannot be read.
        """
        kept = self._gallery.pictures.photo(template.id)
        if kept is not None:
            return read_photo(kept, template.source)
        path = self._path(template)
        if path is None:
            raise InputError("no photograph was kept, and it is not where it was")
        picture = read_image(path, self._read)
        if picture.sha256 != template.photo_sha256:
            raise InputError(f"{printable(path)} was changed since it was enrolled")
        return picture, self._found_again(picture, template)

    def _path(self, template: Template) -> Path | None:
        if not template.photo_sha256:
            return None
        there = Path(template.source)
        if there.is_file() and hashlib.sha256(there.read_bytes()).hexdigest() == template.photo_sha256:
            return there
        return self._by_digest.get(template.photo_sha256)

    def _found_again(self, picture: Picture, template: Template) -> Faces:
        faces = self._detector.at_scale(picture.scale).detect(picture.pixels)
        box = np.array([template.box], np.float32) * np.float32(picture.scale)
        overlaps = iou(faces.boxes, box)[:, 0]
        if not overlaps.size or overlaps.max() < SAME_FACE:
            raise InputError("the face is not found again in its photograph; try the detector it was enrolled with")
        return faces[int(np.argmax(overlaps))]


def reembed(
    gallery: SqlGallery, embedder: Embedder, photographs: Photographs, *, of: EmbeddingSpace
) -> Iterator[Event[Template]]:
    """Embed every face of the space ``of`` that is not in the embedder's space yet; one transaction each.

    Args:
        gallery: whose.
        embedder: of the space to come.
        photographs: where the faces can be seen.
        of: the space whose faces are carried over.
    """
    there = {_face(t) for t in gallery.templates(space=embedder.space)}
    names = {person.id: person.name for person in gallery.people()}

    def work(template: Template) -> Template:
        picture, face = photographs.face(template)
        vector = embedder.embed(picture.pixels, face)[0]
        return gallery.reembedding.add(template, vector, embedder.space)

    yield from run(
        gallery.templates(space=of),
        work,
        stage="embed again",
        name=lambda t: f"{names.get(t.person_id, t.person_id)}, {printable(t.source)}",
        skip=lambda t: "embedded already" if _face(t) in there else "",
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """How far one person came over.

    Args:
        person: who.
        faces: how many faces they have in the space they come from.
        there: how many of them are in the other one.
        kept: of how many of those that are not there a picture was kept.
    """

    person: Person
    faces: int
    there: int
    kept: int

    @property
    def needs_photo(self) -> bool:
        """Whether nobody would know them any more after a switch, and nothing that was kept can help."""
        return not self.there and not self.kept


def carried(gallery: SqlGallery, old: EmbeddingSpace, new: EmbeddingSpace) -> list[Carried]:
    """How far everybody with a face in ``old`` came over into ``new``, ordered by name."""
    there = {_face(t) for t in gallery.templates(space=new)}
    kept = gallery.pictures.sizes()
    found: dict[str, list[tuple[bool, bool]]] = {}
    for template in gallery.templates(space=old):
        found.setdefault(template.person_id, []).append((_face(template) in there, template.id in kept))
    return [
        Carried(
            person,
            len(found[person.id]),
            sum(is_there for is_there, _ in found[person.id]),
            sum(is_kept and not is_there for is_there, is_kept in found[person.id]),
        )
        for person in gallery.people()
        if person.id in found
    ]


@dataclass(frozen=True, slots=True)
class Bar:
    """What a name needs in one space: similarity, and lead over the next person."""

    space: EmbeddingSpace
    threshold: float
    margin: float


def compare(gallery: SqlGallery, bars: Sequence[Bar]) -> list[Known]:
    """How well the gallery knows its own faces in each space; only faces that are in all of them count."""
    by_space = [{_face(t): t for t in gallery.templates(space=bar.space)} for bar in bars]
    shared = [face for face in by_space[0] if all(face in other for other in by_space[1:])]
    number = {person: index for index, person in enumerate(dict.fromkeys(face[0] for face in shared))}
    owners = np.array([number[face[0]] for face in shared], np.int64)
    return [
        leave_one_out(
            np.array([faces[f].embedding for f in shared], np.float32).reshape(len(shared), bar.space.dimensions),
            owners,
            threshold=bar.threshold,
            margin=bar.margin,
        )
        for bar, faces in zip(bars, by_space, strict=True)
    ]


def _face(template: Template) -> Face:
    """What makes two templates of different spaces one face."""
    return template.person_id, template.photo_sha256, template.box
