"""Train an embedder: the last blocks of FaceNet on new people, or a small network from scratch.

``train_embedder`` reads top to bottom: people, features below, network, fit, ONNX, before and after. It ends in an ONNX file
with an embedding space of its own, its record and its calibration in the models folder; ``--embedder NAME`` runs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import DuplicateError, SettingError
from mien.core.people import Calibration
from mien.core.protocols import Network
from mien.core.vectors import unit
from mien.datasets.labelled import LabelledSet, Part
from mien.embedders.network import EmbedderOptions, NetworkEmbedder
from mien.evaluation.calibration import measure_calibration
from mien.training.backbones import OnnxFile, prepared
from mien.training.decisions import FitOptions
from mien.training.embedder_fitting import Learner, MetricOptions, PeopleSamples, fit_embedder
from mien.training.embedder_people import Division, check_batches, divided, facts, read_people
from mien.training.embedder_report import Judged, Run, write_report
from mien.training.embedder_sources import Source, open_source
from mien.training.exporting import check_equal
from mien.training.fitting import start
from mien.training.inception_resnet import BLOCKS
from mien.training.pictures import Cut, Pictures
from mien.training.progress import Event, learning, telling
from mien.training.runs import remember
from mien.zoo.catalog import CALIBRATION, Catalog, WeightRecord, record_to_toml
from mien.zoo.files import write_atomically

__all__ = ["EmbedderRecipe", "EmbedderTools", "TrainedEmbedder", "train_embedder"]

CHECKED = 32
"""Pictures on which the exported network is held against the trained one."""


@dataclass(frozen=True, slots=True)
class EmbedderRecipe:
    """What is trained.

    Args:
        name: of the embedder that comes of it.
        blocks: how many of FaceNet's last blocks learn, 0 to 6; its dense layer always does.
        augment: random versions of each picture beside the picture and its mirror image.
        fit: epochs, rate and so on; batch and loss are those of ``metric``.
        metric: loss and batches.
        division: how people are divided.
        replace: overwrite an embedder of the same name.
        resume: go on from the run's last epoch border.
        threads: computing threads; 0 for the backend's own.
    """

    name: str
    blocks: int = 1
    augment: int = 0
    fit: FitOptions = field(default_factory=FitOptions)
    metric: MetricOptions = field(default_factory=MetricOptions)
    division: Division = field(default_factory=Division)
    replace: bool = False
    resume: bool = False
    threads: int = 0


@dataclass(frozen=True, slots=True)
class EmbedderTools:
    """Finished objects and places that the recipe gets from the door.

    Args:
        models: the models folder.
        cache: where features are kept.
        network: opens an ONNX file.
        cut: how a chip is cut.
        base: the embedder to go on from; None for a small network from scratch.
        mind: people who must not be told apart worse than before, such as those the base was made for; None for nobody.
    """

    models: Path
    cache: Path
    network: Callable[[Path], Network]
    cut: Cut
    base: OnnxFile | None = None
    mind: LabelledSet | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrainedEmbedder:
    """What the recipe came to.

    Args:
        record: of the embedder, as the catalog reads it from now on.
        report: the page of the run.
        figures: what is on it, for JSON.
    """

    record: WeightRecord
    report: Path
    figures: dict[str, Any]


def train_embedder(
    found: LabelledSet, run: Path, recipe: EmbedderRecipe, tools: EmbedderTools
) -> Generator[Event, None, TrainedEmbedder]:
    """Train, export, check and judge; can be stopped anywhere and resumed.

    Args:
        found: a folder per person.
        run: folder for checkpoints, history and report.
        recipe: what is trained.
        tools: from the door.

    Raises:
        InputError: people that nothing can be learnt from.
        SettingError: a run that is there already, options that do not go together.
        TrainingError: a loss that is no number, a full disk, an export that differs; the last checkpoint stays.
    """
    # 1. People: chips by person, sides that share nobody.
    _check(recipe, tools)
    start(recipe.fit.seed, threads=recipe.threads)
    pictures = divided((yield from telling("read", read_people(found, tools.cut))), recipe.division)
    note = check_batches(pictures, recipe.metric.people, recipe.metric.pictures)
    remember(run, _settings(recipe, tools), pictures, resume=recipe.resume)

    # 2. What the network takes: features from below its last blocks, computed once, or pixels.
    source = open_source(recipe.blocks, (tools.cache, tools.network, tools.cut.size), tools.base)
    inputs = yield from source.inputs(pictures.chips, recipe.augment)

    # 3. Fit, on people of the one side, the epoch chosen on those of another.
    start(recipe.fit.seed, threads=recipe.threads)
    learner = source.learner(recipe.metric.loss, *_of(inputs, pictures, "train"))
    sides = (_samples(inputs, pictures, "train", recipe.fit.seed), _samples(inputs, pictures, _held(pictures), 0))
    fitted = yield from learning("learn", fit_embedder(learner, sides, run, recipe.fit, recipe.metric))

    # 4. ONNX: the same answers on real pictures, or nothing is stored. Then its centre, and so its space.
    onnx = source.export(learner)
    write_atomically(run / f"{recipe.name}.onnx", onnx)
    network = tools.network(run / f"{recipe.name}.onnx")
    difference = _difference(learner, network, (source, inputs, pictures))
    options = _options(recipe, source, onnx, (network, pictures, tools.cut))
    trained = NetworkEmbedder(network, options)

    # 5. Before and after on people who were never learnt, calibration, report, record.
    judged = yield from _judged(pictures, source, trained, tools)
    facts_of = {"export_difference": difference, "note": note, "sides": facts(pictures), **_settings(recipe, tools)}
    figures = write_report(run, Run(recipe.name, pictures, fitted, judged, facts_of))
    record = source.record(options, onnx, _told(recipe, pictures, judged))
    _store(record, trained, onnx, (run, tools.models), judged)
    return TrainedEmbedder(record, run / "report.md", figures)


def _check(recipe: EmbedderRecipe, tools: EmbedderTools) -> None:
    if recipe.name != Path(recipe.name).name or not recipe.name or recipe.name.startswith("."):
        raise SettingError(f"{recipe.name!r} cannot be a name: it becomes a file name; use letters, digits and -")
    if not (recipe.replace or recipe.resume) and recipe.name in Catalog(tools.models).names():
        raise DuplicateError(
            f"weights called {recipe.name!r} are there already; choose another --name, or --replace them"
        )
    if not 0 <= recipe.blocks <= BLOCKS:
        raise SettingError(f"--blocks {recipe.blocks}: the last 0 to {BLOCKS} blocks can learn")


def _held(pictures: Pictures) -> Part:
    """The side whose people choose the epoch: those who are learnt where no others were set aside."""
    return "val" if "val" in pictures.sides else "train"


def _of(inputs: NDArray[np.float32], pictures: Pictures, side: Any) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """The pictures of a side as they are, and whose each is, numbered from 0."""
    rows = pictures.rows(side)
    return inputs[0][rows], _numbered(pictures.targets[rows])


def _numbered(targets: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(targets, return_inverse=True)[1].astype(np.intp)


def _samples(inputs: NDArray[np.float32], pictures: Pictures, side: Any, seed: int) -> PeopleSamples:
    """Pictures of a side; each in a random one of its versions in every epoch but 0."""
    own = pictures.rows(side)
    versions = len(inputs)

    def of(rows: NDArray[np.intp], epoch: int) -> NDArray[np.float32]:
        if not epoch:
            plain: NDArray[np.float32] = inputs[0][own[rows]]
            return plain
        which = np.random.default_rng([seed, epoch]).integers(0, versions, len(own))
        chosen: NDArray[np.float32] = inputs[which[rows], own[rows]]
        return chosen

    return PeopleSamples(of, _numbered(pictures.targets[own]))


def _difference(learner: Learner, network: Network, by: tuple[Source, NDArray[np.float32], Pictures]) -> float:
    """How far the exported network's answers lie from the trained one's, on validation pictures."""
    source, inputs, pictures = by
    rows = pictures.rows(_held(pictures))[:CHECKED]
    ours = learner.embed(lambda at, _: inputs[0][rows[at]], len(rows))
    return check_equal(ours, network.run(prepared(pictures.chips[rows], source.preprocessing))[0])


def _options(recipe: EmbedderRecipe, source: Source, onnx: bytes, by: tuple[Network, Pictures, Cut]) -> EmbedderOptions:
    """How the new network is fed. Its centre lies halfway between the base's, moved along with the mean of the people who
    were learnt, and that mean itself (docs/decisions/126).
    """
    network, pictures, cut = by
    plain = source.options(recipe.name, onnx, cut.alignment)
    if source.base is None or not source.base.centre:
        return plain
    learnt = pictures.chips[pictures.rows("train")]
    before = NetworkEmbedder(source.base_network, replace(source.base, centre=())).embed_chips(learnt)
    after = NetworkEmbedder(network, plain).embed_chips(learnt)
    of = _numbered(pictures.targets[pictures.rows("train")])
    mean_before, mean_after = _mean_person(before, of), _mean_person(after, of)
    moved = np.array(source.base.centre, np.float32) + mean_after - mean_before
    return replace(plain, centre=tuple(round(float(value), 7) for value in (moved + mean_after) / 2))


def _mean_person(embeddings: NDArray[np.float32], people: NDArray[np.intp]) -> NDArray[np.float32]:
    """Mean over people of each one's mean ``(d,)``: who has many pictures counts no more."""
    means = [embeddings[people == person].mean(axis=0) for person in range(int(people.max()) + 1)]
    mean: NDArray[np.float32] = np.mean(means, axis=0, dtype=np.float32)
    return mean


