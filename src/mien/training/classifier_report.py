"""The page of a run: what was learnt from what, and how well, with the mistakes to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.charts import draw_confusion, draw_history, draw_roc
from mien.evaluation.classification import Classification, judge, wilson
from mien.evaluation.verification import roc_curve
from mien.media.drawing import contact_sheet
from mien.media.images import write_image, write_whole
from mien.training.fitting import Fitted
from mien.training.pictures import Pictures

__all__ = ["Report", "write_report"]

_SHOWN = 24
"""Mistakes on the sheet."""


@dataclass(frozen=True, eq=False)
class Report:
    """What a report is made of.

    Args:
        name: of the classifier.
        pictures: all that were read.
        rows: which were judged.
        answers: ``(len(rows), k)`` probabilities of the exported network.
        fitted: the run.
        facts: settings and whatever else belongs on the page.
    """

    name: str
    pictures: Pictures
    rows: NDArray[np.intp]
    answers: NDArray[np.float32]
    fitted: Fitted
    facts: Mapping[str, Any]

    @property
    def targets(self) -> NDArray[np.intp]:
        """The true class of each judged picture."""
        return self.pictures.targets[self.rows]

    @cached_property
    def found(self) -> Classification:
        """The answers held against the truth."""
        return judge(self.answers, self.targets, self.pictures.classes)

    @property
    def judged_on(self) -> str:
        """E.g. ``"400 test pictures"``."""
        return f"{len(self.rows)} {'test' if 'test' in self.pictures.sides else 'validation'} pictures"


def write_report(run: Path, report: Report) -> dict[str, Any]:
    """Write ``report.md``, ``report.json`` and their pictures into ``run``; returns what is in the JSON.

    Raises:
        MissingExtraError: without matplotlib.
    """
    history = report.fitted.history
    draw_history(
        {"training": [e.loss for e in history], "validation": [e.val_loss for e in history]},
        report.fitted.best,
        run / "loss.png",
    )
    draw_history(
        {"training": [e.accuracy or 0 for e in history], "validation": [e.val_accuracy or 0 for e in history]},
        report.fitted.best,
        run / "accuracy.png",
        y="accuracy",
    )
    draw_confusion(report.found.confusion, report.pictures.classes, run / "confusion.png")
    _roc(run / "roc.png", report)
    _mistakes(run / "mistakes.jpg", report)
    figures = _figures(report)
    write_whole(run / "report.json", json.dumps(figures, indent=1, ensure_ascii=False).encode())
    write_whole(run / "report.md", _page(report, figures).encode())
    return figures


def _figures(report: Report) -> dict[str, Any]:
    best = report.fitted.history[report.fitted.best - 1]
    return {
        "classifier": report.name,
        "judged_on": report.judged_on,
        **report.found.to_dict(),
        "best_epoch": report.fitted.best,
        "epochs": len(report.fitted.history),
        "stopped_early": report.fitted.stopped_early,
        "seconds": round(sum(epoch.seconds for epoch in report.fitted.history), 1),
        "val_loss": round(best.val_loss, 5),
        "val_accuracy": best.val_accuracy and round(best.val_accuracy, 4),
        "pictures_of": {
            side: report.pictures.counts(side) for side in ("train", "val", "test") if side in report.pictures.sides
        },
        "left_out": [{"name": p.name, "reason": p.reason} for p in report.pictures.problems],
        "leaks": [leak.words() for leak in report.pictures.leaks],
        "settings": dict(report.facts),
    }


def _roc(file: Path, report: Report) -> None:
    """One curve per class against the others; of two classes the second says it all."""
    names = list(enumerate(report.pictures.classes))
    shown = names[1:] if len(names) == 2 else names
    told = {name: (report.answers[:, i], report.targets == i) for i, name in shown}
    curves = {name: roc_curve(scores, same) for name, (scores, same) in told.items() if 0 < same.sum() < len(same)}
    if curves:
        draw_roc(curves, file)


def _mistakes(file: Path, report: Report) -> None:
    """The surest mistakes as the network saw them, with what they were taken for."""
    classes = report.pictures.classes
    chosen = report.found.mistakes[:_SHOWN]
    file.unlink(missing_ok=True)
    if chosen:
        words = [
            f"{classes[report.targets[i]]}, not {classes[report.answers[i].argmax()]} {report.answers[i].max():.2f}"
            for i in chosen
        ]
        write_image(file, contact_sheet([report.pictures.chips[report.rows[i]] for i in chosen], words))


def _page(report: Report, figures: Mapping[str, Any]) -> str:
    low, high = wilson(report.found.accuracy, len(report.rows))
    summary = (
        f"On {report.judged_on}: accuracy {report.found.accuracy:.4f} (95 %: {low:.3f} to {high:.3f}), balanced accuracy"
        f" {report.found.balanced_accuracy:.4f}."
    )
    kept = (
        f"Epoch {report.fitted.best} of {len(report.fitted.history)} was kept: it has the least validation loss"
        f" ({figures['val_loss']})."
    )
    lines = [
        f"# {report.name}",
        "",
        summary,
        *_warnings(report),
        "",
        "| class | pictures | precision | recall | F1 |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {c.name} | {c.pictures} | {_share(c.precision)} | {_share(c.recall)} | {_share(c.f1)} |"
            for c in report.found.classes
        ),
        "",
        kept,
        "",
        "![confusion](confusion.png) ![loss](loss.png) ![accuracy](accuracy.png) ![ROC](roc.png)",
        "",
        *_mistaken(report),
        "| pictures | " + " | ".join(report.pictures.classes) + " |",
        "| --- |" + " ---: |" * len(report.pictures.classes),
        *(f"| {side} | " + " | ".join(map(str, n.values())) + " |" for side, n in figures["pictures_of"].items()),
        "",
        *([f"{len(report.pictures.problems)} left out:", ""] if report.pictures.problems else []),
        *(f"- {p.name}: {p.reason}" for p in report.pictures.problems),
        "",
        "| setting | value |",
        "| --- | --- |",
        *(f"| {key} | {value} |" for key, value in report.facts.items()),
    ]
    return "\n".join(lines) + "\n"


def _share(value: float) -> str:
    """Four digits; a dash where there is nothing to have a share of, as the precision of a class that was never said."""
    return "–" if math.isnan(value) else f"{value:.4f}"


def _warnings(report: Report) -> list[str]:
    """What a reader of the figures must know first."""
    lines = []
    if "test" not in report.pictures.sides:
        lines += [
            "",
            "There were no test pictures: these ones chose the epoch, so the figures flatter. Give some with --test.",
        ]
    if report.pictures.leaks:
        lines += [
            "",
            f"**LEAK ALLOWED: train and test share something; {len(report.pictures.leaks)} ties**, among them:",
        ]
        lines += [f"- {leak.words()}" for leak in report.pictures.leaks[:5]]
    return lines


def _mistaken(report: Report) -> list[str]:
    count = len(report.found.mistakes)
    if not count:
        return ["No mistake was made.", ""]
    return [f"The surest of {count} mistakes:", "", "![mistakes](mistakes.jpg)", ""]
