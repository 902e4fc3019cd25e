"""Compare backbones, with and without augmentation, on sets of several sizes: Nikolaev's tables, with the spread over seeds.

He found that a second run of the same network came out 39 % better, so every kind of run is made with several seeds, and
a difference counts only where it exceeds what seeds do. One seed divides the pictures alike for all backbones; choices are
made by validation, test pictures are only looked at. Each run has a folder of its own and is never made twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from mien.classifiers.network import ClassifierOptions, NetworkClassifier
from mien.core.errors import MienError, ProviderError, SettingError, WeightsError
from mien.core.protocols import Network
from mien.datasets.labelled import SIDES, LabelledSet
from mien.training.backbones import NONE
from mien.training.classifier import SMALL, Recipe, Tools
from mien.training.compare_pictures import Division, RememberingDetector, divide
from mien.training.compare_runs import Cell, Run, keep_best, make_run, network_of, read_run
from mien.training.pictures import Cut
from mien.training.progress import Event, Progress, telling
from mien.training.runs import remember
from mien.zoo.catalog import Catalog

__all__ = ["Compared", "Comparison", "Failure", "Grid", "RunDone", "compare"]

ROUNDS = 30
"""How often each network is asked about one picture when it is timed."""

Opener = Callable[[str], Tools]


@dataclass(frozen=True, slots=True)
class Grid:
    """What is compared: every combination is run.

    Args:
        backbones: as ``mien train classifier`` names them.
        augments: random versions of each training picture; 0 for none.
        sizes: smaller training sets beside all pictures.
        seeds: runs of each, with the seeds 0, 1, 2 …

    Raises:
        SettingError: nothing to compare, something named twice, a value out of range.
    """

    backbones: tuple[str, ...]
    augments: tuple[int, ...] = (0, 5)
    sizes: tuple[int, ...] = ()
    seeds: int = 3

    def __post_init__(self) -> None:
        for option, values in (("backbones", self.backbones), ("augment", self.augments), ("sizes", self.sizes)):
            if len(set(values)) < len(values) or (option != "sizes" and not values):
                shown = ",".join(map(str, values))
                raise SettingError(f"--{option} {shown!r}: expected one or more, each once, with commas between")
        if self.seeds < 1 or min(self.augments) < 0 or min(self.sizes, default=1) < 1:
            raise SettingError(
                f"seeds {self.seeds} and sizes {list(self.sizes)} must be 1 or more, augment {list(self.augments)} 0 or more"
            )

    def augments_of(self, backbone: str) -> tuple[int, ...]:
        """What is run with a backbone: a network from scratch sees new versions in every epoch, so any number but 0 is one."""
        if backbone != NONE:
            return self.augments
        some = tuple(a for a in self.augments if a)
        return tuple(a for a in self.augments if not a or a == some[0])

    def cells(self) -> list[Cell]:
        """All runs, seed after seed, so that an interrupted comparison has something of each kind."""
        return [
            Cell(backbone, augment, size, seed)
            for seed in range(self.seeds)
            for backbone in self.backbones
            for augment in self.augments_of(backbone)
            for size in (0, *sorted(self.sizes, reverse=True))
        ]


@dataclass(frozen=True, slots=True)
class RunDone:
    """A run is finished, or was before.

    Args:
        run: its figures.
        index: how many runs are done, of those that are not given up.
        total: of how many.
        left: seconds that the others may take, from what those before took.
        fresh: whether it was made now.
    """

    run: Run
    index: int
    total: int
    left: float
    fresh: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that could not be made.

    Args:
        cell: which.
        reason: why.
        for_good: the backbone cannot be had at all; its other runs are left out.
    """

    cell: Cell
    reason: str
    for_good: bool


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came of it.

    Args:
        grid: what was compared.
        runs: in the order of the grid.
        failures: what could not be run.
        milliseconds: median time of one picture, by backbone, preparation included.
        pictures_of: of each side, pictures of each class, by the division of seed 0.
        held: pictures validated with, as a share of those learnt from; 0 where SRC is divided.
        settings: what all runs have in common.
        best: the run of least validation loss of each backbone, whose network was kept; the only one that is timed.
    """

    grid: Grid
    runs: tuple[Run, ...]
    failures: tuple[Failure, ...]
    milliseconds: Mapping[str, float]
    pictures_of: Mapping[str, Mapping[str, int]]
    held: float
    settings: Mapping[str, Any]
    best: Mapping[str, Run]


Compared = Event | RunDone | Failure


def compare(
    found: LabelledSet, out: Path, what: tuple[Grid, Recipe], open_tools: Opener
) -> Generator[Compared, None, Comparison]:
    """Make all runs of a grid that are not made yet, then time one network of each backbone; can be stopped and resumed.

    Args:
        found: pictures with sides (``training.pictures.beside``).
        out: folder of the comparison; its runs lie in ``runs``, features that they share in ``features``.
        what: the grid, and what all runs have in common; name, backbone, versions and seeds are the grid's.
        open_tools: a backbone's finished objects, by its name.

    Raises:
        InputError: pictures that nothing can be learnt from.
        SettingError: a comparison that is there already, or none of its runs could be made.
    """
    grid, recipe = what
    tools = _Toolbox(open_tools, out)

    # 1. One division per seed.
    divisions: list[Division] = []
    for seed in range(grid.seeds):
        reading = replace(recipe.reading, seed=seed)
        divisions.append((yield from telling("read", divide(found, tools.cut, reading), seed, grid.seeds)))
        divisions[-1].require(grid.sizes)
        if not seed:
            settings = _settings(recipe, tools.cut)
            remember(out, settings, divisions[0].pictures, resume=recipe.resume)

    # 2. All runs; one that fails is reported.
    runs, failures = yield from _all_runs(grid, divisions, out / "runs", (recipe, tools))
    if not runs:
        raise SettingError(f"no run could be made; the first: {failures[0].reason}")

    # 3. The best network of each backbone, all timed in turn.
    kept = {name: keep_best(out / "runs", _of(runs, name)) for name in grid.backbones}
    best = {name: run for name, run in kept.items() if run is not None}
    timed = yield from telling("time", _timed(out / "runs", best, divisions[0], tools))
    pictures = divisions[0].pictures
    sides = {str(side): pictures.counts(side) for side in SIDES if side in pictures.sides}
    return Comparison(grid, tuple(runs), tuple(failures), timed, sides, divisions[0].held, settings, best)


class _Toolbox:
    """Each backbone's tools, opened once; they share a detector that remembers, and the comparison's own features."""

    def __init__(self, open_tools: Opener, out: Path) -> None:
        self._open = open_tools
        self._out = out
        self._opened: dict[str, Tools] = {}
        self._detector: RememberingDetector | None = None
        self.cut = self.of(NONE).cut(SMALL, None)

    def of(self, backbone: str) -> Tools:
        """Raises what the opener raises."""
        if backbone not in self._opened:
            given = self._open(backbone)

            def cut(size: int, alignment: Any) -> Cut:
                return self._remembering(given.cut(size, alignment))

            self._opened[backbone] = replace(given, cache=self._out, cut=cut)
        return self._opened[backbone]

    def _remembering(self, cut: Cut) -> Cut:
        if cut.detector is None:
            return cut
        if self._detector is None:
            self._detector = RememberingDetector(cut.detector)
        return replace(cut, detector=self._detector)


def _all_runs(
    grid: Grid, divisions: Sequence[Division], folder: Path, how: tuple[Recipe, _Toolbox]
) -> Generator[Compared, None, tuple[list[Run], list[Failure]]]:
    recipe, tools = how
    left, runs, failures = grid.cells(), list[Run](), list[Failure]()
    while left:
        cell = left.pop(0)
        before = read_run(folder, cell)
        try:
            made = before or (
                yield from _in_words(
                    cell,
                    make_run(divisions[cell.seed].chosen(cell.size), folder, cell, (recipe, tools.of(cell.backbone))),
                )
            )
        except MienError as error:
            for_good = isinstance(error, WeightsError | SettingError | ProviderError)
            failures.append(Failure(cell, str(error), for_good))
            left = [other for other in left if not for_good or other.backbone != cell.backbone]
            yield failures[-1]
            continue
        runs.append(made)
        keep_best(folder, _of(runs, cell.backbone))
        yield RunDone(made, len(runs), len(runs) + len(left), _time_left(left, runs, folder), before is None)
    return runs, failures


def _in_words(cell: Cell, events: Generator[Event, None, Run]) -> Generator[Event, None, Run]:
    """``events`` with the run's name in front of each stage."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            made: Run = end.value
            return made
        yield replace(event, stage=f"{cell.words()}: {event.stage}") if isinstance(event, Progress) else event


