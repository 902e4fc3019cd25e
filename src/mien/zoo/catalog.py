"""What is known about each weight: where it comes from, what it may be used for, how it wants to be fed."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from mien.core.errors import NotFoundError, WeightsError
from mien.core.people import Calibration

__all__ = [
    "CALIBRATION",
    "SINGLE_SHOT",
    "Activation",
    "Alignment",
    "Catalog",
    "Format",
    "Preprocessing",
    "Source",
    "WeightRecord",
    "record_to_toml",
]

Kind = Literal["detector", "embedder", "classifier", "backbone", "identifier"]
Activation = Literal["softmax", "sigmoid", "none"]
Format = Literal["mtcnn", "facenet", "dlib", "onnx", "file", "int8", "ensemble", "yunet", "scrfd"]

SINGLE_SHOT: tuple[Format, ...] = ("yunet", "scrfd")
"""Formats of detectors of one network; what is brought of them is made fit for any size of picture first."""

SUFFIX = ".toml"
CALIBRATION = ".calibration.json"
"""What a user's own embedder has beside its record, where its strangers were measured."""


@dataclass(frozen=True, slots=True)
class Source:
    """One foreign file.

    Args:
        part: what it is in its record, e.g. ``"pnet"``.
        file: its path inside the package, or its name when it is downloaded or brought.
        sha256: hex digest of the whole file.
        size: bytes.
        package: what pip installs to bring it; empty if no package does.
        module: the folder that package makes among the installed ones.
        extra: the extra of ours that brings the package; empty if the plain install does.
        url: where it can be downloaded; empty if nowhere.
    """

    part: str
    file: str
    sha256: str
    size: int = 0
    package: str = ""
    module: str = ""
    extra: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How uint8 RGB chips become what a network was trained on: ``(x - mean) / scale``.

    Args:
        size: side of a chip, pixels.
        mean: per channel, in the order of ``channels``.
        scale: what the difference is divided by.
        channels: ``"rgb"`` or ``"bgr"``.
        layout: ``"nchw"`` or ``"nhwc"``.
    """

    size: int
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    scale: float = 128.0
    channels: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"

    def __str__(self) -> str:
        mean = f"{self.mean[0]:g}" if len(set(self.mean)) == 1 else f"[{', '.join(f'{m:g}' for m in self.mean)}]"
        return f"(x-{mean})/{self.scale:g} {self.channels}"


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a chip is cut from the picture.

    Args:
        kind: ``"box"``: the detector's box and a margin; ``"landmarks"``: five points laid on a template; ``"context"``:
            a square around the box, grown, nothing stretched (``media.crops.crop_context``); ``"extended"``: the box grown
            on each side and cut off at the picture's edges (``media.crops.crop_extended``).
        margin: for boxes: how many of the chip's pixels the margin takes, both sides together; the same number of the
            picture's pixels on every side, whatever the box's shape (``core.geometry.widen``).
        template: for landmarks: ``"dlib-150"`` or ``"arcface-112"``.
        context: for context: the share by which the box grows; 0.5 shows one and a half times the box. For extended: the
            share by which it grows on each side; 0.5 shows twice the box.
    """

    kind: Literal["box", "landmarks", "context", "extended"] = "box"
    margin: int = 0
    template: str = ""
    context: float = 0.0

    def __str__(self) -> str:
        if self.kind == "landmarks":
            return self.template
        return f"box+{self.margin}" if self.kind == "box" else f"{self.kind}+{self.context:g}"

    def describe(self, size: int) -> str:
        """With the side of the chip, e.g. ``"box+32@160"`` or ``"dlib-150@150"``."""
        return f"{self}@{size}"


@dataclass(frozen=True, slots=True)
class WeightRecord:
    """One weight.

    Args:
        name: what a user calls it.
        kind: ``"detector"``, ``"embedder"``, ``"classifier"`` or ``"backbone"``: what classifiers are trained on.
        format: how the foreign files become ours: the converter's name; ``"onnx"`` and ``"file"`` are used as they are;
            ``"int8"`` is made from the member and stored ranges; ``"ensemble"`` has members only; a detector is ``"mtcnn"``,
            ``"yunet"``, ``"scrfd"``, or ``"onnx"``: a sliding window.
        title: one line for lists.
        licence: of code and weights.
        trained_on: the training data, and its terms where they are stricter.
        roles: the files it becomes, e.g. ``("pnet", "rnet", "onet")``.
        sources: the foreign files.
        members: names of the records it is made of.
        dimensions: length of a vector; 0 for what is no embedder.
        flip: whether an embedder averages a chip and its mirror image by default.
        preprocessing: None for detectors, which know their own.
        alignment: None for detectors.
        centre: mean unit vector of many people, subtracted from each vector before it is brought to unit length again;
            empty for none. In ``catalog.toml`` the name of the file that holds it.
        classes: what a classifier tells apart, in the order of its outputs.
        activation: what makes probabilities of a classifier's outputs: ``"softmax"``, ``"sigmoid"``, or ``"none"`` if they
            are that already.
        people: ids of the people an identifier names, in the order of ``classes``, their names; empty for who is not enrolled.
        space: id of the embedding space whose vectors an identifier takes.
        threshold: the least probability with which an identifier names somebody.
        tuning: numbers a detector was tuned to: ``threshold``, and ``aspect`` of a sliding window's.
        statistics: file with stored measurements that are part of the weight: activation ranges, centres.
        figures: measured or published, by protocol.
        folder: where a user's own files lie; None for ours.
    """

    name: str
    kind: Kind
    format: Format
    title: str
    licence: str
    trained_on: str = "unknown"
    roles: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    members: tuple[str, ...] = ()
    dimensions: int = 0
    flip: bool = False
    preprocessing: Preprocessing | None = None
    alignment: Alignment | None = None
    centre: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    activation: Activation | Literal[""] = ""
    people: tuple[str, ...] = ()
    space: str = ""
    threshold: float = 0.0
    tuning: Mapping[str, float] = field(default_factory=dict)
    statistics: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def digest(self) -> str:
        """sha256 that changes with any of its files or stored measurements; the file's own if there is just one.

        Stored measurements name the weights they were made on, so that these are covered too.
        """
        parts = [source.sha256 for source in self.sources]
        if self.statistics:
            parts.append(hashlib.sha256(_stored(self.statistics).encode()).hexdigest())
        return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()

    def load_statistics(self) -> dict[str, Any]:
        """The stored measurements that are part of the weight.

        Raises:
            WeightsError: if the record has none.
        """
        if not self.statistics:
            raise WeightsError(f"{self.name} has no stored measurements")
        loaded: dict[str, Any] = json.loads(_stored(self.statistics))
        return loaded


