"""Train a classifier of pictures: from scratch, or a head on a backbone that many pictures were learnt by (Nikolaev's
transfer learning).

``train_classifier`` reads top to bottom: pictures, network, fit, ONNX, report. It ends in an ONNX file and its record in
the models folder, which the rest of mien takes by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.classifiers.network import ClassifierOptions, NetworkClassifier
from mien.core.errors import DuplicateError, SettingError
from mien.core.protocols import Network
from mien.datasets.augmentation import Augmentation
from mien.datasets.labelled import LabelledSet
from mien.training.backbones import (
    NONE,
    Backbone,
    KerasBackbone,
    OnnxBackbone,
    OnnxFile,
    open_keras,
    prepared,
    raw_pixels,
)
from mien.training.classifier_report import Report, write_report
from mien.training.decisions import FitOptions
from mien.training.exporting import check_equal, to_onnx
from mien.training.features import FeatureCache
from mien.training.fitting import Fitted, Samples, class_weights, fit, predict, start
from mien.training.networks import head_on, joined, small_cnn
from mien.training.pictures import Cut, Pictures, Reading, read_pictures
from mien.training.progress import Event, learning, telling
from mien.training.runs import remember
from mien.zoo.catalog import Alignment, Catalog, Preprocessing, Source, WeightRecord, record_to_toml
from mien.zoo.files import write_atomically

__all__ = ["SMALL", "Recipe", "Tools", "TrainedClassifier", "train_classifier"]

SMALL = 64
"""Side of the pictures that the small network learns from, pixels."""

CHECKED = 64
"""Pictures on which the exported network is held against the trained one."""

Pixels = NDArray[np.uint8]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained.

    Args:
        name: of the classifier that comes of it.
        backbone: ``"none"`` for the small network from scratch, an embedder of the catalog, ``"efficientnet-lite0"``, or
            a name of keras.applications.
        size: side of the pictures; 0 for what the network was made for.
        augment: random versions of each training picture; on a frozen backbone so many are computed once, otherwise any
            number but 0 means new versions in every epoch.
        balance: let classes of few pictures count as much as those of many.
        unfreeze: epochs in which the backbone learns too, after its head; 0 for none.
        unfreeze_rate: the small rate it does so with.
        fit: epochs, rate, optimizer and so on.
        reading: how pictures are divided.
        replace: overwrite a classifier of the same name.
        resume: go on from the run's last epoch border.
        threads: computing threads; 0 for the backend's own.
    """

    name: str
    backbone: str = NONE
    size: int = 0
    augment: int = 5
    balance: bool = True
    unfreeze: int = 0
    unfreeze_rate: float = 1e-5
    fit: FitOptions = field(default_factory=FitOptions)
    reading: Reading = field(default_factory=Reading)
    replace: bool = False
    resume: bool = False
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """Finished objects and places that a recipe gets from the door.

    Args:
        models: the models folder.
        cache: where features are kept.
        network: opens an ONNX file.
        cut: how a chip of so many pixels is cut, given what the backbone's record says.
        onnx: the backbone, where it is an embedder of the catalog.
        lite0: the verified weights of EfficientNet-Lite0, where that is the backbone.
    """

    models: Path
    cache: Path
    network: Callable[[Path], Network]
    cut: Callable[[int, Alignment | None], Cut]
    onnx: OnnxFile | None = None
    lite0: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrainedClassifier:
    """What a recipe came to.

    Args:
        record: of the classifier, as the catalog reads it from now on.
        report: the page of the run.
        figures: what is on it, for JSON.
    """

    record: WeightRecord
    report: Path
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Trained:
    """A network that was fitted: how it is fed, its ONNX, and its probabilities for checking the latter."""

    preprocessing: Preprocessing
    onnx: bytes
    probabilities: Callable[[Pixels], NDArray[np.float32]]
    fitted: Fitted
    parameters: int


