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

__all__ = ["FALSE_PER_PICTURE", "Judged", "judge_cascade", "recall_at"]

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


def recall_at(curve: DetectionCurve, false: float) -> float:
    """The greatest recall with at most ``false`` false finds over the whole set."""
    found = curve.recall * curve.faces
    wrong = np.divide(found, curve.precision, out=np.zeros_like(found), where=curve.precision > 0) - found
    allowed = curve.recall[wrong <= false + 1e-6]
    return float(allowed.max(initial=0.0))
