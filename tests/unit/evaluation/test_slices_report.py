"""Groups in record and report."""

from mien.evaluation.pipeline import VerificationOptions
from mien.evaluation.slices_report import SliceRules, slices_page, warnings_of, with_slices
from mien.evaluation.verification_report import judge_pairs
from tests.unit.evaluation.test_verification_report import pairs, vectors_of  # noqa: F401 - a fixture


def test_a_missed_target_is_warned_of_in_report_and_words(pairs):  # noqa: F811 - the fixture
    """One group whose faces are lost misses the target; the other meets it; the columns stand in the protocol."""
    vectors = vectors_of(pairs)
    vectors[pairs.people < 6] = 0
    judged = judge_pairs(vectors, pairs, protocol={}, subject={}, options=VerificationOptions(far=(0.1,), draws=100))
    groups = {"camera": ["door" if who < 6 else "hall" for who in pairs.people]}
    record = with_slices(judged, vectors, groups, SliceRules(0.05, 0.3, 0.5)).record
    slices = record.figures["slices"]
    assert slices["camera"]["door"]["missed"]["verdict"] == "misses"
    assert slices["camera"]["hall"]["missed"]["verdict"] == "meets"
    assert record.protocol["slices"]["columns"] == ["camera"]
    (line,) = warnings_of(slices)
    assert line.startswith("camera door: 1.0000")
    assert line in slices_page(slices)
