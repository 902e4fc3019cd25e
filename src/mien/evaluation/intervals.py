"""How sure a share of people's pictures is: people drawn, not pictures, and never narrower than independent trials would be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.classification import wilson
from mien.evaluation.verification import identity_interval

__all__ = ["person_interval"]


def person_interval(outcome: NDArray[np.bool_], who: NDArray[np.intp]) -> tuple[float, float]:
    """95 % interval of a share: bootstrap over people, widened to Wilson's where that is wider.

    A bootstrap has no width where every outcome is the same, which a small sample easily has.

    Args:
        outcome: ``(n,)`` bool.
        who: ``(n,)`` the person each belongs to.
    """
    low, high = wilson(float(outcome.mean()) if len(outcome) else 0.0, len(outcome))
    if not len(outcome):
        return 0.0, 1.0
    first, last = identity_interval(outcome, who, who)
    return min(first, low), max(last, high)
