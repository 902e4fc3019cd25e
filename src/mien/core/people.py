"""People, their templates, the space the templates live in, and what the space is known to confuse."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibration", "EmbeddingSpace", "FacePhoto", "Person", "Template", "Vectors"]


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """Where vectors may be compared: weights, alignment and preprocessing together.

    Args:
        name: the embedder as a user names it, e.g. ``"facenet"``.
        dimensions: length of a vector.
        weights: sha256 of the weights (several joined with ``+`` for a fusion).
        alignment: how a crop is cut, e.g. ``"box+32@160"``.
        preprocessing: how pixels become numbers, e.g. ``"(x-127.5)/128 rgb flip"``.
    """

    name: str
    dimensions: int
    weights: str
    alignment: str
    preprocessing: str

    @property
    def id(self) -> str:
        """Short and stable: the name and the first twelve hex digits over everything above."""
        what = json.dumps([self.dimensions, self.weights, self.alignment, self.preprocessing])
        return f"{self.name}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the gallery knows.

    Args:
        id: never changes, whatever the name.
        name: a label in any script.
        created: aware datetime.
        templates: how many templates they have, of any space.
    """

    id: str
    name: str
    created: datetime
    templates: int = 0


Vectors = tuple[NDArray[np.float32], NDArray[np.int64], tuple[Person, ...]]
"""``(n, d)`` unit vectors, ``(n,)`` index of each one's owner, the owners."""


@dataclass(frozen=True, slots=True, eq=False)
class FacePhoto:
    """The part of a photograph around one face, kept so that another embedder can see the face too.

    Args:
        jpeg: the part, encoded.
        box: x1, y1, x2, y2 of the face in pixels of the part.
        landmarks: ``(5, 2)`` float32 pixels of the part; None if the detector gave none.
    """

    jpeg: bytes
    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One enrolled face with its provenance.

    Args:
        embedding: ``(d,)`` float32 of unit length.
        space: where it lives.
        source: path or name of the photograph as the user gave it.
        photo_sha256: digest of the photograph's bytes.
        box: x1, y1, x2, y2 in pixels of the original photograph.
        quality: what the gate measured, by name.
        detector: the detector that found the face.
        id: given by the gallery; empty before.
        person_id: given by the gallery; empty before.
        created: aware datetime given by the gallery; None before.
        photo: what is to be kept of the photograph; None for nothing. Templates that a gallery gives carry none: it is
            asked for by itself (``SqlGallery.pictures``).
    """

    embedding: NDArray[np.float32]
    space: EmbeddingSpace
    source: str
    photo_sha256: str
    box: tuple[float, float, float, float]
    quality: dict[str, float]
    detector: str
    id: str = ""
    person_id: str = ""
    created: datetime | None = None
    photo: FacePhoto | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How often strangers reach which similarity in one space, and how often the same person does.

    Args:
        space_id: the space it was measured in.
        far: false accept rates, descending, e.g. 1e-1 … 1e-6.
        similarity: the cosine that the given share of impostor comparisons reaches; ascending, same length as ``far``.
        genuine: quantiles of the cosine between pictures of one person, at ``genuine_at``.
        genuine_at: ascending shares in 0 … 1.
        comparisons: how many impostor comparisons were measured; rates below 10 / comparisons are not supported.
        data: the data set, e.g. ``"LFW, 3,074 pictures"``.
        protocol: how it was measured.
        date: ISO date.
    """

    space_id: str
    far: tuple[float, ...]
    similarity: tuple[float, ...]
    genuine: tuple[float, ...]
    genuine_at: tuple[float, ...]
    comparisons: int
    data: str
    protocol: str
    date: str

    @property
    def smallest_far(self) -> float:
        """The smallest false accept rate the sample supports: ten events expected."""
        return 10.0 / self.comparisons

    def similarity_at(self, far: float) -> float:
        """Cosine reached by a share ``far`` of impostor comparisons; linear in log10(far), extended below the sample.

        Below the smallest measured rate the last two points are extended in a straight line and the result is at most
        1; ``far < smallest_far`` tells a caller that this happened.
        """
        x = -np.log10(np.asarray(self.far, float))
        y = np.asarray(self.similarity, float)
        at = -np.log10(far)
        if at <= x[-1] or len(x) < 2:
            return float(np.interp(at, x, y))
        slope = max(0.0, (y[-1] - y[-2]) / (x[-1] - x[-2]))
        return float(min(1.0, y[-1] + slope * (at - x[-1])))

    def genuine_lost(self, threshold: float) -> float:
        """Share of same-person comparisons that fall below ``threshold``, 0 to 1."""
        return float(np.interp(threshold, self.genuine, self.genuine_at, left=0.0, right=1.0))

    def to_dict(self) -> dict[str, Any]:
        """For JSON and TOML."""
        return {name: getattr(self, name) for name in self.__slots__}
