"""Learn to tell known people apart by their embeddings (an SVM on FaceNet's vectors, and its rivals), and strangers from all of them.

``train_identifier`` reads top to bottom: grid search, threshold, ONNX, comparison, report. It ends in an ONNX file and its
record in the models folder; nothing is pickled. No Keras here: scikit-learn alone, in the extra ``lab``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mien.core.errors import DuplicateError, InputError, SettingError, TrainingError
from mien.core.protocols import Network
from mien.training.identifier_data import Samples
from mien.training.identifier_models import KINDS, Found, Kind, Scorer, fit_scorer, grouped_folds, search
from mien.training.identifier_onnx import to_onnx
from mien.training.identifier_protocol import Bar, Compared, choose_bar, closed_set, compare, curve_over_people
from mien.training.identifier_report import Report, write_report
from mien.zoo.catalog import Catalog, Source, WeightRecord, record_to_toml
from mien.zoo.files import write_atomically

__all__ = ["Progress", "Recipe", "Tools", "TrainedModel", "train_identifier"]

TOLERANCE = 1e-4
"""How far a probability of the stored model may lie from the fitted one's."""

Result = TypeVar("Result")

RESERVED = ("cosine", "knn")
"""Identifiers that need no training have these names."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a recipe is: the stage as a progress bar names it, how many are done, of how many."""

    stage: str
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained.

    Args:
        name: of the identifier.
        kind: ``"svm"``, ``"knn"`` or ``"linear"``.
        false_accepts: the share of strangers that may get a name.
        rounds: how often the kinds are compared, each time with other people as strangers; 0 leaves the comparison out.
        seed: of the folds.
        replace: overwrite an identifier of the same name.

    Raises:
        SettingError: a value outside of its range.
    """

    name: str
    kind: Kind = "svm"
    false_accepts: float = 0.01
    rounds: int = 2
    seed: int = 0
    replace: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.kind == "cosine":
            raise SettingError(f"--kind is {self.kind!r}: choose svm, knn or linear (cosine needs no training)")
        if not 0 < self.false_accepts < 1:
            raise SettingError(f"--false-accepts is {self.false_accepts:g}: a share between 0 and 1, e.g. 0.01")
        if not self.name or self.name != Path(self.name).name or self.name.startswith("."):
            raise SettingError(f"{self.name!r} cannot be a name: it becomes a file name; use letters, digits and -")
        if self.name in RESERVED:
            raise SettingError(
                f"an identifier cannot be called {self.name!r}: that is one without training; --name my-svm"
            )


@dataclass(frozen=True, slots=True)
class Tools:
    """Places and objects that a recipe gets from the door.

    Args:
        models: the models folder.
        network: opens an ONNX file.
        ids: name -> id of everybody in the gallery.
    """

    models: Path
    network: Callable[[Path], Network]
    ids: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """What a recipe came to.

    Args:
        record: of the identifier, as the catalog reads it from now on.
        report: the page of the run.
        figures: what is on it, for JSON.
    """

    record: WeightRecord
    report: Path
    figures: dict[str, Any]


def train_identifier(
    samples: Samples, run: Path, recipe: Recipe, tools: Tools
) -> Generator[Progress, None, TrainedModel]:
    """Search, fit, choose the threshold, store, compare, report.

    Args:
        samples: from ``read_samples``; a test side that they have is never learnt from.
        run: folder for the report.
        recipe: what is trained.
        tools: from the door.

    Raises:
        InputError: faces that nothing can be learnt from, or too few of strangers.
        DuplicateError: the name is taken.
        MissingExtraError: without scikit-learn or matplotlib.
        TrainingError: a stored model that answers otherwise than the fitted one.
    """
    if not recipe.replace and recipe.name in Catalog(tools.models).names():
        raise DuplicateError(f"a model called {recipe.name!r} is there already; choose another --name, or --replace it")
    if samples.space is None:
        raise InputError(
            "the file does not say which embedder made its vectors: embed the pictures again with mien embed, or say whose"
            " they are (--vectors-of facenet)"
        )
    learnt = samples.rows(~samples.test)

    # 1. The best point of the grid, on folds that share no group.
    yield Progress("search", 0, 3)
    folds = grouped_folds(learnt.targets, learnt.groups, seed=recipe.seed)
    found = search(recipe.kind, learnt.vectors, learnt.targets, folds)

    # 2. The threshold, with people left out on purpose.
    yield Progress("threshold", 1, 3)
    bar = choose_bar(recipe.kind, learnt, found.parameters, recipe.false_accepts, seed=recipe.seed)

    # 3. The model itself, from everybody; as ONNX it says the same or nothing is stored.
    yield Progress("fit", 2, 3)
    scorer = fit_scorer(recipe.kind, learnt.vectors, learnt.targets, found.parameters)
    onnx = to_onnx(scorer, bar.slope, bar.offset)
    run.mkdir(parents=True, exist_ok=True)
    write_atomically(run / f"{recipe.name}.onnx", onnx)
    difference = _difference(scorer, bar, tools.network(run / f"{recipe.name}.onnx"), samples)

    # 4. All kinds side by side, and the page.
    compared, curve = yield from _comparison(samples, learnt, recipe, found)
    facts = {**asdict(recipe), "parameters": dict(found.parameters), "export_difference": difference}
    scores = closed_set(recipe.kind, learnt, found.parameters, seed=recipe.seed)
    figures = write_report(run, Report(recipe.name, learnt, scores, bar, compared, curve, found, facts))
    record = _record(recipe, samples, learnt, bar, onnx, tools)
    for folder in (run, tools.models):
        write_atomically(folder / f"{recipe.name}.onnx", onnx)
        write_atomically(folder / f"{recipe.name}.toml", record_to_toml(record).encode())
    return TrainedModel(record, run / "report.md", figures)


def _comparison(
    samples: Samples, learnt: Samples, recipe: Recipe, found: Found
) -> Generator[Progress, None, tuple[tuple[Compared, ...], dict[Kind, list[tuple[int, float]]]]]:
    """All kinds on the same faces, and their accuracy over the number of people."""
    if not recipe.rounds:
        return (), {}
    work = compare(samples, recipe.false_accepts, rounds=recipe.rounds, seed=recipe.seed)
    compared = yield from _told("compare", work)
    parameters = {c.kind: found.parameters if c.kind == recipe.kind else c.parameters for c in compared}
    curve = yield from _told("number of people", curve_over_people(learnt, parameters, seed=recipe.seed))
    return compared, curve


def _told(stage: str, work: Generator[tuple[int, int], None, Result]) -> Generator[Progress, None, Result]:
    """``work`` with what it yields said as progress of ``stage``; returns what it returns."""
    while True:
        try:
            done, total = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Progress(stage, done, total)


def _difference(scorer: Scorer, bar: Bar, network: Network, samples: Samples) -> float:
    """The largest difference between the stored model's probabilities and the fitted one's, over all faces there are."""
    faces = np.concatenate([samples.vectors, samples.strangers])
    fitted = 1 / (1 + np.exp(-(bar.slope * scorer.scores(faces).astype(np.float64) + bar.offset)))
    difference = float(np.abs(fitted - network.run(faces)[0]).max())
    if not difference <= TOLERANCE:
        raise TrainingError(
            f"the stored model differs from the fitted one by {difference:.2g}, more than {TOLERANCE:g}; nothing was stored:"
            " report this with the versions of scikit-learn and onnxruntime"
        )
    return difference


def _record(recipe: Recipe, samples: Samples, learnt: Samples, bar: Bar, onnx: bytes, tools: Tools) -> WeightRecord:
    if samples.space is None:
        raise InputError("an identifier belongs to an embedding space")
    return WeightRecord(
        name=recipe.name,
        kind="identifier",
        format="onnx",
        title=f"{recipe.kind} over {samples.space.name}, {len(samples.classes)} people",
        licence="yours: it was made of people's faces, and is about them",
        trained_on=f"{len(learnt)} faces of {len(samples.classes)} people",
        roles=("identifier",),
        sources=(Source("identifier", f"{recipe.name}.onnx", hashlib.sha256(onnx).hexdigest(), len(onnx)),),
        dimensions=samples.space.dimensions,
        classes=samples.classes,
        people=tuple(tools.ids.get(name, "") for name in samples.classes),
        space=samples.space.id,
        threshold=bar.probability,
        figures={
            "strangers named": f"{bar.accepted:.4f} of {bar.strangers}",
            "held-out faces named": f"{bar.named:.4f}",
        },
        folder=tools.models,
    )
