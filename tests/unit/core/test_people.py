"""Spaces and calibrations."""

import dataclasses

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.people import Calibration, EmbeddingSpace
from mien.core.vectors import check_unit, similarities, unit

CALIBRATION = Calibration(
    space_id="toy",
    far=(1e-1, 1e-2, 1e-3, 1e-4),
    similarity=(0.1, 0.2, 0.3, 0.4),
    genuine=(0.2, 0.4, 0.8),
    genuine_at=(0.0, 0.1, 1.0),
    comparisons=100_000,
    data="made up",
    protocol="none",
    date="2026-01-01",
)


@pytest.mark.parametrize("field", ["dimensions", "weights", "alignment", "preprocessing"])
def test_a_space_is_another_when_anything_that_moves_vectors_changes(field):
    """Weights, alignment, preprocessing and length make the id; equal ones give equal ids."""
    space = EmbeddingSpace("toy", 4, "aa", "box+32@160", "fixed")
    other = dataclasses.replace(space, **{field: 8 if field == "dimensions" else "else"})
    assert other.id != space.id
    assert dataclasses.replace(space).id == space.id
    assert space.id.startswith("toy-")


def test_a_calibration_gives_the_similarity_that_a_rate_asks_for():
    """Measured rates give their quantile, rates between are interpolated in log10, rarer ones extended in a line."""
    assert CALIBRATION.similarity_at(1e-2) == pytest.approx(0.2)
    assert CALIBRATION.similarity_at(10**-2.5) == pytest.approx(0.25)
    assert CALIBRATION.similarity_at(1e-6) == pytest.approx(0.6)
    assert CALIBRATION.similarity_at(1e-30) == 1.0
    assert CALIBRATION.smallest_far == pytest.approx(1e-4)


def test_a_calibration_tells_what_a_threshold_costs():
    """The share of genuine comparisons below the threshold is interpolated between the quantiles."""
    assert CALIBRATION.genuine_lost(0.3) == pytest.approx(0.05)
    assert CALIBRATION.genuine_lost(0.0) == 0
    assert CALIBRATION.genuine_lost(0.9) == 1


def test_unit_scales_rows_and_leaves_zero():
    """Rows become length one in float32; a row of zeros cannot and stays."""
    made = unit(np.array([[3, 4], [0, 0]], np.float64))
    assert made.dtype == np.float32
    assert made.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.ones((1, 3), np.float32), r"shape \(n, 2\), got \(1, 3\)"),
        (np.array([[np.nan, 1]], np.float32), "NaN"),
        (np.array([[3, 4]], np.float32), "unit length, got length 5"),
    ],
)
def test_vectors_that_are_no_embeddings_are_refused(vectors, words):
    """Wrong length, NaN and unnormalised vectors are named, never mended silently."""
    with pytest.raises(InputError, match=words):
        check_unit(vectors, 2)


def test_similarities_stay_in_float32():
    """A float64 query does not make numpy copy the gallery."""
    assert similarities(np.eye(2), np.eye(2, dtype=np.float32)).dtype == np.float32
