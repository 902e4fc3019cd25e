"""Errors of liveness in the standard's terms."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.evaluation.liveness import Share, equal_error, figures, wilson


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (1, 100, 0.0018, 0.0545)],
)
def test_wilsons_interval(count, of, low, high):
    """Known values; none of none is no interval of width zero."""
    assert wilson(count, of) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("count", "of"), [(0, 0), (3, 2), (-1, 5)])
def test_a_share_of_nothing_is_refused(count, of):
    """There is nothing to say about no trials."""
    with pytest.raises(InputError):
        wilson(count, of)


def test_the_worst_attack_counts():
    """One kind that passes is not averaged away by one that does not."""
    found = figures(np.array([0.9, 0.8, 0.2, 0.7]), {"print": np.zeros(98), "replay": np.array([0.6, 0.1])}, 0.5)
    assert (found.bpcer, found.apcer["replay"], found.worst) == (Share(1, 4), Share(1, 2), "replay")
    assert found.acer == pytest.approx((0.25 + 0.5) / 2)
    assert found.to_dict()["apcer"]["print"]["share"] == 0


def test_a_score_at_the_threshold_is_live():
    """As the check has it."""
    assert figures(np.array([0.5]), {"print": np.array([0.5])}, 0.5).bpcer.count == 0


def test_equal_error():
    """Apart: none, in the middle between them; overlapping: both as often."""
    assert equal_error(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == (pytest.approx(0.5), 0.0)
    assert equal_error(np.array([0.3, 0.6, 0.8, 0.9]), np.array([0.1, 0.2, 0.4, 0.7]))[1] == pytest.approx(0.25)


def test_one_kind_alone_is_refused():
    """Liveness is judged on both."""
    with pytest.raises(InputError):
        figures(np.array([1.0]), {}, 0.5)
    with pytest.raises(InputError):
        equal_error(np.array([1.0]), np.array([]))
