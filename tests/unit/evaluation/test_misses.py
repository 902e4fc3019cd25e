"""Which stage lost a face."""

import numpy as np

from mien.core.reasons import Candidate, Reason, Trace
from mien.evaluation.misses import lost_at

HERE = (10.0, 10.0, 50.0, 50.0)


def lost(*candidates, box=HERE, **limits):
    trace = Trace(candidates, counts={"pnet": 9, "rnet": 3, "onet": 1, "face": 0}, **limits)
    return lost_at(trace, np.array([box], np.float32))[0]


def ended(stage, box=HERE, reason=None, by=None):
    return Candidate(box, stage, {stage: 0.3}, Reason(reason or stage, "score", 0.3, 0.7), by)


def test_the_window_that_came_furthest_tells():
    """A face that R-Net refused is R-Net's, whatever P-Net did with others of its windows."""
    assert lost(ended("rnet"), ended("pnet")) == "rnet"
    assert lost(ended("onet"), ended("rnet")) == "onet"


def test_given_up_for_a_better_window_is_nms():
    """A window that was absorbed was lost by non-maximum suppression, not by the network before it."""
    assert lost(ended("onet", reason="nms", by=(0, 0, 40, 40))) == "nms"


def test_a_face_below_the_pyramid_is_the_pyramids():
    """Too small for the sizes searched: no network is to blame, unless one looked at it all the same."""
    assert lost(smallest_face=60.0) == "pyramid"
    assert lost(ended("pnet"), smallest_face=60.0) == "pyramid"
    assert lost(ended("onet"), smallest_face=60.0) == "onet"
    assert lost(largest_face=30.0) == "pyramid"


def test_nothing_near_is_the_first_stages():
    """A window elsewhere says nothing about this face."""
    assert lost(ended("onet", box=(200, 200, 240, 240))) == "pnet"


def test_found_with_too_poor_a_box():
    """A face at the place, whose box overlaps too little for the rules, is no miss of a network."""
    assert lost(Candidate((10, 10, 50, 70), "face", {"onet": 0.9})) == "box"


def test_a_box_without_area_cannot_be_found():
    """WIDER has such; they are counted apart."""
    assert lost(ended("pnet"), box=(10, 10, 10, 30)) == "no area"
