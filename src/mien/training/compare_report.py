"""The page of a comparison: Nikolaev's tables and plots, with the spread over seeds, as Markdown and as HTML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mien.evaluation.charts import draw_spread
from mien.evaluation.spread import Spread
from mien.media.images import write_whole
from mien.training.backbones import NONE
from mien.training.compare import Comparison, Failure
from mien.training.compare_kinds import Kind, accuracy, beside, kinds, loss, training_seconds, verdicts
from mien.training.compare_page import Block, Image, Table, markdown, to_html

__all__ = ["write_comparison"]

Cells = Sequence[str]


def write_comparison(out: Path, found: Comparison) -> dict[str, Any]:
    """Write ``report.md``, ``report.html``, ``report.json`` and the figures into ``out``; returns what is in the JSON.

    Raises:
        MissingExtraError: without matplotlib.
    """
    pictures = _draw(out, found)
    blocks = _blocks(found, pictures)
    write_whole(out / "report.md", markdown(blocks).encode())
    write_whole(out / "report.html", to_html(blocks).encode())
    told = _told(found)
    write_whole(out / "report.json", json.dumps(told, indent=1, ensure_ascii=False).encode())
    return told


def _draw(out: Path, found: Comparison) -> dict[str, str]:
    """The plots there is something for: file by what it shows."""
    every = kinds(found)
    whole = [kind for kind in every if not kind.size]
    drawn: dict[str, str] = {}

    def draw(name: str, title: str, series: Mapping[str, Any], words: tuple[str, str], ticks: Cells = ()) -> None:
        draw_spread(series, out / f"{name}.png", x=words[0], y=words[1], ticks=ticks)
        drawn[f"{name}.png"] = title

    names = [name for name in found.grid.backbones if any(kind.backbone == name for kind in whole)]
    for name, figure, y in (("loss", loss, "validation loss"), ("accuracy", accuracy, "validation accuracy")):
        by = {
            f"augment {a}": [(names.index(k.backbone), k.spread(figure).values) for k in whole if k.augment == a]
            for a in dict.fromkeys(kind.augment for kind in whole)
        }
        draw(name, f"{y} by backbone", by, ("backbone", y), names)
    for name, y, values in _against(every):
        if len(found.grid.augments) > 1:
            series = _series(
                [k for k in whole if k.backbone != NONE], lambda k: (1 + k.augment) * k.runs[0].learnt, values
            )
            if series:
                draw(f"versions-{name}", f"{y} by pictures with their versions", series, ("pictures and versions", y))
        if found.grid.sizes:
            series = _series(every, lambda k: k.runs[0].learnt, values, augment=True)
            draw(f"size-{name}", f"{y} by training pictures", series, ("training pictures", y))
    return drawn


def _against(every: Sequence[Kind]) -> list[tuple[str, str, Callable[[Kind], Cells | tuple[float, ...]]]]:
    """What is drawn against a quantity: name, axis, values of a kind."""
    return [
        ("loss", "validation loss", lambda kind: kind.spread(loss).values),
        ("accuracy", "validation accuracy", lambda kind: kind.spread(accuracy).values),
        ("seconds", "seconds to train", lambda kind: training_seconds(kind, every).values),
    ]


def _series(
    shown: Sequence[Kind], place: Callable[[Kind], float], values: Callable[[Kind], Any], *, augment: bool = False
) -> dict[str, list[tuple[float, Any]]]:
    """A line per backbone, or per backbone and augmentation, in the order of the places."""
    lines: dict[str, list[tuple[float, Any]]] = {}
    for kind in sorted(shown, key=place):
        name = f"{kind.backbone}, augment {kind.versions}" if augment else kind.backbone
        lines.setdefault(name, []).append((place(kind), values(kind)))
    return lines


def _blocks(found: Comparison, pictures: Mapping[str, str]) -> list[Block]:
    every = kinds(found)
    images = [Image(file, title) for file, title in pictures.items()]
    blocks: list[Block] = ["# Backbones compared", _opening(found), _quality(every), _leading(found), *images[:2]]
    if found.failures:
        blocks += [
            "# What could not be run",
            Table(("run", "why"), [(f.cell.words(), _why(f)) for f in found.failures]),
        ]
    blocks += ["# Which differences are shown", _rule(found), _differences(found)]
    blocks += ["# Size and time", _SIZES, _size_and_time(found, every), *images[2:]]
    blocks += ["# Settings", Table(("setting", "value"), [(k, str(v)) for k, v in found.settings.items()])]
    return blocks


def _why(failure: Failure) -> str:
    return f"{failure.reason}{' (its other runs are left out)' if failure.for_good else ''}"


def _opening(found: Comparison) -> str:
    sides = "; ".join(
        f"{side} {', '.join(f'{n} of {name}' for name, n in counts.items())}"
        for side, counts in found.pictures_of.items()
    )
    divided = "The sides are SRC's own" if not found.held else "Each seed divides anew, alike for all backbones"
    test = (
        " Test pictures chose nothing: they were looked at once by each exported network."
        if "test" in found.pictures_of
        else " There were no test pictures: validation chose the epoch, so these figures flatter."
    )
    return (
        f"{found.grid.seeds} seeds of each. {divided}; pictures of seed 0: {sides}.{test} Figures are mean ± standard"
        " deviation over the seeds (least–greatest)."
    )


def _quality(every: Sequence[Kind]) -> Table:
    tested = any(run.test_accuracy is not None for kind in every for run in kind.runs)
    head = ["backbone", "augment", "pictures", "seeds", "validation loss", "validation accuracy"]
    rows = []
    for kind in every:
        losses = kind.spread(loss)
        row = [kind.backbone, kind.versions, str(kind.runs[0].learnt), str(len(kind.runs))]
        row += [losses.words(), kind.spread(accuracy).words()]
        row += [kind.spread(lambda run: run.test_accuracy or 0.0).words()] if tested else []
        rows.append([*row, f"{losses.best_below_worst:.0%}" if len(kind.runs) > 1 else ""])
    return Table([*head, *(["test, balanced accuracy"] if tested else []), "best run's loss below the worst's"], rows)


def _leading(found: Comparison) -> str:
    """Who has the least loss, and who may be as good."""
    best = min(kinds(found), key=lambda kind: kind.spread(loss).mean)
    close = [other.words for other, apart in beside(found, best) if not apart.shown]
    rest = f"Not shown to be worse: {'; '.join(close)}." if close else "All others are shown to be worse."
    return f"The least mean validation loss has {best.words}. {rest}"


def _rule(found: Comparison) -> str:
    split = (
        f", widened for splits that share pictures ({found.held:.2f} validated with per one learnt from; Nadeau and Bengio 2003)"
        if found.held
        else "; the split is the same for all seeds, so the interval is about first weights and order alone"
    )
    return (
        "Validation loss, first minus second, seed by seed. A difference is shown if its 95 % interval (Student's"
        f"{split}) leaves 0 out; otherwise it is within the spread."
    )


def _differences(found: Comparison) -> Table:
    rows = [
        (
            v.question,
            v.first.words,
            v.second.words,
            f"{v.found.mean:+.4f}" + ("" if v.found.half is None else f" ± {v.found.half:.4f}"),
            v.words,
        )
        for v in verdicts(found)
    ]
    return Table(("about", "first", "second", "difference", "verdict"), rows)


_SIZES = (
    "Parameters are the numbers that the exported network stores, where batch normalisation may be part of a convolution; depth is how many convolutions and dense layers lie one"
    " behind the other. Training is the epochs, and the features of all versions where a frozen backbone computes them once."
    " A picture is timed alone, from the chip on, all networks in turn: the median."
)


def _size_and_time(found: Comparison, every: Sequence[Kind]) -> Table:
    rows = []
    for kind in every:
        run, seconds = kind.runs[0], training_seconds(kind, every)
        time = found.milliseconds.get(kind.backbone)
        row = (kind.backbone, kind.versions, str(run.learnt), f"{run.parameters:,}", f"{run.trainable:,}")
        depth = (str(run.depth), str(run.layers), f"{run.bytes / 1e6:.1f}")
        rows.append((*row, *depth, seconds.words(1), "" if time is None else f"{time:.1f}"))
    head = (
        "backbone",
        "augment",
        "pictures",
        "parameters",
        "learnt",
        "depth",
        "layers",
        "MB",
        "training, s",
        "ms per picture",
    )
    return Table(head, rows)


def _told(found: Comparison) -> dict[str, Any]:
    """The whole story for programs."""
    every = kinds(found)
    return {
        "kinds": [
            {
                "backbone": kind.backbone,
                "augment": kind.augment,
                "pictures": kind.runs[0].learnt,
                "val_loss": _plain(kind.spread(loss)),
                "val_accuracy": _plain(kind.spread(accuracy)),
                "test_balanced_accuracy": [run.test_accuracy for run in kind.runs],
                "training_seconds": _plain(training_seconds(kind, every)),
                "milliseconds": found.milliseconds.get(kind.backbone),
            }
            for kind in every
        ],
        "verdicts": [
            {
                "about": v.question,
                "first": v.first.words,
                "second": v.second.words,
                **asdict(v.found),
                "verdict": v.words,
            }
            for v in verdicts(found)
        ],
        "failures": [{"run": f.cell.words(), "reason": f.reason, "for_good": f.for_good} for f in found.failures],
        "best": {name: run.cell.name for name, run in found.best.items()},
        "pictures_of": {side: dict(counts) for side, counts in found.pictures_of.items()},
        "settings": dict(found.settings),
        "runs": [asdict(run) for run in found.runs],
    }


def _plain(spread: Spread) -> dict[str, Any]:
    return {"mean": spread.mean, "deviation": spread.deviation, "each": list(spread.values)}