class Catalog:
    """All records: ours, and a user's own (``NAME.toml`` beside ONNX files in the models folder).

    Args:
        models: folder with a user's own records; it need not exist.

    Raises:
        WeightsError: a record that cannot be read.
    """

    def __init__(self, models: Path | None = None) -> None:
        self._records = {name: _parse(name, entry) for name, entry in tomllib.loads(_stored("catalog.toml")).items()}
        self._models = models
        for path in sorted(models.glob(f"*{SUFFIX}")) if models and models.is_dir() else ():
            self._records[path.stem] = _read(path)

    def names(self, kind: str = "") -> tuple[str, ...]:
        """Names of all records, or of one kind, in order."""
        return tuple(sorted(name for name, record in self._records.items() if kind in {"", record.kind}))

    def all(self) -> tuple[WeightRecord, ...]:
        """All records, ordered by name."""
        return tuple(self._records[name] for name in self.names())

    def get(self, name: str) -> WeightRecord:
        """The record called ``name``.

        Raises:
            NotFoundError: naming close names, or all.
        """
        if name in self._records:
            return self._records[name]
        close = difflib.get_close_matches(name, self.names(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(self.names())}"
        raise NotFoundError(f"no weights are called {name!r}; {hint}")

    def calibrations(self) -> tuple[Calibration, ...]:
        """What was measured for our own embedders, on pictures of LFW."""
        rows = json.loads(_stored("calibrations.json"))
        return tuple(Calibration(**_frozen(row)) for row in rows)

    def calibration(self, space_id: str) -> Calibration | None:
        """Impostor and genuine scores measured in this very space; None if nobody measured it.

        Raises:
            WeightsError: those of a user's own embedder cannot be read.
        """
        ours = next((c for c in self.calibrations() if c.space_id == space_id), None)
        own = None if self._models is None else self._models / f"{space_id.rpartition('-')[0]}{CALIBRATION}"
        if ours is not None or own is None or not own.is_file():
            return ours
        try:
            found = Calibration(**_frozen(json.loads(own.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError) as error:
            raise WeightsError(f"{own} cannot be read as a calibration: {error}; mend or remove it") from error
        return found if found.space_id == space_id else None


def record_to_toml(record: WeightRecord) -> str:
    """A record as the text of ``NAME.toml``, as ``Catalog`` reads it from a models folder."""
    lines = [f"{key} = {_toml(getattr(record, key))}" for key in _PLAIN if getattr(record, key)]
    for key in ("preprocessing", "alignment"):
        value = getattr(record, key)
        if value is not None:
            inner = {name: getattr(value, name) for name in value.__slots__ if getattr(value, name) not in {"", 0}}
            lines.append(f"{key} = {_toml(inner)}")
    for source in record.sources:
        lines += ["", "[[sources]]"]
        lines += [f"{key} = {_toml(getattr(source, key))}" for key in source.__slots__ if getattr(source, key)]
    return "\n".join(lines) + "\n"


_PLAIN = (
    "kind",
    "format",
    "title",
    "licence",
    "trained_on",
    "roles",
    "members",
    "dimensions",
    "flip",
    "centre",
    "classes",
    "activation",
    "people",
    "space",
    "threshold",
    "tuning",
    "figures",
)


def _toml(value: Any) -> str:
    """A string, number, boolean, list or flat mapping in TOML, whose strings are JSON's."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _stored(name: str) -> str:
    """The text of a file of this package."""
    return resources.files("mien.zoo").joinpath(name).read_text(encoding="utf-8")


def _read(path: Path) -> WeightRecord:
    try:
        return _parse(path.stem, tomllib.loads(path.read_text(encoding="utf-8")), path.parent)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as a record of weights: {error}; mend or remove it") from error


def _parse(name: str, entry: dict[str, Any], folder: Path | None = None) -> WeightRecord:
    """A record from its TOML table; a key that is missing or unknown is named."""
    table = _frozen(entry)
    try:
        table["sources"] = tuple(Source(**source) for source in table.get("sources", ()))
        if "preprocessing" in table:
            table["preprocessing"] = Preprocessing(**_frozen(table["preprocessing"]))
        if "alignment" in table:
            table["alignment"] = Alignment(**table["alignment"])
        if isinstance(table.get("centre"), str):
            table["centre"] = tuple(json.loads(_stored(table["centre"]))["centre"])
        return WeightRecord(name=name, folder=folder, **table)
    except TypeError as error:
        raise WeightsError(f"the record of {name} is not as expected: {error}") from error


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with lists made tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
