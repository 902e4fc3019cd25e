"""From pictures to what is judged: one face and its vector per picture, or all faces, kept in a journal as they come."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces, Picture
from mien.core.protocols import Detector, Embedder
from mien.evaluation.journal import Journal
from mien.evaluation.pipeline import nearest_centre

__all__ = ["faces_in", "gather_faces", "gather_vectors", "vectors_in"]

BATCH = 32


def gather_vectors(
    detector: Detector, embedder: Embedder, pictures: Iterable[tuple[str, Picture]], journal: Journal
) -> None:
    """For each picture the face nearest its centre (LFW's pictures are made so) and its vector, 32 faces at a time.

    Args:
        detector: finds the faces.
        embedder: turns them into vectors.
        pictures: name and picture; when they end early, what was read is kept all the same.
        journal: where each goes: ``box``, ``score``, ``landmarks``, ``size`` and ``vector``; no box where no face was found.
    """
    waiting: list[tuple[str, dict[str, Any], NDArray[np.uint8]]] = []
    for name, picture in pictures:
        faces = nearest_centre(detector.at_scale(picture.scale).detect(picture.pixels), *picture.size)
        row = {"size": list(picture.original_size), "found": 0}
        if not len(faces):
            journal.put(name, row)
            continue
        chip = embedder.crop(picture.pixels, faces)
        waiting.append((name, row | _row(faces.scaled(1 / picture.scale)), chip))
        if len(waiting) == BATCH:
            _embed(embedder, waiting, journal)
            waiting = []
    _embed(embedder, waiting, journal)


def vectors_in(journal: Journal, names: Sequence[str], dimensions: int) -> NDArray[np.float32]:
    """The vectors ``(n, d)`` float32 of these pictures; zeros where there was no face."""
    vectors = np.zeros((len(names), dimensions), np.float32)
    for i, name in enumerate(names):
        text = journal.rows[name].get("vector")
        if text is not None:
            vectors[i] = np.frombuffer(base64.b64decode(text), "<f4")
    return vectors


def gather_faces(
    detector: Detector,
    pictures: Iterable[tuple[str, Picture]],
    journal: Journal,
    *,
    also: Callable[[str, Picture, Faces], Mapping[str, Any]] | None = None,
) -> None:
    """All faces of each picture, in pixels of the original, and the milliseconds it took to find them.

    Args:
        detector: finds them.
        pictures: name and picture; when they end early, what was searched is kept all the same.
        journal: where each goes: ``box``, ``score`` and ``landmarks`` of all faces, ``size`` and ``ms``.
        also: what else to keep of a picture, given its name, the picture and the faces in pixels of the original.
    """
    for name, picture in pictures:
        started = time.perf_counter()
        faces = detector.at_scale(picture.scale).detect(picture.pixels)
        row = {"size": list(picture.original_size), "ms": (time.perf_counter() - started) * 1000}
        faces = faces.scaled(1 / picture.scale)
        journal.put(name, {**row, **_row(faces), **(also(name, picture, faces) if also else {})})


def faces_in(journal: Journal, names: Sequence[str]) -> list[Faces]:
    """The faces of these pictures, one table each."""
    return [_faces(journal.rows[name]) for name in names]


def _embed(
    embedder: Embedder, waiting: Sequence[tuple[str, dict[str, Any], NDArray[np.uint8]]], journal: Journal
) -> None:
    if not waiting:
        return
    vectors = embedder.embed_chips(np.concatenate([chip for _, _, chip in waiting]))
    for (name, row, _), vector in zip(waiting, vectors, strict=True):
        text = base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode("ascii")
        journal.put(name, {**row, "vector": text})


def _row(faces: Faces) -> dict[str, Any]:
    landmarks = None if faces.landmarks is None else np.round(faces.landmarks.astype(float), 2).tolist()
    return {
        "found": len(faces),
        "box": faces.boxes.astype(float).tolist(),
        "score": faces.scores.astype(float).tolist(),
        "landmarks": landmarks,
    }


def _faces(row: dict[str, Any]) -> Faces:
    if not row["found"]:
        return Faces.empty()
    landmarks = None if row["landmarks"] is None else np.array(row["landmarks"], np.float32)
    return Faces(np.array(row["box"], np.float32), np.array(row["score"], np.float32), landmarks)
