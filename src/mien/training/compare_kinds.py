"""The runs of a comparison by kind, over their seeds, and which kinds differ by more than seeds do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mien.evaluation.spread import Difference, Spread, difference
from mien.training.backbones import NONE
from mien.training.compare import Comparison
from mien.training.compare_runs import Run

__all__ = ["NO_DIFFERENCE", "Kind", "Verdict", "accuracy", "beside", "kinds", "loss", "training_seconds", "verdicts"]

Figure = Callable[[Run], float]

NO_DIFFERENCE = "no difference shown"


@dataclass(frozen=True, slots=True)
class Kind:
    """Runs that differ in their seed alone.

    Args:
        backbone: theirs.
        augment: versions of each picture.
        size: training pictures; 0 for all.
        runs: by seed.
    """

    backbone: str
    augment: int
    size: int
    runs: tuple[Run, ...]

    @property
    def versions(self) -> str:
        """How augmentation is told: a network from scratch never sees the same version twice."""
        return "new in each epoch" if self.backbone == NONE and self.augment else str(self.augment)

    @property
    def words(self) -> str:
        """E.g. ``facenet, augment 5, 100 pictures``."""
        return f"{self.backbone}, augment {self.versions}" + (f", {self.size} pictures" if self.size else "")

    def spread(self, figure: Figure) -> Spread:
        """One figure over the seeds."""
        return Spread(tuple(figure(run) for run in self.runs))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether two kinds of runs differ in validation loss.

    Args:
        question: what is asked.
        first: a kind.
        second: another.
        found: first minus second, seed by seed.
    """

    question: str
    first: Kind
    second: Kind
    found: Difference

    @property
    def words(self) -> str:
        """The answer."""
        if self.found.half is None:
            return f"{NO_DIFFERENCE}: one seed says nothing of the spread"
        if not self.found.shown:
            return NO_DIFFERENCE
        return f"{(self.first if self.found.mean < 0 else self.second).words} is better"


def kinds(found: Comparison) -> list[Kind]:
    """The runs by backbone, versions and size, in the order of the grid."""
    groups: dict[tuple[str, int, int], list[Run]] = {}
    for run in found.runs:
        groups.setdefault((run.cell.backbone, run.cell.augment, run.cell.size), []).append(run)
    return [Kind(*key, tuple(runs)) for key, runs in groups.items()]


def verdicts(found: Comparison) -> list[Verdict]:
    """The backbones beside the best of them, augmentation beside none, small sets beside all pictures."""
    every = kinds(found)
    whole = [kind for kind in every if not kind.size]
    pairs = []
    if whole:
        best = min(whole, key=lambda kind: kind.spread(loss).mean)
        pairs += [("backbone", best, k) for k in whole if k.backbone != best.backbone and _alike(k, best)]
    for kind in every:
        plain = [k for k in every if (k.backbone, k.size) == (kind.backbone, kind.size) and k.augment < kind.augment]
        pairs += [("augmentation", kind, k) for k in plain[:1]]
    for kind in every:
        full = [k for k in whole if (k.backbone, k.augment) == (kind.backbone, kind.augment)]
        pairs += [("size", kind, k) for k in full if kind.size]
    return [Verdict(what, a, b, d) for what, a, b in pairs if (d := _difference(a, b, found.held)) is not None]


def beside(found: Comparison, kind: Kind) -> list[tuple[Kind, Difference]]:
    """Every other kind that shares seeds with ``kind``, and the difference of its loss from it."""
    others = ((other, _difference(other, kind, found.held)) for other in kinds(found) if other != kind)
    return [(other, apart) for other, apart in others if apart is not None]


def training_seconds(kind: Kind, every: Sequence[Kind]) -> Spread:
    """Seconds to train by run: its epochs, and the features of as many versions, at what they took where computed."""
    alike = [run for k in every if (k.backbone, k.size) == (kind.backbone, kind.size) for run in k.runs]
    versions = range(max(len(run.features) for run in kind.runs))
    features = sum(max(run.features[v] for run in alike if v < len(run.features)) for v in versions)
    return kind.spread(lambda run: run.learning + features)


def _alike(kind: Kind, other: Kind) -> bool:
    """Whether both have versions, or neither."""
    return kind.augment == other.augment or (
        NONE in {kind.backbone, other.backbone} and bool(kind.augment and other.augment)
    )


def _difference(first: Kind, second: Kind, held: float) -> Difference | None:
    """By the seeds that both have; None without one."""
    ours, theirs = ({run.cell.seed: run.val_loss for run in kind.runs} for kind in (first, second))
    seeds = sorted(ours.keys() & theirs.keys())
    return difference([ours[s] for s in seeds], [theirs[s] for s in seeds], held=held) if seeds else None


def loss(run: Run) -> float:
    """Of the epoch that was kept, on validation pictures."""
    return run.val_loss


def accuracy(run: Run) -> float:
    """The same epoch's, on the same pictures."""
    return run.val_accuracy
