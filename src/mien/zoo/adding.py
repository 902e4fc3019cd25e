"""Takes in weights that a user brings: an ONNX file or a frozen FaceNet graph becomes ONNX and a record beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import onnx

from mien.core.errors import DuplicateError, InputError, WeightsError
from mien.zoo.catalog import (
    SINGLE_SHOT,
    Activation,
    Alignment,
    Catalog,
    Format,
    Kind,
    Preprocessing,
    Source,
    WeightRecord,
    record_to_toml,
)
from mien.zoo.convert.facenet import convert_facenet
from mien.zoo.convert.single_shot import free_size
from mien.zoo.files import sha256_of, write_atomically

__all__ = ["FAMILIES", "AddOptions", "Feeding", "add"]


UNKNOWN = "unknown: brought by the user"
"""The licence of a file that nobody says anything about."""


@dataclass(frozen=True, slots=True)
class Feeding:
    """How the embedders of one family want their faces.

    Args:
        align: how chips are cut, as a user types it.
        size: side of the chips where the file leaves it open, pixels.
        mean: subtracted from each pixel.
        scale: what the difference is divided by.
        bgr: whether blue comes first.
    """

    align: str
    size: int
    mean: float
    scale: float
    bgr: bool = False


FAMILIES: dict[str, Feeding] = {
    "facenet": Feeding("box+32", 160, 127.5, 128.0),
    "arcface": Feeding("arcface-112", 112, 127.5, 127.5),  # insightface, arcface_onnx.py
    "sface": Feeding("arcface-112", 112, 0.0, 1.0),  # OpenCV, face_recognize.cpp: RGB from 0 to 255
}
"""What the embedders that go round were trained on, by what their users call them."""


@dataclass(frozen=True, slots=True)
class AddOptions:
    """What a file cannot say about itself; the defaults are FaceNet's.

    Args:
        name: what the weights shall be called; the file's name without suffix if empty.
        kind: ``"detector"``, ``"embedder"`` or ``"classifier"``.
        format: of a detector: ``"yunet"`` or ``"scrfd"``; of anything else ``"onnx"``.
        size: side of the chips where the file leaves it open, pixels.
        mean: subtracted from each pixel, per channel.
        scale: what the difference is divided by.
        channels: ``"rgb"`` or ``"bgr"``.
        alignment: how chips are cut.
        flip: average a chip and its mirror image.
        classes: what a classifier tells apart, in the order of its outputs; for one output, the class it means comes last.
        activation: what makes probabilities of a classifier's outputs.
        licence: shown wherever the weights are listed; empty: that of a file in the catalog which is the same, else unknown.
        replace: overwrite weights of the same name.
    """

    name: str = ""
    kind: Kind = "embedder"
    format: Format = "onnx"
    size: int = 160
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    scale: float = 128.0
    channels: Literal["rgb", "bgr"] = "rgb"
    alignment: Alignment = field(default_factory=lambda: Alignment("box", margin=32))
    flip: bool = False
    classes: tuple[str, ...] = ()
    activation: Activation = "softmax"
    licence: str = ""
    replace: bool = False


def add(path: Path, models: Path, options: AddOptions | None = None) -> WeightRecord:
    """Puts the weights of ``path`` into the models folder as ``NAME.onnx`` with the record ``NAME.toml``.

    Args:
        path: ``FILE.onnx``, or ``FILE.pb``: a frozen FaceNet graph, which is converted.
        models: the models folder; made if need be.
        options: what the file does not say about itself.

    Returns:
        The record, as the catalog will read it from now on.

    Raises:
        InputError: a file of another kind, or a name that cannot be a file's.
        DuplicateError: the name is taken.
        WeightsError: a file that cannot be read, or does not take batches of pictures.
    """
    options = options or AddOptions()
    name = options.name or path.stem
    _check_name(name, models, replace=options.replace)
    data = _read(path, options.size)
    known = _known(path, models)
    if options.kind == "detector":
        if options.format not in SINGLE_SHOT:
            raise InputError(f"a detector is brought as {' or '.join(SINGLE_SHOT)}, got the format {options.format!r}")
        data = free_size(data, options.format, path.name)
    record = WeightRecord(
        name=name,
        kind=options.kind,
        format=options.format,
        title=f"{path.name}, brought by the user",
        licence=options.licence or (known.licence if known else UNKNOWN),
        trained_on=known.trained_on if known else "unknown",
        roles=(options.kind,),
        sources=(Source(options.kind, f"{name}.onnx", hashlib.sha256(data).hexdigest(), len(data)),),
        folder=models,
    )
    if options.kind != "detector":
        record = _fed(record, data, path, options)
    write_atomically(models / f"{name}.onnx", data)
    write_atomically(models / f"{name}.toml", record_to_toml(record).encode())
    return record


def _known(path: Path, models: Path) -> WeightRecord | None:
    """What the catalog says about this very file, under whatever name."""
    found = sha256_of(path)
    records = Catalog(models).all()
    return next((record for record in records if any(source.sha256 == found for source in record.sources)), None)


def _fed(record: WeightRecord, data: bytes, path: Path, options: AddOptions) -> WeightRecord:
    """The record with how chips are cut and fed."""
    size, layout, dimensions = _inspect(data, path, options)
    return replace(
        record,
        dimensions=dimensions if options.kind == "embedder" else 0,
        flip=options.flip,
        preprocessing=Preprocessing(size, options.mean, options.scale, options.channels, layout),
        alignment=options.alignment,
        classes=options.classes,
        activation=options.activation if options.kind == "classifier" else "",
    )


def _check_name(name: str, models: Path, *, replace: bool) -> None:
    if not name or name != Path(name).name or name.startswith("."):
        raise InputError(f"{name!r} cannot be a name of weights: it becomes a file name; use letters, digits and -")
    if not replace and name in Catalog(models).names():
        raise DuplicateError(f"weights called {name!r} are there already; choose another name or replace them")


def _read(path: Path, size: int) -> bytes:
    """The file as ONNX."""
    if path.suffix not in {".onnx", ".pb"}:
        raise InputError(
            f"{path.name}: expected FILE.onnx or FILE.pb (a frozen FaceNet graph), got {path.suffix or 'no suffix'}"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    return convert_facenet(data, size=size) if path.suffix == ".pb" else data


def _inspect(data: bytes, path: Path, options: AddOptions) -> tuple[int, Literal["nchw", "nhwc"], int]:
    """Chip size, layout and length of the output, as the model's shapes say."""
    try:
        onnx.checker.check_model(data)
    except (ValueError, onnx.checker.ValidationError) as error:
        raise WeightsError(f"{path} is no ONNX model: {str(error).splitlines()[0]}") from error
    graph = onnx.load_from_string(data).graph
    constants = {constant.name for constant in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    shape = _shape(inputs[0]) if len(inputs) == 1 else []
    if len(shape) != 4 or 3 not in {shape[1], shape[3]}:
        raise WeightsError(
            f"{path.name} should take one batch of pictures (n, 3, h, w) or (n, h, w, 3), its input is {shape}"
        )
    layout: Literal["nchw", "nhwc"] = "nchw" if shape[1] == 3 else "nhwc"
    height, width = shape[2:] if layout == "nchw" else shape[1:3]
    if height != width:
        raise WeightsError(f"{path.name} should take square pictures, its input is {width} × {height}")
    if shape[0] > 1:
        raise WeightsError(
            f"{path.name} takes {shape[0]} pictures at a time; export it with a free batch size (first dimension)"
        )
    return height or options.size, layout, _width(graph, path, options)


def _width(graph: Any, path: Path, options: AddOptions) -> int:
    """Length of a vector; 0 for what is no embedder. A classifier's outputs must be as many as its classes."""
    shape = _shape(graph.output[0])
    if options.kind == "classifier":
        _check_classes(shape, path, options)
    if options.kind != "embedder":
        return 0
    if len(shape) != 2 or not shape[1]:
        raise WeightsError(f"{path.name} should give one vector per picture (n, d), its first output is {shape}")
    return shape[1]


def _check_classes(shape: list[int], path: Path, options: AddOptions) -> None:
    count = len(options.classes)
    if count < 2 or len(set(options.classes)) < count:
        raise InputError(
            f"a classifier needs two different classes or more, got {', '.join(options.classes) or 'none'}"
        )
    if len(shape) != 2 or shape[1] not in ({0, 1, 2} if count == 2 else {0, count}):
        raise WeightsError(
            f"{path.name} should give {count} numbers per picture, one for each of {', '.join(options.classes)}; its first"
            f" output is {shape}"
        )


def _shape(value: Any) -> list[int]:
    """Its dimensions, 0 where any size will do."""
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]