def _judged(
    pictures: Pictures, source: Source, trained: NetworkEmbedder, tools: EmbedderTools
) -> Generator[Event, None, list[Judged]]:
    """Embeddings before and after: of people who were never learnt, and of those to be minded."""
    sides: tuple[tuple[Part, str], ...] = (("test", "test"), ("val", "validation"))
    side = next(((at, name) for at, name in sides if at in pictures.sides), None)
    sets = []
    if side is not None:
        rows = pictures.rows(side[0])
        sets.append((side[1], pictures.chips[rows], _numbered(pictures.targets[rows])))
    if tools.mind is not None:
        others = yield from telling("read the others", read_people(tools.mind, tools.cut))
        sets.append(("others", others.chips, others.targets))
    base = None if source.base is None else NetworkEmbedder(source.base_network, source.base)
    return [
        Judged(name, people, None if base is None else base.embed_chips(chips), trained.embed_chips(chips))
        for name, chips, people in sets
    ]


def _store(
    record: WeightRecord, trained: NetworkEmbedder, onnx: bytes, folders: tuple[Path, Path], judged: list[Judged]
) -> None:
    """The network, its record, and what strangers reach in its space where there are enough to tell, in both folders."""
    calibration = _calibration(trained, judged) if judged else None
    for folder in folders:
        write_atomically(folder / f"{record.name}.onnx", onnx)
        file = folder / f"{record.name}{CALIBRATION}"
        if calibration is not None and calibration.far:
            write_atomically(file, json.dumps(calibration.to_dict()).encode())
        else:  # too few comparisons for any rate: a threshold must be given
            file.unlink(missing_ok=True)
        write_atomically(folder / f"{record.name}.toml", record_to_toml(record).encode())


