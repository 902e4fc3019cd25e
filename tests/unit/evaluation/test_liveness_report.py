"""Liveness of a folder: record and report."""

import pytest

from mien.core.errors import InputError
from mien.evaluation.liveness_report import LivenessRules, Scored, liveness_page, liveness_record, presentations

RULES = LivenessRules("live", 0.5, 2)


def scored(kind, *scores):
    return [Scored(f"{kind}/one/{i}.jpg", kind, s) for i, s in enumerate(scores)]


EVERY = [*scored("live", 0.9, 0.8, 0.2, 0.7), *scored("print", 0.1, 0.6), *scored("replay", 0.1, None)]


def record(pictures=EVERY, rules=RULES):
    return liveness_record(pictures, rules, protocol={"data": "x"}, subject={"classifier": "m"})


def test_errors_by_kind_of_attack():
    """One of four living faces refused, half of the prints pass; the worst kind counts."""
    found = record().figures["pictures"]
    assert (found["bpcer"]["count"], found["bpcer"]["of"]) == (1, 4)
    assert (found["apcer"]["print"]["share"], found["apcer"]["replay"]["share"]) == (0.5, 0)
    assert (found["worst"], found["acer"]) == ("print", 0.375)


def test_a_face_that_is_not_found():
    """A living one is refused, an attack does not pass, both are counted apart."""
    found = record([*EVERY, *scored("live", None)]).figures
    assert found["pictures"]["bpcer"]["count"] == 2
    assert found["pictures"]["apcer"]["replay"]["of"] == 2
    assert found["without_face"] == {"live": 1, "print": 0, "replay": 1}


def test_successive_pictures_decide_together():
    """The mean of two at a time, of those with a face; a rest is left out; a kind with too few leaves no figure."""
    together = presentations(EVERY, 2)
    assert [round(e.score, 3) for e in together] == [0.85, 0.45, 0.35]
    assert record().figures["presentations"] is None
    assert record(EVERY[:6]).figures["presentations"]["bpcer"]["share"] == 0.5


def test_without_living_faces_there_is_nothing_to_tell():
    """The folder of living faces under another name is one line with the remedy."""
    with pytest.raises(InputError, match=r"got print, replay; --live names"):
        record(EVERY[4:])


def test_report_shows_both_ways(tmp_path):
    """The page has a table, the plot is drawn, the policy stands there."""
    page = "\n".join(liveness_page(record(), tmp_path))
    assert "print passed (APCER) | 1 of 2" in page
    assert "Too few in a row." in page
    assert "an attack that is not found does not pass" in page
    assert (tmp_path / "scores.png").is_file()
