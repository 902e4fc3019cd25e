"""Train a sliding-window face detector of one's own: the RegionDetector of "Face Detectors" (renjmindy), as a recipe.

``train_region`` reads top to bottom: photographs, samples, fit, hard negatives, fit again, convert, ONNX and record,
evaluate, report. It ends in a detector that ``--detector NAME`` finds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import DuplicateError, InputError, SettingError
from mien.core.protocols import Network
from mien.datasets.annotations import MarkedPicture
from mien.datasets.augmentation import Augmentation, AugmentOptions
from mien.detectors.sliding_window import SlidingWindowDetector, SlidingWindowOptions
from mien.media.images import printable
from mien.training.decisions import FitOptions
from mien.training.exporting import check_equal, to_onnx
from mien.training.fitting import Samples, fit, start
from mien.training.marked import MarkedSet, Place, Read, held_out, read_marked, shared_by
from mien.training.pictures import Pictures
from mien.training.progress import Event, learning, telling
from mien.training.region_evaluation import (
    LARGE,
    Scene,
    WindowByWindow,
    best_threshold,
    cut_scenes,
    judge_scenes,
    judge_whole,
)
from mien.training.region_networks import WINDOW, conversion_difference, region_classifier, region_onnx, weights_of
from mien.training.region_report import RegionReport, Round, write_region_report
from mien.training.runs import remember
from mien.training.samples import Drawn, Rules, draw_samples, joined_samples, load_samples, mine, save_samples
from mien.zoo.catalog import Catalog, Preprocessing, Source, WeightRecord, record_to_toml
from mien.zoo.files import write_atomically

__all__ = ["RegionRecipe", "RegionTools", "TrainedRegion", "train_region"]

CHECKED = 64
"""Samples on which the converted form is held against the classifier."""
CLASSES = ("no face", "face")
ONE_SCALE = SlidingWindowOptions(min_face=WINDOW, max_face=WINDOW, threshold=0.05, most=5)
"""How cuts are searched: one scale, the five surest windows."""
PYRAMID = SlidingWindowOptions(min_face=LARGE, threshold=0.4, most=100)
"""How whole pictures are searched."""
LIGHT = AugmentOptions(rotation=8, zoom=0, shift=0, shear=0, invert=0, blurred=0.1)
"""Random versions while training: nothing that moves a face within its window, for the rules say how far that may go."""


@dataclass(frozen=True, slots=True)
class RegionRecipe:
    """What is trained.

    Args:
        name: of the detector that comes of it.
        rules: which samples are cut.
        fit: epochs, rate, optimizer and so on, of each of the two rounds.
        validation: share of the training pictures to choose the epoch and the threshold with.
        rounds: 2, or 1 to leave the hard negatives out.
        allow_leak: go on although the same photographs are learnt from and judged with.
        replace: overwrite a detector of the same name.
        resume: go on from the run's last epoch border.
        threads: computing threads; 0 for the backend's own.
    """

    name: str
    rules: Rules = field(default_factory=Rules)
    fit: FitOptions = field(default_factory=lambda: FitOptions(epochs=20, batch=64, patience=5, plateau=2))
    validation: float = 0.2
    rounds: int = 2
    allow_leak: bool = False
    replace: bool = False
    resume: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise SettingError(f"validation {self.validation:g} must lie between 0 and 1, e.g. 0.2")
        if self.rounds not in {1, 2}:
            raise SettingError(f"rounds {self.rounds} must be 1 or 2: the second learns from hard negatives")


@dataclass(frozen=True, slots=True)
class RegionTools:
    """Finished objects and places that the recipe gets from the door.

    Args:
        models: the models folder.
        network: opens an ONNX file.
        read: opens a picture, ``(H, W, 3)`` uint8 RGB.
    """

    models: Path
    network: Callable[[Path], Network]
    read: Read


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRegion:
    """What the recipe came to.

    Args:
        record: of the detector, as the catalog reads it from now on.
        report: the page of the run.
        figures: what is on it, for JSON.
    """

    record: WeightRecord
    report: Path
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What every step needs: photographs to learn from and to judge with, the folder, the recipe, the tools.

    ``held`` are numbers of training photographs that choose the epoch and the threshold; ``scenes`` cuts of ``judged``;
    ``leaks`` what is learnt from and judged with, where that was allowed.
    """

    marked: MarkedSet
    held: NDArray[np.intp]
    judged: Sequence[MarkedPicture]
    scenes: Sequence[Scene]
    run: Path
    recipe: RegionRecipe
    tools: RegionTools
    aspect: float
    leaks: tuple[str, ...]

    def detector(self, network: Network, options: SlidingWindowOptions) -> SlidingWindowDetector:
        """A detector of the recipe's name whose boxes are as wide as the marked ones."""
        return SlidingWindowDetector(self.recipe.name, network, replace(options, aspect=self.aspect))


