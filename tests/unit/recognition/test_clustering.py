"""Groups are dense, kept, and never hold what may not be together."""

import numpy as np
import pytest

from mien.core.people import Calibration
from mien.core.vectors import unit
from mien.recognition.clustering import ClusterFaces, ClusterOptions, cluster, near_enough

OPTIONS = ClusterOptions(near=0.7)


def looks(people, *, each=4, spread=0.25, seed=0):
    """Vectors of several people, ``each`` looks of one after the other."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(people, 64)).astype(np.float32))
    noise = rng.normal(size=(people * each, 64)) * spread / 8
    return unit((np.repeat(centres, each, axis=0) + noise).astype(np.float32))


def faces(vectors, *, good=None, pictures=None, groups=None, apart=None):
    count = len(vectors)
    return ClusterFaces(
        vectors,
        np.ones(count, bool) if good is None else np.array(good, bool),
        np.full(count, -1, np.int64) if pictures is None else np.array(pictures),
        np.full(count, -1, np.int64) if groups is None else np.array(groups),
        apart or {},
    )


def test_each_person_is_a_group():
    """Looks of one person come together, other people are other groups, somebody seen once is in none."""
    vectors = np.concatenate([looks(3), looks(1, each=1, seed=9)])
    labels = cluster(faces(vectors), OPTIONS)
    assert labels[:12].reshape(3, 4).tolist() == [[g] * 4 for g in labels[:12:4]]
    assert sorted(set(labels[:12].tolist())) == [0, 1, 2]
    assert labels[12] == -1
    assert cluster(faces(np.zeros((0, 64), np.float32)), OPTIONS).tolist() == []


def test_two_faces_of_one_photograph_are_two_people():
    """Twins in one picture are never one group, however alike; the surest link decides who joins whom."""
    labels = cluster(faces(looks(1), pictures=[1, 1, 2, 3]), OPTIONS)
    assert labels[0] != labels[1]


def test_who_was_told_apart_stays_apart():
    """No chain of others brings two faces into one group that people told apart."""
    labels = cluster(faces(looks(1, each=8), apart={0: frozenset({7}), 7: frozenset({0})}), OPTIONS)
    assert labels[0] != labels[7]
    assert set(labels[1:7].tolist()) <= {labels[0], labels[7]}


def test_groups_that_are_there_are_kept_and_joined():
    """A new run changes no group; new faces join the one they are like; two groups are never made one."""
    vectors = looks(2, each=5)
    given = [0, 0, 1, 1, -1, 2, 2, 2, 2, -1]
    labels = cluster(faces(vectors, groups=given), OPTIONS)
    assert labels[:4].tolist() == [0, 0, 1, 1]
    assert labels[4] in {0, 1}
    assert labels[5:].tolist() == [2] * 5


def test_poor_faces_join_but_lead_nowhere():
    """A crowd's blurred faces found no group and are no bridge between two; one beside a good pair joins it."""
    vectors = looks(1)
    assert cluster(faces(vectors, good=[0, 0, 0, 0]), OPTIONS).tolist() == [-1] * 4
    assert cluster(faces(vectors, good=[1, 1, 0, 0]), OPTIONS).tolist() == [0] * 4
    a, b = np.zeros(64, np.float32), np.zeros(64, np.float32)
    a[0] = b[1] = 1.0
    bridge = unit((a + b)[np.newaxis])
    chain = np.concatenate([np.tile(a, (2, 1)), np.tile(b, (2, 1)), bridge])
    labels = cluster(faces(chain, good=[1, 1, 1, 1, 0]), OPTIONS)
    assert labels[0] == labels[1] != labels[2] == labels[3]
    assert cluster(faces(chain), OPTIONS).tolist() == [0] * 5


def test_what_is_near_follows_from_strangers_and_size():
    """A larger library asks for more likeness; never less than a stranger in a thousand comparisons reaches."""
    known = Calibration(
        "s", (1e-1, 1e-3, 1e-5), (0.2, 0.5, 0.8), (0.6, 0.9), (0.1, 0.9), 10_000_000, "d", "p", "2026-01-01"
    )
    assert near_enough(known, 1, strangers=2) == pytest.approx(0.5)
    assert 0.5 < near_enough(known, 100) < near_enough(known, 10_000)
