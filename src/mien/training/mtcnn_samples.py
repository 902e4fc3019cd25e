"""What P-, R- and O-Net learn from: windows of photographs by the overlaps of Zhang et al. 2016, section 3.

By intersection over union with the marked faces a window is

1. positive from 0.65 on: told its class and where the face is,
2. a part face from 0.4 on: told where the face is, not its class,
3. negative below 0.3 with every face, those that are too small or invalid to learn from among them: told its class,
4. a landmark face, from 0.65 on with a face whose five points are known: told the points alone.

Between 0.3 and 0.4 nothing is cut. P-Net's windows are drawn; R-Net's and O-Net's are those that the networks before them
let through, found by the very cascade that detects. Positives, part faces and landmark faces drawn around faces are added,
for there are never too many; negatives drawn beside faces only where fewer than a quarter of those wanted came through.
The four kinds are thinned to the paper's 3 : 1 : 1 : 2. What is drawn from a picture depends on the seed, the
network and the picture's number alone.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, MienError, SettingError
from mien.core.geometry import iou
from mien.core.protocols import Network
from mien.datasets.annotations import MarkedPicture
from mien.datasets.folders import Problem
from mien.detectors.mtcnn.cascade import Cascade
from mien.detectors.mtcnn.options import MtcnnOptions
from mien.detectors.mtcnn.pyramid import FastSource
from mien.media.images import printable, write_whole
from mien.training.marked import Read
from mien.training.mtcnn_losses import LABELS
from mien.training.mtcnn_networks import SIDES, STAGES
from mien.training.samples import sides
from mien.zoo.runtime import Workers

__all__ = [
    "KINDS",
    "CascadeRules",
    "CascadeSamples",
    "Taught",
    "cut_samples",
    "labels_of",
    "load_cascade_samples",
    "proposer",
    "save_cascade_samples",
]

KINDS = ("negative", "positive", "part", "landmark")
_SHARES = (3, 1, 1, 2)  # of the kinds, in the paper
_CROPS = 256  # windows cut at once: OpenCV's remap admits 32,767 rows of all together
_MIRRORED = np.array([1, 0, 2, 4, 3])  # which landmark each becomes in a mirror

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Floats = NDArray[np.float32]
Propose = Callable[[FastSource], Boxes]


@dataclass(frozen=True, slots=True)
class CascadeRules:
    """Which windows are cut.

    Args:
        smallest: faces below this side (root of the area, pixels) are not learnt from, nor searched for when mining.
        positive, part, negative: overlaps, see above.
        windows: drawn around each face, to find positives, part faces and landmark faces among.
        each: of a kind per face, at most.
        negatives: per picture, at most.
        most: samples of each network, at most.
        admitted: scores from which windows of P-Net and R-Net are mined; lower than those of the finished cascade, so
            that the next network meets what its own threshold may let through one day.
        seed: another one draws otherwise.

    Raises:
        SettingError: a value out of range.
    """

    smallest: float = 20.0
    positive: float = 0.65
    part: float = 0.4
    negative: float = 0.3
    windows: int = 80
    each: int = 12
    negatives: int = 120
    most: int = 40_000
    admitted: tuple[float, float] = (0.5, 0.5)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.negative <= self.part < self.positive <= 1:
            raise SettingError(
                f"overlaps: negative {self.negative:g}, part {self.part:g} and positive {self.positive:g} must rise"
                " between 0 and 1; the paper's are 0.3, 0.4, 0.65"
            )
        if min(self.windows, self.each, self.negatives) < 1 or self.most < len(KINDS) or self.smallest < 12:
            raise SettingError(
                f"smallest {self.smallest:g} must be 12 or more, windows {self.windows}, each {self.each} and negatives"
                f" {self.negatives} 1 or more, most {self.most} {len(KINDS)} or more"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A photograph and what is known of its faces.

    Args:
        marked: the photograph with its boxes.
        points: ``(m, 5, 2)`` float32 landmarks of its faces, pixels; NaN where nobody knows them.
        complete: whether every face is marked; otherwise it gives landmark faces only, for what else it shows is unknown.
    """

    marked: MarkedPicture
    points: Floats
    complete: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class CascadeSamples:
    """Samples of one network.

    Args:
        chips: ``(n, side, side, 3)`` uint8 RGB.
        labels: ``(n, 15)`` float32, see ``mtcnn_losses``.
        kinds: ``(n,)`` number of each one's kind in ``KINDS``.
        pictures: ``(n,)`` number of the photograph each is from.
        problems: photographs that could not be read.
    """

    chips: Pixels
    labels: Floats
    kinds: NDArray[np.intp]
    pictures: NDArray[np.intp]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.kinds)

    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        return {kind: int((self.kinds == number).sum()) for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """Windows of one photograph: ``(n, 4)`` exclusive ends, their kinds, and the number of the face each is about."""

    windows: Boxes
    kinds: NDArray[np.intp]
    faces: NDArray[np.intp]


def cut_samples(
    stage: str, taught: Sequence[Taught], read: Read, rules: CascadeRules, propose: Propose | None = None
) -> Generator[tuple[int, int], None, CascadeSamples]:
    """Samples of one network; yields how many photographs are done, of how many.

    Args:
        stage: ``"pnet"``, ``"rnet"`` or ``"onet"``.
        taught: the photographs.
        read: opens one.
        rules: which windows.
        propose: what the networks before this one let through, see ``proposer``; None draws windows anywhere instead.

    Raises:
        InputError: no face to learn from in any of them, or no window without one.
    """
    parts: list[CascadeSamples] = []
    problems: list[Problem] = []
    for number, each in enumerate(taught):
        yield number, len(taught)
        try:
            image = read(each.marked.path)
        except MienError as error:
            problems.append(Problem(printable(each.marked.path), str(error)))
            continue
        draw = np.random.default_rng([rules.seed, STAGES.index(stage), number])
        source = FastSource(np.ascontiguousarray(image))
        proposed = propose(source) if propose and each.complete else None
        chosen = _choose(each, source, rules, draw, proposed)
        parts.append(_cut(stage, each, source, chosen, draw, number))
    yield len(taught), len(taught)
    return _thinned(_joined(stage, parts, tuple(problems)), stage, rules)


def proposer(networks: Mapping[str, Network], rules: CascadeRules, workers: Workers) -> Propose:
    """Windows that P-Net, and R-Net where it is there, let through: squares ``(n, 4)``, exclusive ends.

    Args:
        networks: ``"pnet"`` and perhaps ``"rnet"``, converted.
        rules: the smallest face, and the scores.
        workers: threads.
    """
    pnet, rnet = networks["pnet"], networks.get("rnet")
    options = MtcnnOptions(min_face=rules.smallest, thresholds=(*rules.admitted, 0.5))
    cascade = Cascade(pnet, rnet or pnet, rnet or pnet, options, workers)  # what comes after is never run

    def propose(source: FastSource) -> Boxes:
        windows = cascade.propose(source)
        if rnet is not None:
            windows = cascade.refine(source, windows)
        return windows.boxes - np.array([1, 1, 0, 0], np.float32)

    return propose


def labels_of(stage: str, window: Boxes, face: Boxes, points: Floats) -> Floats:
    """The 14 numbers by which the cascade will turn ``window`` into ``face`` and ``points``; exact inverses of its steps.

    Args:
        stage: P-Net measures in eleven twelfths of its window (``boxes.from_cells``), the others in the whole of it.
        window, face: ``(n, 4)``, exclusive ends.
        points: ``(n, 5, 2)``.

    Returns:
        ``(n, 14)`` float32: offsets of x1, y1, x2, y2, then five x, then five y.
    """
    side = (window[:, 2:] - window[:, :2]).astype(np.float32)
    first = side / np.float32(SIDES["pnet"]) if stage == "pnet" else np.ones_like(side)
    corners = np.concatenate([window[:, :2] + first, window[:, 2:]], axis=1)  # as the cascade numbers them
    unit = np.tile(side - first if stage == "pnet" else side, 2)
    shares = (points - window[:, None, :2]) / side[:, None]
    return np.concatenate([(face - corners) / unit, shares[..., 0], shares[..., 1]], axis=1).astype(np.float32)


def save_cascade_samples(file: Path, samples: CascadeSamples, key: str) -> None:
    """Keep samples in one file of plain arrays, with what they were made from as ``key``."""
    buffer = io.BytesIO()
    chips, labels, kinds, pictures = samples.chips, samples.labels, samples.kinds, samples.pictures
    np.savez(buffer, chips=chips, labels=labels, kinds=kinds, pictures=pictures, key=np.array(key))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, buffer.getvalue())