def train_region(
    places: tuple[Place, Place | None], run: Path, recipe: RegionRecipe, tools: RegionTools
) -> Generator[Event, None, TrainedRegion]:
    """Train, convert, check and report; can be stopped anywhere and resumed.

    Args:
        places: photographs with marked faces to learn from, and others to judge with; without those the held-out
            training photographs are judged, which flatters.
        run: folder for checkpoints, history and report.
        recipe: what is trained.
        tools: from the door.

    Raises:
        InputError: photographs that nothing can be learnt from.
        SettingError: a run that is there already, a name that cannot be one.
        TrainingError: a loss that is no number, a full disk, a conversion that differs; the last checkpoint stays.
    """
    # 1. Photographs: boxes held against their pictures, a part held out by whole pictures.
    began = time.perf_counter()
    _check(recipe, tools)
    start(recipe.fit.seed, threads=recipe.threads)
    work = yield from _photographs(places, run, recipe, tools)

    # 2. Samples by the rules; the classifier learns them and is converted.
    samples = yield from telling("cut samples", draw_samples(work.marked.pictures, tools.read, recipe.rules))
    remember(run, _settings(recipe), _as_pictures(samples, work), resume=recipe.resume)
    model = region_classifier()
    rounds = [(yield from _round(1, work, model, samples))]

    # 3. What it takes for faces and is none are hard negatives; it learns on with them.
    if recipe.rounds == 2:
        samples = joined_samples(samples, (yield from _mined(work, rounds[0])))
        rounds.append((yield from _round(2, work, model, samples)))

    # 4. Its classifier on cut-outs, window by window: what "same" padding costs the converted form.
    apart = work.detector(_window_by_window(work, model), ONE_SCALE)
    cut_out = yield from telling("judge window by window", judge_scenes(work.scenes, apart))

    # 5. The threshold, on training photographs that were held out; then record and report.
    held = [work.marked.pictures[i] for i in work.held]
    search = work.detector(rounds[-1].network, PYRAMID)
    threshold = best_threshold((yield from telling("choose threshold", judge_whole(held, tools.read, search))))
    record = _record(work, rounds[-1], threshold, int(samples.targets.sum()))
    shown = (work.scenes, work.detector(rounds[-1].network, ONE_SCALE))
    facts = {"seconds": round(time.perf_counter() - began, 1), **_facts(work, model, samples), **_settings(recipe)}
    figures = write_region_report(run, RegionReport(record, tuple(rounds), cut_out, shown, samples, facts))
    for folder in (run, tools.models):
        write_atomically(folder / f"{recipe.name}.onnx", rounds[-1].onnx)
        write_atomically(folder / f"{recipe.name}.toml", record_to_toml(record).encode())
    return TrainedRegion(record, run / "report.md", figures)


def _photographs(
    places: tuple[Place, Place | None], run: Path, recipe: RegionRecipe, tools: RegionTools
) -> Generator[Event, None, _Work]:
    marked = yield from telling("check boxes", read_marked(places[0], tools.read))
    held = held_out(places[0], marked, recipe.validation, recipe.rules.seed)
    leaks: list[str] = []
    if places[1] is None:
        judged = tuple(marked.pictures[i] for i in held)
    else:
        tested = yield from telling("check test boxes", read_marked(places[1], tools.read))
        leaks = shared_by((places[0], marked), (places[1], tested))
        if leaks and not recipe.allow_leak:
            raise InputError(
                f"leak: {len(leaks)} in both {printable(places[0].boxes)} and {printable(places[1].boxes)}, the first"
                f" {leaks[0]}: a test on what was learnt says nothing; take them out of one, or --allow-leak"
            )
        judged, marked = tested.pictures, replace(marked, problems=(*marked.problems, *tested.problems))
    scenes = yield from telling("cut scenes", cut_scenes(judged, tools.read, recipe.rules.seed))
    shapes = np.concatenate([p.boxes[p.usable] for p in marked.pictures])
    width, height = (shapes[:, 2:] - shapes[:, :2]).T
    aspect = float(np.median(width / height).clip(0.2, 5)) if len(shapes) else 1.0
    return _Work(marked, held, judged, scenes, run, recipe, tools, aspect, tuple(leaks))


def _round(number: int, work: _Work, model: Any, samples: Drawn) -> Generator[Event, None, Round]:
    """Fit, convert and judge; the model goes on from the weights it has."""
    recipe, tools = work.recipe, work.tools
    came_to = yield from learning(
        f"learn, round {number}", fit(model, *_sides(work, samples), work.run / f"round{number}", recipe.fit)
    )
    onnx = region_onnx(weights_of(model))
    file = work.run / f"round{number}.onnx"
    write_atomically(file, onnx)
    network = tools.network(file)
    difference = _checked(model, network, samples.chips[:CHECKED])
    cuts = yield from telling(
        f"judge cuts, round {number}", judge_scenes(work.scenes, work.detector(network, ONE_SCALE))
    )
    whole = yield from telling(
        f"judge pictures, round {number}", judge_whole(work.judged, tools.read, work.detector(network, PYRAMID))
    )
    return Round(number, came_to, len(samples.targets), onnx, network, difference, cuts, whole)


