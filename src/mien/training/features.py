"""Features of pictures, computed once: a frozen backbone gives the same numbers in every epoch and every run."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.media.images import write_whole

__all__ = ["FeatureCache"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_CHUNK = 32
"""Pictures that are computed and stored together: an interrupted run has lost so many at most."""


class FeatureCache:
    """Features on disk, found by the very pixels and the backbone they were computed with.

    Args:
        folder: made if need be; may be removed at any time.
        digest: of the backbone: another one, other features.
        compute: chips ``(n, size, size, 3)`` uint8 RGB -> ``(n, d)`` float32.
    """

    def __init__(self, folder: Path, digest: str, compute: Callable[[Pixels], Floats]) -> None:
        self._folder = folder
        self._digest = digest
        self._compute = compute

    def of(self, chips: Pixels) -> Generator[tuple[int, int], None, Floats]:
        """Features ``(n, d)`` of chips; yields how many are done, of how many."""
        parts = []
        for begin in range(0, len(chips), _CHUNK):
            parts.append(self._chunk(chips[begin : begin + _CHUNK]))
            yield min(begin + _CHUNK, len(chips)), len(chips)
        return np.concatenate(parts)

    def _chunk(self, chips: Pixels) -> Floats:
        key = hashlib.sha256(f"{self._digest} {chips.shape}".encode() + chips.tobytes()).hexdigest()
        file = self._folder / f"{key[:40]}.npy"
        try:
            return np.asarray(np.load(file, allow_pickle=False), np.float32)
        except (OSError, ValueError, EOFError):  # not there yet, or cut short by a full disk: computed anew
            found = self._compute(chips)
        self._folder.mkdir(parents=True, exist_ok=True)
        data = io.BytesIO()
        np.save(data, found)
        write_whole(file, data.getvalue())
        return found
