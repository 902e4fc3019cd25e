"""What detection leaves behind: average precision by level, recall by size and kind of face, and where misses went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mien.core.faces import Faces, Picture
from mien.core.protocols import Explainer
from mien.datasets.annotations import MarkedPicture
from mien.datasets.marked import MarkedSet
from mien.evaluation.charts import draw_bars, draw_curves, draw_precision_recall
from mien.evaluation.classification import wilson
from mien.evaluation.detection import (
    DetectionCurve,
    Truth,
    detection_curve,
    face_scores,
    recall_at_false_positives,
)
from mien.evaluation.ellipses import EllipseCurve, ellipse_curve
from mien.evaluation.misses import STAGE_WORDS, lost_at
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.evaluation.reporting import conditions, digest, markdown_table, protocol_words, subject_words
from mien.evaluation.slices import needed, slice_of

__all__ = [
    "Detected",
    "DetectionRules",
    "detection_page",
    "judge_detection",
    "missed_targets",
    "misses_of",
]

SIZES = (0, 10, 20, 40, 80, 160, 320)
"""Lower ends of the classes of height, pixels of the original."""
FEW = 30
"""Faces below which a share is not worth a number."""

_WORDS = {
    "blur": ("clear", "normal blur", "heavy blur"),
    "expression": ("typical", "exaggerated"),
    "illumination": ("normal light", "extreme light"),
    "occlusion": ("unoccluded", "partly occluded", "heavily occluded"),
    "pose": ("typical", "atypical"),
}
"""WIDER FACE's numbers in words (its readme); occlusion is partial from 1 % to 30 %."""


@dataclass(frozen=True, slots=True)
class DetectionRules:
    """How detection is judged.

    Args:
        iou: least overlap of a detection with its face.
        floor: detections of a lower score are left out.
        false_positives: counts of wrong detections, over all pictures, to give the recall at.
        target_miss: share of the faces of a group that may be missed; None asks for nothing.
    """

    iou: float = 0.5
    floor: float = 0.0
    false_positives: tuple[int, ...] = (10, 50, 100, 500)
    target_miss: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """Detection with its record.

    Args:
        record: protocol, subject, figures.
        curves: precision over recall by level.
        ellipses: FDDB's two scores; None where faces are marked by boxes.
    """

    record: Record
    curves: Mapping[str, DetectionCurve]
    ellipses: EllipseCurve | None


def misses_of(
    explainer: Explainer, marked: Mapping[str, MarkedPicture], *, iou: float = 0.5
) -> Callable[[str, Picture, Faces], dict[str, Any]]:
    """For ``gather_faces``: says of each face of the widest level that was not found which stage lost it.

    Args:
        explainer: the detector as one that says why, at the scale of the pictures (full size).
        marked: the marked faces by the name of the picture.
        iou: the least overlap of a detection with its face.
    """

    def look(name: str, picture: Picture, faces: Faces) -> dict[str, Any]:
        mark = marked[name]
        level = list(mark.counted)[-1]
        rows = np.flatnonzero(mark.counted[level] & ~np.isfinite(face_scores(faces, mark.boxes, iou=iou)))
        if not len(rows):
            return {"lost": {}}
        trace = explainer.explain(picture.pixels).scaled(1 / picture.scale)
        return {"lost": dict(zip(map(str, rows.tolist()), lost_at(trace, mark.boxes[rows]), strict=True))}

    return look


def judge_detection(
    found: Sequence[Faces],
    marked: MarkedSet,
    rows: Sequence[Mapping[str, Any]],
    *,
    protocol: Mapping[str, Any],
    subject: Mapping[str, Any],
    rules: DetectionRules | None = None,
) -> Detected:
    """Judge what was found and put the figures into a record.

    Args:
        found: one table per picture of ``marked``, in pixels of the original.
        marked: what is there.
        rows: what ``gather_faces`` kept of the same pictures: ``ms``, ``size``, and ``lost`` if misses were explained.
        protocol: what is to be said of the data; the rules are added.
        subject: what was measured.
        rules: how to judge.
    """
    rules = rules or DetectionRules()
    found = [faces[faces.scores >= rules.floor] for faces in found]
    wider = marked.form == "wider"
    truths = {level: [Truth(m.boxes, m.counted[level]) for m in marked.pictures] for level in marked.levels}
    curves = {
        level: detection_curve(found, truth, iou=rules.iou, empty_count=not wider) for level, truth in truths.items()
    }
    widest = truths[marked.levels[-1]]
    by_count = recall_at_false_positives(found, widest, rules.false_positives, iou=rules.iou, empty_count=not wider)
    ellipses = _ellipses(found, marked)
    figures: dict[str, Any] = {
        "ap": {level: curve.average_precision for level, curve in curves.items()},
        "recall": {level: curve.final_recall for level, curve in curves.items()},
        "recall_at_false_positives": {
            str(count): {"recall": recall, "score": score if np.isfinite(score) else None}
            for count, (recall, score) in by_count.items()
        },
        "found": sum(map(len, found)),
        "by": _groups(found, marked, rules),
        "lost_at": _lost(marked, rows),
        "picture_ms": median(row["ms"] for row in rows),
    }
    if ellipses is not None:
        figures["fddb"] = {
            str(count): dict(zip(("discrete", "continuous"), ellipses.at(count), strict=True))
            for count in (*rules.false_positives, 1000, 2000)
        }
    stated = {**protocol, **_rules(marked, curves, rules)}
    record = Record("detection", stated, subject, figures, this_machine(), installed_versions())
    return Detected(record, curves, ellipses)


