"""Groups held against people."""

import pytest

from mien.core.errors import InputError
from mien.evaluation.clustering import judge_clusters


def test_the_example_of_the_paper():
    """By hand: people aaab, groups 1 1 2 2. BCubed precision (1 + 1 + ½ + ½) / 4, recall (⅔ + ⅔ + ⅓ + 1) / 4; pairs 1/2, 1/3."""
    found = judge_clusters(list("aaab"), list("1122"))
    assert found.bcubed.precision == pytest.approx(0.75)
    assert found.bcubed.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert (found.pairwise.precision, found.pairwise.recall) == pytest.approx((1 / 2, 1 / 3))
    assert (found.people, found.groups, found.pure) == (2, 2, 0.5)


def test_names_of_groups_do_not_matter():
    """A perfect grouping is perfect whatever its labels, a person of one face among them."""
    found = judge_clusters(list("aabbc"), list("77001"))
    assert found.bcubed.f1 == found.pairwise.f1 == 1


def test_faces_without_a_group_stand_alone():
    """Noise is no group: two such faces of two people are not together, and both persons' recall suffers."""
    found = judge_clusters(list("aabb"), ["-1", "x", "noise", "x"])
    assert found.groups == 3
    assert found.pairwise.precision == 0
    all_alone = judge_clusters(list("aa"), ["", ""])
    assert (all_alone.pairwise.precision, all_alone.pairwise.recall) == (1, 0)


def test_faces_without_truth_are_not_judged():
    """A face of nobody known neither helps nor harms; without any truth there is nothing to judge."""
    assert judge_clusters(["a", "a", ""], list("111")).bcubed.precision == 1
    with pytest.raises(InputError, match="no face says whom it shows"):
        judge_clusters(["", ""], list("11"))
    with pytest.raises(InputError, match="a group for each of 2 faces, got 1"):
        judge_clusters(["a", "b"], ["1"])
