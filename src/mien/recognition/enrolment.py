"""Learning a person: every photograph passes the gate or is refused with its reason; each goes in whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import DuplicateError, NotFoundError, SpaceMismatchError
from mien.core.faces import Faces, Picture
from mien.core.people import Person, Template, Vectors
from mien.core.protocols import Detector, Embedder, Gallery, Narrowing
from mien.core.reasons import Reason
from mien.core.vectors import similarities
from mien.media.face_photos import cut_photo
from mien.recognition.identification import CosineIdentifier
from mien.recognition.quality import QualityLimits, measure

__all__ = ["EnrolOptions", "Enroller", "Enrolment", "choose_face"]


BACKGROUND = 2.0
"""How many times larger than every other face one must be for the others to count as background."""


@dataclass(frozen=True, slots=True)
class EnrolOptions:
    """How photographs are taken in.

    Args:
        face: which face of a picture with several, counted from 1 from left to right; None refuses such pictures
            unless the largest face alone passes the gate and is twice the size of every other (passers-by).
        limits: what a face must have to be learnt.
        allow_similar: learn the face even if it looks like somebody else who is known (twins).
        allow_unlike: learn the face even if it is as unlike the person's photographs as a stranger's.
        keep_photos: keep the part of the photograph around the face, so that another embedder can see it too.
    """

    face: int | None = None
    limits: QualityLimits = field(default_factory=QualityLimits)
    allow_similar: bool = False
    allow_unlike: bool = False
    keep_photos: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """What became of one photograph.

    Args:
        source: the photograph as the user knows it.
        accepted: whether it is in the gallery now.
        reasons: why it was refused; empty if accepted.
        faces: the faces found, from left to right, in pixels of the original, with quality.
        template: what went in, or may go in; None if refused.
        person: who it belongs to; None if refused.
        warning: accepted, but worth a look; empty otherwise.
    """

    source: str
    accepted: bool
    reasons: tuple[Reason, ...] = ()
    faces: Faces = field(default_factory=Faces.empty)
    template: Template | None = None
    person: Person | None = None
    warning: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The outcome for JSON."""
        return {
            "source": self.source,
            "accepted": self.accepted,
            "name": None if self.person is None else self.person.name,
            "person_id": None if self.person is None else self.person.id,
            "template_id": None if self.template is None else self.template.id,
            "reasons": [r.to_dict() for r in self.reasons],
            "warning": self.warning,
            "faces": self.faces.to_dicts(),
        }


