"""Why a face was let go: the same cascade with somebody looking on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import iou
from mien.core.reasons import Candidate, Reason, Trace
from mien.detectors.mtcnn.boxes import CELL, Boxes, suppress
from mien.detectors.mtcnn.cascade import STAGES, Cascade, Windows
from mien.detectors.mtcnn.options import SMALLEST_FACE, MtcnnOptions
from mien.detectors.mtcnn.pyramid import Source, scales

__all__ = ["explain", "explain_region"]

FLOOR = 0.1
"""P-Net scores below this are not worth showing."""
SHOWN = 60
"""How many windows are shown per level that P-Net rejected or that a better one absorbed."""
SAME_FACE = 0.3
"""Overlap (intersection over union) from which a window is about the region asked for."""

Box = tuple[float, float, float, float]
Look = Callable[[NDArray[np.uint8]], Source]


def explain(cascade: Cascade, source: Source) -> Trace:
    """Faces and rejected windows of one image, those that came furthest first."""
    recorder = _Recorder(cascade.options)
    faces = cascade.search(source, recorder)
    factors = scales(source.height, source.width, cascade.options)
    return Trace(
        candidates=recorder.candidates(faces),
        scales=factors,
        smallest_face=CELL / factors[0] if factors else None,
        largest_face=CELL / factors[-1] if factors else None,
        counts={**recorder.counts, "face": len(faces)},
    )


def explain_region(cascade: Cascade, image: NDArray[np.uint8], box: Box, look: Look) -> Reason:
    """Why there is no face at ``box`` (x1, y1, x2, y2 pixels) of ``image``, or that there is one.

    Args:
        cascade: what searched.
        image: ``(H, W, 3)`` uint8 RGB.
        box: the region asked for.
        look: makes the source of an image.
    """
    side = min(box[2] - box[0], box[3] - box[1])
    trace = explain(cascade, look(image))
    near = _near(trace, box)
    face = next((c for c in near if c.stage == "face"), None)
    if face is not None:
        score = face.scores["onet"]
        return Reason("face", "a face was found here", text=f"a face was found here, its score is {score:.2f}")
    other_size = _other_size(cascade.options, trace, side)
    if other_size is not None:
        setting, limit, options = other_size
        patch, origin = _patch(image, box)
        again = explain(replace(cascade, options=options), look(patch))
        return _size_reason(side, limit, setting, options, _near(again, _moved(box, origin)))
    if not near:
        return _unseen(cascade.options)
    return _in_words(near[0])


class _Recorder:
    """An ``Observer`` that writes down each window's scores and how it ended."""

    pnet_floor = FLOOR

    def __init__(self, options: MtcnnOptions) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(STAGES, 0))
        self._limits = dict(zip(STAGES, options.thresholds, strict=True))
        self._ended: list[_Ended] = []
        self._scores: dict[int, dict[str, float]] = {}

    def scored(self, stage: str, windows: Windows, kept: NDArray[np.bool_]) -> None:
        self.counts[stage] += int(kept.sum())
        for i, score in zip(windows.ids.tolist(), windows.scores.tolist(), strict=True):
            self._scores.setdefault(i, {})[stage] = score
        rejected = windows[~kept]
        limit = self._limits[stage]
        for i in _best(rejected) if stage == "pnet" else range(len(rejected)):
            score = float(rejected.scores[i])
            reason = Reason(stage, "score", score, limit, f"--{stage}-threshold")
            self._ended.append(_Ended(int(rejected.ids[i]), stage, _box(rejected.boxes[i]), reason))

    def suppressed(self, stage: str, windows: Windows, kept: NDArray[np.intp]) -> None:
        gone = np.setdiff1d(np.arange(len(windows)), kept)
        gone = gone[np.argsort(-windows.scores[gone])][:SHOWN]
        if not len(gone):
            return
        overlaps = iou(windows.boxes[gone], windows.boxes[kept])
        for i, row in zip(gone, overlaps, strict=True):
            winner = int(kept[row.argmax()])
            text = f"a better window (score {windows.scores[winner]:.2f}) covers it, overlap {row.max():.2f}"
            reason = Reason("nms", "overlap", float(row.max()), side="above", text=text)
            box, by = _box(windows.boxes[i]), _box(windows.boxes[winner])
            self._ended.append(_Ended(int(windows.ids[i]), stage, box, reason, by))

    def candidates(self, faces: Windows) -> tuple[Candidate, ...]:
        """Faces first, then the windows that ended at O-Net, R-Net, P-Net; of each the surest first."""
        found = [
            Candidate(_box(box), "face", self._scores[int(i)]) for i, box in zip(faces.ids, faces.boxes, strict=True)
        ]
        ended = [Candidate(e.box, e.stage, self._scores[e.id], e.reason, e.by) for e in self._ended]
        ended.sort(key=lambda c: (-STAGES.index(c.stage), c.absorbed_by is not None, -c.scores[c.stage]))
        return (*found, *ended)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A window's end: which one, after which stage, where, why, and what absorbed it."""

    id: int
    stage: str
    box: Box
    reason: Reason
    by: Box | None = None


