"""Several embedders as one: their vectors weighted and joined into one unit vector of one space.

The cosine of two joined vectors is a weighted mean of the members' cosines. Each member is weighted so that two strangers
lie equally far apart in every member on average: by one over the mean of ``1 - cosine`` between strangers. A member may
be centred first, where that was measured to help (docs/decisions/022).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.faces import Faces
from mien.core.people import EmbeddingSpace
from mien.core.protocols import Embedder
from mien.core.vectors import unit

__all__ = ["EnsembleEmbedder", "Member"]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One embedder of an ensemble.

    Args:
        embedder: gives unit vectors ``(n, d)``.
        centre: ``(d,)`` mean vector of many people, subtracted before vectors are compared; ``(0,)`` for no centring.
        spread: mean of ``1 - cosine`` between strangers, after centring; larger than 0.

    Raises:
        InputError: a centre of another length, or a spread that is no positive number.
    """

    embedder: Embedder
    centre: NDArray[np.float32]
    spread: float

    def __post_init__(self) -> None:
        expected = (self.embedder.space.dimensions,)
        if self.centre.shape not in {(0,), expected}:
            raise InputError(
                f"the centre of {self.embedder.space.name} should be of shape {expected}, got {self.centre.shape}"
            )
        if not self.spread > 0:
            raise InputError(f"the spread of {self.embedder.space.name} must be more than 0, got {self.spread}")

    @property
    def weight(self) -> float:
        """Length of this member's part of the joined vector, before that is normalised."""
        return float(self.spread**-0.5)

    def place(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """This member's part ``(n, d)`` of the joined vectors."""
        centred = unit(vectors - self.centre) if self.centre.size else vectors
        return centred * np.float32(self.weight)


class EnsembleEmbedder:
    """Faces to the joined vectors of several embedders.

    Args:
        name: what a user calls it.
        members: at least two; each cuts the chips that its own space asks for.
    """

    def __init__(self, name: str, members: Sequence[Member]) -> None:
        if len(members) < 2:
            raise InputError(f"an ensemble has two members or more, got {len(members)}")
        self._name = name
        self._members = tuple(members)

    @cached_property
    def space(self) -> EmbeddingSpace:
        """The space of every vector it returns; changes with any member's space, centre or spread."""
        spaces = [m.embedder.space for m in self._members]
        placed = hashlib.sha256()
        for member in self._members:
            placed.update(member.centre.astype("<f4").tobytes() + f"{member.spread:.6g}".encode())
        return EmbeddingSpace(
            name=self._name,
            dimensions=sum(s.dimensions for s in spaces),
            weights="+".join(s.weights for s in spaces),
            alignment="+".join(s.alignment for s in spaces),
            preprocessing=f"{' + '.join(s.preprocessing for s in spaces)} centred {placed.hexdigest()[:12]}",
        )

    @property
    def needs_landmarks(self) -> bool:
        """Whether any member needs them."""
        return any(m.embedder.needs_landmarks for m in self._members)

    def crop(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.uint8]:
        """The members' chips side by side in one square, ``(n, size, size, 3)`` uint8 RGB, black where no chip lies.

        ``size`` is the sum of the members' chip sizes; ``embed_chips`` takes the chips out again.

        Raises:
            InputError: if landmarks are needed and missing.
        """
        chips = [m.embedder.crop(image, faces) for m in self._members]
        side = sum(self._sizes)
        joined = np.zeros((len(faces), side, side, 3), np.uint8)
        for left, chip in zip(self._lefts, chips, strict=True):
            joined[:, : chip.shape[1], left : left + chip.shape[2]] = chip
        return joined

    def embed(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.float32]:
        """``(n, d)`` float32 unit vectors, one per face; ``(0, d)`` without faces.

        Raises:
            InputError: if landmarks are needed and missing.
        """
        return self._join([m.embedder.embed(image, faces) for m in self._members])

    def embed_chips(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``(n, d)`` float32 unit vectors of what ``crop`` gave.

        Raises:
            InputError: chips of another shape.
        """
        side = sum(self._sizes)
        if chips.ndim != 4 or chips.shape[1:] != (side, side, 3):
            raise InputError(
                f"{self._name} takes chips (n, {side}, {side}, 3), got {chips.shape}; cut them with crop()"
            )
        cut = [chips[:, :size, left : left + size] for left, size in zip(self._lefts, self._sizes, strict=True)]
        return self._join([m.embedder.embed_chips(part) for m, part in zip(self._members, cut, strict=True)])

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        """Chip size of each member, as its empty table of chips shows."""
        blank = np.zeros((1, 1, 3), np.uint8)
        return tuple(m.embedder.crop(blank, Faces.empty()).shape[1] for m in self._members)

    @property
    def _lefts(self) -> tuple[int, ...]:
        """Where each member's chip begins, pixels from the left."""
        return tuple(sum(self._sizes[:i]) for i in range(len(self._sizes)))

    def _join(self, vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return unit(np.concatenate([m.place(v) for m, v in zip(self._members, vectors, strict=True)], axis=1))
