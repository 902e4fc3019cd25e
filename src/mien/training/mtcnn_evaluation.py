"""How good a trained cascade is: searched as it will search, judged by overlap with what people marked."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.core.errors import MienError
from mien.core.faces import Faces
from mien.core.protocols import Network
from mien.datasets.annotations import MarkedPicture
from mien.detectors.mtcnn.detector import MtcnnDetector
from mien.detectors.mtcnn.options import MtcnnOptions
from mien.evaluation.detection import DetectionCurve, Truth, detection_curve
from mien.training.marked import Read
from mien.training.samples import sides
from mien.zoo.runtime import Workers

__all__ = ["FALSE_PER_PICTURE", "Judged", "choose_networks", "judge_cascade", "recall_at"]

FALSE_PER_PICTURE = (0.1, 1.0)
"""False finds per picture at which recall is told."""
_FLOOR = 0.1
"""O-Net's threshold while judging, so that the curve goes on below the usual 0.7."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What judging came to.

    Args:
        curve: precision over recall at IoU 0.5.
        pictures: how many were searched.
    """

    curve: DetectionCurve
    pictures: int

    @property
    def figures(self) -> dict[str, float]:
        """Average precision, and recall at each number of false finds per picture."""
        recalls = {
            f"recall at {rate:g} false per picture": recall_at(self.curve, rate * self.pictures)
            for rate in FALSE_PER_PICTURE
        }
        return {"AP": self.curve.average_precision, **recalls}


def judge_cascade(
    marked: Sequence[MarkedPicture], read: Read, networks: Mapping[str, Network], searching: tuple[float, Workers]
) -> Generator[tuple[int, int], None, Judged]:
    """Search whole photographs; faces of the smallest size searched for are counted, smaller ones ignored.

    Args:
        marked: the photographs; one that cannot be read takes no part.
        read: opens one.
        networks: ``"pnet"``, ``"rnet"``, ``"onet"``, converted.
        searching: the smallest face, pixels, and threads.
    """
    smallest, workers = searching
    options = MtcnnOptions(min_face=smallest, thresholds=(0.6, 0.7, _FLOOR))
    detector = MtcnnDetector(networks["pnet"], networks["rnet"], networks["onet"], options, workers)
    found: list[Faces] = []
    truth: list[Truth] = []
    for number, picture in enumerate(marked):
        yield number, len(marked)
        try:
            image = read(picture.path)
        except MienError:  # said when boxes were checked
            continue
        found.append(detector.detect(image))
        truth.append(Truth(picture.boxes, picture.usable & (sides(picture.boxes) >= smallest)))
    yield len(marked), len(marked)
    return Judged(detection_curve(found, truth), len(found))


def choose_networks(
    marked: Sequence[MarkedPicture],
    read: Read,
    networks: tuple[Mapping[str, Network], Mapping[str, Network]],
    searching: tuple[float, Workers],
) -> Generator[tuple[int, int], None, tuple[str, ...]]:
    """Which of the networks that were trained on are worth keeping: those with which the cascade finds no worse.

    One after the other each takes the place of its predecessor, and stays where the average precision is as high or higher.

    Args:
        marked: photographs that none of them learnt from, see ``judge_cascade``.
        read: opens one.
        networks: those that training began from, and those it came to.
        searching: see ``judge_cascade``.

    Returns:
        The names of those kept, ``()`` if training only did harm.
    """
    chosen, trained = dict(networks[0]), networks[1]
    best, kept = -1.0, []
    for turn, stage in enumerate((None, *trained)):
        tried = chosen if stage is None else {**chosen, stage: trained[stage]}
        judging = judge_cascade(marked, read, tried, searching)
        judged = yield from _counted(judging, turn, len(trained) + 1)
        found = judged.curve.average_precision
        if found >= best:
            chosen, best = tried, found
            kept += [] if stage is None else [stage]
    return tuple(kept)


def _counted(
    judging: Generator[tuple[int, int], None, Judged], turn: int, turns: int
) -> Generator[tuple[int, int], None, Judged]:
    """One of several judgements, its steps counted as a part of all."""
    while True:
        try:
            number, total = next(judging)
        except StopIteration as end:
            judged: Judged = end.value
            return judged
        yield turn * total + number, turns * total


def recall_at(curve: DetectionCurve, false: float) -> float:
    """The greatest recall with at most ``false`` false finds over the whole set."""
    found = curve.recall * curve.faces
    wrong = np.divide(found, curve.precision, out=np.zeros_like(found), where=curve.precision > 0) - found
    allowed = curve.recall[wrong <= false + 1e-6]
    return float(allowed.max(initial=0.0))
