"""Average precision by WIDER FACE's rules."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError
from mien.core.faces import Faces
from mien.evaluation.detection import DetectionCurve, Truth, detection_curve


def faces(*rows):
    """A table from (x1, y1, x2, y2, score) rows."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Faces(boxes=table[:, :4], scores=table[:, 4])


def truth(*boxes, counted=None):
    """Marked faces, all counted unless said otherwise."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Truth(array, np.ones(len(array), bool) if counted is None else np.array(counted, bool))


A, B, FAR_OFF = (0, 0, 20, 20), (50, 50, 90, 90), (200, 200, 230, 230)


def test_everything_found_and_nothing_else_is_one():
    """A detector that finds all faces and only them must have an average precision and recall of 1."""
    curve = detection_curve([faces((*A, 0.9), (*B, 0.8))], [truth(A, B)])
    assert curve.average_precision == 1
    assert curve.final_recall == 1
    assert curve.faces == 2


def test_average_precision_by_hand():
    """Right, wrong, right (in this order) on two faces must give 1/2 · 1 + 1/2 · 2/3."""
    curve = detection_curve([faces((*A, 0.9), (*FAR_OFF, 0.7), (*B, 0.5))], [truth(A, B)])
    assert curve.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_second_detection_of_a_face_is_wrong():
    """Only the surest detection of a face may count as right; the next one is a false alarm."""
    curve = detection_curve([faces((0, 0, 20, 21, 0.6), (*A, 0.9), (*B, 0.5))], [truth(A, B)])
    assert curve.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_ignored_face_is_neither_right_nor_wrong():
    """Finding a face outside the set must change nothing, however often it is found."""
    found = [faces((*A, 0.9), (*B, 0.95), (*B, 0.94))]
    curve = detection_curve(found, [truth(A, B, counted=[True, False])])
    assert curve.average_precision == 1
    assert curve.faces == 1


def test_picture_without_marked_faces_takes_no_part():
    """What is found in a picture without any marked face must not be held against the detector."""
    found = [faces((*A, 0.9)), faces((*B, 0.99))]
    assert detection_curve(found, [truth(A), truth()]).average_precision == 1


def test_missed_pictures_lower_the_recall():
    """Faces in pictures where nothing was found must still be counted."""
    curve = detection_curve([faces((*A, 0.9)), faces()], [truth(A), truth(B)])
    assert curve.final_recall == 0.5
    assert curve.average_precision == 0.5


@pytest.mark.parametrize("found", [[], [Faces.empty()]])
def test_nothing_found_is_zero(found):
    """Without detections the average precision must be 0, not an error."""
    curve = detection_curve(found, [truth(A)] * len(found))
    assert isinstance(curve, DetectionCurve)
    assert curve.average_precision == 0


def test_overlap_counts_both_ends():
    """A box of 10 × 9 inclusive pixels in one of 20 × 9 must overlap it by exactly one half, as in boxoverlap.m."""
    half = [faces((0, 0, 9, 8, 1))]
    assert detection_curve(half, [truth((0, 0, 19, 8))]).average_precision == 1
    assert detection_curve(half, [truth((0, 0, 20, 8))]).average_precision == 0


def test_face_without_area_can_be_counted_but_not_found():
    """A counted box of zero size must lower the recall and break nothing."""
    curve = detection_curve([faces((*A, 0.9))], [truth(A, (5, 5, 5, 5))])
    assert curve.final_recall == 0.5


def test_unlike_lengths_are_refused():
    """Tables and pictures must be as many."""
    with pytest.raises(InputError, match="1 tables for 2 pictures"):
        detection_curve([faces()], [truth(A), truth(B)])


@pytest.mark.parametrize("iou", [0, -1, 1.1])
def test_iou_out_of_range_is_refused(iou):
    """An overlap that everything or nothing reaches must be refused by its value."""
    with pytest.raises(InputError, match=str(iou)):
        detection_curve([faces()], [truth(A)], iou=iou)


def test_flags_must_fit_the_boxes():
    """A truth with more flags than boxes must be refused."""
    with pytest.raises(InputError, match="2 flags"):
        Truth(np.zeros((1, 4), np.float32), np.ones(2, bool))


def overlap(a, b):
    """boxoverlap.m for two boxes."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = w * h if w > 0 and h > 0 else 0
    return shared / (sum((x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)) - shared)