def _best(windows: Windows) -> NDArray[np.intp]:
    """The ``SHOWN`` surest windows that do not cover each other."""
    top = np.argsort(-windows.scores)[: SHOWN * 10]
    return top[suppress(windows.boxes[top], windows.scores[top], 0.5)][:SHOWN]


def _near(trace: Trace, box: Box) -> list[Candidate]:
    """Candidates about the region ``box``, those that came furthest first."""
    overlaps = iou(trace.boxes(), np.array([box], np.float32))[:, 0]
    return [c for c, overlap in zip(trace.candidates, overlaps, strict=True) if overlap >= SAME_FACE]


def _other_size(options: MtcnnOptions, trace: Trace, side: float) -> tuple[str, float, MtcnnOptions] | None:
    """The setting, its value and options that would search for a face of this side, if these do not."""
    smallest = trace.smallest_face or options.min_face
    if side < smallest:
        return "--min-face", smallest, replace(options, min_face=max(SMALLEST_FACE, np.floor(side)), max_face=None)
    if options.max_face is not None and side > options.max_face:
        return "--max-face", options.max_face, replace(options, max_face=np.ceil(side))
    return None


def _size_reason(side: float, limit: float, setting: str, options: MtcnnOptions, near: list[Candidate]) -> Reason:
    value = options.min_face if setting == "--min-face" else options.max_face
    relation = "below" if setting == "--min-face" else "above"
    text = f"the face is about {side:.0f} px, {relation} {setting[2:].replace('-', ' ')} {limit:g}: "
    if near and near[0].stage == "face":
        text += f"{setting} {value:g} finds it"
    else:
        reason = _in_words(near[0]) if near else _unseen(options)
        text += f"{setting} {value:g} would search for it, but then {reason.words()}"
    return Reason("pyramid", "face size", side, limit, setting, "below" if relation == "below" else "above", "px", text)


def _in_words(candidate: Candidate) -> Reason:
    """The candidate's reason, naming the network and the setting."""
    reason = candidate.reason
    if reason is None or reason.measured is None or reason.limit is None:
        return reason or Reason("face", "a face was found here")
    network = f"{reason.stage[0].upper()}-Net"
    text = f"{network}'s best score here is {reason.measured:.2f}, threshold {reason.limit:g} ({reason.setting})"
    return replace(reason, text=text)


def _unseen(options: MtcnnOptions) -> Reason:
    text = f"P-Net sees nothing like a face here: no score reaches {FLOOR}, threshold {options.thresholds[0]:g}"
    return Reason("pnet", "no face", None, options.thresholds[0], "--pnet-threshold", text=text)


def _patch(image: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The image around ``box``, three times as wide and high but at least 64 pixels, and where it begins."""
    height, width = image.shape[:2]
    margin_x, margin_y = (max(64.0, 3 * (box[k + 2] - box[k])) / 2 for k in (0, 1))
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x1, y1 = (int(min(max(0, c - m), size - 1)) for c, m, size in ((x, margin_x, width), (y, margin_y, height)))
    x2, y2 = max(x1 + 1, int(x + margin_x)), max(y1 + 1, int(y + margin_y))
    return np.ascontiguousarray(image[y1:y2, x1:x2]), (x1, y1)


def _moved(box: Box, origin: tuple[int, int]) -> Box:
    x, y = origin
    return box[0] - x, box[1] - y, box[2] - x, box[3] - y


def _box(row: Boxes) -> Box:
    x1, y1, x2, y2 = row.tolist()
    return x1, y1, x2, y2
