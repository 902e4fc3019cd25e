"""The page of a region detector's run: what was learnt, how well, where its curve ends, what it sees."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.core.protocols import Network
from mien.detectors.sliding_window import SlidingWindowDetector
from mien.evaluation.charts import draw_heat, draw_history, draw_precision_recall
from mien.evaluation.detection import DetectionCurve
from mien.media.drawing import contact_sheet, draw_faces
from mien.media.images import write_image, write_whole
from mien.training.fitting import Fitted
from mien.training.region_evaluation import Scene
from mien.training.samples import Drawn
from mien.zoo.catalog import WeightRecord

__all__ = ["RECALL", "RegionReport", "Round", "write_region_report"]

RECALL = 0.85
"""Where the curve of "Face Detectors" ends and its threshold is read."""
_SHOWN = 24


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One round of learning: its classifier, converted and judged.

    Args:
        number: 1, or 2 with hard negatives.
        fitted: its epochs.
        samples: how many it learnt from and was validated with.
        onnx: the converted form.
        network: the same, opened.
        difference: of the converted form's probabilities from the classifier's, on samples.
        cuts: on cuts of one scale.
        whole: on whole pictures, by a pyramid.
    """

    number: int
    fitted: Fitted
    samples: int
    onnx: bytes
    network: Network
    difference: float
    cuts: DetectionCurve
    whole: DetectionCurve


@dataclass(frozen=True, slots=True, eq=False)
class RegionReport:
    """What a report is made of.

    Args:
        record: of the detector.
        rounds: one or two.
        cut_out: the last round's classifier asked window by window about the cuts.
        shown: cuts, and the detector that searches them at one scale.
        samples: all that were learnt from.
        facts: settings and whatever else belongs on the page.
    """

    record: WeightRecord
    rounds: tuple[Round, ...]
    cut_out: DetectionCurve
    shown: tuple[Sequence[Scene], SlidingWindowDetector]
    samples: Drawn
    facts: Mapping[str, Any]


def write_region_report(run: Path, report: RegionReport) -> dict[str, Any]:
    """Write ``report.md``, ``report.json`` and their pictures into ``run``; returns what is in the JSON.

    Raises:
        MissingExtraError: without matplotlib.
    """
    for each in report.rounds:
        history = each.fitted.history
        losses = {"training": [e.loss for e in history], "validation": [e.val_loss for e in history]}
        draw_history(losses, each.fitted.best, run / f"loss{each.number}.png")
    last = report.rounds[-1]
    curves = {f"round {each.number}": each.cuts for each in report.rounds}
    draw_precision_recall({**curves, "window by window": report.cut_out}, run / "cuts.png", until=RECALL)
    draw_precision_recall({f"round {each.number}": each.whole for each in report.rounds}, run / "whole.png")
    _samples(run / "samples.png", report.samples)
    _examples(run, *report.shown, level=last.cuts.level_at(RECALL))
    figures = _figures(report)
    write_whole(run / "report.json", json.dumps(figures, indent=1, ensure_ascii=False).encode())
    write_whole(run / "report.md", _page(report, figures).encode())
    return figures


def _figures(report: RegionReport) -> dict[str, Any]:
    last = report.rounds[-1]
    targets = report.samples.targets
    return {
        "detector": report.record.name,
        "threshold": report.record.tuning["threshold"],
        "windows": {"face": int(targets.sum()), "no face": int((targets == 0).sum())},
        "rounds": [_round(each) for each in report.rounds],
        "cuts": {"pictures": len(report.shown[0]), "faces": last.cuts.faces},
        "whole": {"pictures": report.facts["judged"], "faces": last.whole.faces},
        "cuts_ap_window_by_window": round(report.cut_out.average_precision, 4),
        "threshold_at_recall_0.85": _rounded(last.cuts.level_at(RECALL)),
        "facts": dict(report.facts),
    }