def official_picture(table, marked, iou=0.5):
    """Of one picture, surest first: which detections are proposals, and how many faces are found so far."""
    rows = sorted(range(len(table)), key=lambda i: -table.scores[i])
    state, proposal, recalled = np.zeros(len(marked.boxes)), np.ones(len(rows)), np.zeros(len(rows))
    for h, row in enumerate(rows):
        overlaps = [overlap(table.boxes[row].astype(float), box) for box in marked.boxes.astype(float)]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= iou:
            if not marked.counted[best]:
                state[best] = proposal[h] = -1
            elif state[best] == 0:
                state[best] = 1
        recalled[h] = (state == 1).sum()
    return table.scores[rows].astype(float), proposal, recalled


def official_area(precision, recall):
    """VOCap.m."""
    r, p = np.r_[0, recall, 1], np.r_[0, precision, 0]
    for i in range(len(p) - 1, 0, -1):
        p[i - 1] = max(p[i - 1], p[i])
    return float(((r[1:] - r[:-1]) * p[1:]).sum())


def official(found, truths, levels=1000):
    """The official procedure with loops, as eval_tools has it: area, precision, recall."""
    scores = np.concatenate([f.scores for f in found]).astype(float)
    low, high = scores.min(), scores.max()
    curve = np.zeros((levels, 2))
    for table, marked in zip(found, truths, strict=True):
        if not len(table) or not len(marked.boxes):
            continue
        sure, proposal, recalled = official_picture(table, marked)
        stretched = (sure - low) / (high - low) if high > low else np.ones(len(sure))
        for t in range(levels):
            at = np.flatnonzero(stretched >= 1 - (t + 1) / levels)
            if len(at):
                curve[t] += (proposal[: at[-1] + 1] == 1).sum(), recalled[at[-1]]
    precision = np.array([right / total if total else 0.0 for total, right in curve])
    recall = curve[:, 1] / max(sum(t.counted.sum() for t in truths), 1)
    return official_area(precision, recall), precision, recall


corner = st.integers(0, 30)
side = st.integers(0, 25)
score = st.integers(1, 20).map(lambda s: s / 20)
marked_box = st.tuples(corner, corner, side, side, st.booleans())
found_box = st.tuples(corner, corner, side, side, score)
pictures = st.lists(
    st.tuples(st.lists(found_box, max_size=6), st.lists(marked_box, max_size=5)), min_size=1, max_size=4
)


def as_tables(drawn):
    found = [faces(*((x, y, x + w, y + h, s) for x, y, w, h, s in f)) for f, _ in drawn]
    marked = [truth(*((x, y, x + w, y + h) for x, y, w, h, _ in m), counted=[c for *_, c in m]) for _, m in drawn]
    return found, marked


@settings(max_examples=150, deadline=None)
@example([([(0, 0, 9, 9, 0.05)], []), ([(0, 0, 9, 9, 0.15), (9, 9, 9, 9, 0.1)], [(0, 0, 9, 9, True)])])
@given(pictures)
def test_equal_to_the_official_procedure(drawn):
    """The vectorised curve must be that of the official loops, ties, ignored faces and empty pictures included."""
    found, marked = as_tables(drawn)
    curve = detection_curve(found, marked)
    if not sum(len(f) for f in found):
        assert curve.average_precision == 0
        return
    ap, precision, recall = official(found, marked)
    np.testing.assert_allclose(curve.precision, precision)
    np.testing.assert_allclose(curve.recall, recall)
    assert curve.average_precision == pytest.approx(ap)


@settings(max_examples=50, deadline=None)
@given(pictures)
def test_curve_stays_in_range(drawn):
    """Recall must never fall, and precision, recall and their area must lie in 0 … 1."""
    curve = detection_curve(*as_tables(drawn))
    assert (np.diff(curve.recall) >= 0).all()
    assert 0 <= curve.average_precision <= 1
    assert ((curve.precision >= 0) & (curve.precision <= 1)).all()
