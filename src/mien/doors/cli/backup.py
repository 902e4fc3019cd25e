"""``mien backup`` and ``mien restore``: people, book, settings and models in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.doors.cli.command import Session, command
from mien.doors.cli.pictures import shown

__all__ = ["register"]

_LEFT_OUT = "not in it: photographs and videos of yours, key files of Google, downloaded weights"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "backup", panel="People", reads=True)(backup)
    command(app, "restore", panel="People")(restore)


def backup(session: Session, path: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Where to.")]) -> None:
    """Write people, book, settings and your own models into one file; other programs may go on meanwhile."""
    from datetime import UTC, datetime

    from mien.jobs.backup import back_up

    people = back_up(session.house.backup_places, path, made=datetime.now(UTC))
    row = {"file": shown(path), "people": people, "megabytes": round(path.stat().st_size / 1e6, 2)}
    session.out.table("backed up", [row], columns=tuple(row))
    session.out.note(_LEFT_OUT)


def restore(
    session: Session,
    path: Annotated[Path, typer.Argument(metavar="FILE.zip", help="A backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what is there; a copy of the gallery is kept.")
    ] = False,
) -> None:
    """Put a backup back, on this machine or another: all of it is checked before anything is changed."""
    from datetime import UTC, datetime

    from mien.jobs.backup import restore as put_back

    done = put_back(path, session.house.backup_places, replace=replace, at=datetime.now(UTC))
    row = {"file": shown(path), "made": done.made.isoformat(timespec="seconds"), "people": done.people}
    row |= {"files": len(done.written), "kept": ", ".join(shown(p) for p in done.kept)}
    session.out.table("restored", [row], columns=tuple(row))
    if done.aside is not None:
        session.out.note(f"what was there before is in {shown(done.aside)}; removing a person looks there too")
