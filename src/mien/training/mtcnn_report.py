"""The page of a cascade's run: what each network learnt, how well, and what all three find together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.datasets.folders import Problem
from mien.evaluation.charts import draw_history, draw_precision_recall
from mien.media.images import write_whole
from mien.training.fitting import Fitted
from mien.training.mtcnn_evaluation import Judged
from mien.zoo.catalog import WeightRecord

__all__ = ["Learnt", "MtcnnReport", "write_mtcnn_report"]

_ERRORS = (
    "Offsets and landmarks are root mean squared errors on held-out samples, in shares of the window's side. The landmark"
    " heads of P- and R-Net only help to learn; their converted forms have none."
)


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """One network of the cascade, trained and converted.

    Args:
        stage: ``"pnet"``, ``"rnet"`` or ``"onet"``.
        fitted: its epochs.
        counts: samples of each kind.
        held: how well it does each task on held-out samples, see ``task_figures``.
        onnx: the converted form.
        difference: of its outputs from the trained network's.
        moved: how far the weights went from the published ones, as a share of their length; None from scratch.
        kept: whether the cascade found no worse with it on held-out photographs; otherwise the published network, whose
            ``onnx`` this then is, was put back.
    """

    stage: str
    fitted: Fitted
    counts: Mapping[str, int]
    held: Mapping[str, float]
    onnx: bytes
    difference: float
    moved: float | None
    kept: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class MtcnnReport:
    """What a report is made of.

    Args:
        record: of the weights.
        learnt: the three networks.
        judged: the cascade on photographs.
        before: the published weights on the same ones; None from scratch.
        facts: settings and whatever else belongs on the page.
        problems: what was left out.
    """

    record: WeightRecord
    learnt: tuple[Learnt, ...]
    judged: Judged
    before: Judged | None
    facts: Mapping[str, Any]
    problems: tuple[Problem, ...]


def write_mtcnn_report(run: Path, report: MtcnnReport) -> dict[str, Any]:
    """Write ``report.md``, ``report.json`` and their charts into ``run``; returns what is in the JSON.

    Raises:
        MissingExtraError: without matplotlib.
    """
    for each in report.learnt:
        history = each.fitted.history
        losses = {"training": [e.loss for e in history], "validation": [e.val_loss for e in history]}
        draw_history(losses, each.fitted.best, run / f"{each.stage}.png")
    curves = {"cascade": report.judged.curve}
    if report.before is not None:
        curves["published"] = report.before.curve
    draw_precision_recall(curves, run / "curve.png")
    figures = {
        "weights": report.record.name,
        "networks": [_network(each) for each in report.learnt],
        "judged": _judged(report.judged),
        "published": None if report.before is None else _judged(report.before),
        "facts": dict(report.facts),
        "left_out": [{"name": p.name, "reason": p.reason} for p in report.problems],
    }
    write_whole(run / "report.json", json.dumps(figures, indent=1, ensure_ascii=False).encode())
    write_whole(run / "report.md", _page(report, figures).encode())
    return figures


def _judged(judged: Judged) -> dict[str, Any]:
    rounded = {key: round(value, 4) for key, value in judged.figures.items()}
    return {"pictures": judged.pictures, "faces": judged.curve.faces, **rounded}


def _network(each: Learnt) -> dict[str, Any]:
    history = each.fitted.history
    best = history[each.fitted.best - 1]
    return {
        "network": each.stage,
        "samples": dict(each.counts),
        "epochs": len(history),
        "best_epoch": each.fitted.best,
        "seconds": round(sum(e.seconds for e in history), 1),
        "losses": [round(e.loss, 4) for e in history],
        "val_losses": [round(e.val_loss, 4) for e in history],
        "val_loss": round(best.val_loss, 4),
        "held": {key: None if value != value else round(value, 4) for key, value in each.held.items()},  # noqa: PLR0124 - NaN
        "export_difference": each.difference,
        "moved": each.moved,
        "kept": each.kept,
    }


def _page(report: MtcnnReport, figures: Mapping[str, Any]) -> str:
    judged, facts = figures["judged"], report.facts
    told = (
        f"Judged on {judged['pictures']} {facts['judged_on']} photographs with {judged['faces']} faces of"
        f" {facts['smallest']:g} pixels or more, at IoU 0.5: average precision {judged['AP']},"
        + ",".join(f" {key} {value}" for key, value in judged.items() if key.startswith("recall"))
        + "."
    )
    head = (
        "network",
        "samples",
        "best epoch",
        "validation loss",
        "accuracy",
        "recall",
        "offsets",
        "landmarks",
        "moved",
    )
    rows = [
        (
            each["network"],
            ", ".join(f"{count:,} {kind}" for kind, count in each["samples"].items()),
            f"{each['best_epoch']} of {each['epochs']}",
            each["val_loss"],
            *(each["held"][task] for task in ("accuracy", "recall", "offsets", "landmarks")),
            "" if each["moved"] is None else f"{each['moved']:.2g}",
        )
        for each in figures["networks"]
    ]
    lines = [
        f"# {report.record.name}",
        "",
        told,
        *([] if figures["published"] is None else ["", _beside(figures)]),
        "",
        f"Landmarks: {facts['points']}. {_ERRORS}",
        "",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
        "",
        "![pnet](pnet.png) ![rnet](rnet.png) ![onet](onet.png) ![precision over recall](curve.png)",
        "",
        *(f"- left out: {each['name']}: {each['reason']}" for each in figures["left_out"]),
        "",
        "| setting | value |",
        "| --- | --- |",
        *(f"| {key} | {value} |" for key, value in facts.items()),
    ]
    return "\n".join(lines) + "\n"


def _beside(figures: Mapping[str, Any]) -> str:
    """The published weights on the same photographs, and which networks were put back."""
    back = [each["network"] for each in figures["networks"] if not each["kept"]]
    told = f"The published weights, judged alike: average precision {figures['published']['AP']}."
    if not back:
        return f"{told} All three networks are kept."
    return (
        f"{told} With {', '.join(back)} as trained the cascade found less on held-out training photographs than with the"
        " published network, which was put back."
    )