class Enroller:
    """Takes photographs of a person into the gallery.

    Args:
        detector: finds the faces.
        embedder: turns them into vectors; its space is the templates' space.
        identifier: tells who is known already.
        gallery: where they go.
    """

    def __init__(self, detector: Detector, embedder: Embedder, identifier: CosineIdentifier, gallery: Gallery) -> None:
        self._detector = detector
        self._embedder = embedder
        self._identifier = identifier
        self._gallery = gallery

    def enroll(self, name: str, pictures: Iterable[Picture], *, options: EnrolOptions | None = None) -> list[Enrolment]:
        """One outcome per picture, in order; a refused one does not keep the others out.

        Args:
            name: of an existing person, or of a new one who is created with the first photograph accepted.
            pictures: photographs; each is one transaction.
            options: which face, which limits.

        Raises:
            InputError: a name that cannot be one.
            StoreError: the gallery cannot be written to; what went in before stays.
        """
        options = options or EnrolOptions()
        return [self._enroll_one(name, picture, options) for picture in pictures]

    def enroll_together(
        self, name: str, pictures: Iterable[Picture], *, options: EnrolOptions | None = None
    ) -> list[Enrolment]:
        """One outcome per picture, in order, as ``enroll``; but all of them go in, in one transaction, or none.

        Raises:
            InputError: a name that cannot be one.
            StoreError: the gallery cannot be written to; nothing went in.
        """
        options = options or EnrolOptions()
        judged = [self._judge(name, picture, options) for picture in pictures]
        templates = [outcome.template for outcome in judged if outcome.template is not None]
        if len(templates) < len(judged):
            refused = sum(outcome.template is None for outcome in judged)
            other = Reason("gate", "another picture", text=f"{refused} of {len(judged)} pictures refused: none goes in")
            return [replace(o, template=None, reasons=o.reasons or (other,)) for o in judged]
        if not judged:
            return []
        person, stored = self._gallery.add(name, templates)
        return [replace(o, accepted=True, template=t, person=person) for o, t in zip(judged, stored, strict=True)]

    def _enroll_one(self, name: str, picture: Picture, options: EnrolOptions) -> Enrolment:
        judged = self._judge(name, picture, options)
        if judged.template is None:
            return judged
        try:
            person, (stored,) = self._gallery.add(name, [judged.template])
        except DuplicateError as error:  # another process has just enrolled it
            again = Reason("gate", "photo already enrolled", text=str(error))
            return replace(judged, reasons=(again,), template=None, warning="")
        return replace(judged, accepted=True, template=stored, person=person)

    def _judge(self, name: str, picture: Picture, options: EnrolOptions) -> Enrolment:
        """What would become of a photograph: a template that may go in, or why none may."""
        # 1. the same photograph again?
        again = self._already_enrolled(name, picture)
        if again is not None:
            return Enrolment(picture.source, accepted=False, reasons=(again,))
        # 2. exactly one face, or the one that was asked for
        faces = self._detector.at_scale(picture.scale).detect(picture.pixels).sorted("left")
        faces = measure(picture, faces, limits=options.limits)
        shown = faces.scaled(1 / picture.scale)
        index, reason = choose_face(shown, options.face)
        if reason is not None:
            return Enrolment(picture.source, accepted=False, reasons=(reason,), faces=shown)
        # 3. good enough?
        quality = faces.quality[index] if faces.quality else None
        if quality is not None and quality.reasons:
            return Enrolment(picture.source, accepted=False, reasons=quality.reasons, faces=shown)
        # 4. somebody else's face?
        one = faces[index]
        vector = self._embedder.embed(picture.pixels, one)
        taken, warning = self._collision(name, vector, options)
        if taken is not None:
            return Enrolment(picture.source, accepted=False, reasons=(taken,), faces=shown)
        template = self._template(picture, vector[0], shown[index])
        if options.keep_photos:
            template = replace(template, photo=cut_photo(picture.pixels, one))
        return Enrolment(picture.source, accepted=False, faces=shown, template=template, warning=warning)

    def _already_enrolled(self, name: str, picture: Picture) -> Reason | None:
        if not picture.sha256:
            return None
        enrolled = self._gallery.find_photo(picture.sha256, self._embedder.space)
        known = self._known(name) if enrolled else None
        for person, template in enrolled:
            if known is not None and person.id == known.id:
                text = f"this photo is already enrolled for {person.name} ({template.source})"
                return Reason("gate", "photo already enrolled", text=text)
        return None

    def _collision(self, name: str, vector: NDArray[np.float32], options: EnrolOptions) -> tuple[Reason | None, str]:
        """Whether the face is somebody else's already, and a warning if it is unlike the person's own photographs."""
        try:
            vectors, owners, people = self._compared_with(name, vector)
        except SpaceMismatchError:  # enrolling again is how a gallery comes into another space
            return None, f"first face in the space {self._embedder.space.name}: not compared with those of other spaces"
        if not people:
            return None, ""
        known = self._known(name)
        cosines = similarities(vector, vectors)[0]
        own = np.array([known is not None and person.id == known.id for person in people], bool)[owners]
        best_own = float(cosines[own].max()) if own.any() else None
        others = np.where(own, -1.0, cosines)
        nearest = int(np.argmax(others))
        threshold = self._identifier.threshold(self._embedder.space, self._gallery).similarity
        if others[nearest] >= threshold and (best_own is None or others[nearest] > best_own):
            return _somebody_else(people[int(owners[nearest])].name, float(others[nearest]), threshold, options)
        if best_own is not None and best_own < threshold:
            stranger = self._identifier.stranger_level(self._embedder.space, self._gallery)
            return _unlike(name, best_own, (stranger, threshold), options)
        return None, ""

    def _compared_with(self, name: str, vector: NDArray[np.float32]) -> Vectors:
        """All templates, or in a large gallery those of the person and of whoever is most alike."""
        space = self._embedder.space
        near = self._gallery.near(space, vector, people=2, floor=1.0) if isinstance(self._gallery, Narrowing) else None
        if near is None:
            return self._gallery.vectors(space)
        known = self._known(name)
        vectors, owners, people = near
        if known is None or known.id in {person.id for person in people}:
            return near
        own = [template.embedding for template in self._gallery.templates(known.id, space)]
        if not own:
            return near
        joined = np.concatenate([vectors, np.stack(own)])
        return joined, np.concatenate([owners, np.full(len(own), len(people))]), (*people, known)

    def _known(self, name: str) -> Person | None:
        try:
            return self._gallery.person(name)
        except NotFoundError:
            return None

    def _template(self, picture: Picture, vector: NDArray[np.float32], shown: Faces) -> Template:
        """The template of one face; ``shown`` is its row in pixels of the original."""
        measured = shown.quality[0] if shown.quality else None
        names = ("size", "sharpness", "brightness", "contrast", "yaw", "roll")
        x1, y1, x2, y2 = (float(v) for v in shown.boxes[0])
        return Template(
            embedding=vector,
            space=self._embedder.space,
            source=picture.source,
            photo_sha256=picture.sha256,
            box=(x1, y1, x2, y2),
            quality={} if measured is None else {n: round(float(getattr(measured, n)), 4) for n in names},
            detector=self._detector.name,
        )