def _sides(work: _Work, samples: Drawn) -> tuple[Samples, Samples]:
    """To learn from, in new random versions in every epoch, and to validate with, as they are."""
    held = np.isin(samples.pictures, work.held)
    train, val = np.flatnonzero(~held), np.flatnonzero(held)
    augmentation = Augmentation(LIGHT, seed=work.recipe.fit.seed)

    def learnt(rows: NDArray[np.intp], epoch: int) -> NDArray[np.float32]:
        return augmentation.batch(samples.chips[train[rows]], train[rows], epoch).astype(np.float32)

    def validated(rows: NDArray[np.intp], _: int) -> NDArray[np.float32]:
        return samples.chips[val[rows]].astype(np.float32)

    return Samples(learnt, samples.targets[train]), Samples(validated, samples.targets[val])


def _mined(work: _Work, first: Round) -> Generator[Event, None, Drawn]:
    """Hard negatives of the first round's detector; kept, so that a resumed run need not search again."""
    file, key = work.run / "hard.npz", hashlib.sha256(first.onnx).hexdigest()
    found = load_samples(file, key) if work.recipe.resume else None
    if found is None:
        detector = work.detector(first.network, replace(PYRAMID, threshold=0.5))
        found = yield from telling(
            "mine hard negatives", mine(work.marked.pictures, work.tools.read, detector, work.recipe.rules)
        )
        save_samples(file, found, key)
    return found


def _checked(model: Any, network: Network, chips: NDArray[np.uint8]) -> float:
    """How far the converted form's probabilities lie from the classifier's on pictures of 32 × 32.

    Raises:
        TrainingError: more than 1e-4.
    """
    pixels = chips.astype(np.float32)
    logits = network.run(((pixels - 127.5) / 127.5).transpose(0, 3, 1, 2))[0][:, :, 0, 0]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    ours = np.asarray(model.predict_on_batch(pixels), np.float32)
    return check_equal(ours, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32))


def _window_by_window(work: _Work, model: Any) -> WindowByWindow:
    file = work.run / "classifier.onnx"
    write_atomically(file, to_onnx(model))
    return WindowByWindow(work.tools.network(file))


def _check(recipe: RegionRecipe, tools: RegionTools) -> None:
    if recipe.name != Path(recipe.name).name or not recipe.name or recipe.name.startswith("."):
        raise SettingError(f"{recipe.name!r} cannot be a name: it becomes a file name; use letters, digits and -")
    if recipe.name in {"mtcnn", "haar"}:
        raise SettingError(f"{recipe.name!r} is a detector of mien's own; choose another --name")
    if not (recipe.replace or recipe.resume) and recipe.name in Catalog(tools.models).names():
        raise DuplicateError(
            f"weights called {recipe.name!r} are there already; choose another --name, or --replace them"
        )


def _settings(recipe: RegionRecipe) -> dict[str, Any]:
    """What a run is, for its folder and its report."""
    return {"validation": recipe.validation, "rounds": recipe.rounds, **asdict(recipe.rules), **asdict(recipe.fit)}


def _facts(work: _Work, model: Any, samples: Drawn) -> dict[str, Any]:
    """What else belongs on the page."""
    picture = work.scenes[0].pixels if work.scenes else samples.chips[0]
    taken = np.array([len(work.held), len(work.judged)])
    return {
        "parameters": model.count_params(),
        "aspect": round(work.aspect, 4),
        "photographs": len(work.marked.pictures),
        "held_out": int(taken[0]),
        "judged": int(taken[1]),
        "judged_on": "held-out training" if work.judged and work.judged[0] in work.marked.pictures else "test",
        "head_difference": conversion_difference(model, picture),
        "left_out": [{"name": p.name, "reason": p.reason} for p in work.marked.problems],
        "leaks": list(work.leaks),
    }


def _as_pictures(samples: Drawn, work: _Work) -> Pictures:
    """The samples as ``remember`` knows them."""
    held = np.isin(samples.pictures, work.held)
    names = tuple(str(work.marked.pictures[i].path.name) for i in samples.pictures)
    sides: tuple[Any, ...] = tuple("val" if each else "train" for each in held)
    return Pictures(samples.chips, samples.targets, CLASSES, names, sides)


def _record(work: _Work, last: Round, threshold: float, faces: int) -> WeightRecord:
    name = work.recipe.name
    return WeightRecord(
        name=name,
        kind="detector",
        format="onnx",
        title="sliding window, 32 × 32, fully convolutional",
        licence="yours",
        trained_on=f"{faces} windows with a face from {len(work.marked.pictures)} photographs",
        roles=("detector",),
        sources=(Source("detector", f"{name}.onnx", hashlib.sha256(last.onnx).hexdigest(), len(last.onnx)),),
        preprocessing=Preprocessing(WINDOW, scale=127.5),
        tuning={"threshold": round(threshold, 4), "aspect": round(work.aspect, 4)},
        figures={
            "cuts of 176 × 176, AP": f"{last.cuts.average_precision:.4f}",
            "whole pictures, faces from 60 px, AP": f"{last.whole.average_precision:.4f}",
        },
    )
