"""``mien attendance sheets``: Google Sheets as a place outside, set up step by step (docs/how-to/google-sheets.md)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.core.errors import InputError
from mien.doors.cli.command import Session, command

if TYPE_CHECKING:
    from mien.core.attendance import Target

__all__ = ["register"]

_EXAMPLE = "mien attendance sheets add NAME --key-file FILE --marks ADDRESS --times ADDRESS"
KeyFile = Annotated[
    Path, typer.Option("--key-file", metavar="FILE", help="Key of the service account, as downloaded (JSON).")
]
Marks = Annotated[str | None, typer.Option(help="Spreadsheet for check marks: its address or id.")]
Times = Annotated[str | None, typer.Option(help="Spreadsheet for time stamps; may be the same.")]
Of = Annotated[str | None, typer.Option("--session", help="Of one session; of all if left out.")]
Api = Annotated[str | None, typer.Option(help="Another address of the API, to try it without an account.")]


def register(attendance: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Google Sheets: check marks and time stamps, kept up to date.")
    attendance.add_typer(group, name="sheets")
    command(group, "add")(add)
    command(group, "check", reads=True)(check)


def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="What it is called here.")],
    key_file: KeyFile,
    marks: Marks = None,
    times: Times = None,
    which: Of = None,
    api: Api = None,
) -> None:
    """Deliver to Google Sheets from now on; says with which address the spreadsheets are to be shared."""
    from mien.attendance.sinks.google_client import read_key
    from mien.core.attendance import Target

    key_file = key_file.expanduser().absolute()
    address = read_key(key_file)["client_email"]
    course = None if which is None else session.house.gallery.attendance.session(which)
    given = {"key_file": str(key_file), "marks": marks, "times": times, "api": api}
    options = {option: value for option, value in given.items() if value}
    target = Target(name, "sheets", None if course is None else course.id, options)
    session.house.channel(target)  # refuses what cannot work before anything is kept
    added = session.house.gallery.outbox.add_target(target)
    row = {"name": added.name, "session": course.name if course else "all", "share with": address}
    session.out.table("added", [row], columns=tuple(row))
    session.out.note(f"share each spreadsheet with {address} as Editor, then: mien attendance sheets check {name!r}")
    _warn_of_readers(session, key_file)


def check(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[SINK]", help="One of them; all if left out.")] = None,
) -> None:
    """Say exactly what is missing: key, network, API, spreadsheets, sharing, columns. Writes nothing."""
    rows = []
    for target in _targets(session, name):
        findings = session.house.channel(target).check()
        rows += [{"sink": target.name, "what": f.name, "fine": f.ok, "words": f.words} for f in findings]
    session.out.table("sheets", rows, columns=("sink", "what", "fine", "words"))
    session.failed += sum(not row["fine"] for row in rows)


def _targets(session: Session, name: str | None) -> list[Target]:
    outbox = session.house.gallery.outbox
    if name is None:
        found = [target for target in outbox.targets() if target.kind == "sheets"]
        if not found:
            raise InputError(f"nothing is delivered to Google Sheets; add it with: {_EXAMPLE}")
        return found
    target = outbox.target(name)
    if target.kind != "sheets":
        raise InputError(f"{target.name} is a sink of the kind {target.kind}; see: mien attendance sink check {name!r}")
    return [target]


def _warn_of_readers(session: Session, key_file: Path) -> None:
    """Whoever can read the key can write to every spreadsheet that is shared with it."""
    if os.name == "posix" and key_file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        session.out.note(f"other users of this computer can read the key: chmod 600 {key_file}")
