"""The page of a trained identifier: how it was judged, beside the kinds that it was held against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.charts import draw_confusion, draw_curves
from mien.evaluation.classification import Classification, judge
from mien.media.images import write_whole
from mien.training.identifier_data import Samples
from mien.training.identifier_models import Found, Kind
from mien.training.identifier_protocol import PARTS, Bar, Compared

__all__ = ["PROTOCOL", "Report", "comparison_table", "curve_table", "worst", "write_report"]

WORST = 10
"""People in the picture of confusions."""

PROTOCOL = (
    f"Faces that belong together (frames of one video, copies of one photograph, whatever --group-by ties) are never divided."
    f" The grid is searched with {PARTS}-fold cross-validation over such groups, by mean recall over people. The threshold is"
    f" the least score that at most the stated share of strangers reaches: {PARTS} times a fifth of the people is left out"
    " altogether and plays the strangers, with a fifth of the others' groups held back. In the comparison, each round sets"
    " another fifth of the people and of the groups apart, chooses parameters and threshold from the rest alone, and asks"
    " about what was set apart once. Closed set: the likeliest person, nobody rejected. Open set: at the threshold."
)


@dataclass(frozen=True, eq=False)
class Report:
    """What a report is made of.

    Args:
        name: of the identifier.
        samples: what it learnt from.
        scores: ``(n, c)`` of each of those faces, by a model that was fitted without its fold.
        bar: its threshold.
        compared: the kinds side by side; empty if that was left out.
        curve: accuracy over the number of people by kind.
        found: the grid search.
        facts: settings and whatever else belongs on the page.
    """

    name: str
    samples: Samples
    scores: NDArray[np.float32]
    bar: Bar
    compared: Sequence[Compared]
    curve: Mapping[Kind, Sequence[tuple[int, float]]]
    found: Found
    facts: Mapping[str, Any]

    @cached_property
    def judged(self) -> Classification:
        """The out-of-fold scores held against the truth."""
        return judge(self.scores, self.samples.targets, self.samples.classes)


def write_report(run: Path, report: Report) -> dict[str, Any]:
    """Write ``report.md``, ``report.json`` and their pictures into ``run``; returns what is in the JSON.

    Raises:
        MissingExtraError: without matplotlib.
    """
    run.mkdir(parents=True, exist_ok=True)
    chosen = worst(report.judged)
    names = [report.samples.classes[i] for i in chosen]
    if chosen:
        draw_confusion(report.judged.confusion[np.ix_(chosen, chosen)], names, run / "confusion.png")
    if report.curve:
        draw_curves(report.curve, run / "people.png", labels=("number of people", "closed-set accuracy"), log=True)
    figures = _figures(report)
    write_whole(run / "report.json", json.dumps(figures, indent=1, ensure_ascii=False).encode())
    write_whole(run / "report.md", _page(report, figures, names).encode())
    return figures


def worst(judged: Classification, most: int = WORST) -> list[int]:
    """The people with the most mistakes, and whom they are taken for: rows of the confusion, the worst first; at most ``most``."""
    mistaken = judged.confusion - np.diag(np.diag(judged.confusion))
    chosen: list[int] = []
    for row in np.argsort(-mistaken.sum(axis=1), kind="stable").tolist():
        pair = [row, int(mistaken[row].argmax())] if mistaken[row].any() else []
        chosen += [i for i in pair if i not in chosen]
    return chosen[:most]


def comparison_table(compared: Sequence[Compared]) -> list[str]:
    """The kinds side by side, as lines of Markdown."""
    return [
        "| kind | closed set: right | open set: right name | wrong name | strangers who get a name | parameters |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *(
            f"| {c.kind} | {c.closed:.4f} of {c.faces} | {c.named:.4f} | {c.misnamed:.4f} |"
            f" {f'{c.accepted:.4f} of {c.strangers}' if c.strangers else 'not measured'} |"
            f" {', '.join(f'{key} {value}' for key, value in c.parameters.items()) or 'none'} |"
            for c in compared
        ),
    ]


def curve_table(curve: Mapping[Kind, Sequence[tuple[int, float]]]) -> list[str]:
    """Closed-set accuracy over the number of people, as lines of Markdown."""
    kinds = list(curve)
    sizes = [size for size, _ in curve[kinds[0]]] if kinds else []
    return [
        f"| people | {' | '.join(kinds)} |",
        "| ---: |" + " ---: |" * len(kinds),
        *(f"| {size} | " + " | ".join(f"{curve[k][i][1]:.4f}" for k in kinds) + " |" for i, size in enumerate(sizes)),
    ]


def _figures(report: Report) -> dict[str, Any]:
    judged = report.judged.to_dict()
    judged.pop("confusion")
    return {
        "identifier": report.name,
        "people": len(report.samples.classes),
        "faces": len(report.samples),
        "groups": len(np.unique(report.samples.groups)),
        "out_of_fold": judged,
        "threshold": asdict(report.bar),
        "comparison": [c.to_dict() for c in report.compared],
        "over_people": {kind: [[n, round(a, 4)] for n, a in points] for kind, points in report.curve.items()},
        "grid": [{"parameters": dict(p), "recall": round(a, 4)} for p, a in report.found.tried],
        "leaks": list(report.samples.leaks),
        "settings": dict(report.facts),
    }


def _page(report: Report, figures: Mapping[str, Any], names: Sequence[str]) -> str:
    bar, asked = report.bar, report.facts["false_accepts"]
    low, high = bar.accepted_95
    reached = (
        f"Threshold: probability {bar.probability:.4f}, for at most {asked:g} of strangers named; of {bar.strangers} faces of"
        f" people left out {bar.accepted:.4f} reach it (95 %: {low:.4f} to {high:.4f}). With it {bar.named:.4f} of held-out"
        " faces of known people get their name."
    )
    lines = [
        f"# {report.name}",
        "",
        f"{report.facts['kind']}, {figures['people']} people, {figures['faces']} faces in {figures['groups']} groups.",
        *(
            [f"\n**LEAK ALLOWED: train and test share {len(report.samples.leaks)} groups.**"]
            if report.samples.leaks
            else []
        ),
        "",
        f"Out of fold: accuracy {report.judged.accuracy:.4f}, mean recall {report.judged.balanced_accuracy:.4f}.",
        reached,
        "",
        f"Protocol: {PROTOCOL}",
        "",
        *(["## Side by side", "", *comparison_table(report.compared), ""] if report.compared else []),
        *(
            ["## Number of people", "", "![over people](people.png)", "", *curve_table(report.curve), ""]
            if report.curve
            else []
        ),
        "## Worst confusions",
        "",
        "![confusion](confusion.png)" if names else "No face was taken for somebody else.",
        "",
        "## Settings",
        "",
        "| setting | value |",
        "| --- | --- |",
        *(f"| {key} | {value} |" for key, value in report.facts.items()),
    ]
    return "\n".join(lines) + "\n"
