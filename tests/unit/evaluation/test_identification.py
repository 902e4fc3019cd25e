"""One face among many."""

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.vectors import unit
from mien.evaluation.identification import (
    IdentificationRules,
    Trial,
    divide,
    identify_trial,
    judge_identification,
)

RULES = IdentificationRules(templates=1, left_out=0.0, fpir=(0.5,))


def towards(*degrees):
    angle = np.deg2rad(np.array(degrees, float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def rows(*values):
    return np.array(values, np.intp)


def test_ranks_and_rates_by_hand():
    """Person 0 at 0°, 1 at 60°: probes at 10° (right), 40° of person 0 (second), and twenty strangers."""
    vectors = np.concatenate([towards(0, 60, 10, 40), towards(*range(90, 110))])
    people = rows(0, 1, 0, 0, *range(2, 22))
    trial = Trial(rows(0, 1), rows(2, 3), np.arange(4, 24))
    found = identify_trial(vectors, people, trial, RULES)
    assert found.cmc == (0.5, 1.0)
    rate, _, cosine = found.dir[0.5]
    assert cosine == pytest.approx(np.cos(np.deg2rad(40)), abs=1e-6)  # ten strangers are nearer to person 1
    assert rate == 0.5


def test_best_template_of_a_person_counts():
    """A person with a far and a near template is as near as the near one."""
    vectors, people = towards(180, 5, 30, 0), rows(0, 0, 1, 0)
    found = identify_trial(vectors, people, Trial(rows(0, 1, 2), rows(3), rows()), RULES)
    assert found.cmc[0] == 1


def test_a_face_that_is_not_found_is_never_identified():
    """Probe without face: a failure at every rank; a stranger without one is left out of the FPIR."""
    vectors, people = towards(0, 60, 10, 200), rows(0, 1, 0, 2)
    vectors[[2, 3]] = 0
    found = identify_trial(vectors, people, Trial(rows(0, 1), rows(2), rows(3)), RULES)
    assert found.cmc == (0.0, 0.0)
    assert found.strangers == 0
    assert found.dir == {}


def test_a_person_whose_template_has_no_face_fails():
    """Enrolment that failed is held against the gallery: the probes of that person are not found."""
    vectors, people = towards(0, 60, 10, 61), rows(0, 1, 0, 1)
    vectors[0] = 0
    found = identify_trial(vectors, people, Trial(rows(0, 1), rows(2, 3), rows()), RULES)
    assert found.cmc[0] == 0.5


def test_who_is_left_out_is_a_stranger_to_every_size():
    """Sizes share strangers and seed; nobody is enrolled and a stranger; a gallery never holds a probe."""
    people = np.repeat(np.arange(30), 4)
    rules = IdentificationRules(templates=2, left_out=0.5, seed=3)
    small, large = divide(people, rules, size=5), divide(people, rules)
    assert small.strangers.tolist() == large.strangers.tolist()
    assert set(people[small.gallery]) <= set(people[large.gallery])
    assert len(small.gallery) == 10
    assert len(large.gallery) == 30
    assert not set(people[large.gallery]) & set(people[large.strangers])
    assert not set(large.gallery.tolist()) & set(large.mated.tolist())
    assert divide(people, IdentificationRules(2, 0.5, seed=4)).gallery.tolist() != large.gallery.tolist()


def test_every_size_has_a_result():
    """The figures come smallest gallery first; more people than there are is refused."""
    people = np.repeat(np.arange(20), 3)
    centres = np.random.default_rng(0).normal(size=(20, 16))
    vectors = unit((centres[people] + 0.05 * np.random.default_rng(1).normal(size=(60, 16))).astype(np.float32))
    found = judge_identification(vectors, people, IdentificationRules(sizes=(0, 4), fpir=(0.5,)))
    assert [each.people for each in found] == [4, 10]
    assert [each.cmc[0] for each in found] == [1, 1]
    assert found[0].rank1_interval[0] < 1
    with pytest.raises(InputError, match="a gallery of 11 people was asked for, 10 can be in it"):
        judge_identification(vectors, people, IdentificationRules(sizes=(11,)))


def test_more_templates_than_pictures_are_refused():
    """K larger than the pictures of a person leaves nobody to enrol: one line."""
    with pytest.raises(InputError, match="each with more than 3 pictures, got 0"):
        divide(np.repeat(np.arange(5), 3), IdentificationRules(templates=3))
