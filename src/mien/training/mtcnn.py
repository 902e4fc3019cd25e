"""Train MTCNN's cascade: P-, R- and O-Net of Zhang et al. 2016, one after the other, each on what those before let through.

``train_mtcnn`` reads top to bottom: photographs, landmarks, then for each network samples, fit, conversion, proof that the
converted one says the same; the whole cascade judged; ONNX and record. It ends in weights for
``--detector mtcnn --weights NAME``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import DuplicateError, InputError, SettingError
from mien.core.protocols import Network, Refiner
from mien.datasets.folders import Problem
from mien.detectors.mtcnn.options import MtcnnOptions
from mien.training.decisions import FitOptions
from mien.training.fitting import Fitted, Samples, fit, start
from mien.training.marked import MarkedSet, Place, Read, read_marked
from mien.training.mtcnn_conversion import CHECKED, as_sure_as_before, checked, converted, moved_by
from mien.training.mtcnn_evaluation import Judged, choose_networks, judge_cascade
from mien.training.mtcnn_landmarks import PointsFile, pointed, pseudo_labelled, unlabelled
from mien.training.mtcnn_losses import task_figures
from mien.training.mtcnn_networks import STAGES, cascade_arrays, cascade_network, load_arrays
from mien.training.mtcnn_report import Learnt, MtcnnReport, write_mtcnn_report
from mien.training.mtcnn_samples import (
    CascadeRules,
    CascadeSamples,
    Taught,
    cut_samples,
    load_cascade_samples,
    proposer,
    save_cascade_samples,
)
from mien.training.pictures import Pictures
from mien.training.progress import Event, learning, telling
from mien.training.runs import remember
from mien.zoo.catalog import Catalog, Source, WeightRecord, record_to_toml
from mien.zoo.files import write_atomically
from mien.zoo.runtime import Workers

__all__ = ["MtcnnRecipe", "MtcnnTools", "TrainedMtcnn", "train_mtcnn"]

DROPOUT = 0.3
"""Share that is dropped of R- and O-Net's dense layer while they learn from scratch; a published one knows its faces already."""

Begin = Literal["scratch", "pretrained"]


@dataclass(frozen=True, slots=True)
class MtcnnRecipe:
    """What is trained.

    Args:
        name: of the weights that come of it.
        begin: ``"scratch"``, or ``"pretrained"``: go on from the published weights.
        rules: which samples are cut.
        fit: epochs, rate and so on, of each network.
        mining: share of each batch that carries gradient, the hardest; None for all.
        validation: share of the training pictures to choose the epoch with.
        points: a file of landmarks; None has the pretrained O-Net say where they are.
        replace: overwrite weights of the same name.
        resume: go on from the run's last epoch border.
        threads: computing threads; 0 for all cores.

    Raises:
        SettingError: a value out of range.
    """

    name: str
    begin: Begin = "scratch"
    rules: CascadeRules = field(default_factory=CascadeRules)
    fit: FitOptions = field(
        default_factory=lambda: FitOptions(epochs=8, batch=64, rate=3e-3, schedule="cosine", patience=0, loss="")
    )
    mining: float | None = 0.7
    validation: float = 0.1
    points: PointsFile | None = None
    replace: bool = False
    resume: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise SettingError(f"validation {self.validation:g} must lie between 0 and 1, e.g. 0.1")
        if self.mining is not None and not 0 < self.mining <= 1:
            raise SettingError(f"mining {self.mining:g} must be above 0 and up to 1; the paper's is 0.7")
        if self.begin not in {"scratch", "pretrained"}:
            raise SettingError(f"from {self.begin!r} must be scratch or pretrained")
        if self.fit.loss:
            raise SettingError(f"loss {self.fit.loss!r} must be empty: the cascade's networks have their own")


