"""One classifier for every network that tells classes of faces apart; the record of its weights says the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, WeightsError
from mien.core.faces import Faces
from mien.core.protocols import Network
from mien.media.crops import crop_boxes, crop_context, crop_extended
from mien.zoo.catalog import Activation, Alignment, Preprocessing, WeightRecord

__all__ = ["ClassifierOptions", "NetworkClassifier"]


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """How a network is fed, and what its outputs mean.

    Args:
        name: the classifier as a user names it.
        classes: what it tells apart, in the order of its outputs; with one output, that of the second of two.
        preprocessing: size of the chips and how pixels become numbers.
        alignment: how chips are cut: by box and margin, or by box and what is around it.
        activation: what makes probabilities of the outputs; ``"none"`` if they are that already.
        batch: chips per run at most; bounds memory.

    Raises:
        InputError: fewer than two classes, a cut that needs landmarks, an activation that does not fit.
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    alignment: Alignment
    activation: Activation = "softmax"
    batch: int = 32

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise InputError(f"{self.name} has the classes {self.classes}: a classifier tells two apart, or more")
        if self.alignment.kind == "landmarks":
            raise InputError(f"{self.name} is cut by landmarks: a classifier's faces are cut by box or context")
        if self.batch < 1:
            raise InputError(f"batch {self.batch} must be 1 or more")

    @classmethod
    def from_record(cls, record: WeightRecord) -> ClassifierOptions:
        """What the catalog says about ``record``.

        Raises:
            WeightsError: if it is no classifier or lacks what one needs.
        """
        if (
            record.kind != "classifier"
            or record.preprocessing is None
            or record.alignment is None
            or not record.classes
        ):
            raise WeightsError(
                f"{record.name} is no classifier: its record needs kind, classes, preprocessing and alignment"
            )
        activation: Activation = record.activation or "none"
        return cls(record.name, record.classes, record.preprocessing, record.alignment, activation)


class NetworkClassifier:
    """Faces to probabilities through one network.

    Args:
        network: takes ``(n, 3, size, size)`` float32 (or channels last) and gives ``(n, k)``; or ``(n, 1)`` for two
            classes: the probability of the second.
        options: how it is fed, and what its outputs mean.
    """

    def __init__(self, network: Network, options: ClassifierOptions) -> None:
        self._network = network
        self.options = options

    @property
    def name(self) -> str:
        """As a user names it."""
        return self.options.name

    @property
    def classes(self) -> tuple[str, ...]:
        """What each column means."""
        return self.options.classes

    def crop(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.uint8]:
        """The chips it would classify, ``(n, size, size, 3)`` uint8 RGB."""
        size, how = self.options.preprocessing.size, self.options.alignment
        if how.kind == "context":
            return crop_context(image, faces.boxes, size=size, context=how.context)
        if how.kind == "extended":
            return crop_extended(image, faces.boxes, size=size, context=how.context)
        return crop_boxes(image, faces.boxes, size=size, margin=how.margin)

    def classify(self, image: NDArray[np.uint8], faces: Faces) -> NDArray[np.float32]:
        """``(n, k)`` float32 probabilities, one row per face; ``(0, k)`` without faces."""
        return self.classify_chips(self.crop(image, faces))

    def classify_chips(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``(n, k)`` float32 probabilities of chips ``(n, size, size, 3)`` uint8 RGB, in bounded batches.

        Raises:
            InputError: chips of another size or type.
            WeightsError: the network gives something else than its record says.
        """
        size, step = self.options.preprocessing.size, self.options.batch
        if chips.ndim != 4 or chips.shape[1:] != (size, size, 3) or chips.dtype != np.uint8:
            raise InputError(
                f"{self.options.name} takes chips (n, {size}, {size}, 3) uint8 RGB, got {chips.shape} {chips.dtype}; "
                "cut them with crop()"
            )
        parts = [self._run(chips[start : start + step]) for start in range(0, len(chips), step)]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *parts])

    def _run(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        how = self.options.preprocessing
        ordered = chips[..., ::-1] if how.channels == "bgr" else chips
        pixels = (ordered.astype(np.float32) - np.array(how.mean, np.float32)) * np.float32(1 / how.scale)
        raw = self._network.run(pixels.transpose(0, 3, 1, 2) if how.layout == "nchw" else pixels)[0]
        return self._probabilities(self._checked(raw, len(chips)).astype(np.float64)).astype(np.float32)

    def _checked(self, raw: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        count = len(self.classes)
        if raw.shape != (n, count) and not (count == 2 and raw.shape == (n, 1)):
            raise WeightsError(
                f"{self.options.name} should give ({n}, {count}), one number for each of {', '.join(self.classes)}; its "
                f"network gave {raw.shape}; mend its record"
            )
        return raw

    def _probabilities(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs as probabilities ``(n, k)``; one column becomes two."""
        single = raw.shape[1] == 1
        if self.options.activation == "softmax" and not single:
            powers = np.exp(raw - raw.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        values = raw if self.options.activation == "none" else 1 / (1 + np.exp(-np.clip(raw, -60, 60)))
        return np.concatenate([1 - values, values], axis=1) if single else values
