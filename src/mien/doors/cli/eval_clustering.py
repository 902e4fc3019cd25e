"""``mien eval clustering``: groups of faces held against the people they show."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from mien.core.errors import InputError
from mien.doors.cli.command import Session, command
from mien.doors.cli.eval_running import finish
from mien.doors.cli.pictures import prepare_folder, shown

__all__ = ["register"]

_TRUTH = ("truth", "person", "label")
_GROUP = ("group", "cluster")


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "clustering", reads=True)(clustering)


def clustering(
    session: Session,
    table: Annotated[
        Path, typer.Argument(metavar="FACES.csv", help="A row per face with columns truth (whom it shows) and group.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results, if they are kept: record.json and report.md.")
    ] = None,
) -> None:
    """BCubed and pairwise precision, recall and F1. Group -1, noise or nothing: the face stands alone."""
    from mien.evaluation.clustering import judge_clusters
    from mien.evaluation.records import Record, installed_versions, this_machine
    from mien.evaluation.reporting import conditions, digest, markdown_table, protocol_words

    truth, groups = _columns(table)
    if out is not None:
        prepare_folder(out)
    found = judge_clusters(truth, groups)
    rows = [
        {"": name, "precision": s.precision, "recall": s.recall, "F1": s.f1}
        for name, s in (("BCubed", found.bcubed), ("pairs", found.pairwise))
    ]
    protocol = {
        "data": shown(table.name),
        "faces": found.faces,
        "faces_without_truth": len(truth) - found.faces,
        "truth_digest": digest(truth),
        "nobody": "each face without a group stands alone",
        "seed": None,
    }
    record = Record("clustering", protocol, {}, found.to_dict(), this_machine(), installed_versions())
    title = f"{found.faces} faces of {found.people} people in {found.groups} groups"
    session.out.table(
        title,
        rows,
        columns=("", "precision", "recall", "F1"),
        data=record.to_dict(),
    )
    if out is not None:
        cells = ([str(r[""]), *(f"{r[c]:.4f}" for c in ("precision", "recall", "F1"))] for r in rows)
        page = [
            f"# Clustering: {shown(table.name)}",
            f"{title}; {found.pure:.4f} of the faces are in a group that shows their person only.",
            markdown_table(["", "precision", "recall", "F1"], cells),
            "## Protocol\n\n" + protocol_words(record),
            conditions(record),
        ]
        finish(session, out, record, page)


def _columns(file: Path) -> tuple[list[str], list[str]]:
    """Truth and group of every face.

    Raises:
        InputError: no such columns, or a row of another length.
    """
    try:
        rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(file)} is no UTF-8 text: {error}") from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    at = [next((header.index(name) for name in names if name in header), None) for names in (_TRUTH, _GROUP)]
    if at[0] is None or at[1] is None:
        raise InputError(f"{shown(file)}:1: expected the columns truth and group, got {', '.join(header)}")
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) != len(header):
            raise InputError(f"{shown(file)}:{number}: expected {len(header)} cells, got {len(row)}")
    whole = [row for row in rows[1:] if row]
    return [row[at[0]].strip() for row in whole], [row[at[1]].strip() for row in whole]
