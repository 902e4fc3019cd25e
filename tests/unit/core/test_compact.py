"""The compact form of vectors: a quarter of the bytes, and nobody is ever missed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.vectors import CompactVectors, similarities, unit, who_may_matter


def crowd(seed: int, people: int, dimensions: int = 32, spread: float = 0.5):
    """Vectors of people with one to four pictures each, grouped, and where each person begins."""
    random = np.random.default_rng(seed)
    count = random.integers(1, 5, people)
    centres = random.normal(size=(people, dimensions))
    vectors = np.repeat(centres, count, axis=0) + spread * random.normal(size=(count.sum(), dimensions))
    return unit(vectors), np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)


def compact(vectors) -> CompactVectors:
    """The compact form of all of them."""
    made = CompactVectors.empty(*vectors.shape)
    made.put(np.arange(len(vectors)), vectors)
    return made


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.sampled_from([1, 3, 32, 128]))
def test_no_cosine_is_off_by_more_than_is_said(seed, count, dimensions):
    """The error told with each row bounds what its cosine may be off by, whatever the vectors are."""
    random = np.random.default_rng(seed)
    vectors = unit(random.normal(size=(count, dimensions)) * random.lognormal(0, 3, size=(1, dimensions)))
    queries = unit(random.normal(size=(3, dimensions)))
    made = compact(vectors)
    off = np.abs(made.cosines(queries) - similarities(queries, vectors))
    assert (off <= made.error).all()
    assert made.codes.nbytes * 4 == vectors.nbytes


def test_the_error_is_small_for_faces():
    """For 512 numbers the bound is below a hundredth, so that few are looked at again."""
    vectors, _ = crowd(0, 200, 512)
    assert compact(vectors).error.max() < 0.012


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.integers(1, 8),
    st.floats(-1, 1),
    st.sampled_from([0.0, 0.05, 0.5, 3.0]),
)
def test_nobody_who_matters_is_missed(seed, people, wanted, floor, spread):
    """Whoever is among the most alike, or reaches the floor, is said to matter; ties and crowds included."""
    vectors, starts = crowd(seed, people, spread=spread)
    queries = np.concatenate([vectors[:5], unit(np.random.default_rng(seed + 1).normal(size=(5, 32)))])
    best = np.maximum.reduceat(similarities(queries, vectors), starts, axis=1)
    least = np.sort(best, axis=1)[:, -min(wanted, people)]
    must = (best >= np.minimum(least, floor)[:, None]).any(axis=0)
    told = who_may_matter(compact(vectors), starts, queries, people=wanted, floor=floor)
    assert told[must].all()


def test_few_are_looked_at_again():
    """Of 5,000 people a face of one of them leaves some dozens, not hundreds."""
    vectors, starts = crowd(3, 5000, 512, spread=0.3)
    told = who_may_matter(compact(vectors), starts, vectors[100:101], people=5, floor=0.4)
    assert 5 <= told.sum() < 100


@pytest.mark.parametrize("count", [1, 1023, 1024, 1025])
def test_blocks_meet(count):
    """The border of two blocks loses no row."""
    vectors = unit(np.random.default_rng(count).normal(size=(count, 16)))
    assert np.allclose(compact(vectors).cosines(vectors[-1:])[0], similarities(vectors[-1:], vectors)[0], atol=0.02)
