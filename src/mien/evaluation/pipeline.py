"""Whole pipelines judged from the picture on: detector and embedder are handed in, figures come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces, Picture
from mien.core.protocols import Detector, Embedder
from mien.datasets.annotations import MarkedPicture
from mien.datasets.pairs import Pairs
from mien.evaluation.detection import DetectionCurve, Truth, detection_curve
from mien.evaluation.verification import (
    Failed,
    FoldAccuracy,
    ImpostorTail,
    RocCurve,
    fold_accuracy,
    identity_interval,
    impostor_tail,
    pair_similarity,
    roc_curve,
)

__all__ = [
    "Verification",
    "VerificationOptions",
    "detect_all",
    "detection_curves",
    "embed_located",
    "evaluate_verification",
    "locate_faces",
    "nearest_centre",
    "verify",
]

Read = Callable[[Path], Picture]

_BATCH = 32


@dataclass(frozen=True, slots=True)
class VerificationOptions:
    """How verification is judged.

    Args:
        failed: what the pairs of a picture without a face count as; see ``verification``.
        far: false accept rates to give the true accept rate at, if the pictures support them.
        draws: of the bootstrap over people.
    """

    failed: Failed = "wrong"
    far: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)
    draws: int = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What verification gave.

    Args:
        folds: accuracy of each fold at the others' threshold.
        interval: 95 % bootstrap interval of the accuracy, over people.
        roc: over the pairs of the list.
        tail: the most alike pictures of different people, of all there are.
        tar: true accept rate of the list's same-person pairs at each false accept rate that ``tail`` supports.
        tar_interval: their 95 % bootstrap intervals, over people, at the same thresholds.
        missed: pictures without a face.
    """

    folds: FoldAccuracy
    interval: tuple[float, float]
    roc: RocCurve
    tail: ImpostorTail
    tar: Mapping[float, float]
    tar_interval: Mapping[float, tuple[float, float]]
    missed: int

    def figures(self) -> dict[str, Any]:
        """For a record; plain numbers."""
        return {
            "accuracy": self.folds.mean,
            "standard_error": self.folds.standard_error,
            "accuracy_95": list(self.interval),
            "per_fold": self.folds.accuracies.tolist(),
            "thresholds": self.folds.thresholds.tolist(),
            "auc": self.roc.auc,
            "tar": {f"{far:g}": value for far, value in self.tar.items()},
            "tar_95": {f"{far:g}": list(ends) for far, ends in self.tar_interval.items()},
            "cosine_at_far": {f"{far:g}": self.tail.threshold_at(far) for far in self.tar},
            "impostor_comparisons": self.tail.comparisons,
            "missed_pictures": self.missed,
        }


def evaluate_verification(
    detector: Detector,
    embedder: Embedder,
    pairs: Pairs,
    *,
    read: Read,
    options: VerificationOptions = VerificationOptions(),
) -> Verification:
    """Find the face in every picture of ``pairs``, embed it, and judge the pairs.

    In a picture with several faces the one nearest the centre is taken, as LFW's pictures are made.

    Args:
        detector: finds the faces.
        embedder: turns them into vectors.
        pairs: which pictures to compare.
        read: a picture from its path.
        options: how to judge.
    """
    located = locate_faces(detector, pairs.pictures, read=read)
    return verify(embed_located(embedder, pairs.pictures, located, read=read), pairs, options=options)


def verify(
    embeddings: NDArray[np.float32], pairs: Pairs, *, options: VerificationOptions = VerificationOptions()
) -> Verification:
    """Judge the pairs by the embeddings ``(p, d)`` of their pictures; zeros where no face was found."""
    similarity = pair_similarity(embeddings, pairs.left, pairs.right)
    folds = fold_accuracy(similarity, pairs.same, pairs.fold, failed=options.failed)
    left, right = pairs.people[pairs.left], pairs.people[pairs.right]
    tail = impostor_tail(embeddings, pairs.people, share=min(1.0, 1.01 * max(options.far)))
    supported = [far for far in options.far if far * tail.comparisons >= 10]
    genuine, who = similarity[pairs.same], left[pairs.same]
    accepted = {far: genuine > tail.threshold_at(far) for far in supported}
    return Verification(
        folds=folds,
        interval=identity_interval(folds.correct, left, right, draws=options.draws),
        roc=roc_curve(similarity, pairs.same),
        tail=tail,
        tar={far: float(hit.mean()) for far, hit in accepted.items()},
        tar_interval={far: identity_interval(hit, who, who, draws=options.draws) for far, hit in accepted.items()},
        missed=int((~embeddings.any(axis=1)).sum()),
    )


def nearest_centre(faces: Faces, width: int, height: int) -> Faces:
    """The one face whose box's centre is nearest that of the picture; empty if there is none."""
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    distance = np.linalg.norm(centres - np.array([width, height], np.float32) / 2, axis=1)
    return faces[np.argsort(distance, kind="stable")[:1]]


def locate_faces(detector: Detector, pictures: Iterable[Path], *, read: Read) -> list[Faces]:
    """For each picture the face nearest its centre, as a table of one row or none."""
    located = []
    for path in pictures:
        picture = read(path)
        located.append(nearest_centre(detector.detect(picture.pixels), *picture.size))
    return located


def embed_located(
    embedder: Embedder, pictures: Sequence[Path], located: Sequence[Faces], *, read: Read
) -> NDArray[np.float32]:
    """Embeddings ``(p, d)`` float32 of one face per picture, in batches of 32; zeros where there is none."""
    embeddings = np.zeros((len(pictures), embedder.space.dimensions), np.float32)
    found = [i for i, faces in enumerate(located) if len(faces)]
    for start in range(0, len(found), _BATCH):
        rows = found[start : start + _BATCH]
        chips = [embedder.crop(read(pictures[i]).pixels, located[i]) for i in rows]
        embeddings[rows] = embedder.embed_chips(np.concatenate(chips))
    return embeddings


def detect_all(detector: Detector, marked: Iterable[MarkedPicture], *, read: Read) -> list[Faces]:
    """The faces of each picture, in pixels of the original however it was decoded."""
    found = []
    for mark in marked:
        picture = read(mark.path)
        found.append(detector.detect(picture.pixels).scaled(1 / picture.scale))
    return found


def detection_curves(
    found: Sequence[Faces], marked: Sequence[MarkedPicture], *, iou: float = 0.5
) -> dict[str, DetectionCurve]:
    """Precision over recall for each level that the pictures are marked with (easy, medium, hard)."""
    levels = marked[0].counted if marked else ()
    return {
        level: detection_curve(found, [Truth(m.boxes, m.counted[level]) for m in marked], iou=iou) for level in levels
    }
