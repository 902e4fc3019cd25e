"""Detection from marked pictures to record and report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.faces import Faces, Picture
from mien.core.reasons import Trace
from mien.datasets.annotations import MarkedPicture
from mien.datasets.marked import MarkedSet, grouped, without_outside
from mien.evaluation.detection import Truth, detection_curve, face_scores, recall_at_false_positives
from mien.evaluation.detection_report import (
    DetectionRules,
    detection_page,
    judge_detection,
    missed_targets,
    misses_of,
)

BOXES = np.array([[10, 10, 50, 50], [100, 10, 115, 25], [200, 200, 300, 320]], np.float32)


def marked(name="a.jpg", boxes=BOXES, **more):
    return MarkedPicture(Path(name), "", boxes, {"all": np.ones(len(boxes), bool)}, **more)


def found(*rows):
    return Faces(np.array([r[:4] for r in rows], np.float32).reshape(-1, 4), np.array([r[4] for r in rows], np.float32))


FOUND = found((10, 10, 50, 50, 0.9), (200, 200, 300, 320, 0.8), (400, 400, 440, 440, 0.85))
ROW = {"ms": 5.0, "size": [640, 480], "lost": {"1": "pyramid"}}


def judged(pictures=None, tables=(FOUND,), rows=(ROW,), form="csv", **rules):
    labels = {"light": ("dark", "bright", "dark")}
    pictures = pictures or (marked(labels=labels),)
    return judge_detection(
        tables,
        MarkedSet(form, pictures, ("all",)),
        rows,
        protocol={"data": "x"},
        subject={},
        rules=DetectionRules(**rules),
    )


def test_figures_of_a_small_set():
    """Two of three faces, one false positive between them: recall, its place among false positives, groups, losses."""
    figures = judged(false_positives=(0, 1)).record.figures
    assert figures["recall"]["all"] == pytest.approx(2 / 3)
    assert figures["recall_at_false_positives"]["0"]["recall"] == pytest.approx(1 / 3)
    assert figures["recall_at_false_positives"]["1"]["recall"] == pytest.approx(2 / 3)
    assert {k: (g["found"], g["faces"]) for k, g in figures["by"]["height"].items()} == {
        "10–20 px": (0, 1),
        "40–80 px": (1, 1),
        "80–160 px": (1, 1),
    }
    assert figures["by"]["light"]["dark"]["faces"] == 2
    assert figures["lost_at"] == {"all": {"pyramid": 1}, "height": {"10–20 px": {"pyramid": 1}}}


def test_a_floor_leaves_detections_out():
    """Detections below the score floor are not there, and the record says so."""
    record = judged(floor=0.82).record
    assert record.figures["recall"]["all"] == pytest.approx(1 / 3)
    assert record.protocol["score_floor"] == 0.82


def test_other_truth_is_another_protocol():
    """A box that was moved changes the digest, so that records refuse comparison."""
    moved = marked(boxes=BOXES + np.float32(1))
    assert judged().record.protocol["truth_digest"] != judged((moved,)).record.protocol["truth_digest"]


def test_what_is_found_where_no_face_is_counts_against_the_detector():
    """Outside WIDER a picture without faces is a test too; by WIDER's rule it takes no part."""
    empty = Truth(np.zeros((0, 4), np.float32), np.zeros(0, bool))
    with_face = Truth(BOXES[:1], np.ones(1, bool))
    tables = [found((10, 10, 50, 50, 0.5)), found((1, 1, 9, 9, 0.9))]
    strict, official = (
        detection_curve(tables, [with_face, empty], empty_count=count).average_precision for count in (True, False)
    )
    assert (strict, official) == (0.5, 1.0)
    assert recall_at_false_positives(tables, [with_face, empty], (0,), empty_count=True)[0] == (0.0, np.inf)


