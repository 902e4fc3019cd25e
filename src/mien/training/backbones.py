"""Backbones by name: networks trained on many pictures, whose features a small head learns to read.

Two kinds. Keras networks (EfficientNet-Lite0, keras.applications) may later be unfrozen and trained on with a small rate.
Embedders of the catalog (facenet, and whatever a user added) are ONNX files: they stay frozen, and what is exported is
their own file with the head joined on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SettingError, WeightsError
from mien.core.protocols import Network
from mien.training.exporting import stitched, to_onnx
from mien.training.fitting import predict
from mien.training.keras_backend import load_keras
from mien.training.networks import Head, joined
from mien.zoo.catalog import Preprocessing, WeightRecord

__all__ = [
    "EFFICIENTNET_LITE0",
    "NONE",
    "Backbone",
    "KerasBackbone",
    "OnnxBackbone",
    "OnnxFile",
    "applications",
    "open_keras",
]

NONE = "none"
EFFICIENTNET_LITE0 = "efficientnet-lite0"

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LARGER = {"inceptionv3": 299, "xception": 299, "inceptionresnetv2": 299}
"""Side of the pictures they were trained on, where it is not 224."""


class Backbone(Protocol):
    """Chips in, features out."""

    @property
    def name(self) -> str:
        """What a user calls it."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """How chips become what the exported network takes."""
        ...

    @property
    def digest(self) -> str:
        """Changes with its weights."""
        ...

    @property
    def head(self) -> Head:
        """What is put on it."""
        ...

    def features(self, chips: Pixels) -> Floats:
        """``(n, d)`` float32 of chips ``(n, size, size, 3)`` uint8 RGB."""
        ...

    def export(self, head: Any) -> bytes:
        """ONNX of the backbone with a trained Keras head on it."""
        ...


@dataclass(frozen=True, eq=False)
class KerasBackbone:
    """A Keras network that takes RGB 0–255 and gives one vector per picture.

    Args:
        name: what a user calls it.
        model: ``(n, size, size, 3)`` -> ``(n, d)``.
        digest: of its weights.
        head: what is put on it.
    """

    name: str
    model: Any
    digest: str
    head: Head = "linear"

    @property
    def preprocessing(self) -> Preprocessing:
        """Its first layers do the rest."""
        return raw_pixels(self.model.input_shape[1])

    def features(self, chips: Pixels) -> Floats:
        """``(n, d)`` float32."""
        return predict(self.model, lambda rows, _: chips[rows].astype(np.float32), len(chips))

    def export(self, head: Any) -> bytes:
        """Backbone and head as one graph."""
        return to_onnx(joined(self.model, head))


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """An embedder of the catalog as it lies on disk.

    Args:
        record: from the catalog.
        path: its verified ONNX file.
        network: over that file.
    """

    record: WeightRecord
    path: Path
    network: Network


class OnnxBackbone:
    """An embedder of the catalog; its output is taken as it is, without mirror image and centre.

    Args:
        file: of an embedder that is one network.
    """

    head: Head = "linear"

    def __init__(self, file: OnnxFile) -> None:
        if file.record.preprocessing is None or not file.record.dimensions:
            raise SettingError(f"{file.record.name} is no embedder, so it can be no backbone")
        self.name = file.record.name
        self.preprocessing = file.record.preprocessing
        self.digest = file.record.digest
        self._file = file

    def features(self, chips: Pixels) -> Floats:
        """``(n, d)`` float32."""
        return self._file.network.run(prepared(chips, self.preprocessing))[0]

    def export(self, head: Any) -> bytes:
        """Its file with the head joined on."""
        return stitched(self._file.path.read_bytes(), to_onnx(head))


def raw_pixels(size: int) -> Preprocessing:
    """RGB 0–255 as they are, channels last: what our Keras networks take, which bring them to scale themselves."""
    return Preprocessing(size, mean=(0.0, 0.0, 0.0), scale=1.0, layout="nhwc")


def prepared(chips: Pixels, how: Preprocessing) -> Floats:
    """Chips ``(n, size, size, 3)`` uint8 RGB as a network takes them."""
    ordered = chips[..., ::-1] if how.channels == "bgr" else chips
    pixels = (ordered.astype(np.float32) - np.array(how.mean, np.float32)) * np.float32(1 / how.scale)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) if how.layout == "nchw" else pixels


def applications() -> dict[str, Callable[..., Any]]:
    """The networks of keras.applications by lower-case name: ``resnet50``, ``mobilenet``, ``vgg16`` and so on."""
    given = load_keras().applications
    return {name.lower(): getattr(given, name) for name in dir(given) if name[0].isupper()}


def open_keras(name: str, *, size: int = 0, weights: Path | None = None) -> KerasBackbone:
    """EfficientNet-Lite0, or a network of keras.applications with ImageNet weights, which Keras fetches.

    Args:
        name: upper or lower case.
        size: side of the pictures, pixels; 0 takes what it was trained on.
        weights: the verified file of EfficientNet-Lite0.

    Raises:
        SettingError: nobody has a network of this name.
        WeightsError: weights that are not here and cannot be fetched; names the file and where to put it.
    """
    if name == EFFICIENTNET_LITE0 and weights is not None:
        from mien.training.efficientnet_lite import SIZE, efficientnet_lite0, read_weights

        return _described(name, efficientnet_lite0(read_weights(weights), size=size or SIZE))
    makers = applications()
    if name.lower() not in makers:
        raise SettingError(
            f"backbone {name!r} is unknown; choose {NONE}, facenet, {EFFICIENTNET_LITE0}, or one of keras.applications:"
            f" {', '.join(sorted(makers))}"
        )
    return _application(name.lower(), makers[name.lower()], size or _LARGER.get(name.lower(), 224))


def _application(name: str, maker: Callable[..., Any], size: int) -> KerasBackbone:
    keras = load_keras()
    wide: Literal["wide", "linear"] = "wide" if name.startswith("vgg") else "linear"
    network = _fetched(name, lambda: maker(weights="imagenet", include_top=False, input_shape=(size, size, 3)))
    pixels = keras.layers.Input((size, size, 3), name="pixels")
    x = network(sys.modules[maker.__module__].preprocess_input(pixels))  # each has its own
    x = keras.layers.Flatten()(x) if wide == "wide" else keras.layers.GlobalAveragePooling2D()(x)
    return _described(name, keras.Model(pixels, x, name=name), wide)


def _fetched(name: str, make: Callable[[], Any]) -> Any:
    """A network with its weights, or where to put them."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras shows its download where results are printed
            return make()
    except Exception as error:  # Keras raises a bare Exception when it cannot fetch
        url = re.search(r"https?://\S+?(?=:?\s|$)", str(error))
        if "URL fetch failure" not in str(error) or url is None:
            raise
        folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
        file = url[0].rpartition("/")[2]
        raise WeightsError(
            f"the ImageNet weights of {name} are not here and could not be fetched; download {url[0]} elsewhere and put it"
            f" into {folder} as {file}"
        ) from error


def _described(name: str, model: Any, head: Head = "linear") -> KerasBackbone:
    digest = hashlib.sha256(name.encode())
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return KerasBackbone(name, model, digest.hexdigest(), head)
