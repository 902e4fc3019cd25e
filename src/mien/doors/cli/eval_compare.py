"""``mien eval compare``: records side by side, if their figures mean the same."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, MissingExtraError, SettingError
from mien.doors.cli.command import Session, command
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.evaluation.paired import PairedTest
    from mien.evaluation.records import Comparison

__all__ = ["register"]

PAIRS = "pairs.csv"
DETAIL = ("scores.", "by.", "lost_at.height.", "embedder_only.cosine_at_far.", "curve.")
"""Figures that only ``--all`` shows."""


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "compare", reads=True)(compare_records)


def compare_records(
    session: Session,
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORD RECORD…", help="Folders of mien eval, or their record.json.")
    ],
    everything: Annotated[bool, typer.Option("--all", help="Every figure, those of groups too.")] = False,
) -> None:
    """Records beside the first one; those of unlike protocols, or of other weights of the same name, are refused."""
    from mien.evaluation.records import compare
    from mien.evaluation.reporting import read_record

    if len(records) < 2:
        raise SettingError("one record has nothing to be compared with: give two or more")
    read = [read_record(path) for path in records]
    names = _names(records)
    compared: list[Comparison] = []
    for path, record in zip(records[1:], read[1:], strict=True):
        try:
            compared.append(compare(read[0], record))
        except InputError as error:
            raise InputError(f"{shown(records[0])} and {shown(path)}: {error}") from error
    rows = _rows(names, compared, everything=everything)
    columns = ("figure", names[0], *(c for name in names[1:] for c in (name, f"{name} -")))
    tests = [_tested(session, records[0], path) for path in records[1:]]
    data = {
        "records": [shown(path) for path in records],
        "subjects": [dict(each.subject) for each in compared],
        "figures": [dict(each.figures) for each in compared],
        "paired_tests": [None if test is None else asdict(test) for test in tests],
    }
    session.out.table(f"{read[0].task}: {len(read)} records of one protocol", rows, columns=columns, data=data)
    for name, each in zip(names[1:], compared, strict=True):
        for what, (one, other) in each.subject.items():
            session.out.text(f"{what}: {_short(one)} ({names[0]}), {_short(other)} ({name})")
    for name, test in zip(names[1:], tests, strict=True):
        if test is not None:
            session.out.text(
                f"of {test.pairs:,} pairs {test.first_only:,} were decided rightly by {names[0]} alone, {test.second_only:,} by {name} "
                f"alone: p = {test.p:.2g} if both are equally good (McNemar, exact)"
            )


def _tested(session: Session, first: Path, other: Path) -> PairedTest | None:
    """McNemar's test where both records have their ``pairs.csv`` beside them."""
    from mien.evaluation.paired import mcnemar, read_decisions

    files = [(path if path.is_dir() else path.parent) / PAIRS for path in (first, other)]
    if not all(file.is_file() for file in files):
        return None
    try:
        return mcnemar(*map(read_decisions, files))
    except MissingExtraError as error:
        session.out.note(str(error))
        return None


def _names(records: list[Path]) -> list[str]:
    """What each is called: its folder, numbered where two share a name."""
    own = [
        shown((p if p.is_dir() else p.parent).resolve().name if p.name == "record.json" or p.is_dir() else p.stem)
        for p in records
    ]
    return [name if own.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(own, 1)]


def _rows(names: list[str], compared: list[Comparison], *, everything: bool) -> list[dict[str, Any]]:
    """A row per figure that the first record shares with another."""
    figures = dict.fromkeys(name for each in compared for name in each.figures)
    rows = []
    for figure in figures:
        if not everything and figure.startswith(DETAIL):
            continue
        row: dict[str, Any] = {"figure": figure}
        for name, each in zip(names[1:], compared, strict=True):
            if figure in each.figures:
                one, other, more = each.figures[figure]
                row |= {names[0]: _number(one), name: _number(other), f"{name} -": f"{more:+.4g}"}
        rows.append(row)
    return rows


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _short(value: Any) -> str:
    words = str(value)
    return words if len(words) <= 60 else f"{words[:57]}…"
