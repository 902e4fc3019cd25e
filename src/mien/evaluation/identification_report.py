"""What identification leaves behind: ranks, rates and cost by size of the gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.evaluation.charts import draw_curves
from mien.evaluation.identification import Identification, IdentificationRules
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.evaluation.reporting import conditions, digest, markdown_table, percent, protocol_words, subject_words

__all__ = ["identification_page", "identification_record"]


def identification_record(
    found: Sequence[Identification],
    names: Sequence[str],
    rules: IdentificationRules,
    *,
    missed: int,
    told: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> Record:
    """The figures with everything they depend on.

    Args:
        found: one per size.
        names: of the pictures.
        rules: how they were judged.
        missed: pictures without a face.
        told: what is to be said of the data, and what was measured.
    """
    protocol = {
        **told[0],
        "pictures": len(names),
        "pictures_digest": digest(names),
        "templates": rules.templates,
        "left_out": rules.left_out,
        "sizes": [each.people for each in found],
        "fpir": [f"{rate:g}" for rate in rules.fpir],
        "ranks": rules.ranks,
        "seed": rules.seed,
        "scales": [1.0],
        "resolution": "original",
        "face": "nearest the picture's centre",
        "person": "best template",
        "failed_detection": "a mated probe without a face is never identified, a stranger without one is left out",
        "interval": "bootstrap over people, 1000 draws, widened to Wilson's, 95 %",
    }
    figures = {"missed_pictures": missed, "by_size": {str(each.people): each.to_dict() for each in found}}
    return Record("identification", protocol, told[1], figures, this_machine(), installed_versions())


def identification_page(record: Record, found: Sequence[Identification], folder: Path) -> list[str]:
    """The report as paragraphs; ``cmc.png``, and over several sizes ``size.png`` and ``cost.png``, are drawn into ``folder``.

    Raises:
        MissingExtraError: without matplotlib.
    """
    draw_curves(
        {f"{each.people} people": list(enumerate(each.cmc, 1)) for each in found},
        folder / "cmc.png",
        labels=("rank", "share of probes"),
    )
    parts = [
        f"# Identification: {record.subject.get('name', '')} on {record.protocol.get('data', '')}",
        _closed(found),
        "![CMC](cmc.png)",
        _open(found, record.protocol["fpir"]),
        f"{record.figures['missed_pictures']} of {record.protocol['pictures']} pictures without a face.",
    ]
    if len(found) > 1:
        parts += _sizes(found, folder)
    return [
        *parts,
        "## Protocol\n\n" + protocol_words(record),
        "## What was measured\n\n" + subject_words(record),
        conditions(record),
    ]


def _closed(found: Sequence[Identification]) -> str:
    rows = []
    for each in found:
        fifth = f"{each.cmc[4]:.4f}" if len(each.cmc) > 4 else "–"
        rows.append(
            [
                str(each.people),
                str(each.templates),
                str(each.mated),
                f"{each.cmc[0]:.4f}",
                percent(each.rank1_interval),
                fifth,
                f"{each.search_ms:.3f}",
            ]
        )
    head = ["people in the gallery", "templates", "probes of them", "rank 1", "95 %", "rank 5", "ms per search"]
    return "## Closed set: everybody is in the gallery\n\n" + markdown_table(head, rows)


def _open(found: Sequence[Identification], wanted: Sequence[str]) -> str:
    rows = []
    for each in found:
        for fpir in wanted:
            got = each.dir.get(float(fpir))
            told = ["refused", f"{each.strangers} strangers are too few", ""]
            if got is not None:
                told = [f"{got[0]:.4f}", percent(got[1]), f"{got[2]:.4f}"]
            rows.append([str(each.people), str(each.strangers), fpir, *told])
    head = ["people in the gallery", "probes of strangers", "FPIR", "DIR", "95 %", "cosine"]
    return "## Open set: strangers come too\n\n" + markdown_table(head, rows)


def _sizes(found: Sequence[Identification], folder: Path) -> list[str]:
    rates = sorted({rate for each in found for rate in each.dir}, reverse=True)
    lines = {"rank 1": [(float(each.people), each.cmc[0]) for each in found]}
    for rate in rates:
        lines[f"DIR at FPIR {rate:g}"] = [(float(e.people), e.dir[rate][0]) for e in found if rate in e.dir]
    draw_curves(lines, folder / "size.png", labels=("people in the gallery", "share of probes"), log=True)
    cost = [(float(each.templates), each.search_ms) for each in found]
    draw_curves({"exact search": cost}, folder / "cost.png", labels=("templates", "ms per search"), log=True)
    return ["## By size of the gallery", "![By size](size.png)", "![Cost](cost.png)"]