def _somebody_else(other: str, cosine: float, threshold: float, options: EnrolOptions) -> tuple[Reason | None, str]:
    """A face that would be named as another person: refused, or let in as a twin with a warning."""
    if options.allow_similar:
        return None, f"looks like {other}, {cosine:.2f}"
    text = f"this face is already {other}, {cosine:.2f}; if they are two people who look alike: --allow-similar"
    return Reason("gate", "similarity to another person", cosine, threshold, "--allow-similar", "above", text=text), ""


def _unlike(
    name: str, cosine: float, levels: tuple[float | None, float], options: EnrolOptions
) -> tuple[Reason | None, str]:
    """A face below the threshold to the person's own photographs: refused if no nearer than a stranger's, else a warning.

    Args:
        levels: what a stranger in ten reaches (None if unknown), and the threshold.
    """
    stranger, threshold = levels
    words = f"unlike the photos of {name} so far: {cosine:.2f}"
    if stranger is None or cosine >= stranger or options.allow_unlike:
        return None, f"{words}, below {threshold:.2f}"
    text = f"{words}, no nearer than a stranger ({stranger:.2f}); if it is the same person: --allow-unlike"
    return Reason("gate", "similarity to the person's photos", cosine, stranger, "--allow-unlike", text=text), ""


def choose_face(faces: Faces, wanted: int | None) -> tuple[int, Reason | None]:
    """Index of the face to learn, or why there is none; ``faces`` from left to right."""
    found = len(faces)
    if not found:
        return 0, Reason("gate", "no face", text="no face found (mien detect --explain shows why)")
    if wanted is not None:
        if 1 <= wanted <= found:
            return wanted - 1, None
        return 0, Reason(
            "gate", "no such face", text=f"--face {wanted}: the picture has {found}, counted from the left"
        )
    if found == 1:
        return 0, None
    usable = [i for i in range(found) if faces.quality is None or faces.quality[i].usable]
    largest = int(np.argmax(faces.sizes))
    others = np.delete(faces.sizes, largest)
    if usable == [largest] and (others * BACKGROUND <= faces.sizes[largest]).all():
        return largest, None
    text = f"{found} faces: {_places(faces)}; choose one with --face N"
    return 0, Reason("gate", "several faces", float(found), 1.0, "--face", "above", text=text)


def _places(faces: Faces) -> str:
    """Where the faces are: ``1 at 34,50 (80 px), 2 at …``."""
    return ", ".join(
        f"{i + 1} at {box[0]:.0f},{box[1]:.0f} ({size:.0f} px)"
        for i, (box, size) in enumerate(zip(faces.boxes, faces.sizes, strict=True))
    )