def _round(each: Round) -> dict[str, Any]:
    best = each.fitted.history[each.fitted.best - 1]
    return {
        "round": each.number,
        "samples": each.samples,
        "epochs": len(each.fitted.history),
        "best_epoch": each.fitted.best,
        "stopped_early": each.fitted.stopped_early,
        "seconds": round(sum(e.seconds for e in each.fitted.history), 1),
        "val_loss": round(best.val_loss, 4),
        "val_accuracy": round(best.val_accuracy or 0.0, 4),
        "export_difference": each.difference,
        "cuts_ap": round(each.cuts.average_precision, 4),
        "whole_ap": round(each.whole.average_precision, 4),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _samples(file: Path, samples: Drawn) -> None:
    """Windows with a face above, without one below; hard ones among them."""
    draw = np.random.default_rng(0)
    rows = [draw.permutation(np.flatnonzero(samples.targets == kind))[:_SHOWN] for kind in (1, 0)]
    tiles = [samples.chips[i] for chosen in rows for i in chosen]
    write_image(file, contact_sheet(tiles, columns=_SHOWN // 2, tile_size=64))


def _examples(run: Path, scenes: Sequence[Scene], detector: SlidingWindowDetector, *, level: float | None) -> None:
    """What the detector finds in cuts, marked faces beside it, and the heat map of the first."""
    if not scenes:
        return
    heat = detector.heat(scenes[0].pixels)
    draw_heat(scenes[0].pixels, heat, run / "heat.png", window=detector.options.window, stride=detector.options.stride)
    tiles: list[NDArray[np.uint8]] = []
    for scene in scenes[:_SHOWN]:
        found = detector.detect(scene.pixels)
        sure = found[found.scores >= (0.5 if level is None else level)]
        marked = Faces(scene.truth.boxes, np.ones(len(scene.truth.boxes), np.float32))
        tiles += [draw_faces(scene.pixels, marked), draw_faces(scene.pixels, sure)]
    write_image(run / "examples.png", contact_sheet(tiles, ["marked", "found"] * (len(tiles) // 2), columns=8))


def _leaks(leaks: Sequence[str]) -> list[str]:
    """What a reader must know before the figures."""
    if not leaks:
        return []
    head = f"**LEAK ALLOWED: {len(leaks)} in both what was learnt from and what was judged with**, among them:"
    return [head, *(f"- {each}" for each in leaks[:5]), ""]


def _page(report: RegionReport, figures: Mapping[str, Any]) -> str:
    last, facts = figures["rounds"][-1], report.facts
    level = figures["threshold_at_recall_0.85"]
    at = f"reached at a score of {level}" if level is not None else "not reached"
    cuts = (
        f"Judged on {facts['judged_on']} photographs. {figures['cuts']['pictures']} cuts of 176 × 176 at one scale,"
        f" {figures['cuts']['faces']} faces: area under precision over recall {last['cuts_ap']}; recall {RECALL} is {at}."
        f" The classifier asked window by window: {figures['cuts_ap_window_by_window']}."
    )
    whole = (
        f"{figures['whole']['pictures']} whole pictures, {figures['whole']['faces']} faces of 60 pixels or more, by a"
        f" pyramid: average precision {last['whole_ap']} at IoU 0.5. Threshold kept: {figures['threshold']}, the best F1 on"
        f" {facts['held_out']} training photographs that were held out."
    )
    head = ("round", "samples", "epochs", "best_epoch", "val_accuracy", "val_loss", "cuts_ap", "whole_ap")
    shown = {key: value for key, value in facts.items() if key not in {"left_out", "leaks"}}
    lines = [
        f"# {report.record.name}",
        "",
        *_leaks(facts["leaks"]),
        cuts,
        "",
        whole,
        "",
        "| " + " | ".join(word.replace("_", " ") for word in head) + " |",
        "|" + " ---: |" * len(head),
        *("| " + " | ".join(str(each[key]) for key in head) + " |" for each in figures["rounds"]),
        "",
        "![loss](loss1.png) "
        + ("![loss, round 2](loss2.png) " if len(figures["rounds"]) == 2 else "")
        + "![cuts](cuts.png) ![whole](whole.png)",
        "",
        "![samples](samples.png)",
        "",
        "![heat map](heat.png) ![examples](examples.png)"
        if figures["cuts"]["pictures"]
        else "No picture to cut: none has one or two faces, all of 60 pixels.",
        "",
        *(f"- left out: {each['name']}: {each['reason']}" for each in facts["left_out"]),
        "",
        "| setting | value |",
        "| --- | --- |",
        *(f"| {key} | {value} |" for key, value in shown.items()),
    ]
    return "\n".join(lines) + "\n"