def detection_page(detected: Detected, folder: Path) -> list[str]:
    """The report as paragraphs; its plots are drawn into ``folder``.

    Raises:
        MissingExtraError: without matplotlib.
    """
    record, figures = detected.record, detected.record.figures
    draw_precision_recall(detected.curves, folder / "precision-recall.png")
    return [
        f"# Detection: {record.subject.get('detector', '')} on {record.protocol.get('data', '')}",
        markdown_table(
            ["level", "faces", "AP", "recall"],
            (
                [level, f"{curve.faces:,}", f"{curve.average_precision:.3f}", f"{curve.final_recall:.3f}"]
                for level, curve in detected.curves.items()
            ),
        ),
        f"{figures['found']:,} detections in {record.protocol['pictures']} pictures, {figures['picture_ms']:.0f} ms a picture in the median.",
        "![Precision over recall](precision-recall.png)",
        _ellipse_words(detected, folder),
        "## Recall at a number of false positives\n\n" + _false_positive_table(figures),
        "## By kind of face\n\n" + _group_tables(figures, folder),
        _lost_words(figures, folder),
        "## Protocol\n\n" + protocol_words(record),
        "## What was measured\n\n" + subject_words(record),
        conditions(record),
    ]


def _rules(marked: MarkedSet, curves: Mapping[str, DetectionCurve], rules: DetectionRules) -> dict[str, Any]:
    listed = [
        (m.path.name, m.boxes.tolist(), [m.counted[level].tolist() for level in marked.levels]) for m in marked.pictures
    ]
    return {
        "form": marked.form,
        "pictures": len(marked.pictures),
        "absent_pictures": marked.absent,
        "truth_digest": digest(listed),
        "faces": {level: curve.faces for level, curve in curves.items()},
        "unusable_boxes": marked.unusable,
        "iou": rules.iou,
        "score_floor": rules.floor,
        "target_miss": rules.target_miss,
        "scales": [1.0],
        "resolution": "original",
        "rules": "eval_tools: ignored faces, 1,000 levels of the stretched score",
        "pictures_without_faces": "take no part" if marked.form == "wider" else "what is found there is wrong",
    }


def _ellipses(found: Sequence[Faces], marked: MarkedSet) -> EllipseCurve | None:
    if marked.form != "fddb":
        return None
    return ellipse_curve(found, [m.ellipses if m.ellipses is not None else np.zeros((0, 5)) for m in marked.pictures])


def _groups(found: Sequence[Faces], marked: MarkedSet, rules: DetectionRules) -> dict[str, dict[str, Any]]:
    """Recall of the widest level by size, by WIDER's attributes and by the columns of a CSV file."""
    kinds: dict[str, dict[str, list[bool]]] = {}
    for faces, m in zip(found, marked.pictures, strict=True):
        hit = np.isfinite(face_scores(faces, m.boxes, iou=rules.iou))
        words = _kinds_of(m)
        for i in np.flatnonzero(m.counted[marked.levels[-1]]).tolist():
            for kind, labels in words.items():
                kinds.setdefault(kind, {}).setdefault(labels[i], []).append(bool(hit[i]))
    order = {label: i for i, label in enumerate([*_size_names(), *(w for ws in _WORDS.values() for w in ws)])}
    return {
        kind: {
            label: _share(own[label], rules.target_miss)
            for label in sorted(own, key=lambda name: (order.get(name, len(order)), name))
        }
        for kind, own in kinds.items()
    }


def _share(hits: Sequence[bool], target: float | None) -> dict[str, Any]:
    recall = float(np.mean(hits))
    low, high = wilson(recall, len(hits))
    told = {"faces": len(hits), "found": int(sum(hits)), "recall": recall, "low": low, "high": high}
    if target is None:
        return told | {"need": FEW}
    return told | {"need": needed(target), "verdict": slice_of("", ~np.array(hits, bool), target).verdict}


def _kinds_of(m: MarkedPicture) -> dict[str, Sequence[str]]:
    """What is said of every face of a picture, by kind."""
    heights = m.boxes[:, 3] - m.boxes[:, 1]
    names = _size_names()
    sizes = [names[int(np.searchsorted(SIZES, max(float(h), 0.0), side="right")) - 1] for h in heights]
    words: dict[str, Sequence[str]] = {"height": sizes}
    for name, meanings in _WORDS.items():
        if name in m.attributes:
            words[name] = [meanings[min(int(v), len(meanings) - 1)] for v in m.attributes[name]]
    return words | dict(m.labels)


