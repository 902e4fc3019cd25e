"""Figures that cannot be quoted without the conditions they were measured under.

A record has three parts that are treated differently when two of them are compared:

- ``protocol``: the data, the pairs, the rules. Must be equal, or the figures mean different things.
- ``subject``: what was measured: weights, embedding space, detector and its options. May differ; that is the question.
- ``versions``, ``machine``, ``date``: where and when. Times are compared on one machine only.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from mien.core.errors import InputError
from mien.core.protocols import Detector, Embedder

__all__ = ["Comparison", "Machine", "Record", "compare", "installed_versions", "subject_of", "this_machine"]

_TIMES = "_ms"
_PACKAGES = ("mien", "numpy", "onnxruntime", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures were measured on.

    Args:
        processor: the model's name.
        cores: logical cores that the process may use.
        system: operating system and architecture.
        python: e.g. ``"3.11.7"``.
    """

    processor: str
    cores: int
    system: str
    python: str


@dataclass(frozen=True, slots=True)
class Record:
    """What was measured, how, on what, and what came out; frozen, and equal to its JSON and back.

    Args:
        task: e.g. ``"verification"``, ``"detection"``.
        protocol: data set, number of pictures and pairs, folds, rules, failed-detection policy.
        subject: preset, weights sha256, space id, detector name and options, alignment.
        figures: the results by name; names that end in ``_ms`` are times.
        versions: of the packages that matter.
        machine: where.
        date: ISO date, UTC.
    """

    task: str
    protocol: Mapping[str, Any]
    subject: Mapping[str, Any]
    figures: Mapping[str, Any]
    machine: Machine
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    def __post_init__(self) -> None:
        for name in ("protocol", "subject", "figures", "versions"):
            object.__setattr__(self, name, _plain(name, getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record that ``to_dict`` wrote.

        Raises:
            InputError: if fields are lacking or unknown.
        """
        try:
            return cls(**{**values, "machine": Machine(**values["machine"])})
        except (KeyError, TypeError) as error:
            raise InputError(
                f"expected a record as mien writes it, got the fields {', '.join(values)}: {error}"
            ) from error


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two records of one protocol side by side.

    Args:
        figures: for each figure that both have: the first's, the second's, and second minus first.
        subject: what was different about what was measured: name -> (first's, second's).
    """

    figures: Mapping[str, tuple[float, float, float]]
    subject: Mapping[str, tuple[Any, Any]]


def compare(a: Record, b: Record) -> Comparison:
    """Put two records side by side, if their figures mean the same.

    Figures within figures are named with a point between (``tar.0.001``); lists are left out.

    Raises:
        InputError: if task or protocol differ; names every differing field with both values. If weights of one name have
            different digests: then the name does not say what was measured.
    """
    unlike = _differing({"task": a.task, **a.protocol}, {"task": b.task, **b.protocol})
    if unlike:
        fields = "; ".join(f"{name}: {one!r} against {other!r}" for name, (one, other) in unlike.items())
        raise InputError(f"the records follow different protocols ({fields}); measure both the same way")
    _refuse_altered(a, b)
    one, other = dict(_numbers(a.figures)), dict(_numbers(b.figures))
    shown = [name for name in one if name in other and (a.machine == b.machine or not name.endswith(_TIMES))]
    figures = {name: (one[name], other[name], other[name] - one[name]) for name in shown}
    return Comparison(figures, _differing(a.subject, b.subject))


def _refuse_altered(a: Record, b: Record) -> None:
    """Refuse records of one name over two versions of its weights."""
    one, other = _digests(a.subject), _digests(b.subject)
    altered = [name for name in one if name in other and one[name] != other[name]]
    if altered:
        versions = "; ".join(f"{name}: {one[name][:12]}… against {other[name][:12]}…" for name in altered)
        raise InputError(
            f"the records name the same weights but were measured with different versions of them ({versions}); measure both "
            "with one version, or give the other its own name (mien models add --name)"
        )


def _digests(subject: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of the weights by their name."""
    found = {str(name): str(digest) for name, digest in dict(subject.get("weights_sha256") or {}).items()}
    if not found and isinstance(subject.get("name"), str) and isinstance(subject.get("weights"), str):
        found[subject["name"]] = subject["weights"]
    return found


def this_machine() -> Machine:
    """The machine this process runs on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(_processor(), cores, f"{platform.system()} {platform.machine()}", platform.python_version())


def installed_versions(packages: tuple[str, ...] = _PACKAGES) -> dict[str, str]:
    """Versions of those of the ``packages`` that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def subject_of(detector: Detector, embedder: Embedder | None = None) -> dict[str, Any]:
    """What was measured, for a record: the detector with its options, the embedding space."""
    searching: object = detector
    while hasattr(searching, "inner"):  # a detector around a detector states the options of the latter
        searching = searching.inner
    options = getattr(searching, "options", None)
    stated = asdict(options) if is_dataclass(options) and not isinstance(options, type) else {}
    subject: dict[str, Any] = {"detector": detector.name, "detector_options": stated}
    if embedder is not None:
        subject |= {"space": embedder.space.id, **asdict(embedder.space)}
    return subject


def _processor() -> str:
    """The processor's name as Linux knows it, else as Python does."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (a.get(name), b.get(name)) for name in (*a, *(n for n in b if n not in a)) if a.get(name) != b.get(name)
    }


def _numbers(figures: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """Every number with its name."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{before}{name}.")
        elif _is_number(value):
            yield f"{before}{name}", value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` as JSON would give them back: lists for tuples, no NumPy types."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name}: expected plain numbers, words, lists and mappings, got {values!r}: {error}"
        ) from error
    return plain
