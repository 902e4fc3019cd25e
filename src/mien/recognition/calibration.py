"""How many strangers may be named, and the threshold that follows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mien.core.errors import SettingError
from mien.core.people import Calibration

__all__ = ["Threshold", "derive_margin", "derive_threshold"]

MARGIN_SHARE = 1 / 6
"""The margin as a share of the way from what a stranger in ten reaches to the threshold: 0.05 for FaceNet, 0.01 for dlib."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A similarity that must be reached, and where it comes from.

    Args:
        similarity: the cosine.
        strangers: at most one stranger in so many is named; None if the threshold was given by hand.
        templates: the gallery size it holds for.
        far: the false accept rate of one comparison that keeps the promise; None if given by hand.
        supported: whether the impostor sample is large enough for that rate.
        genuine_lost: share of genuine comparisons below the threshold, 0 to 1; None without a calibration.
        calibration: what it was derived from; None if given by hand.
    """

    similarity: float
    strangers: int | None
    templates: int
    far: float | None
    supported: bool
    genuine_lost: float | None
    calibration: Calibration | None

    @property
    def caveat(self) -> str:
        """What does not hold, in one sentence; empty if all does."""
        if self.supported or self.far is None or self.calibration is None:
            return ""
        return (
            f"one stranger in {self.strangers} with {self.templates} templates needs a false accept rate of {self.far:.1e}, "
            f"but the impostor sample ({self.calibration.comparisons:,} comparisons) supports {self.calibration.smallest_far:.1e}: "
            f"the threshold {self.similarity:.3f} is extended beyond what was measured"
        )


def derive_margin(calibration: Calibration, similarity: float) -> float:
    """The least lead over the runner-up for a threshold of ``similarity``, in the scale of the calibration's space.

    Cosines of one space spread over a tenth of the range of another's (strangers around 0.03 ± 0.13 for FaceNet, around
    0.83 ± 0.035 for dlib's network), so that a margin in cosines does not carry over; a share of the spread does.
    """
    return max(0.0, MARGIN_SHARE * (similarity - calibration.similarity_at(0.1)))


def derive_threshold(calibration: Calibration, *, strangers: int, templates: int) -> Threshold:
    """The threshold at which at most one stranger in ``strangers`` is named by a gallery of ``templates`` templates.

    A stranger is compared with every template and named if one of them is too near. With a false accept rate f of one
    comparison, and comparisons taken as independent, that happens with probability 1 - (1 - f)^templates, which must be
    at most 1 / strangers. Comparisons with several templates of one person are not independent, so the promise is kept
    with room to spare.

    Raises:
        SettingError: if ``strangers`` is below 2.
    """
    if strangers < 2:
        raise SettingError(
            f"strangers is {strangers}: at most one stranger in N is named, N must be 2 or more (--strangers 100)"
        )
    far = -math.expm1(math.log1p(-1.0 / strangers) / max(templates, 1))
    similarity = calibration.similarity_at(far)
    return Threshold(
        similarity=similarity,
        strangers=strangers,
        templates=templates,
        far=far,
        supported=far >= calibration.smallest_far,
        genuine_lost=calibration.genuine_lost(similarity),
        calibration=calibration,
    )
