"""Errors per group, and of whom there is too little to tell."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.vectors import unit
from mien.datasets.drawn_pairs import DrawOptions, draw_pairs
from mien.evaluation.slices import needed, slice_errors, verification_slices
from tests.unit.evaluation.test_verification_report import people


def flags(wrong, trials):
    return np.arange(trials) < wrong


def test_a_target_needs_three_over_it():
    """One in a hundred needs 300 trials, as none wrong in fewer could not show it."""
    assert needed(0.01) == 300
    assert needed(0.003) == 1000
    with pytest.raises(InputError, match="above 0 and below 1"):
        needed(0)


def test_too_little_has_no_number():
    """Twelve trials against a target of 1 % are told as such, not as a rate."""
    (few,) = slice_errors(flags(0, 12), ["dark"] * 12, 0.01)
    assert few.words() == "not enough data (12; need about 300)"
    assert "rate" not in few.to_dict()
    assert few.verdict == "not enough data"


@pytest.mark.parametrize(("wrong", "verdict"), [(0, "meets"), (9, "meets"), (16, "unclear"), (40, "misses")])
def test_a_target_is_met_missed_or_neither(wrong, verdict):
    """Missed only if the whole interval lies above the target; above it within the interval is unclear."""
    (one,) = slice_errors(flags(wrong, 1000), ["a"] * 1000, 0.01)
    assert one.verdict == verdict


def test_groups_are_apart_and_those_without_a_label_left_out():
    """Each label has its own trials."""
    wrong = np.array([True, False, False, True])
    found = slice_errors(wrong, ["a", "b", "b", ""], 0.5)
    assert [(s.name, s.trials, s.errors) for s in found] == [("a", 1, 1), ("b", 2, 0)]


def test_one_threshold_fails_one_group():
    """People of one group look alike to the embedder: their false accepts show at the threshold that suits the other."""
    pairs = draw_pairs(people(20, 6), DrawOptions(folds=2, per_fold=60))
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, 32))
    centres[10:] = centres[10] + 0.3 * random.normal(size=(10, 32))
    vectors = unit((centres[pairs.people] + 0.2 * random.normal(size=(120, 32))).astype(np.float32))
    labels = ["one" if who < 10 else "other" for who in pairs.people]
    found = verification_slices(vectors, pairs, labels, threshold=0.7, targets=(0.05, 0.01))
    assert found["one"]["accepted"].verdict == "meets"
    assert found["other"]["accepted"].verdict == "misses"
    assert found["one"]["accepted"].trials == 60 * 54 // 2
    total = found["one"]["missed"].trials + found["other"]["missed"].trials
    assert total == int(pairs.same.sum())


def test_a_lost_face_is_a_false_reject():
    """A picture without a face rejects its pairs, in its own group."""
    pairs = draw_pairs(people(6, 4), DrawOptions(folds=2, per_fold=10))
    vectors = unit(np.random.default_rng(0).normal(size=(6, 32)).astype(np.float32))[pairs.people]
    vectors[pairs.people == 0] = 0
    labels = ["lost" if who == 0 else "found" for who in pairs.people]
    found = verification_slices(vectors, pairs, labels, threshold=0.5, targets=(0.9, 0.9))
    assert found["lost"]["missed"].errors == found["lost"]["missed"].trials > 0
    assert found["found"]["missed"].errors == 0
    assert found["lost"]["accepted"].trials == 0
