"""One run of a comparison: trained in a folder of its own, its figures kept, never made twice."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mien.core.errors import InputError
from mien.datasets.labelled import LabelledSet
from mien.media.images import printable, write_whole
from mien.training.classifier import Recipe, Tools, TrainedClassifier, train_classifier
from mien.training.compare_counts import count_network
from mien.training.progress import Event, Progress

__all__ = ["Cell", "Run", "keep_best", "make_run", "network_of", "read_run"]

_DONE = "figures.json"


@dataclass(frozen=True, slots=True)
class Cell:
    """Which run.

    Args:
        backbone: as ``mien train classifier`` names it.
        augment: random versions of each training picture.
        size: training pictures; 0 for all.
        seed: of division, first weights and order.
    """

    backbone: str
    augment: int
    size: int
    seed: int

    @property
    def name(self) -> str:
        """Of its folder and its network."""
        return f"{self.backbone}-augment{self.augment}-{self.size or 'all'}-seed{self.seed}"

    def words(self) -> str:
        """E.g. ``facenet, augment 5, 100 pictures, seed 2``."""
        size = f", {self.size} pictures" if self.size else ""
        return f"{self.backbone}, augment {self.augment}{size}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to.

    Args:
        cell: which.
        learnt: training pictures.
        val_loss: of the epoch that was kept, by the trained network.
        val_accuracy: the same epoch's.
        test_accuracy: balanced, of the exported network on test pictures; None where there are none.
        epochs: that were learnt.
        best_epoch: which was kept.
        learning: seconds of all epochs.
        features: seconds to compute features, by version (0: pictures as they are); what lies in the comparison's cache
            is read, so the dearest of several runs says what it took. Empty where the network learns from pixels.
        wall: seconds in all.
        parameters: numbers in the exported network.
        trainable: numbers that were learnt.
        layers: convolutions and dense layers.
        depth: how many of them lie one behind the other.
        bytes: of the exported file.
    """

    cell: Cell
    learnt: int
    val_loss: float
    val_accuracy: float
    test_accuracy: float | None
    epochs: int
    best_epoch: int
    learning: float
    features: tuple[float, ...]
    wall: float
    parameters: int
    trainable: int
    layers: int
    depth: int
    bytes: int


def read_run(folder: Path, cell: Cell) -> Run | None:
    """The figures of a finished run, None if it is not finished.

    Raises:
        InputError: figures that cannot be read.
    """
    file = folder / cell.name / _DONE
    if not file.is_file():
        return None
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Run(**{**values, "cell": cell, "features": tuple(values["features"])})
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{printable(file)} cannot be read: {error}; remove it and the run is reported anew"
        ) from error


def make_run(found: LabelledSet, folder: Path, cell: Cell, how: tuple[Recipe, Tools]) -> Generator[Event, None, Run]:
    """Train one network, or go on where that was interrupted.

    Args:
        found: the pictures of its seed and size.
        folder: of all runs.
        cell: which.
        how: what all runs have in common, and the tools of this backbone.

    Raises:
        MienError: as ``train_classifier``.
    """
    base, tools = how
    run, began = folder / cell.name, time.perf_counter()
    recipe = replace(
        base,
        name=cell.name,
        backbone=cell.backbone,
        augment=cell.augment,
        fit=replace(base.fit, seed=cell.seed),
        reading=replace(base.reading, seed=cell.seed),
        resume=True,
    )
    seconds: list[float] = []
    trained = yield from _timing(
        train_classifier(found, run, recipe, replace(tools, models=run)), cell.augment, seconds
    )
    made = _figures(cell, trained, run, seconds)
    made = replace(made, wall=round(time.perf_counter() - began, 3))
    write_whole(run / _DONE, json.dumps(asdict(made), indent=1).encode())
    return made


def network_of(folder: Path, cell: Cell) -> Path:
    """Where the exported network of a run is, or was."""
    return folder / cell.name / f"{cell.name}.onnx"


def keep_best(folder: Path, runs: Sequence[Run]) -> Run | None:
    """Of the runs whose network is there the one of least validation loss; the networks of the others are removed.

    One on FaceNet takes 92 MB, and nobody wants thirty of them.
    """
    there = sorted((run for run in runs if network_of(folder, run.cell).is_file()), key=lambda run: run.val_loss)
    for run in there[1:]:
        network = network_of(folder, run.cell)
        network.with_suffix(".toml").unlink(missing_ok=True)
        network.unlink()
    return there[0] if there else None


def _timing(
    events: Generator[Event, None, TrainedClassifier], augment: int, seconds: list[float]
) -> Generator[Event, None, TrainedClassifier]:
    """``events`` as they are; adds up what each version of the features took."""
    while True:
        began = time.perf_counter()
        try:
            event = next(events)
        except StopIteration as end:
            trained: TrainedClassifier = end.value
            return trained
        if isinstance(event, Progress) and event.stage == "features":
            seconds.extend([0.0] * (augment + 1 - len(seconds)))
            seconds[(event.index - 1) * (augment + 1) // event.total] += time.perf_counter() - began
        yield event


def _figures(cell: Cell, trained: TrainedClassifier, run: Path, features: Sequence[float]) -> Run:
    told = trained.figures
    counts = count_network(network_of(run.parent, cell).read_bytes())
    tested = told["balanced_accuracy"] if "test" in told["pictures_of"] else None
    return Run(
        cell=cell,
        learnt=sum(told["pictures_of"]["train"].values()),
        val_loss=told["val_loss"],
        val_accuracy=told["val_accuracy"],
        test_accuracy=tested,
        epochs=told["epochs"],
        best_epoch=told["best_epoch"],
        learning=told["seconds"],
        features=tuple(round(s, 3) for s in features),
        wall=0.0,
        trainable=_trainable(run / "best.npz"),
        **asdict(counts),
    )


def _trainable(checkpoint: Path) -> int:
    """Numbers in the part that was learnt; seeds of dropout are whole numbers and do not count."""
    with np.load(checkpoint, allow_pickle=False) as stored:
        return sum(stored[name].size for name in stored.files if np.issubdtype(stored[name].dtype, np.floating))
