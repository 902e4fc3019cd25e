"""What an embedder is made of: FaceNet's last blocks over features that are computed once, or a small network over pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.protocols import Network
from mien.datasets.augmentation import Augmentation
from mien.embedders.network import EmbedderOptions
from mien.training.backbones import OnnxFile, prepared, raw_pixels
from mien.training.embedder_fitting import Learner
from mien.training.embedder_losses import learner as on_loss
from mien.training.exporting import stitched, to_onnx
from mien.training.features import FeatureCache
from mien.training.inception_resnet import DIMENSIONS, below, read_weights, tail
from mien.training.keras_backend import load_keras
from mien.training.progress import Event, telling
from mien.zoo.catalog import Alignment, Preprocessing, WeightRecord
from mien.zoo.catalog import Source as File
from mien.zoo.files import write_atomically

__all__ = ["SMALL_DIMENSIONS", "SMALL_SIZE", "Source", "open_source"]

SMALL_SIZE = 64
"""Side of the chips that the small network sees, pixels."""

SMALL_DIMENSIONS = 128

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Places = tuple[Path, Callable[[Path], Network], int]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where the learner comes from.

    Args:
        preprocessing: how chips become what the exported network takes.
        models: makes the two Keras models, before and of unit length.
        features: chips -> what the models take.
        digest: changes with what ``features`` gives.
        cache: where features are kept; None computes them anew, since they are pixels.
        under: ONNX of what lies below the models; empty for nothing.
        base: how the embedder that is gone on from is fed; None from scratch.
        base_record: its record.
        base_network: over its file.
    """

    preprocessing: Preprocessing
    models: Callable[[], tuple[Any, Any]]
    features: Callable[[Pixels], Floats]
    digest: str = ""
    cache: Path | None = None
    under: bytes = b""
    base: EmbedderOptions | None = None
    base_record: WeightRecord | None = None
    base_network: Any = None

    def inputs(self, chips: Pixels, augment: int) -> Generator[Event, None, Floats]:
        """``(2 + augment, n, …)`` float32: each chip as it is, its mirror image, random versions of it."""
        rows = np.arange(len(chips), dtype=np.intp)
        augmentation = Augmentation()  # of one seed for all runs
        versions = []
        for version in range(augment + 2):
            if version == 0:
                shown = chips
            elif version == 1:
                shown = np.ascontiguousarray(chips[:, :, ::-1])
            else:
                shown = augmentation.batch(chips, rows, version - 1)
            if self.cache is None:
                versions.append(self.features(shown))
            else:
                cached = FeatureCache(self.cache, self.digest, self.features)
                versions.append((yield from telling("features", cached.of(shown), version, augment + 2)))
        return np.stack(versions)

    def learner(self, loss: str, inputs: Floats, people: NDArray[np.intp]) -> Learner:
        """The models that learn, with what the loss needs on them, begun from the people's means."""
        raw, embedder = self.models()
        found = np.concatenate(
            [np.asarray(raw.predict_on_batch(inputs[i : i + 64])) for i in range(0, len(inputs), 64)]
        )
        means = np.stack([found[people == person].mean(axis=0) for person in range(int(people.max()) + 1)])
        return Learner(on_loss(loss, raw, embedder, means.astype(np.float32)), embedder)

    def export(self, learner: Learner) -> bytes:
        """One ONNX network from what chips become to embeddings of unit length."""
        own = to_onnx(learner.embedder)
        return stitched(self.under, own) if self.under else own

    def options(self, name: str, onnx: bytes, alignment: Alignment) -> EmbedderOptions:
        """How the exported network is fed, without a centre."""
        dimensions = SMALL_DIMENSIONS if self.base is None else DIMENSIONS
        flip = self.base is None or self.base.flip
        digest = hashlib.sha256(onnx).hexdigest()
        return EmbedderOptions(name, digest, dimensions, self.preprocessing, alignment, flip)

    def record(self, options: EmbedderOptions, onnx: bytes, told: dict[str, str]) -> WeightRecord:
        """What the catalog reads."""
        base = self.base_record
        return WeightRecord(
            name=options.name,
            kind="embedder",
            format="onnx",
            title=f"{'a small network' if base is None else f'{base.name}, its last blocks'} trained on people of yours",
            licence="yours" if base is None else f"yours, on the weights of {base.name} under theirs: {base.licence}",
            trained_on=told["trained_on"],
            roles=("embedder",),
            sources=(File("embedder", f"{options.name}.onnx", options.weights, len(onnx)),),
            dimensions=options.dimensions,
            flip=options.flip,
            preprocessing=options.preprocessing,
            alignment=options.alignment,
            centre=options.centre,
            figures={key: value for key, value in told.items() if key != "trained_on"},
        )


def open_source(blocks: int, places: Places, base: OnnxFile | None) -> Source:
    """FaceNet's last blocks, or a small network from scratch.

    Args:
        blocks: how many of the last blocks learn.
        places: where features are kept, what opens an ONNX file, and the side of a chip.
        base: FaceNet, or a network with its graph; None from scratch.

    Raises:
        WeightsError: a base of another kind.
    """
    cache, network, size = places
    if base is None:
        return Source(raw_pixels(size), lambda: small_embedder(size), lambda chips: chips.astype(np.float32))
    options = EmbedderOptions.from_record(base.record)
    under = below(base.path, blocks)
    weights = read_weights(base.path)
    digest = hashlib.sha256(under).hexdigest()
    file = cache / "features" / f"{base.record.name}-below-{blocks}-{digest[:12]}.onnx"
    if not file.is_file():
        write_atomically(file, under)
    lower = network(file)
    return Source(
        options.preprocessing,
        lambda: tail(weights, blocks),
        lambda chips: lower.run(prepared(chips, options.preprocessing))[0],
        digest=digest,
        cache=cache / "features",
        under=under,
        base=options,
        base_record=base.record,
        base_network=base.network,
    )


def small_embedder(size: int) -> tuple[Any, Any]:
    """A small convolutional network from scratch: to ``(n, 128)`` before unit length, and of unit length.

    Args:
        size: side of a chip, pixels.
    """
    keras = load_keras()
    layers = keras.layers
    pixels = layers.Input((size, size, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for maps in (32, 64, 128, 256):
        x = layers.Conv2D(maps, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    raw = layers.Dense(SMALL_DIMENSIONS)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(pixels, raw), keras.Model(pixels, layers.UnitNormalization()(raw))
