"""Why not: one vocabulary for detector, gate, identifier and book."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidate", "Reason", "Trace"]

Side = Literal["below", "above"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One measured value that missed one limit, and the setting that moves the limit.

    Args:
        stage: who decided: ``"pyramid"``, ``"pnet"``, ``"rnet"``, ``"onet"``, ``"nms"``, ``"gate"``, ``"identify"`` …
        what: what was measured, e.g. ``"score"``, ``"sharpness"``, ``"face size"``.
        measured: the value found; None where nothing could be measured (``"no face"``).
        limit: the value it had to reach (``side="below"``) or stay under (``side="above"``).
        setting: the option that moves the limit, as a user types it, e.g. ``"--min-face"``; empty if none does.
        side: on which side of the limit the value fell.
        unit: e.g. ``"px"``, ``"°"``; empty for a plain number.
        text: said in place of the generated words where they would not be clear.
    """

    stage: str
    what: str
    measured: float | None = None
    limit: float | None = None
    setting: str = ""
    side: Side = "below"
    unit: str = ""
    text: str = ""

    def words(self) -> str:
        """The reason as one short clause, e.g. ``"sharpness 12.0 is below 40"``."""
        if self.text:
            return self.text
        if self.measured is None or self.limit is None:
            return self.what
        unit = f" {self.unit}" if self.unit and self.unit != "°" else self.unit
        return f"{self.what} {self.measured:.4g}{unit} is {self.side} {self.limit:.4g}{unit}"

    def to_dict(self) -> dict[str, Any]:
        """The reason for JSON, with its words."""
        return {
            "stage": self.stage,
            "what": self.what,
            "measured": self.measured,
            "limit": self.limit,
            "setting": self.setting,
            "words": self.words(),
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """A window the detector looked at and how far it came.

    Args:
        box: x1, y1, x2, y2 in pixels of the image that was searched.
        stage: the last stage that saw it: ``"pnet"``, ``"rnet"``, ``"onet"``, ``"face"`` for those that came through.
        scores: the score each stage gave, by stage name.
        reason: why it went no further; None for a face.
        absorbed_by: box of the better window that non-maximum suppression kept in its place, else None.
    """

    box: tuple[float, float, float, float]
    stage: str
    scores: dict[str, float] = field(default_factory=dict)
    reason: Reason | None = None
    absorbed_by: tuple[float, float, float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The candidate for JSON; boxes as x1, y1, x2, y2 pixels."""
        return {
            "box_xyxy": [round(v, 2) for v in self.box],
            "stage": self.stage,
            "scores": {k: round(v, 4) for k, v in self.scores.items()},
            "reason": None if self.reason is None else self.reason.to_dict(),
            "absorbed_by": None if self.absorbed_by is None else [round(v, 2) for v in self.absorbed_by],
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything a detector considered in one image.

    Args:
        candidates: faces and rejected windows, those that came furthest first.
        scales: the factors by which the image was shrunk for each level of the pyramid, largest first; empty without one.
        smallest_face: the side in pixels of the smallest face the settings can find; None if unknown.
        largest_face: the side in pixels of the largest; None if unknown.
        counts: how many windows each stage let through, in the order of the stages.
    """

    candidates: tuple[Candidate, ...] = ()
    scales: tuple[float, ...] = ()
    smallest_face: float | None = None
    largest_face: float | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def scaled(self, factor: float) -> Trace:
        """The trace in pixels of an image ``factor`` times as large."""

        def times(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
            return (box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor)

        return Trace(
            candidates=tuple(
                Candidate(
                    times(c.box), c.stage, c.scores, c.reason, None if c.absorbed_by is None else times(c.absorbed_by)
                )
                for c in self.candidates
            ),
            scales=tuple(s / factor for s in self.scales),
            smallest_face=None if self.smallest_face is None else self.smallest_face * factor,
            largest_face=None if self.largest_face is None else self.largest_face * factor,
            counts=self.counts,
        )

    def boxes(self) -> NDArray[np.float32]:
        """Boxes of all candidates, float32 (n, 4) x1, y1, x2, y2 pixels."""
        return np.array([c.box for c in self.candidates], np.float32).reshape(-1, 4)

    def to_dict(self) -> dict[str, Any]:
        """The trace for JSON."""
        return {
            "scales": [round(s, 5) for s in self.scales],
            "smallest_face": self.smallest_face,
            "largest_face": self.largest_face,
            "counts": self.counts,
            "candidates": [c.to_dict() for c in self.candidates],
        }
