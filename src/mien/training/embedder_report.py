"""The page of an embedder's run: who was learnt, how the loss fell, and before and after on people never seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.evaluation.charts import draw_history
from mien.media.images import write_whole
from mien.training.embedder_figures import BeforeAfter, compare
from mien.training.fitting import Fitted
from mien.training.keras_backend import package_versions
from mien.training.pictures import Pictures

__all__ = ["Judged", "Run", "write_report"]


@dataclass(frozen=True, eq=False)
class Judged:
    """People who were never learnt.

    Args:
        name: what they are called on the page.
        people: ``(n,)`` whose each picture is, 0 to k - 1.
        before: ``(n, d)`` of unit length, of the base; None from scratch.
        after: ``(n, e)`` of unit length.
    """

    name: str
    people: NDArray[np.intp]
    before: NDArray[np.float32] | None
    after: NDArray[np.float32]

    @cached_property
    def rows(self) -> list[BeforeAfter]:
        """The rates; none where there are too few people or pictures for any."""
        try:
            return compare(self.after if self.before is None else self.before, self.after, self.people)
        except InputError:
            return []

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "people": int(self.people.max()) + 1,
            "pictures": len(self.people),
            "from_scratch": self.before is None,
            "rates": [row.to_dict() for row in self.rows],
        }


@dataclass(frozen=True, eq=False)
class Run:
    """What a report is made of.

    Args:
        name: of the embedder.
        pictures: all that were read.
        fitted: the run.
        judged: before and after.
        facts: settings and whatever else belongs on the page.
    """

    name: str
    pictures: Pictures
    fitted: Fitted
    judged: list[Judged]
    facts: Mapping[str, Any]


def write_report(folder: Path, run: Run) -> dict[str, Any]:
    """Write ``report.md``, ``report.json`` and ``loss.png``; returns what is in the JSON.

    Raises:
        MissingExtraError: without matplotlib.
    """
    history = run.fitted.history
    losses = {"training": [e.loss for e in history], "validation": [e.val_loss for e in history]}
    draw_history(losses, run.fitted.best, folder / "loss.png")
    figures = {
        "name": run.name,
        "epochs": len(history),
        "best_epoch": run.fitted.best,
        "history": [asdict(epoch) for epoch in history],
        "judged": {each.name: each.to_dict() for each in run.judged},
        "left_out": [{"name": p.name, "reason": p.reason} for p in run.pictures.problems],
        "settings": dict(run.facts),
        "versions": package_versions(),
    }
    write_whole(folder / "report.json", json.dumps(figures, ensure_ascii=False, indent=1).encode())
    write_whole(folder / "report.md", _page(run, figures).encode())
    return figures


def _page(run: Run, figures: Mapping[str, Any]) -> str:
    best = run.fitted.history[run.fitted.best - 1]
    active = "" if best.active is None else f" Active triplets: {best.active:.1%}."
    sides = run.facts["sides"]
    lines = [
        f"# {run.name}",
        "",
        (
            f"Learnt {sides['train']['pictures']} pictures of {sides['train']['people']} people; {_judges(sides)}. Kept: epoch"
            f" {run.fitted.best} of {len(run.fitted.history)}, loss {best.loss:.4f}, validation {best.val_loss:.4f}.{active}"
        ),
        "",
        "![loss](loss.png)",
        "",
    ]
    for each in run.judged:
        lines += _table(each)
    lines += ["## Settings", "", *(f"- {key}: {value}" for key, value in run.facts.items() if key != "sides"), ""]
    if figures["left_out"]:
        lines += ["## Left out", "", *(f"- {p['name']}: {p['reason']}" for p in figures["left_out"]), ""]
    return "\n".join(lines)


def _judges(sides: Mapping[str, Mapping[str, int]]) -> str:
    """Who chose the epoch, and who it is judged on."""
    held, judged = sides["val"]["people"], sides["test"]["people"]
    chosen = f"the epoch was chosen on {held} others" if held else "the epoch was chosen on the same people"
    if judged:
        return f"{chosen}, judged on {judged} who were never looked at"
    return f"{chosen}, who are judged on too: that flatters" if held else f"{chosen}; nobody was left to judge on"


def _table(judged: Judged) -> list[str]:
    """Before and after, with intervals."""
    people = int(judged.people.max()) + 1
    head = [f"## {judged.name}: {len(judged.people)} pictures of {people} people, none of them learnt", ""]
    if not judged.rows:
        return [*head, "Too few people or pictures for any rate (100 pairs of different people are the least).", ""]
    if judged.before is None:
        rows = [f"| {r.what} | {r.after:.4f} ({_ends(r.after_interval)}) |" for r in judged.rows]
        return [*head, "| | from scratch |", "| --- | ---: |", *rows, ""]
    rows = [
        f"| {r.what} | {r.before:.4f} ({_ends(r.before_interval)}) | {r.after:.4f} ({_ends(r.after_interval)}) |"
        f" {r.after - r.before:+.4f} ({_ends(r.gain_interval, '+.4f')}) |"
        for r in judged.rows
    ]
    columns = "| | before | after | gain |"
    return [*head, columns, "| --- | ---: | ---: | ---: |", *rows, "", "In brackets: 95 %, people drawn.", ""]


def _ends(interval: tuple[float, float], form: str = ".4f") -> str:
    return " … ".join(format(end, form) for end in interval)
