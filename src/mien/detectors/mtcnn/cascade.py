"""The cascade of Zhang et al. 2016 (https://arxiv.org/abs/1604.02878): propose, refine, decide.

Each stage is a function from windows to fewer windows; an ``Observer`` may look on (``explain`` does) but not meddle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.protocols import Network
from mien.detectors.mtcnn.boxes import (
    CELL,
    STRIDE,
    Boxes,
    Scores,
    from_cells,
    offset,
    probability,
    square,
    suppress,
    suppress_inside,
)
from mien.detectors.mtcnn.options import MtcnnOptions
from mien.detectors.mtcnn.pyramid import Rows, Source, level_size, scales
from mien.zoo.runtime import Workers

__all__ = ["Cascade", "Observer", "Windows"]

STRIP_PIXELS = 60_000
"""Pixels of a level per P-Net run: half to double is as fast, and this keeps two threads evenly busy at 640 × 480."""
STRIP_ROWS = 24
"""Output rows per run at least: neighbouring strips share ten input rows, which would be most of a flat one."""
STAGES = ("pnet", "rnet", "onet")
SIDES = {"rnet": 24, "onet": 48}
"""Sides of the crops, pixels."""
CHUNK = {"rnet": 32, "onet": 16}
"""Crops per run at most (benchmarks/detectors.py)."""
OUTPUTS = {"rnet": 5, "onet": 15}
"""Numbers per crop: logit, offsets, landmarks."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Candidates at some stage of the cascade, in step.

    Args:
        boxes: ``(n, 4)`` float32, see ``boxes``.
        scores: ``(n,)`` float32, given by the last network that saw them.
        outputs: ``(n, 4 or 14)`` float32, that network's offsets and landmarks.
        ids: ``(n,)`` which windows these were when they entered the cascade.
    """

    boxes: Boxes
    scores: Scores
    outputs: NDArray[np.float32]
    ids: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Windows:
        return Windows(self.boxes[rows], self.scores[rows], self.outputs[rows], self.ids[rows])


class Observer(Protocol):
    """Looks on while windows come and go."""

    pnet_floor: float
    """Windows that P-Net scores below its threshold are shown down to this score."""

    def scored(self, stage: str, windows: Windows, kept: NDArray[np.bool_]) -> None:
        """``stage`` (pnet, rnet, onet) gave these scores and kept some."""
        ...

    def suppressed(self, stage: str, windows: Windows, kept: NDArray[np.intp]) -> None:
        """Non-maximum suppression after ``stage`` kept some of these."""
        ...


class _Strip(NamedTuple):
    """Output rows [start, stop) of P-Net on one level of height × width pixels."""

    level: int
    rows: Rows
    height: int
    width: int
    start: int = 0
    stop: int = 0

    @property
    def input_rows(self) -> tuple[int, int]:
        """The level's rows that P-Net must see."""
        return STRIDE * self.start, min(self.height, STRIDE * (self.stop - 1) + CELL)

    def parts(self) -> list[_Strip]:
        """The whole level cut into strips of about equal height."""
        rows = (self.height - 1) // STRIDE - 4
        count = max(1, min(rows // STRIP_ROWS, -(-self.height * self.width // STRIP_PIXELS)))
        edges = [round(i * rows / count) for i in range(count + 1)]
        return [self._replace(start=a, stop=b) for a, b in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class Cascade:
    """Three networks and their settings; holds nothing of any image.

    Args:
        pnet, rnet, onet: as ``zoo.convert.mtcnn`` builds them.
        options: settings.
        workers: threads over which strips and crops are spread; each network run should use one thread.
    """

    pnet: Network
    rnet: Network
    onet: Network
    options: MtcnnOptions
    workers: Workers

    def search(self, source: Source, observer: Observer | None = None) -> Windows:
        """Faces of the whole image, surest first; ``outputs`` are landmarks ``(n, 10)``: five x, then five y, pixels."""
        return self.settle(source, self.propose(source, observer), observer)

    def settle(self, source: Source, windows: Windows, observer: Observer | None = None) -> Windows:
        """Faces among square ``windows``, through R-Net and O-Net."""
        return self.decide(source, self.refine(source, windows, observer), observer)

    def refine(self, source: Source, windows: Windows, observer: Observer | None = None) -> Windows:
        """Those of square ``windows`` that R-Net takes for faces, as the squares it moves them to."""
        windows = self._judge(self.rnet, "rnet", source, windows, observer)
        windows = self._thin("rnet", windows, self.options.nms[2], observer)
        return _at(windows, square(offset(windows.boxes, windows.outputs, extra=1)))

    def decide(self, source: Source, windows: Windows, observer: Observer | None = None) -> Windows:
        """Faces among square ``windows`` by O-Net, with landmarks."""
        windows = self._judge(self.onet, "onet", source, windows, observer)
        landmarks = _landmarks(windows)
        boxes = offset(windows.boxes, windows.outputs[:, :4], extra=1)
        windows = Windows(boxes, windows.scores, landmarks, windows.ids)
        kept = suppress_inside(windows.boxes, windows.scores, self.options.nms[3])
        if observer:
            observer.suppressed("onet", windows, kept)
        return windows[kept]

    def propose(self, source: Source, observer: Observer | None = None) -> Windows:
        """Square windows that P-Net finds on all levels of the pyramid."""
        floor = min(self.options.thresholds[0], observer.pnet_floor) if observer else self.options.thresholds[0]
        kept = []
        for level in self._scan(source, floor):
            passed = self._pass("pnet", level, level.scores >= np.float32(self.options.thresholds[0]), observer)
            kept.append(self._thin("pnet", passed, self.options.nms[0], observer))
        windows = self._thin("pnet", _joined(kept), self.options.nms[1], observer)
        return _at(windows, square(offset(windows.boxes, windows.outputs, extra=0)))

    def _scan(self, source: Source, floor: float) -> list[Windows]:
        """P-Net's windows of at least this score, level by level."""
        factors = scales(source.height, source.width, self.options)
        levels = self.workers.map(source.level, factors)
        strips = [
            _Strip(level, rows, *level_size(source.height, source.width, factors[level]))
            for level, rows in enumerate(levels)
        ]
        strips = [part for strip in strips for part in strip.parts()]
        found = self.workers.map(lambda strip: self._scan_strip(strip, factors[strip.level], floor), strips)
        by_level = [
            _joined([f for f, strip in zip(found, strips, strict=True) if strip.level == level])
            for level in range(len(factors))
        ]
        starts = np.cumsum([0, *map(len, by_level)])
        return [
            Windows(w.boxes, w.scores, w.outputs, np.arange(start, start + len(w)))
            for w, start in zip(by_level, starts[:-1], strict=True)
        ]

    def _scan_strip(self, strip: _Strip, scale: float, floor: float) -> Windows:
        """P-Net on one strip of a level."""
        (maps,) = self.pnet.run(strip.rows(*strip.input_rows))
        logits = maps[0, 0]  # (rows, columns)
        likely = logits.ravel() >= np.float32(np.log(floor / (1 - floor)) - 1e-3)
        cells = np.flatnonzero(likely)
        scores = probability(logits.ravel()[cells])
        cells, scores = cells[scores >= np.float32(floor)], scores[scores >= np.float32(floor)]
        y, x = np.divmod(cells, logits.shape[1])
        offsets = maps[0, 1:].reshape(4, -1)[:, cells].T
        return Windows(from_cells(x, y + strip.start, scale), scores, offsets, cells)

    def _judge(
        self, network: Network, stage: str, source: Source, windows: Windows, observer: Observer | None
    ) -> Windows:
        """Windows that R-Net or O-Net takes for faces, with its scores and outputs."""
        windows = windows[_touch(windows.boxes, source)]
        side = SIDES[stage]
        order = np.argsort(windows.boxes[:, 2] - windows.boxes[:, 0], kind="stable")  # neighbours share a mipmap
        turns = -(-len(order) // (CHUNK[stage] * self.workers.threads))
        parts = np.array_split(order, max(1, turns * self.workers.threads))  # alike, so that all threads end together
        chunks = [part for part in parts if len(part)]
        outputs = np.zeros((len(order), OUTPUTS[stage]), np.float32)

        def judge(chunk: NDArray[np.intp]) -> None:
            (outputs[chunk],) = network.run(source.crops(windows.boxes[chunk], side))

        self.workers.map(judge, chunks)
        judged = Windows(windows.boxes, probability(outputs[:, 0]), outputs[:, 1:], windows.ids)
        threshold = self.options.thresholds[STAGES.index(stage)]
        return self._pass(stage, judged, judged.scores > np.float32(threshold), observer)

    @staticmethod
    def _pass(stage: str, windows: Windows, kept: NDArray[np.bool_], observer: Observer | None) -> Windows:
        if observer:
            observer.scored(stage, windows, kept)
        return windows[kept]

    @staticmethod
    def _thin(stage: str, windows: Windows, limit: float, observer: Observer | None) -> Windows:
        kept = suppress(windows.boxes, windows.scores, limit)
        if observer:
            observer.suppressed(stage, windows, kept)
        return windows[kept]


def _at(windows: Windows, boxes: Boxes) -> Windows:
    return Windows(boxes, windows.scores, windows.outputs, windows.ids)


def _joined(parts: list[Windows]) -> Windows:
    none = Windows(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32), np.zeros(0, np.intp)
    )
    parts = [none, *parts]
    return Windows(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.outputs for p in parts]),
        np.concatenate([p.ids for p in parts]),
    )


def _touch(boxes: Boxes, source: Source) -> NDArray[np.bool_]:
    """Which boxes hold at least one pixel of the image."""
    low = np.maximum(np.trunc(boxes[:, :2]), 1)
    high = np.minimum(np.trunc(boxes[:, 2:]), np.array([source.width, source.height], np.float32))
    return (high[:, 0] >= low[:, 0]) & (high[:, 1] >= low[:, 1])


def _landmarks(windows: Windows) -> NDArray[np.float32]:
    """O-Net's landmarks ``(n, 10)``, five x, then five y, from shares of the window to pixels."""
    corner = windows.boxes[:, :2]
    sides = windows.boxes[:, 2:] - corner + np.float32(1)
    shares = windows.outputs[:, 4:]
    return np.repeat(sides, 5, axis=1) * shares + np.repeat(corner, 5, axis=1) - np.float32(1)