def train_classifier(
    found: LabelledSet, run: Path, recipe: Recipe, tools: Tools
) -> Generator[Event, None, TrainedClassifier]:
    """Train, export, check and report; can be stopped anywhere and resumed.

    Args:
        found: pictures with sides (``training.pictures.beside``).
        run: folder for checkpoints, history and report.
        recipe: what is trained.
        tools: from the door.

    Raises:
        InputError: pictures that nothing can be learnt from.
        SettingError: a run that is there already, options that do not go together.
        TrainingError: a loss that is no number, a full disk, an export that differs; the last checkpoint stays.
    """
    # 1. The backbone says what size the pictures have and how faces are cut.
    _check(recipe, tools)
    start(recipe.fit.seed, threads=recipe.threads)
    backbone = _open(recipe, tools)
    size = backbone.preprocessing.size if backbone else recipe.size or SMALL
    cut = tools.cut(size, tools.onnx.record.alignment if tools.onnx else None)

    # 2. Pictures: read once, divided so that the sides share nothing.
    pictures = yield from telling("read", read_pictures(found, cut, recipe.reading))
    remember(run, _settings(recipe, cut), pictures, resume=recipe.resume)

    # 3. Fit: pixels from scratch, or a head on features that are computed once.
    if backbone is None:
        trained = yield from _from_scratch(pictures, run, recipe, size)
    else:
        trained = yield from _on_backbone(backbone, pictures, run, recipe, tools)

    # 4. ONNX: the same answers on real pictures, or nothing is stored.
    network, difference = _exported(run / f"{recipe.name}.onnx", trained, pictures, tools)

    # 5. Report, on pictures that took no part where there are any; then the record.
    options = ClassifierOptions(recipe.name, pictures.classes, trained.preprocessing, cut.alignment, "none")
    judged: Rows = pictures.rows("test") if "test" in pictures.sides else pictures.rows("val")
    answers = NetworkClassifier(network, options).classify_chips(pictures.chips[judged])
    facts = {"export_difference": difference, "parameters": trained.parameters, **_settings(recipe, cut)}
    report = Report(recipe.name, pictures, judged, answers, trained.fitted, facts)
    figures = write_report(run, report)
    record = _record(recipe, options, trained.onnx, report)
    for folder in (run, tools.models):
        write_atomically(folder / f"{recipe.name}.onnx", trained.onnx)
        write_atomically(folder / f"{recipe.name}.toml", record_to_toml(record).encode())
    return TrainedClassifier(record, run / "report.md", figures)


def _exported(file: Path, trained: _Trained, pictures: Pictures, tools: Tools) -> tuple[Network, float]:
    """The exported network, and how far its answers lie from the trained one's on validation pictures."""
    shown = pictures.chips[pictures.rows("val")[:CHECKED]]
    write_atomically(file, trained.onnx)
    network = tools.network(file)
    answers = network.run(prepared(shown, trained.preprocessing))[0]
    return network, check_equal(trained.probabilities(shown), answers)


def _from_scratch(pictures: Pictures, run: Path, recipe: Recipe, size: int) -> Generator[Event, None, _Trained]:
    model = small_cnn(size, len(pictures.classes))
    came_to = yield from learning("learn", fit(model, *_online(pictures, recipe), run, recipe.fit))
    return _Trained(raw_pixels(size), to_onnx(model), _answers(model), came_to, model.count_params())


def _on_backbone(
    backbone: Backbone, pictures: Pictures, run: Path, recipe: Recipe, tools: Tools
) -> Generator[Event, None, _Trained]:
    cache = FeatureCache(tools.cache / "features", backbone.digest, backbone.features)
    # Versions of validation pictures are computed for nothing, so that runs that divide otherwise find all of them.
    rows = np.flatnonzero(np.array(pictures.sides) != "test")
    train = np.array(pictures.sides)[rows] == "train"
    targets = pictures.targets[rows]
    features = []
    augmentation = Augmentation()  # of one seed for all runs
    for version in range(recipe.augment + 1):
        chips = augmentation.batch(pictures.chips[rows], rows, version) if version else pictures.chips[rows]
        features.append((yield from telling("features", cache.of(chips), version, recipe.augment + 1)))
    learnt = np.concatenate([each[train] for each in features])
    training = _constant(learnt, np.tile(targets[train], len(features)), pictures, recipe)
    validation = _constant(features[0][~train], targets[~train], pictures, replace(recipe, balance=False))
    start(recipe.fit.seed, threads=recipe.threads)
    head = head_on(features[0][train], len(pictures.classes), backbone.head)
    came_to = yield from learning("learn", fit(head, training, validation, run, recipe.fit))
    if recipe.unfreeze and isinstance(backbone, KerasBackbone):
        came_to = yield from _unfrozen(backbone, head, pictures, (run, recipe, came_to))
    size = backbone.preprocessing.size
    parameters = head.count_params() + (backbone.model.count_params() if isinstance(backbone, KerasBackbone) else 0)
    return _Trained(
        backbone.preprocessing if isinstance(backbone, OnnxBackbone) else raw_pixels(size),
        backbone.export(head),
        lambda chips: np.asarray(_answers(head, as_float=False)(backbone.features(chips))),
        came_to,
        parameters,
    )


def _unfrozen(
    backbone: KerasBackbone, head: Any, pictures: Pictures, so_far: tuple[Path, Recipe, Fitted]
) -> Generator[Event, None, Fitted]:
    """Let the backbone learn too, with a small rate; what it was before is kept where that was better."""
    run, recipe, before = so_far
    model = joined(backbone.model, head)
    frozen = [np.array(weights) for weights in model.get_weights()]
    gentle = FitOptions(**{**asdict(recipe.fit), "epochs": recipe.unfreeze, "rate": recipe.unfreeze_rate})
    after = yield from learning("learn unfrozen", fit(model, *_online(pictures, recipe), run / "unfrozen", gentle))
    if after.history[after.best - 1].val_loss < before.history[before.best - 1].val_loss:
        return after
    model.set_weights(frozen)
    return before