def _calibration(trained: NetworkEmbedder, judged: list[Judged]) -> Calibration:
    """Strangers and the same person, among people who were not learnt."""
    embeddings = np.concatenate([each.after for each in judged])
    offsets = np.cumsum([0, *(int(each.people.max()) + 1 for each in judged[:-1])])
    people = np.concatenate([each.people + offset for each, offset in zip(judged, offsets, strict=True)])
    told = " and ".join(f"{len(each.people)} pictures of {int(each.people.max()) + 1} people" for each in judged)
    return measure_calibration(
        unit(embeddings),
        people.astype(np.intp),
        space=trained.space,
        data=f"{told}, none of them learnt",
        date=date.today().isoformat(),  # noqa: DTZ011 - the day here, as a user dates things
    )


def _told(recipe: EmbedderRecipe, pictures: Pictures, judged: list[Judged]) -> dict[str, str]:
    """What the record says of the training."""
    people = facts(pictures)["train"]
    told = {"trained_on": f"{people['pictures']} pictures of {people['people']} people, {recipe.metric.loss} loss"}
    for each in judged:
        told |= {f"{each.name}, {row.what}": f"{row.after:.4f}" for row in each.rows}
    return told


def _settings(recipe: EmbedderRecipe, tools: EmbedderTools) -> dict[str, Any]:
    """What a run is, for its folder and its report."""
    fit = {key: value for key, value in asdict(recipe.fit).items() if key not in {"batch", "loss"}}
    return {
        "base": "none" if tools.base is None else tools.base.record.name,
        "blocks": recipe.blocks,
        "augment": recipe.augment,
        "faces": "whole pictures" if tools.cut.detector is None else tools.cut.detector.name,
        "alignment": tools.cut.alignment.describe(tools.cut.size),
        **asdict(recipe.metric),
        "validation": recipe.division.validation,
        "test": recipe.division.test,
        **fit,
    }
