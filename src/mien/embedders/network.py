"""One embedder for every network that turns a face chip into a vector; the record of its weights says the rest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, WeightsError
from mien.core.faces import Faces
from mien.core.geometry import ARCFACE_112, DLIB_150
from mien.core.people import EmbeddingSpace
from mien.core.protocols import Network
from mien.core.vectors import unit
from mien.media.crops import align, crop_boxes
from mien.zoo.catalog import Alignment, Preprocessing, WeightRecord

__all__ = ["TEMPLATES", "EmbedderOptions", "NetworkEmbedder"]

TEMPLATES: dict[str, tuple[NDArray[np.float32], int]] = {"dlib-150": (DLIB_150, 150), "arcface-112": (ARCFACE_112, 112)}
"""Landmark templates by the name records use, and the chip size each was measured for."""


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """How a network is fed; decides, with the weights, the space of its vectors.

    Args:
        name: the embedder as a user names it.
        weights: sha256 of the weights.
        dimensions: length of a vector.
        preprocessing: size of the chips and how pixels become numbers.
        alignment: how chips are cut.
        flip: average each chip's vector with its mirror image's.
        centre: ``dimensions`` numbers subtracted from each unit vector, which is then brought to unit length again;
            empty for none. Strangers are then as often unlike as alike, which helps some networks (docs/decisions/024).
        batch: chips per run at most; bounds memory.

    Raises:
        InputError: a landmark template nobody knows.
    """

    name: str
    weights: str
    dimensions: int
    preprocessing: Preprocessing
    alignment: Alignment
    flip: bool = False
    centre: tuple[float, ...] = ()
    batch: int = 32

    def __post_init__(self) -> None:
        if self.alignment.kind == "landmarks" and self.alignment.template not in TEMPLATES:
            raise InputError(f"template {self.alignment.template!r} is unknown; choose one of {', '.join(TEMPLATES)}")
        if len(self.centre) not in {0, self.dimensions}:
            raise InputError(f"the centre of {self.name} should have {self.dimensions} numbers, got {len(self.centre)}")
        if self.batch < 1:
            raise InputError(f"batch {self.batch} must be 1 or more")

    @classmethod
    def from_record(cls, record: WeightRecord) -> EmbedderOptions:
        """What the catalog says about ``record``.

        Raises:
            WeightsError: if it is no embedder or lacks what one needs.
        """
        if record.kind != "embedder" or record.preprocessing is None or record.alignment is None:
            raise WeightsError(f"{record.name} is no embedder: its record needs kind, preprocessing and alignment")
        return cls(
            name=record.name,
            weights=record.digest,
            dimensions=record.dimensions,
            preprocessing=record.preprocessing,
            alignment=record.alignment,
            flip=record.flip,
            centre=record.centre,
        )

    @property
    def space(self) -> EmbeddingSpace:
        """The space these options make with their weights."""
        return EmbeddingSpace(
            name=self.name,
            dimensions=self.dimensions,
            weights=self.weights,
            alignment=self.alignment.describe(self.preprocessing.size),
            preprocessing=f"{self.preprocessing}{' flip' if self.flip else ''}{self._centred()}",
        )

    def _centred(self) -> str:
        """How the centre enters the space: by its digest."""
        if not self.centre:
            return ""
        return f" centred {hashlib.sha256(np.array(self.centre, '<f4').tobytes()).hexdigest()[:12]}"


class NetworkEmbedder:
    """Faces to unit vectors through one network.

    Args:
        network: takes ``(n, 3, size, size)`` float32 (or channels last) and gives ``(n, d)``.
        options: how it is fed.
    """

    def __init__(self, network: Network, options: EmbedderOptions) -> None:
        self._network = network
        self.options = options
        self._centre = np.array(options.centre, np.float32)

    @cached_property
    def space(self) -> EmbeddingSpace:
        """The space of every vector it returns."""
        return self.options.space

    @property
    def needs_landmarks(self) -> bool:
        """Whether ``faces`` must carry landmarks."""
        return self.options.alignment.kind == "landmarks"

    def crop(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.uint8]:
        """The chips it would embed, ``(n, size, size, 3)`` uint8 RGB.

        Raises:
            InputError: if landmarks are needed and missing.
        """
        size = self.options.preprocessing.size
        if not self.needs_landmarks:
            return crop_boxes(image, faces.boxes, size=size, margin=self.options.alignment.margin)
        if faces.landmarks is None:
            if len(faces):
                raise InputError(
                    f"{self.options.name} aligns faces by landmarks, but the detector gave none; use mtcnn or yunet"
                )
            return np.zeros((0, size, size, 3), np.uint8)
        template, measured_for = TEMPLATES[self.options.alignment.template]
        return align(image, faces.landmarks, template * np.float32(size / measured_for), size)

    def embed(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.float32]:
        """``(n, d)`` float32 unit vectors, one per face; ``(0, d)`` without faces.

        Raises:
            InputError: if landmarks are needed and missing.
        """
        return self.embed_chips(self.crop(image, faces))

    def embed_chips(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``(n, d)`` float32 unit vectors of chips ``(n, size, size, 3)`` uint8 RGB, in bounded batches.

        Raises:
            InputError: chips of another size or type.
        """
        self._check(chips)
        step = self.options.batch
        parts = [self._run(chips[start : start + step]) for start in range(0, len(chips), step)]
        return np.concatenate([np.zeros((0, self.options.dimensions), np.float32), *parts])

    def _run(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors of one batch; with ``flip`` the direction of the mean of both raw outputs."""
        raw = self._forward(chips)
        vectors = unit(raw + self._forward(chips[:, :, ::-1]) if self.options.flip else raw)
        return unit(vectors - self._centre) if self._centre.size else vectors

    def _forward(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw outputs ``(n, d)``."""
        how = self.options.preprocessing
        ordered = chips[..., ::-1] if how.channels == "bgr" else chips
        pixels = (ordered.astype(np.float32) - np.array(how.mean, np.float32)) * np.float32(1 / how.scale)
        raw = self._network.run(pixels.transpose(0, 3, 1, 2) if how.layout == "nchw" else pixels)[0]
        if raw.shape != (len(chips), self.options.dimensions):
            raise WeightsError(
                f"{self.options.name} should give ({len(chips)}, {self.options.dimensions}), its network gave {raw.shape}; "
                "mend its record"
            )
        return raw

    def _check(self, chips: NDArray[np.uint8]) -> None:
        size = self.options.preprocessing.size
        if chips.ndim != 4 or chips.shape[1:] != (size, size, 3) or chips.dtype != np.uint8:
            raise InputError(
                f"{self.options.name} takes chips (n, {size}, {size}, 3) uint8 RGB, got {chips.shape} {chips.dtype}; "
                "cut them with crop()"
            )