def test_equal_scores_are_taken_together():
    """A right and a wrong detection of one score cannot be told apart by a threshold."""
    tables = [found((10, 10, 50, 50, 0.5), (300, 300, 340, 340, 0.5))]
    truth = [Truth(BOXES[:1], np.ones(1, bool))]
    assert recall_at_false_positives(tables, truth, (0, 1)) == {0: (0.0, np.inf), 1: (1.0, 0.5)}


def test_scores_of_marked_faces():
    """Each marked face has the score of the surest detection that is its own, or none."""
    assert face_scores(FOUND, BOXES).tolist() == pytest.approx([0.9, -np.inf, 0.8])
    assert face_scores(Faces.empty(), BOXES).tolist() == [-np.inf] * 3


def test_faces_outside_their_picture_are_not_counted():
    """A box beyond the border is counted out and told; WIDER's own lists stay."""
    outside = MarkedSet("csv", (marked(boxes=BOXES + np.float32([500, 0, 500, 0])),), ("all",))
    settled, count = without_outside(outside, [(640, 480)])
    assert (count, settled.pictures[0].counted["all"].tolist()) == (1, [True, True, False])
    assert without_outside(replace(outside, form="wider"), [(640, 480)])[1] == 0


def test_misses_are_asked_about_once_per_picture():
    """The detector is asked to explain only where a face was missed, and only about those faces."""

    class Asked:
        calls = 0

        def explain(self, image):
            self.calls += 1
            return Trace(counts={"pnet": 0}, smallest_face=20.0)

    explainer, picture = Asked(), Picture(np.zeros((480, 640, 3), np.uint8))
    look = misses_of(explainer, {"a": marked()})
    assert look("a", picture, FOUND) == {"lost": {"1": "pyramid"}}
    assert look("a", picture, found(*[(*b, 0.9) for b in BOXES.tolist()])) == {"lost": {}}
    assert explainer.calls == 1


def test_report_says_what_there_is_too_little_of(tmp_path):
    """A class of three faces has no number; plots are drawn, the protocol stands there."""
    page = "\n".join(detection_page(judged(), tmp_path))
    assert "not enough data (1; need about 30)" in page
    assert "smaller or larger than was searched for" in page
    assert "- iou: 0.5" in page
    assert (tmp_path / "precision-recall.png").is_file()
    assert (tmp_path / "lost-at.png").is_file()


def test_fddb_has_its_own_scores(tmp_path):
    """A set of ellipses is judged by FDDB's scores too."""
    ellipses = np.array([[20.0, 20.0, 0.0, 30.0, 30.0]])
    result = judged((marked(boxes=BOXES[:1], ellipses=ellipses),), rows=({**ROW, "lost": {}},), form="fddb")
    assert result.record.figures["fddb"]["10"]["discrete"] == 1
    assert "## FDDB's scores" in "\n".join(detection_page(result, tmp_path))


def test_a_group_that_misses_the_target_is_named():
    """Groups of pictures join the columns of the file; a target that a group misses for sure is told, too few are not."""
    pictures = tuple(replace(marked(f"{i}.jpg", boxes=BOXES[:1])) for i in range(80))
    tables = [found((10, 10, 50, 50, 0.9)) if i < 40 else Faces.empty() for i in range(80)]
    groups = {"camera": ["door"] * 40 + ["hall"] * 36 + [""] * 4}
    with_groups = grouped(MarkedSet("csv", pictures, ("all",)), groups)
    rows = [ROW | {"lost": {}}] * 80
    record = judge_detection(
        tables, with_groups, rows, protocol={}, subject={}, rules=DetectionRules(target_miss=0.1)
    ).record
    verdicts = {name: g["verdict"] for name, g in record.figures["by"]["camera"].items()}
    assert verdicts == {"door": "meets", "hall": "misses", "unknown": "not enough data"}
    (line, _) = sorted(missed_targets(record.figures, 0.1))
    assert line.startswith("camera hall: 1.000")
