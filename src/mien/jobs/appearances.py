"""Looks at a video, one every few seconds, become one face per person and stay: the best look, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.core.answers import Quality
from mien.core.faces import Faces
from mien.core.vectors import similarities

__all__ = ["Appearances"]


@dataclass(slots=True)
class _Stay:
    """Somebody in sight for a while: their best look so far, a table of one row."""

    best: Faces
    begins: float
    ends: float
    looked: float


class Appearances:
    """Collects the faces of one video's frames.

    Args:
        same: the cosine from which two looks are one person; None never joins them.
        gap: seconds that somebody may be out of sight within one stay.
    """

    def __init__(self, same: float | None, *, gap: float) -> None:
        self._same = same
        self._gap = gap
        self._stays: list[_Stay] = []

    def add(self, faces: Faces, begins: float, ends: float) -> None:
        """Note the faces, with quality and embeddings, of a frame that stands for ``begins`` to ``ends`` seconds."""
        open_stays = [stay for stay in self._stays if begins - stay.ends <= self._gap]
        left = list(range(len(faces)))
        for row, stay in self._pairs(faces, open_stays):
            left.remove(row)
            stay.ends = ends
            if _worth(faces, row) > _worth(stay.best, 0):
                stay.best, stay.looked = faces[row], begins
        self._stays += [_Stay(faces[row], begins, ends, begins) for row in left]

    def _pairs(self, faces: Faces, stays: list[_Stay]) -> list[tuple[int, _Stay]]:
        """Which face goes on with which stay: each once, the most alike first."""
        if self._same is None or not len(faces) or not stays:
            return []
        known = np.concatenate([np.asarray(stay.best.embeddings) for stay in stays])
        likeness = similarities(np.asarray(faces.embeddings), known)
        pairs = []
        while likeness.max() >= self._same:
            row, column = (int(i) for i in np.unravel_index(int(likeness.argmax()), likeness.shape))
            pairs.append((row, stays[column]))
            likeness[row, :] = likeness[:, column] = -np.inf
        return pairs

    def table(self) -> tuple[Faces, tuple[tuple[float, float, float], ...]]:
        """The best look of every stay; for each when it begins, when it ends and when that look was, seconds."""
        return Faces.concat(stay.best for stay in self._stays), tuple((s.begins, s.ends, s.looked) for s in self._stays)


def _worth(faces: Faces, row: int) -> tuple[bool, float]:
    quality: Quality | None = faces.quality[row] if faces.quality else None
    if quality is None:
        return True, float(faces.scores[row])
    return quality.usable, min(quality.size, 160.0) * min(quality.sharpness, 300.0) * float(
        np.cos(np.radians(quality.yaw))
    )
