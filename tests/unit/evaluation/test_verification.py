"""Folds, curves, rates and intervals of verification."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError
from mien.core.vectors import unit
from mien.evaluation.verification import (
    best_threshold,
    fold_accuracy,
    identity_interval,
    impostor_tail,
    pair_similarity,
    roc_curve,
)


def cosines(*values):
    return np.array(values, np.float32)


def flags(*values):
    return np.array(values, bool)


def rows(*values):
    return np.array(values, np.intp)


class TestPairSimilarity:
    def test_is_the_cosine(self):
        """A pair's similarity must be the cosine of its two vectors."""
        vectors = unit(np.array([[1, 0], [1, 1], [0, 1]], np.float32))
        found = pair_similarity(vectors, rows(0, 0, 1), rows(1, 2, 1))
        assert found == pytest.approx([np.sqrt(0.5), 0, 1], abs=1e-6)

    def test_missed_face_is_minus_one(self):
        """A pair with a vector of zeros on either side must have the similarity -1."""
        vectors = np.array([[1, 0], [0, 0]], np.float32)
        assert pair_similarity(vectors, rows(0, 1), rows(1, 1)).tolist() == [-1, -1]


class TestThreshold:
    def test_lies_halfway_between_the_kinds(self):
        """With a gap between different and same pairs the cut must be its middle."""
        assert best_threshold(cosines(0.1, 0.2, 0.6, 0.8), flags(0, 0, 1, 1)) == pytest.approx(0.4)

    def test_accepts_all_where_that_is_best(self):
        """Same pairs only below different ones: the cut must lie outside, not between equal values."""
        assert best_threshold(cosines(0.5, 0.5, 0.5), flags(1, 1, 0)) < 0.5

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=1, max_size=30))
    def test_no_cut_decides_more_pairs_rightly(self, pairs):
        """No other threshold must beat the one found."""
        similarity = cosines(*(s / 10 for s, _ in pairs))
        same = flags(*(k for _, k in pairs))
        found = ((similarity >= best_threshold(similarity, same)) == same).sum()
        assert found == max(((similarity >= t) == same).sum() for t in np.arange(-1.05, 1.1, 0.1))


class TestFolds:
    ODD_FOLD = (cosines(0.7, 0.3, 0.7, 0.3, 0.7, 0.3, 0.9, 0.8), flags(*[1, 0] * 4), rows(0, 0, 1, 1, 2, 2, 3, 3))

    def test_threshold_comes_from_the_other_folds(self):
        """A fold whose own best cut differs must be judged by that of the others: here 1 of 2 pairs right."""
        result = fold_accuracy(*self.ODD_FOLD)
        assert result.thresholds.tolist() == pytest.approx([0.5] * 4)
        assert result.accuracies.tolist() == [1, 1, 1, 0.5]
        assert result.correct.tolist() == [True] * 7 + [False]

    def test_mean_and_standard_error_by_hand(self):
        """Fold accuracies of 1, 1, 1 and 1/2 must give 7/8 ± 1/8."""
        result = fold_accuracy(*self.ODD_FOLD)
        assert (result.mean, result.standard_error) == pytest.approx((0.875, 0.125))

    def test_missed_face_is_wrong_for_either_kind(self):
        """Under "wrong" a pair with a missed face must count as wrong, same or different."""
        similarity = cosines(0.9, 0.1, -1, -1, 0.9, 0.1, 0.9, 0.1)
        result = fold_accuracy(similarity, flags(1, 0, 1, 0, 1, 0, 1, 0), rows(0, 0, 0, 0, 1, 1, 1, 1))
        assert result.accuracies.tolist() == [0.5, 1]

    def test_missed_face_is_different(self):
        """Under "different" a pair of two people with a missed face must count as right."""
        similarity = cosines(0.9, 0.1, -1, -1, 0.9, 0.1, 0.9, 0.1)
        same, fold = flags(1, 0, 1, 0, 1, 0, 1, 0), rows(0, 0, 0, 0, 1, 1, 1, 1)
        assert fold_accuracy(similarity, same, fold, failed="different").accuracies.tolist() == [0.75, 1]

    def test_one_fold_is_refused(self):
        """A threshold must not be chosen on the pairs it is used on."""
        with pytest.raises(InputError, match="two folds or more, got 1"):
            fold_accuracy(cosines(0.9, 0.1), flags(1, 0), rows(0, 0))

    def test_folds_of_one_kind_are_refused(self):
        """Without pairs of both kinds in the other folds there is no threshold."""
        with pytest.raises(InputError, match="one kind only"):
            fold_accuracy(cosines(0.9, 0.1), flags(1, 0), rows(0, 1))


