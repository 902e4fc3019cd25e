"""Figures of classifiers."""

import math

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.evaluation.classification import judge, wilson


def test_figures_follow_from_the_confusion():
    """Counts, precision, recall and both accuracies are as by hand; the surest mistake comes first."""
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.95, 0.05], [0.1, 0.9]])
    found = judge(probabilities, np.array([0, 1, 1, 1, 1, 0]), ("cat", "dog"))
    assert found.confusion.tolist() == [[1, 1], [2, 2]]
    cat, dog = found.classes
    assert (cat.precision, cat.recall, dog.precision, dog.recall) == pytest.approx((1 / 3, 1 / 2, 2 / 3, 1 / 2))
    assert found.accuracy == found.balanced_accuracy == pytest.approx(0.5)
    assert found.mistakes == (4, 5, 1)


def test_balanced_accuracy_counts_classes_alike():
    """Answering always the larger class is right nine times in ten and worth one half."""
    found = judge(np.array([[0.9, 0.1]] * 10), np.array([0] * 9 + [1]), ("a", "b"))
    assert (found.accuracy, found.balanced_accuracy) == pytest.approx((0.9, 0.5))
    assert math.isnan(found.classes[1].precision)
    assert found.to_dict()["classes"][1]["precision"] is None


def test_shapes_that_do_not_fit_are_refused():
    """Three classes of probabilities for two names say so."""
    with pytest.raises(InputError, match=r"2 classes .* got \(1, 3\)"):
        judge(np.ones((1, 3)), np.array([0]), ("a", "b"))


def test_wilson_is_as_tabulated():
    """80 of 100: 0.711 to 0.867."""
    assert wilson(0.8, 100) == pytest.approx((0.711, 0.867), abs=0.001)
