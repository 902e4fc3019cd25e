"""Pairs drawn by a seed."""

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.datasets.drawn_pairs import DrawOptions, draw_pairs


def folder(**counts):
    return {name: tuple(Path(name) / f"{i}.jpg" for i in range(n)) for name, n in counts.items()}


MANY = folder(**{f"p{i:02d}": 2 + i % 5 for i in range(20)}, one=1)


def test_no_person_is_in_two_folds():
    """A threshold must come from people it is not used on."""
    pairs = draw_pairs(MANY, DrawOptions(folds=5, per_fold=20))
    seen = [
        set(np.concatenate([pairs.people[side[pairs.fold == k]] for side in (pairs.left, pairs.right)]).tolist())
        for k in range(5)
    ]
    assert pairs.folds == 5
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_pairs_are_what_they_are_said_to_be():
    """``same`` tells whether both pictures are of one person; no pair twice, as many of each kind in every fold."""
    pairs = draw_pairs(MANY, DrawOptions(folds=4, per_fold=15))
    assert (pairs.same == (pairs.people[pairs.left] == pairs.people[pairs.right])).all()
    assert len(set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))) == len(pairs)
    for k in range(4):
        assert pairs.same[pairs.fold == k].sum() == (~pairs.same[pairs.fold == k]).sum() == 15


def test_the_seed_decides():
    """The same seed draws the same pairs, another one others; every picture is kept for the strangers' comparisons."""
    first, again, other = (draw_pairs(MANY, DrawOptions(3, 10, seed)) for seed in (1, 1, 2))
    assert first.left.tolist() == again.left.tolist()
    assert first.left.tolist() != other.left.tolist()
    assert len(first.pictures) == sum(map(len, MANY.values()))


def test_a_person_with_many_pictures_does_not_decide_a_fold():
    """People take turns: with 40 pictures of one and 3 of four others, each has its pairs."""
    pairs = draw_pairs(folder(big=40, a=3, b=3, c=3, d=3), DrawOptions(folds=2, per_fold=9))
    shares = np.bincount(pairs.people[pairs.left[pairs.same]], minlength=5)
    assert shares.max() <= 6


@pytest.mark.parametrize(
    ("photos", "words"),
    [
        (folder(ada=5), "one person only"),
        (folder(ada=5, bob=5, eve=1), "four people at least"),
        (folder(a=1, b=1, c=1, d=1), "0 with two"),
    ],
)
def test_too_few_people_are_refused(photos, words):
    """One person, or too few for two folds, is one clear line."""
    with pytest.raises(InputError, match=words):
        draw_pairs(photos)