@dataclass(frozen=True, slots=True)
class MtcnnTools:
    """Finished objects and places that the recipe gets from the door.

    Args:
        models: the models folder.
        network: opens an ONNX file.
        read: opens a picture, ``(H, W, 3)`` uint8 RGB.
        refiner: the pretrained cascade, which says where landmarks are; None where a file does.
        pretrained: the published arrays of a network; called only to begin from them.
    """

    models: Path
    network: Callable[[Path], Network]
    read: Read
    refiner: Refiner | None
    pretrained: Callable[[str], Sequence[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, eq=False)
class TrainedMtcnn:
    """What the recipe came to.

    Args:
        record: of the weights, as the catalog reads it from now on.
        report: the page of the run.
        figures: what is on it, for JSON.
    """

    record: WeightRecord
    report: Path
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What every step needs; ``held`` are numbers of photographs in ``taught`` that choose the epoch."""

    taught: Sequence[Taught]
    marked: MarkedSet
    held: NDArray[np.intp]
    run: Path
    recipe: MtcnnRecipe
    tools: MtcnnTools
    problems: list[Problem]


def train_mtcnn(
    places: tuple[Place, Place | None], run: Path, recipe: MtcnnRecipe, tools: MtcnnTools
) -> Generator[Event, None, TrainedMtcnn]:
    """Train, convert, check and report; can be stopped anywhere and resumed.

    Args:
        places: photographs with marked faces to learn from, and others to judge with; without those the held-out
            training photographs are judged, which flatters.
        run: folder for samples, checkpoints, history and report.
        recipe: what is trained.
        tools: from the door.

    Raises:
        InputError: photographs or landmarks that nothing can be learnt from.
        SettingError: a run that is there already, a name that cannot be one.
        TrainingError: a loss that is no number, a full disk, a conversion that differs; the last checkpoint stays.
    """
    # 1. Photographs: boxes held against their pictures, landmarks, a part held out by whole pictures.
    began = time.perf_counter()
    _check(recipe, tools)
    start(recipe.fit.seed, threads=recipe.threads)
    work = yield from _photographs(places[0], run, recipe, tools)

    # 2. Each network: samples mined by those before it, fit, conversion.
    networks: dict[str, Network] = {}
    learnt: list[Learnt] = []
    for stage in STAGES:
        samples = yield from _samples(work, stage, networks, learnt)
        learnt.append((yield from _learn(work, stage, samples)))
        networks[stage] = tools.network(run / f"{stage}.onnx")

    # 3. What did harm is put back; the cascade as it will detect, on photographs that were not learnt from.
    published = _published(work) if recipe.begin == "pretrained" else {}
    if published:
        networks, learnt = yield from _kept(work, published, networks, learnt)
    judged = work.marked.pictures if places[1] is None else ()
    if places[1] is not None:
        tested = yield from telling("check test boxes", read_marked(places[1], tools.read))
        work.problems.extend(tested.problems)
        judged = tested.pictures
    else:
        judged = tuple(judged[i] for i in work.held if i < len(judged))
    came_to = yield from telling("judge the cascade", judge_cascade(judged, tools.read, networks, _searching(recipe)))
    before = None
    if published:
        theirs = judge_cascade(judged, tools.read, published, _searching(recipe))
        before = yield from telling("judge the published weights", theirs)

    # 4. Record and report.
    record = _record(work, learnt, came_to)
    on = "held-out training" if places[1] is None else "test"
    facts = {"seconds": round(time.perf_counter() - began, 1), "judged_on": on, **_settings(recipe)}
    figures = write_mtcnn_report(run, MtcnnReport(record, tuple(learnt), came_to, before, facts, tuple(work.problems)))
    for source, each in zip(record.sources, learnt, strict=True):
        write_atomically(tools.models / source.file, each.onnx)
    write_atomically(tools.models / f"{recipe.name}.toml", record_to_toml(record).encode())
    return TrainedMtcnn(record, run / "report.md", figures)


def _photographs(place: Place, run: Path, recipe: MtcnnRecipe, tools: MtcnnTools) -> Generator[Event, None, _Work]:
    """Photographs with all that is known of them; those of a file of landmarks come after the marked ones."""
    marked = yield from telling("check boxes", read_marked(place, tools.read))
    count = len(marked.pictures)
    if count < 2:
        raise InputError(f"expected two photographs or more, one of them to choose the epoch with, got {count}")
    problems = list(marked.problems)
    more: list[Taught] = []
    if recipe.points is not None:
        more, absent = pointed(recipe.points, recipe.rules.seed)
        if absent:
            problems.append(Problem(recipe.points.landmarks.name, f"{absent} of its pictures are not there"))
        taught = unlabelled(marked.pictures)
    elif tools.refiner is not None:
        taught = yield from telling("points by O-Net", pseudo_labelled(marked.pictures, tools.read, tools.refiner))
    else:
        raise SettingError("landmarks are needed: --landmarks FILE in CelebA's format, or the weights of mtcnn")
    draw = np.random.default_rng([recipe.rules.seed, count])
    held = [draw.permutation(count)[: min(max(1, round(count * recipe.validation)), count - 1)]]
    held.append(count + draw.permutation(len(more))[: round(len(more) * recipe.validation)])
    return _Work((*taught, *more), marked, np.sort(np.concatenate(held)), run, recipe, tools, problems)


def _samples(
    work: _Work, stage: str, networks: Mapping[str, Network], learnt: Sequence[Learnt]
) -> Generator[Event, None, CascadeSamples]:
    """P-Net's are cut anew and prove that the run is the same one; the others', which take long, are kept."""
    recipe, tools = work.recipe, work.tools
    rules, taught = recipe.rules, work.taught
    if recipe.begin == "pretrained" and stage != "onet":  # its published form has no landmark head to go on with
        taught = [replace(each, points=np.full_like(each.points, np.nan)) for each in taught if each.complete]
    if stage == "pnet":
        samples = yield from telling("cut pnet's samples", cut_samples(stage, taught, tools.read, rules))
        work.problems.extend(samples.problems)
        remember(work.run, _settings(recipe), _as_pictures(work, samples), resume=recipe.resume)
        return samples
    before = b"".join(each.onnx for each in learnt)
    key = hashlib.sha256(before + json.dumps(asdict(rules)).encode()).hexdigest()
    file = work.run / f"{stage}.npz"
    kept = load_cascade_samples(file, key) if recipe.resume else None
    if kept is None:
        propose = proposer(networks, rules, Workers(recipe.threads))
        kept = yield from telling(f"mine {stage}'s samples", cut_samples(stage, taught, tools.read, rules, propose))
        save_cascade_samples(file, kept, key)
    return kept


def _learn(work: _Work, stage: str, samples: CascadeSamples) -> Generator[Event, None, Learnt]:
    """Fit one network, convert it, and hold both forms against each other."""
    recipe = work.recipe
    dropout = DROPOUT if recipe.begin == "scratch" else 0.0
    model = cascade_network(stage, mining=recipe.mining, dropout=dropout)
    before = None
    if recipe.begin == "pretrained":
        before = work.tools.pretrained(stage)
        load_arrays(model, before)
    training, validation, rows = _sides(work, samples)
    faces = samples.chips[(samples.labels[:, 0] == 1) & ~np.isin(samples.pictures, work.held)].astype(np.float32)
    sure = _lead(model, faces) if before is not None and len(faces) else None
    fitted: Fitted = yield from learning(
        f"learn {stage}", fit(model, training, validation, work.run / stage, recipe.fit)
    )
    arrays = cascade_arrays(model)
    if sure is not None:
        threshold = MtcnnOptions().thresholds[STAGES.index(stage)]
        arrays = as_sure_as_before(arrays, sure, _lead(model, faces), threshold)
        load_arrays(model, arrays)
    onnx = converted(stage, arrays)
    file = work.run / f"{stage}.onnx"
    write_atomically(file, onnx)
    held = np.asarray(model.predict(samples.chips[rows].astype(np.float32), batch_size=128, verbose=0), np.float32)
    difference = checked(stage, work.tools.network(file), samples.chips[rows][:CHECKED], held[:CHECKED])
    moved = None if before is None else moved_by(before, arrays)
    return Learnt(
        stage, fitted, samples.counts(), dict(task_figures(samples.labels[rows], held)), onnx, difference, moved
    )


def _lead(model: Any, chips: NDArray[np.float32]) -> NDArray[np.float32]:
    outputs = np.asarray(model.predict(chips, batch_size=128, verbose=0), np.float32)
    return outputs[:, 1] - outputs[:, 0]


def _published(work: _Work) -> dict[str, Network]:
    """The networks that training began from, beside those it came to."""
    opened: dict[str, Network] = {}
    for stage in STAGES:
        file = work.run / f"published-{stage}.onnx"
        write_atomically(file, converted(stage, work.tools.pretrained(stage)))
        opened[stage] = work.tools.network(file)
    return opened


def _kept(
    work: _Work, published: Mapping[str, Network], trained: Mapping[str, Network], learnt: Sequence[Learnt]
) -> Generator[Event, None, tuple[dict[str, Network], list[Learnt]]]:
    """The networks with which the cascade finds no worse on held-out photographs; the published ones for the others."""
    held = tuple(work.marked.pictures[i] for i in work.held if i < len(work.marked.pictures))
    judging = choose_networks(held, work.tools.read, (published, trained), _searching(work.recipe))
    kept = yield from telling("hold against the published weights", judging)
    chosen = {stage: (trained if stage in kept else published)[stage] for stage in STAGES}
    back = {stage: (work.run / f"published-{stage}.onnx").read_bytes() for stage in STAGES if stage not in kept}
    return chosen, [replace(each, onnx=back[each.stage], kept=False) if each.stage in back else each for each in learnt]


def _sides(work: _Work, samples: CascadeSamples) -> tuple[Samples, Samples, NDArray[np.intp]]:
    """To learn from, in new light in every epoch; to validate with, as they are; and which rows these are."""
    held = np.isin(samples.pictures, work.held)
    train, val = np.flatnonzero(~held), np.flatnonzero(held)

    def learnt(rows: NDArray[np.intp], epoch: int) -> NDArray[np.float32]:
        return _relit(samples.chips[train[rows]], np.random.default_rng([work.recipe.fit.seed, epoch, int(rows[0])]))

    def validated(rows: NDArray[np.intp], _: int) -> NDArray[np.float32]:
        return samples.chips[val[rows]].astype(np.float32)

    return Samples(learnt, samples.labels[train]), Samples(validated, samples.labels[val]), val


def _relit(chips: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.float32]:
    """Each in a contrast, brightness and tint of its own, a tenth grey; nothing moves: the overlaps say where faces are."""
    count = len(chips)
    gain = draw.uniform(0.75, 1.25, (count, 1, 1, 1)) * draw.uniform(0.8, 1.2, (count, 1, 1, 3))
    light = draw.uniform(-20, 20, (count, 1, 1, 1))
    relit = (chips - np.float32(127.5)) * gain.astype(np.float32) + (127.5 + light).astype(np.float32)
    grey = draw.uniform(size=count) < 0.1
    relit[grey] = relit[grey].mean(axis=3, keepdims=True)
    tinted: NDArray[np.float32] = relit.clip(0, 255).astype(np.float32)
    return tinted


def _check(recipe: MtcnnRecipe, tools: MtcnnTools) -> None:
    name = recipe.name
    if name != Path(name).name or not name or name.startswith("."):
        raise SettingError(f"{name!r} cannot be a name: it becomes a file name; use letters, digits and -")
    if name in Catalog().names():
        raise SettingError(f"{name!r} are weights of mien's own; choose another --name")
    if not (recipe.replace or recipe.resume) and name in Catalog(tools.models).names():
        raise DuplicateError(f"weights called {name!r} are there already; choose another --name, or --replace them")


def _searching(recipe: MtcnnRecipe) -> tuple[float, Workers]:
    return recipe.rules.smallest, Workers(recipe.threads)


def _points(recipe: MtcnnRecipe) -> str:
    """Where the landmarks are from, in words for the record."""
    return (
        "pseudo-labelled by the pretrained O-Net" if recipe.points is None else f"from {recipe.points.landmarks.name}"
    )


def _settings(recipe: MtcnnRecipe) -> dict[str, Any]:
    """What a run is, for its folder and its report."""
    own = {"begin": recipe.begin, "mining": recipe.mining, "validation": recipe.validation, "points": _points(recipe)}
    return {**own, **asdict(recipe.rules), "admitted": list(recipe.rules.admitted), **asdict(recipe.fit)}


def _as_pictures(work: _Work, samples: CascadeSamples) -> Pictures:
    """The samples as ``remember`` knows them."""
    held = np.isin(samples.pictures, work.held)
    names = tuple(work.taught[i].marked.path.name for i in samples.pictures)
    parts: tuple[Any, ...] = tuple("val" if each else "train" for each in held)
    return Pictures(samples.chips, samples.kinds, ("negative", "positive", "part", "landmark"), names, parts)


def _record(work: _Work, learnt: Sequence[Learnt], judged: Judged) -> WeightRecord:
    name, recipe = work.recipe.name, work.recipe
    began = "from scratch" if recipe.begin == "scratch" else "from the published weights on"
    back = [each.stage for each in learnt if not each.kept]
    as_before = f"; {', '.join(back)} as published" if back else ""
    count = len(work.marked.pictures)
    more = len(work.taught) - count
    also = f" and {more} with landmarks" if more else ""
    return WeightRecord(
        name=name,
        kind="detector",
        format="onnx",
        title=f"MTCNN, trained {began}{as_before}",
        licence="yours" if recipe.begin == "scratch" else "yours; the weights it began from: MIT",
        trained_on=f"{count} photographs{also}; landmarks {_points(recipe)}",
        roles=STAGES,
        sources=tuple(
            Source(each.stage, f"{name}-{each.stage}.onnx", hashlib.sha256(each.onnx).hexdigest(), len(each.onnx))
            for each in learnt
        ),
        figures={
            f"faces from {recipe.rules.smallest:g} px, {key}": f"{value:.4f}" for key, value in judged.figures.items()
        },
    )