def _time_left(left: Sequence[Cell], runs: Sequence[Run], folder: Path) -> float:
    """Seconds, by the mean of each kind of run that was made, of the backbone, or of all."""
    seconds = 0.0
    for cell in left:
        if read_run(folder, cell) is not None:
            continue
        own = _of(runs, cell.backbone)
        if alike := [r for r in own if (r.cell.augment, r.cell.size) == (cell.augment, cell.size)]:
            # Features of all pictures are the same for every seed, and computed by now.
            seconds += fmean(r.wall - (0 if cell.size else sum(r.features)) for r in alike)
        else:
            seconds += fmean(r.wall for r in own or runs)
    return seconds


def _of(runs: Sequence[Run], backbone: str) -> list[Run]:
    return [run for run in runs if run.cell.backbone == backbone]


def _timed(
    folder: Path, best: Mapping[str, Run], division: Division, tools: _Toolbox
) -> Generator[tuple[int, int], None, dict[str, float]]:
    """Milliseconds of one picture by backbone: all networks in turn, so that whatever else the machine does falls on all."""
    opened = {name: _opened(network_of(folder, run.cell), tools.of(name).network) for name, run in best.items()}
    picture = division.found.read(division.rows[int(division.pictures.rows("val")[0])])
    chips = {
        name: replace(tools.cut, size=network.options.preprocessing.size).chip(picture.pixels)[None]
        for name, network in opened.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in opened}
    for number in range(ROUNDS + 1):
        for name, network in opened.items():
            began = time.perf_counter()
            network.classify_chips(chips[name])
            if number:  # the first warms up
                seconds[name].append(time.perf_counter() - began)
        yield number, ROUNDS
    return {name: round(1000 * median(each), 3) for name, each in seconds.items()}


def _opened(file: Path, network: Callable[[Path], Network]) -> NetworkClassifier:
    record = Catalog(file.parent).get(file.stem)
    return NetworkClassifier(network(file), ClassifierOptions.from_record(record))


def _settings(recipe: Recipe, cut: Cut) -> dict[str, Any]:
    """What all runs have in common; none of it may change between two of them."""
    learning = {f"{key} of each run": value for key, value in asdict(recipe.fit).items() if key != "seed"}
    faces = "" if cut.detector is None else f"{cut.detector.name}, {cut.alignment.describe(cut.size)}"
    validation = recipe.reading.validation
    return {**learning, "balance": recipe.balance, "validation": validation, "faces": faces}
