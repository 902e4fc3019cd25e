"""One picture: detect, judge, embed, identify. The flow of the house, read top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.faces import Faces, Picture
from mien.core.protocols import Detector, Embedder, Gallery
from mien.core.vectors import similarities
from mien.recognition.calibration import Threshold
from mien.recognition.enrolment import Enroller, Enrolment, EnrolOptions
from mien.recognition.identification import CosineIdentifier
from mien.recognition.quality import QualityLimits, measure

__all__ = ["Recognizer", "Verification", "largest_usable"]

AnyPicture = Picture | NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether two pictures show one person.

    Args:
        same: True or False; None if a picture has no usable face.
        similarity: cosine of the two faces; None without both.
        threshold: the cosine that had to be reached.
        faces: the face taken from each picture (tables of one row, or empty), in pixels of the originals.
        note: what went wrong or was chosen, in words; empty otherwise.
    """

    same: bool | None
    similarity: float | None
    threshold: float
    faces: tuple[Faces, Faces]
    note: str = ""


class Recognizer:
    """Finds faces in pictures and says who they are. Holds no state between calls; threads may share it.

    Args:
        detector: finds faces.
        embedder: turns them into vectors.
        identifier: turns vectors into decisions.
        gallery: the people that are known.
        limits: what a face must have to be compared at all.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        identifier: CosineIdentifier,
        gallery: Gallery,
        limits: QualityLimits | None = None,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.identifier = identifier
        self.gallery = gallery
        self.limits = limits or QualityLimits.for_naming()

    def find(self, picture: AnyPicture) -> Faces:
        """Faces with landmarks, quality and embeddings, in pixels of the original, surest first.

        Args:
            picture: from ``read_image``, or an array ``(H, W, 3)`` uint8 RGB.

        Raises:
            ImageError: an array that is no picture.
        """
        picture = as_picture(picture)
        faces = self.detector.at_scale(picture.scale).detect(picture.pixels)
        faces = measure(picture, faces, limits=self.limits)
        faces = faces.with_columns(embeddings=self.embedder.embed(picture.pixels, faces), space=self.embedder.space)
        return faces.scaled(1 / picture.scale)

    def identify(self, picture: AnyPicture) -> Faces:
        """``find``, with a decision for every face in ``matches``."""
        faces = self.find(picture)
        return faces.with_columns(matches=self.identifier.identify(faces, self.gallery))

    def identify_batch(self, pictures: Iterable[AnyPicture]) -> list[Faces]:
        """``identify`` for several pictures, one table each."""
        return [self.identify(picture) for picture in pictures]

    def enroll(
        self, name: str, pictures: Sequence[AnyPicture], *, options: EnrolOptions | None = None
    ) -> list[Enrolment]:
        """Learn a person from photographs; known from the next call on. See ``Enroller.enroll``."""
        if isinstance(pictures, Picture | np.ndarray | str):
            raise InputError(
                f"enroll takes a list of pictures, got one {type(pictures).__name__}: enroll(name, [picture])"
            )
        return self.enroller.enroll(name, [as_picture(p) for p in pictures], options=options)

    @property
    def enroller(self) -> Enroller:
        """What takes photographs of people into the gallery."""
        return Enroller(self.detector, self.embedder, self.identifier, self.gallery)

    def verify(self, a: AnyPicture, b: AnyPicture) -> Verification:
        """Whether the largest usable face of each picture is the same person's.

        The threshold is that of a gallery with one template: at most one stranger in N is taken for the other.
        """
        found = (self.find(a), self.find(b))
        usable = (largest_usable(found[0]), largest_usable(found[1]))
        threshold = self.pair_threshold().similarity
        first, second = usable[0].embeddings, usable[1].embeddings
        if first is None or second is None or not len(first) or not len(second):
            which = " and ".join(n for n, f in zip(("the first", "the second"), usable, strict=True) if not len(f))
            return Verification(None, None, threshold, usable, f"no usable face in {which} picture")
        cosine = float(similarities(first, second)[0, 0])
        several = [
            f"{len(f)} faces in {n}" for n, f in zip(("the first", "the second"), found, strict=True) if len(f) > 1
        ]
        note = f"took the largest: {', '.join(several)}" if several else ""
        return Verification(cosine >= threshold, cosine, threshold, usable, note)

    def threshold(self) -> Threshold:
        """The threshold for the gallery as it is now."""
        return self.identifier.threshold(self.embedder.space, self.gallery)

    def pair_threshold(self) -> Threshold:
        """The threshold for comparing two pictures with each other."""
        return self.identifier.threshold_for(self.embedder.space, self.gallery, templates=1)


def as_picture(picture: AnyPicture) -> Picture:
    """An array becomes a ``Picture`` of unknown origin; a ``Picture`` stays."""
    return picture if isinstance(picture, Picture) else Picture(picture)


def largest_usable(faces: Faces) -> Faces:
    """The largest face that may be compared, as a table of one row; an empty one without."""
    usable = [faces.quality is None or faces.quality[i].usable for i in range(len(faces))]
    return faces[np.array(usable, bool)].sorted("size")[:1]