def load_cascade_samples(file: Path, key: str) -> CascadeSamples | None:
    """Samples that were kept; None if there are none, or if they were made from something else."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return CascadeSamples(stored["chips"], stored["labels"], stored["kinds"], stored["pictures"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # what was kept can be made again
        return None


def _choose(
    taught: Taught, source: FastSource, rules: CascadeRules, draw: np.random.Generator, proposed: Boxes | None
) -> _Chosen:
    """Windows of each kind in one photograph."""
    boxes = taught.marked.boxes
    learnt = np.flatnonzero(taught.marked.usable & (sides(boxes) >= rules.smallest))
    anywhere = _anywhere(source, rules, draw) if proposed is None else proposed
    beside = _around(boxes[learnt], rules.windows, draw)
    windows = np.concatenate([anywhere, beside])
    overlap = iou(windows, boxes)
    best = overlap.max(axis=1, initial=0)
    face = overlap.argmax(axis=1) if len(boxes) else np.zeros(len(windows), np.intp)
    about = np.isin(face, learnt)
    known = np.asarray(np.isfinite(taught.points).all(axis=(1, 2)), bool)
    near = about & (best >= rules.positive)
    rows = {
        "positive": _some_of_each(np.flatnonzero(near), face, rules.each, draw),
        "part": _some_of_each(np.flatnonzero(about & (best >= rules.part) & ~near), face, rules.each, draw),
        "landmark": _some_of_each(np.flatnonzero(near & known[face] if len(boxes) else near), face, rules.each, draw),
        "negative": _negatives(best < rules.negative, 0 if proposed is None else len(proposed), rules, draw),
    }
    if not taught.complete:
        rows = {"landmark": rows["landmark"]}
    order = np.concatenate([rows[kind] for kind in rows]).astype(np.intp)
    kinds = np.concatenate([np.full(len(found), KINDS.index(kind)) for kind, found in rows.items()]).astype(np.intp)
    return _Chosen(windows[order], kinds, face[order])


def _negatives(
    allowed: NDArray[np.bool_], mined: int, rules: CascadeRules, draw: np.random.Generator
) -> NDArray[np.intp]:
    """Of the windows that may be negative some of the ``mined`` first ones, and drawn ones where these are few."""
    rows = draw.permutation(np.flatnonzero(allowed))
    if not mined:
        return rows[: rules.negatives]
    through, drawn = rows[rows < mined][: rules.negatives], rows[rows >= mined]
    return np.concatenate([through, drawn[: max(0, rules.negatives // 4 - len(through))]])


def _some_of_each(
    rows: NDArray[np.intp], face: NDArray[np.intp], each: int, draw: np.random.Generator
) -> NDArray[np.intp]:
    """Of ``rows`` up to ``each`` per face, at random."""
    shuffled = draw.permutation(rows)
    order: NDArray[np.intp] = shuffled[np.argsort(face[shuffled], kind="stable")]
    of = face[order]
    place = np.arange(len(order)) - np.searchsorted(of, of, side="left")
    kept: NDArray[np.intp] = order[place < each]
    return kept


def _anywhere(source: FastSource, rules: CascadeRules, draw: np.random.Generator) -> Boxes:
    """Squares of any size, large ones as often as small ones, anywhere in the picture: twice as many as are wanted."""
    count, short = 2 * rules.negatives, min(source.height, source.width)
    if short < rules.smallest:
        return np.zeros((0, 4), np.float32)
    side = np.exp(draw.uniform(np.log(rules.smallest), np.log(short), count))
    corner = draw.uniform(size=(count, 2)) * (np.array([source.width, source.height]) - side[:, None])
    return np.concatenate([corner, corner + side[:, None]], axis=1).astype(np.float32)


def _around(faces: Boxes, count: int, draw: np.random.Generator) -> Boxes:
    """``count`` squares about each face, a third of them near it, the others off by up to half its size and more."""
    size = faces[:, 2:] - faces[:, :2]
    wide = np.where(np.arange(count) % 3 == 0, 0.1, 0.5)  # (count,)
    grown = np.exp(draw.uniform(-1, 1, (len(faces), count)) * np.where(wide == 0.1, 0.15, 0.4))
    side = np.sqrt(size.prod(axis=1))[:, None] * grown
    shift = draw.uniform(-1, 1, (len(faces), count, 2)) * wide[:, None]
    centre = ((faces[:, :2] + faces[:, 2:]) / 2)[:, None] + shift * size[:, None]
    half = side[..., None] / 2
    return np.concatenate([centre - half, centre + half], axis=2).reshape(-1, 4).astype(np.float32)


def _cut(
    stage: str, taught: Taught, source: FastSource, chosen: _Chosen, draw: np.random.Generator, number: int
) -> CascadeSamples:
    """The chosen windows as the cascade will cut them, half of them mirrored."""
    count, side = len(chosen.kinds), SIDES[stage]
    inclusive = chosen.windows + np.array([1, 1, 0, 0], np.float32)
    parts = [source.crops(inclusive[i : i + _CROPS], side) for i in range(0, max(count, 1), _CROPS)]
    chips = np.concatenate(parts).transpose(0, 2, 3, 1).astype(np.uint8)
    mirrored = draw.uniform(size=count) < 0.5
    chips[mirrored] = chips[mirrored, :, ::-1]
    labels = np.full((count, LABELS), np.nan, np.float32)
    labels[chosen.kinds == KINDS.index("negative"), 0] = 0
    labels[chosen.kinds == KINDS.index("positive"), 0] = 1
    if len(taught.marked.boxes):
        faces, points = taught.marked.boxes[chosen.faces], taught.points[chosen.faces]
        other = _mirrored(chosen.windows, faces, points)
        faces = np.where(mirrored[:, None], other[0], faces)
        points = np.where(mirrored[:, None, None], other[1], points)
        told = labels_of(stage, chosen.windows, faces, points)
        placed = np.isin(chosen.kinds, [KINDS.index("positive"), KINDS.index("part")])
        labels[placed, 1:5] = told[placed, :4]
        landmark = chosen.kinds == KINDS.index("landmark")
        labels[landmark, 5:] = told[landmark, 4:]
    return CascadeSamples(chips, labels, chosen.kinds, np.full(count, number, np.intp))


def _mirrored(window: Boxes, face: Boxes, points: Floats) -> tuple[Boxes, Floats]:
    """Faces and their points reflected within their windows; what was the left eye becomes the right one."""
    middle = window[:, [0]] + window[:, [2]]
    turned = face.copy()
    turned[:, [0, 2]] = middle - face[:, [2, 0]]
    reflected = points[:, _MIRRORED].copy()
    reflected[..., 0] = middle - reflected[..., 0]
    return turned, reflected


def _joined(stage: str, parts: Sequence[CascadeSamples], problems: tuple[Problem, ...]) -> CascadeSamples:
    side = SIDES[stage]
    none = CascadeSamples(
        np.zeros((0, side, side, 3), np.uint8),
        np.zeros((0, LABELS), np.float32),
        np.zeros(0, np.intp),
        np.zeros(0, np.intp),
    )
    parts = [none, *parts]
    return CascadeSamples(
        np.concatenate([p.chips for p in parts]),
        np.concatenate([p.labels for p in parts]),
        np.concatenate([p.kinds for p in parts]),
        np.concatenate([p.pictures for p in parts]),
        problems,
    )


def _thinned(samples: CascadeSamples, stage: str, rules: CascadeRules) -> CascadeSamples:
    """At most ``rules.most`` in the paper's proportion, by chance; what is rarer than its share stays whole."""
    counts = np.bincount(samples.kinds, minlength=len(KINDS))
    if not counts[KINDS.index("positive")]:
        raise InputError(
            f"no face of {rules.smallest:g} pixels or more can be learnt from in the photographs that are there; lower"
            " --smallest, or check the boxes: mien dataset show PICTURES --annotations FILE"
        )
    if not counts[KINDS.index("negative")]:
        raise InputError(
            f"{stage} has no window without a face to learn from: add photographs with background, or, if the network"
            " before it lets nothing through, more --epochs"
        )
    draw = np.random.default_rng([rules.seed, STAGES.index(stage), len(samples)])
    shares = np.array(_SHARES) * (counts > 0)
    wanted = (rules.most * shares / shares.sum()).astype(int)
    rows = [draw.permutation(np.flatnonzero(samples.kinds == kind))[:count] for kind, count in enumerate(wanted)]
    order = np.sort(np.concatenate(rows)).astype(np.intp)
    return CascadeSamples(
        samples.chips[order], samples.labels[order], samples.kinds[order], samples.pictures[order], samples.problems
    )