class TestRoc:
    def test_area_by_hand(self):
        """Three of four (same, different) combinations in the right order must give an area of 3/4."""
        assert roc_curve(cosines(0.9, 0.4, 0.5, 0.1), flags(1, 1, 0, 0)).auc == pytest.approx(0.75)

    def test_ties_count_half(self):
        """Equal similarities of both kinds must give 1/2."""
        assert roc_curve(cosines(0.5, 0.5), flags(1, 0)).auc == pytest.approx(0.5)

    def test_missed_impostors_take_no_part(self):
        """A missed face must cost a same pair and win nothing with a different one."""
        with_missed = roc_curve(cosines(0.9, -1, 0.1, -1), flags(1, 1, 0, 0))
        assert with_missed.auc == pytest.approx(0.5)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.integers(-5, 9), st.booleans()), min_size=2, max_size=25))
    def test_area_is_the_share_of_ordered_combinations(self, pairs):
        """The area must be the share of (same, different) combinations in order, ties half."""
        similarity, same = cosines(*(s / 10 for s, _ in pairs)), flags(*(k for _, k in pairs))
        if same.all() or not same.any():
            with pytest.raises(InputError, match="one kind only"):
                roc_curve(similarity, same)
            return
        difference = similarity[same][:, None] - similarity[~same][None, :]
        assert roc_curve(similarity, same).auc == pytest.approx(((difference > 0) + 0.5 * (difference == 0)).mean())


class TestImpostorTail:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(2, 60), st.integers(1, 6), st.integers(0, 1000), st.sampled_from([3, 16, 1024]))
    def test_equal_to_all_pairs_sorted(self, pictures, people, seed, block):
        """Whatever the block size, the tail must be the highest of all pairs of different people, each pair once."""
        random = np.random.default_rng(seed)
        vectors = unit(random.normal(size=(pictures, 4)).astype(np.float32))
        who = random.integers(0, people, pictures)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mien.evaluation.verification._BLOCK", block)
            tail = impostor_tail(vectors, who, share=0.3)
        first, second = np.triu_indices(pictures, 1)
        different = who[first] != who[second]
        everything = np.sort((vectors @ vectors.T)[first, second][different])[::-1]
        assert tail.comparisons == len(everything)
        np.testing.assert_allclose(tail.similarity, everything[: len(tail.similarity)], atol=1e-6)
        assert len(tail.similarity) == min(len(everything), int(0.3 * len(everything)) + 1)

    def test_missed_faces_take_no_part(self):
        """Pictures without a face must not be compared."""
        vectors = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
        assert impostor_tail(vectors, rows(0, 1, 2)).comparisons == 1

    def test_rate_is_kept(self):
        """At FAR 0.1 at most a tenth of the impostors must be accepted, and one more would be too many."""
        vectors = unit(np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32))
        tail = impostor_tail(vectors, np.arange(40), share=0.2)
        impostors = (vectors @ vectors.T)[np.triu_indices(40, 1)]
        accepted = (impostors > tail.threshold_at(0.1)).sum()
        assert accepted == int(0.1 * len(impostors)) == 78

    def test_true_accepts_by_hand(self):
        """Two of three genuine pairs above the threshold must give 2/3."""
        vectors = unit(np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32))
        tail = impostor_tail(vectors, np.arange(40))
        at = tail.threshold_at(0.05)
        assert tail.tar_at(0.05, cosines(at + 0.01, at - 0.01, 1)) == pytest.approx(2 / 3)

    def test_too_small_a_rate_is_refused(self):
        """A FAR with fewer than ten expected events must be refused, saying how many comparisons it needs."""
        vectors = unit(np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32))
        with pytest.raises(InputError, match=r"FAR 0.01 needs 1,000 comparisons of different people, got 780"):
            impostor_tail(vectors, np.arange(40)).threshold_at(0.01)

    def test_rate_outside_the_tail_is_refused(self):
        """A FAR larger than the share kept must be refused."""
        vectors = unit(np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32))
        with pytest.raises(InputError, match="keep a larger share"):
            impostor_tail(vectors, np.arange(40), share=0.1).threshold_at(0.5)


class TestInterval:
    def test_certain_outcome_has_no_width(self):
        """If every pair has the same outcome the interval must be that value."""
        left, right = rows(0, 1, 2, 0), rows(0, 1, 2, 1)
        assert identity_interval(flags(1, 1, 1, 1), left, right) == (1, 1)

    def test_shrinks_with_the_number_of_people(self):
        """Nine times as many people must give about a third of the width."""

        def width(people):
            who = np.arange(people)
            low, high = identity_interval(who % 2 == 0, who, who)
            return high - low

        assert width(900) == pytest.approx(width(100) / 3, rel=0.2)

    def test_is_that_of_the_binomial_for_independent_pairs(self):
        """With one pair per person the interval must be the plain bootstrap's: ± 1.96 · sqrt(p (1 - p) / n)."""
        who = np.arange(400)
        low, high = identity_interval(who % 4 > 0, who, who, draws=2000)
        assert (low + high) / 2 == pytest.approx(0.75, abs=0.01)
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.1)

    def test_pairs_of_one_person_move_together(self):
        """A hundred pairs of each of ten people must not look like a thousand independent ones."""
        who = np.repeat(np.arange(10), 100)
        low, high = identity_interval(who % 2 == 0, who, who)
        assert high - low > 0.4

    def test_is_repeatable(self):
        """Two calls must give the same ends."""
        who = np.arange(50)
        assert identity_interval(who > 9, who, who) == identity_interval(who > 9, who, who)
