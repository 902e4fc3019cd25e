"""``mien eval identification``: one face among many people, some of whom nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError
from mien.doors.cli.command import DETECTING, NAMING, Exit, Session, command
from mien.doors.cli.eval_running import (
    Out,
    Strict,
    begin,
    finish,
    journal_of,
    numbers,
    pictures_left,
    subject_of_run,
    tell_missing,
)
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.evaluation.identification import Identification
    from mien.evaluation.records import Record

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command."""
    command(group, "identification", DETECTING, NAMING[:1], reads=True)(identification)


def identification(
    session: Session,
    pictures: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with a folder per person.")],
    out: Out,
    templates: Annotated[int, typer.Option(min=1, help="Pictures of a person that go into the gallery.")] = 1,
    left_out: Annotated[
        float, typer.Option(min=0.0, max=0.95, help="Share of the people who stay out, as strangers.")
    ] = 0.5,
    sizes: Annotated[str, typer.Option(help="People in the gallery, with commas, e.g. 10,100; else all.")] = "",
    fpir: Annotated[
        str, typer.Option(help="Shares of strangers named, with commas; fewer than ten strangers are refused.")
    ] = "0.1,0.03,0.01",
    seed: Annotated[int, typer.Option(min=0, help="Of who is left out and which pictures are enrolled.")] = 0,
    strict: Strict = False,
) -> int | None:
    """Rank 1 and CMC, DIR at FPIR with people left out, and both against the size of the gallery, with its cost."""
    import numpy as np

    from mien.evaluation.gathering import gather_vectors, vectors_in
    from mien.evaluation.identification import IdentificationRules, divide, judge_identification
    from mien.evaluation.identification_report import identification_page, identification_record

    asked = tuple(int(n) for n in numbers(sizes, "--sizes", whole=True)) if sizes else (0,)
    rules = IdentificationRules(templates, left_out, asked, numbers(fpir, "--fpir"), seed=seed)
    named, owners = _people(session, pictures)
    for size in asked:  # what cannot be is said before any work is done
        divide(np.unique(list(owners.values()), return_inverse=True)[1].astype(np.intp), rules, size=size)
    begin(session, out, list(named.values()))
    house, subject = session.house, subject_of_run(session, embedder=True)
    with journal_of(session, out, "vectors", subject) as journal:
        gather_vectors(
            house.detector, house.embedder, pictures_left(session, named, journal, "finding and embedding"), journal
        )
        if session.interrupted:
            session.out.note("the same command goes on from here")
            return None
        names = [name for name in named if name in journal.rows]
        tell_missing(session, [name for name in named if name not in journal.rows], "the folder", strict=strict)
        if not names:
            raise InputError(f"none of the {len(named)} pictures could be read: there is nothing to judge")
        vectors = vectors_in(journal, names, house.embedder.space.dimensions)
        people = np.unique([owners[name] for name in names], return_inverse=True)[1].astype(np.intp)
        found = judge_identification(vectors, people, rules)
        data = {"data": f"{pictures.resolve().name}, a folder per person", "missing_pictures": len(named) - len(names)}
        missed = int((~vectors.any(axis=1)).sum())
        record = identification_record(found, names, rules, missed=missed, told=(data, subject))
        finish(session, out, record, identification_page(record, found, out))
        journal.finish()
    _tell(session, record, found)
    return Exit.SOME_FAILED if session.failed else None


def _people(session: Session, pictures: Path) -> tuple[dict[str, Path], Mapping[str, str]]:
    """Pictures by name, and whom each shows."""
    from mien.datasets.folders import person_folders

    folders = person_folders(pictures)
    for problem in folders.problems:
        session.fail(f"{shown(problem.name)}: {problem.reason}")
    named, owners = {}, {}
    for person, paths in folders.photos.items():
        for path in paths:
            name = path.relative_to(pictures).as_posix()
            named[name], owners[name] = path, person
    return named, owners


def _tell(session: Session, record: Record, found: list[Identification]) -> None:
    rows: list[dict[str, Any]] = []
    for each in found:
        row: dict[str, Any] = {
            "people": each.people,
            "probes": each.mated,
            "strangers": each.strangers,
            "rank 1": f"{each.cmc[0]:.4f}",
            "95 %": f"{each.rank1_interval[0]:.4f} – {each.rank1_interval[1]:.4f}",
        }
        for fpir in record.protocol["fpir"]:
            got = each.dir.get(float(fpir))
            row[f"DIR at {fpir}"] = "refused" if got is None else f"{got[0]:.4f}"
        row["ms"] = f"{each.search_ms:.3f}"
        rows.append(row)
    session.out.table("identification", rows, columns=list(rows[0]), data=record.to_dict())