def _online(pictures: Pictures, recipe: Recipe) -> tuple[Samples, Samples]:
    """Pixels to learn from, in new random versions in every epoch, and pixels to validate with, as they are."""
    augmentation = Augmentation(seed=recipe.fit.seed)
    train, held = pictures.rows("train"), pictures.rows("val")

    def learnt(rows: Rows, epoch: int) -> NDArray[np.float32]:
        chips = pictures.chips[train[rows]]
        if recipe.augment and epoch:
            chips = augmentation.batch(chips, train[rows], epoch)
        return chips.astype(np.float32)

    weights = _weights(pictures.targets[train], pictures, recipe)
    return (
        Samples(learnt, pictures.targets[train], weights),
        Samples(lambda rows, _: pictures.chips[held[rows]].astype(np.float32), pictures.targets[held]),
    )


def _constant(features: NDArray[np.float32], targets: Rows, pictures: Pictures, recipe: Recipe) -> Samples:
    return Samples(lambda rows, _: features[rows], targets, _weights(targets, pictures, recipe))


def _weights(targets: Rows, pictures: Pictures, recipe: Recipe) -> NDArray[np.float32] | None:
    return class_weights(targets, len(pictures.classes)) if recipe.balance else None


def _answers(model: Any, *, as_float: bool = True) -> Callable[[Any], NDArray[np.float32]]:
    """A Keras model as a function of a batch."""
    return lambda batch: predict(
        model, lambda rows, _: batch[rows].astype(np.float32) if as_float else batch[rows], len(batch)
    )


def _check(recipe: Recipe, tools: Tools) -> None:
    if recipe.name != Path(recipe.name).name or not recipe.name or recipe.name.startswith("."):
        raise SettingError(f"{recipe.name!r} cannot be a name: it becomes a file name; use letters, digits and -")
    if not (recipe.replace or recipe.resume) and recipe.name in Catalog(tools.models).names():
        raise DuplicateError(
            f"weights called {recipe.name!r} are there already; choose another --name, or --replace them"
        )
    if recipe.unfreeze and (tools.onnx or recipe.backbone == NONE):
        raise SettingError(
            f"--unfreeze {recipe.unfreeze} needs a backbone in Keras, {recipe.backbone} is none: choose efficientnet-lite0 or"
            " one of keras.applications, or leave it out"
        )
    if tools.onnx and recipe.size not in {
        0,
        tools.onnx.record.preprocessing.size if tools.onnx.record.preprocessing else 0,
    }:
        raise SettingError(f"--size {recipe.size}: {recipe.backbone} takes pictures of one size only; leave it out")
    if recipe.size and recipe.size < 32:
        raise SettingError(f"--size {recipe.size} is too small, expected 32 or more")


def _open(recipe: Recipe, tools: Tools) -> Backbone | None:
    if recipe.backbone == NONE:
        return None
    if tools.onnx is not None:
        return OnnxBackbone(tools.onnx)
    return open_keras(recipe.backbone, size=recipe.size, weights=tools.lite0)


def _settings(recipe: Recipe, cut: Cut) -> dict[str, Any]:
    """What a run is, for its folder and its report."""
    faces = "" if cut.detector is None else f"{cut.detector.name}, {cut.alignment.describe(cut.size)}"
    kept = {"backbone": recipe.backbone, "size": cut.size, "augment": recipe.augment, "balance": recipe.balance}
    return {
        **kept,
        "faces": faces,
        "unfreeze": recipe.unfreeze,
        "unfreeze_rate": recipe.unfreeze_rate,
        **asdict(recipe.fit),
    }


def _record(recipe: Recipe, options: ClassifierOptions, onnx: bytes, report: Report) -> WeightRecord:
    counts = report.pictures.counts("train")
    return WeightRecord(
        name=recipe.name,
        kind="classifier",
        format="onnx",
        title=f"{' / '.join(options.classes)}, {'from scratch' if recipe.backbone == NONE else f'on {recipe.backbone}'}",
        licence="yours" if recipe.backbone == NONE else f"yours, on the weights of {recipe.backbone} under theirs",
        trained_on=", ".join(f"{count} pictures of {name}" for name, count in counts.items()),
        roles=("classifier",),
        sources=(Source("classifier", f"{recipe.name}.onnx", hashlib.sha256(onnx).hexdigest(), len(onnx)),),
        preprocessing=options.preprocessing,
        alignment=options.alignment,
        classes=options.classes,
        activation="none",
        figures={f"{report.judged_on}, balanced accuracy": f"{report.found.balanced_accuracy:.4f}"},
    )
