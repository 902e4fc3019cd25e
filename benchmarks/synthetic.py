"""People who do not exist, as alike to each other as the people of a measured sample."""

import numpy as np
from numpy.typing import NDArray

from mien.core.people import Calibration
from mien.core.vectors import unit
from mien.evaluation.verification import impostor_tail

FAR = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 3e-6)
TAIL = slice(3, None)
"""Of ``FAR``: the rates that thresholds of galleries from a hundred people on rest on."""
SHARES = tuple(round(0.58 + 0.01 * i, 2) for i in range(15))


def unknown_people(
    sample: NDArray[np.float32], count: int, random: np.random.Generator, *, share: float
) -> NDArray[np.float32]:
    """Vectors of ``count`` people who do not exist, ``(count, d)`` float32 of unit length.

    Each is the sample's mean and the differences of three of its vectors, drawn at random, from it. The squares of what
    each of the three gives make one, so that mean and covariance are those of the sample; two people who share one of
    the three are the tail.

    Args:
        sample: ``(n, d)`` unit vectors of real people.
        count: how many.
        random: draws the three.
        share: what the first gives; the others give the same.
    """
    centre = sample.mean(axis=0)
    rest = float(np.sqrt((1 - share**2) / 2))
    drawn = (part * (sample[random.integers(0, len(sample), count)] - centre) for part in (share, rest, rest))
    return unit(centre + sum(drawn))


def reached(vectors: NDArray[np.float32]) -> list[float]:
    """The cosine that a share of comparisons between different people reaches, for each of ``FAR``."""
    tail = impostor_tail(vectors, np.arange(len(vectors)), share=1.01 * FAR[0])
    return [tail.threshold_at(far) for far in FAR]


def fitted_share(sample: NDArray[np.float32], measured: Calibration, *, count: int, rounds: int = 3) -> float:
    """The share whose tail, mean over some draws, differs least from what was measured (root mean square over ``TAIL``)."""
    wanted = np.array([measured.similarity_at(far) for far in FAR])[TAIL]

    def apart(share: float) -> float:
        draws = [unknown_people(sample, count, np.random.default_rng(seed), share=share) for seed in range(rounds)]
        return float(np.square(np.mean([reached(made)[TAIL] for made in draws], axis=0) - wanted).mean())

    return min(SHARES, key=apart)
