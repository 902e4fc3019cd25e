"""Verification from pictures to record, report and pairs, on plugs that know the answer."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import InputError
from mien.core.faces import Picture
from mien.core.vectors import unit
from mien.datasets.drawn_pairs import DrawOptions, draw_pairs
from mien.evaluation.gathering import faces_in, gather_faces, gather_vectors, vectors_in
from mien.evaluation.journal import Journal
from mien.evaluation.pipeline import VerificationOptions
from mien.evaluation.reporting import read_record, write_record
from mien.evaluation.verification_report import check_rates, judge_pairs, verification_page, worst_pairs, write_pairs
from tests.fakes.plugs import FakeDetector, FakeEmbedder

RULES = VerificationOptions(far=(0.1, 1e-5), draws=100)


def people(count=12, pictures=6):
    return {f"p{i:02d}": tuple(Path(f"p{i:02d}/{k}.jpg") for k in range(pictures)) for i in range(count)}


def vectors_of(pairs, *, lost=()):
    """A direction per person with a little noise, zeros for ``lost`` pictures."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(len(pairs.names), 16))
    vectors = unit((centres[pairs.people] + 0.1 * random.normal(size=(len(pairs.people), 16))).astype(np.float32))
    vectors[list(lost)] = 0
    return vectors


@pytest.fixture
def pairs():
    return draw_pairs(people(), DrawOptions(folds=3, per_fold=30))


def judged(pairs, **options):
    return judge_pairs(
        vectors_of(pairs, **options),
        pairs,
        protocol={"data": "made up", "seed": 0},
        subject={"name": "fake"},
        options=RULES,
    )


def test_a_lost_face_is_held_against_the_pipeline_alone(pairs):
    """Whole pipeline and embedder differ by the pictures whose face was not found."""
    lost = pairs.left[pairs.same][:3].tolist()
    result = judged(pairs, lost=lost)
    figures = result.record.figures
    assert figures["embedder_only"]["accuracy"] == 1
    assert figures["accuracy"] < 1
    assert figures["embedder_only"]["pairs"] < len(pairs)
    assert figures["missed_pictures"] == len(set(lost))


def test_a_rate_that_the_pictures_cannot_support_is_refused(pairs):
    """FAR 1e-5 of some thousand comparisons has no figure and stands among the refused; asked for outright it is an error."""
    result = judged(pairs)
    assert result.record.figures["refused_far"] == ["1e-05"]
    assert list(result.record.figures["tar"]) == ["0.1"]
    with pytest.raises(InputError, match="ten false accepts must be expected"):
        check_rates(pairs, (0.1, 1e-5))


def test_the_record_names_its_pairs(pairs):
    """Records over other pairs have another digest, so that they refuse comparison; JSON gives the record back."""
    first, again = judged(pairs).record, judged(pairs).record
    other = judged(draw_pairs(people(), DrawOptions(folds=3, per_fold=30, seed=1))).record
    assert first.protocol == again.protocol
    assert first.protocol["pairs_digest"] != other.protocol["pairs_digest"]


def test_comes_back_from_its_file(pairs, tmp_path):
    """A record is found by its folder, and is what was written."""
    record = judged(pairs).record
    write_record(record, tmp_path / "record.json")
    assert read_record(tmp_path) == record
    (tmp_path / "record.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="expected one record"):
        read_record(tmp_path)


def test_report_has_its_pictures_and_the_protocol(pairs, tmp_path):
    """The page shows both tables, its pictures are drawn, and every rule stands there."""
    result = judged(pairs)
    page = "\n".join(verification_page(result, tmp_path, sheet="worst.jpg"))
    assert (tmp_path / "roc.png").is_file()
    assert (tmp_path / "scores.png").is_file()
    for words in ("whole pipeline", "embedder only", "| 1e-05 | refused |", "failed detection: wrong", "(worst.jpg)"):
        assert words in page


def test_worst_pairs_are_the_worst(pairs, tmp_path):
    """First the least alike of one person and the most alike of two; the CSV has every pair."""
    result = judged(pairs, lost=[0])
    lost, taken = worst_pairs(result, 3)
    assert result.similarity[lost[0]] == result.similarity[pairs.same & (result.similarity > -1)].min()
    assert result.similarity[taken[0]] == result.similarity[~pairs.same].max()
    write_pairs(result, [str(p) for p in pairs.pictures], tmp_path / "pairs.csv")
    rows = list(csv.DictReader((tmp_path / "pairs.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(pairs)
    assert sum(row["decided"] == "right" for row in rows) == int(result.pipeline.folds.correct.sum())
    assert {row["similarity"] for row in rows if row["left"] == "p00/0.jpg"} <= {""}


def test_the_spread_counts_every_comparison(pairs):
    """All pairs of pictures of different people are in the histogram."""
    scores = judged(pairs).record.figures["scores"]
    pictures, own = len(pairs.pictures), 6
    assert sum(scores["impostor"]["counts"]) == pictures * (pictures - own) // 2
    assert sum(scores["genuine"]["counts"]) == int(pairs.same.sum())
    json.dumps(scores)


def test_without_any_face_there_is_nothing_to_judge(pairs):
    """One line, no division by zero."""
    with pytest.raises(InputError, match="no face was found in any"):
        judged(pairs, lost=range(len(pairs.pictures)))


def test_pictures_are_gathered_with_and_without_a_face(tmp_path):
    """A vector for the picture with a face, zeros for the other; faces come back from the journal as they were."""
    red = Picture(np.full((40, 40, 3), (200, 0, 0), np.uint8))
    detector, none = FakeDetector([[10, 10, 30, 30]]), FakeDetector([])
    embedder = FakeEmbedder()
    with Journal(tmp_path / "a.jsonl", {}) as journal:
        gather_vectors(detector, embedder, [("red", red)], journal)
        gather_vectors(none, embedder, [("empty", red)], journal)
        vectors = vectors_in(journal, ["empty", "red"], 8)
    assert not vectors[0].any()
    assert np.allclose(vectors[1], embedder.embed(red.pixels, detector.detect(red.pixels))[0])
    with Journal(tmp_path / "b.jsonl", {}) as journal:
        gather_faces(detector, [("red", replace(red, scale=0.5))], journal)
        (faces,) = faces_in(journal, ["red"])
        assert faces.boxes.tolist() == [[20, 20, 60, 60]]
        assert faces.landmarks is not None
        assert journal.rows["red"]["ms"] > 0