def _size_names() -> list[str]:
    return [*(f"{a}–{b} px" for a, b in pairwise(SIZES)), f"{SIZES[-1]} px and more"]


def _lost(marked: MarkedSet, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How many faces each stage lost, in all and by height; None if that was not asked."""
    if not all("lost" in row for row in rows):
        return None
    total: Counter[str] = Counter()
    by_height: dict[str, Counter[str]] = {name: Counter() for name in _size_names()}
    for m, row in zip(marked.pictures, rows, strict=True):
        sizes = _kinds_of(m)["height"]
        for i, stage in row["lost"].items():
            total[stage] += 1
            by_height[sizes[int(i)]][stage] += 1
    order = [*STAGE_WORDS, *sorted(set(total) - set(STAGE_WORDS))]
    return {
        "all": {stage: total[stage] for stage in order if total[stage]},
        "height": {
            name: {stage: own[stage] for stage in order if own[stage]} for name, own in by_height.items() if own
        },
    }


def _false_positive_table(figures: Mapping[str, Any]) -> str:
    rows = (
        [count, f"{each['recall']:.3f}", "–" if each["score"] is None else f"{each['score']:.4f}"]
        for count, each in figures["recall_at_false_positives"].items()
    )
    return markdown_table(["false positives in the set", "recall", "from score"], rows)


def _group_tables(figures: Mapping[str, Any], folder: Path) -> str:
    tables = []
    for kind, groups in figures["by"].items():
        rows = ([label, f"{g['faces']:,}", _recall(g), _interval(g)] for label, g in groups.items())
        tables.append(markdown_table([kind, "faces", "recall", "95 %"], rows))
    enough = {label: g["recall"] for label, g in figures["by"].get("height", {}).items() if g["faces"] >= FEW}
    if enough:
        draw_bars({"recall": enough}, folder / "recall-by-height.png", y="recall")
        tables.append("![Recall by height](recall-by-height.png)")
    return "\n\n".join(tables)


def _recall(group: Mapping[str, Any]) -> str:
    few = f"not enough data ({group['faces']}; need about {group['need']})"
    return f"{group['recall']:.3f}" if group["faces"] >= group["need"] else few


def _interval(group: Mapping[str, Any]) -> str:
    return f"{group['low']:.3f} – {group['high']:.3f}" if group["faces"] >= group["need"] else ""


def missed_targets(figures: Mapping[str, Any], target: float) -> list[str]:
    """A line per group that misses the target for sure: its whole interval lies above."""
    return [
        f"{kind} {label}: {1 - g['recall']:.3f} ({1 - g['high']:.3f} – {1 - g['low']:.3f}) of {g['faces']:,} faces are missed, the "
        f"target is {target:g}"
        for kind, groups in figures["by"].items()
        for label, g in groups.items()
        if g.get("verdict") == "misses"
    ]


def _lost_words(figures: Mapping[str, Any], folder: Path) -> str:
    lost = figures["lost_at"]
    if lost is None:
        return "## Where the misses went\n\nThe detector cannot explain itself, or was not asked to."
    total = sum(lost["all"].values())
    if not total:
        return "## Where the misses went\n\nNothing was missed."
    rows = ([STAGE_WORDS.get(stage, stage), f"{n:,}", f"{n / total:.1%}"] for stage, n in lost["all"].items())
    by_stage = {
        stage: {height: float(own.get(stage, 0)) for height, own in lost["height"].items()} for stage in lost["all"]
    }
    draw_bars(by_stage, folder / "lost-at.png", y="faces that were not found", stacked=True)
    return (
        f"## Where the misses went\n\n{total:,} faces of the widest level were not found; the stage that lost them:\n\n"
        + markdown_table(["lost by", "faces", "share"], rows)
        + "\n\n![Lost at](lost-at.png)"
    )


def _ellipse_words(detected: Detected, folder: Path) -> str:
    curve = detected.ellipses
    if curve is None:
        return ""
    every = max(len(curve.levels) // 200, 1)
    points = {
        name: list(zip(curve.false_positives[::every].tolist(), rates[::every].tolist(), strict=True))
        for name, rates in (("discrete", curve.discrete), ("continuous", curve.continuous))
    }
    draw_curves(points, folder / "fddb.png", labels=("false positives", "true positive rate"))
    rows = (
        [count, f"{each['discrete']:.3f}", f"{each['continuous']:.3f}"]
        for count, each in detected.record.figures["fddb"].items()
    )
    table = markdown_table(["false positives", "discrete", "continuous"], rows)
    return f"## FDDB's scores\n\n{table}\n\n![FDDB](fddb.png)"
