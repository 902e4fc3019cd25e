"""The user's own calibration: their gallery against strangers."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.people import Calibration, EmbeddingSpace
from mien.core.vectors import unit
from mien.evaluation.calibration import calibrate_gallery

SPACE = EmbeddingSpace("fake", 8, "00", "box", "none")
ABOUT = (SPACE, "made up", "2026-01-01")


def vectors(n, seed):
    return unit(np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32))


def test_the_curve_is_that_of_all_impostor_comparisons():
    """Every template meets every stranger and every template of others; the rate's cosine is the sample's own quantile."""
    templates, strangers = vectors(6, 0), vectors(2000, 1)
    owners = np.array([0, 0, 1, 1, 2, 2])
    made = calibrate_gallery(templates, owners, strangers, known=None, about=ABOUT)
    own = [templates[i] @ templates[j] for i in range(6) for j in range(i) if owners[i] != owners[j]]
    every = np.sort(np.concatenate([(templates @ strangers.T).ravel(), own]))[::-1]
    assert made.comparisons == len(every) == 12_012
    assert made.similarity_at(1e-2) == pytest.approx(every[120], abs=1e-4)
    assert min(made.far) == 1e-3
    assert made.genuine_lost(1.0) > 0.9


def test_without_two_templates_of_anybody_the_known_pairs_are_taken():
    """Genuine similarities come from the catalog then, and the protocol says so; without one it is an error."""
    known = Calibration(SPACE.id, (0.1,), (0.2,), (0.3, 0.9), (0.0, 1.0), 1000, "LFW", "x", "2026-01-01")
    made = calibrate_gallery(vectors(2, 0), np.array([0, 1]), vectors(500, 1), known=known, about=ABOUT)
    assert made.genuine == (0.3, 0.9)
    assert "of LFW, since nobody here has two templates" in made.protocol
    with pytest.raises(InputError, match="enrol a second photograph"):
        calibrate_gallery(vectors(2, 0), np.array([0, 1]), vectors(500, 1), known=None, about=ABOUT)


def test_too_few_comparisons_are_refused():
    """Ninety-nine comparisons cannot say what one in ten of them reaches."""
    with pytest.raises(InputError, match="100 are needed"):
        calibrate_gallery(vectors(1, 0), np.array([0]), vectors(99, 1), known=None, about=ABOUT)
