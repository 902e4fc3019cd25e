"""What the commands that evaluate share: where results go, what is measured, pictures read once and going on after a stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import Session
from mien.doors.cli.pictures import prepare_folder, readable, shown

if TYPE_CHECKING:
    from mien.core.faces import Picture
    from mien.evaluation.journal import Journal
    from mien.evaluation.records import Record

__all__ = [
    "Out",
    "Strict",
    "begin",
    "finish",
    "journal_of",
    "numbers",
    "pictures_left",
    "subject_of_run",
    "tell_missing",
]

Out = Annotated[Path, typer.Option(help="Folder of the results: record.json, report.md and its pictures.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at pictures that are not there or cannot be used.")]

JOURNAL = "work.jsonl"


def begin(session: Session, out: Path, pictures: Sequence[Path] = ()) -> None:
    """Look at everything that could end a long run at its end; pictures are read at their full size from here on.

    Raises:
        MissingExtraError: nothing to draw with.
        InputError, SettingError: results cannot go to ``out``.
    """
    from mien.evaluation.reporting import require_charts

    require_charts()
    prepare_folder(out, pictures)
    session.given["full_size"] = True


def subject_of_run(session: Session, *, embedder: bool = False) -> dict[str, Any]:
    """What is measured: preset, detector with options, space, and the sha256 of every network."""
    from mien.evaluation.records import subject_of
    from mien.wiring.provenance import finding_weights, weights_of

    house = session.house
    weights = finding_weights(house)
    if embedder:
        weights |= weights_of(house, house.settings.embedder)
    stated = subject_of(house.detector, house.embedder if embedder else None)
    stated["weights_sha256"] = weights
    return {"preset": house.settings.preset, "provider": house.settings.provider, **stated}


def journal_of(session: Session, out: Path, task: str, subject: Mapping[str, Any], **more: Any) -> Journal:
    """The journal of this run, with what an earlier one that was stopped has done."""
    from mien.evaluation.journal import Journal

    journal = Journal(out / JOURNAL, {"task": task, **subject, **more})
    if journal.rows:
        session.out.note(f"going on: {len(journal.rows)} pictures were done before")
    return journal


def pictures_left(
    session: Session, named: Mapping[str, Path], journal: Journal, what: str
) -> Iterator[tuple[str, Picture]]:
    """Name and picture of those that are not in the journal yet; what cannot be read is reported."""
    left = {path: name for name, path in named.items() if name not in journal.rows}
    for path, picture in readable(session, list(left), what):
        yield left[path], picture


def tell_missing(session: Session, missing: Sequence[object], listed: str, *, strict: bool) -> None:
    """Count what a list names and is not there.

    Raises:
        InputError: with ``strict``.
    """
    if not missing:
        return
    words = f"{len(missing)} pictures that {listed} names are not there, e.g. {shown(str(missing[0]))}"
    if strict:
        raise InputError(f"{words}; leave out --strict to go on without them")
    session.out.note(f"{words}: left out and counted in the record")


def numbers(text: str, option: str, *, whole: bool = False) -> tuple[float, ...]:
    """Numbers with commas between.

    Raises:
        SettingError: something else.
    """
    try:
        found = tuple(float(int(part)) if whole else float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        kind = "whole numbers" if whole else "numbers"
        raise SettingError(f"{option} is {text!r}: expected {kind} with commas between") from error
    if not found or any(value <= 0 for value in found):
        raise SettingError(f"{option} is {text!r}: expected numbers above 0 with commas between")
    return found


def finish(session: Session, out: Path, record: Record, parts: Sequence[str]) -> None:
    """Write record and report, and say where they are."""
    from mien.evaluation.reporting import write_record, write_report

    write_record(record, out / "record.json")
    write_report(out / "report.md", parts)
    session.out.note(f"record: {shown(out / 'record.json')}, report: {shown(out / 'report.md')}")
