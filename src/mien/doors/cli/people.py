"""``mien people``: who is known, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.doors.cli.command import Exit, Session, command
from mien.doors.cli.pictures import shown

__all__ = ["register"]

Who = Annotated[str, typer.Argument(metavar="WHO", help="A name or an id (its first 6 characters will do).")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    people = typer.Typer(no_args_is_help=True, help="The people that are known: list, rename, merge, remove, export.")
    app.add_typer(people, name="people", rich_help_panel="People")
    for function in (list_people, show, rename, merge, remove, export, import_people):
        command(people, function.__name__.removesuffix("_people"))(function)


def list_people(session: Session) -> None:
    """Everybody that is known."""
    people = session.house.gallery.people()
    rows = [
        {"name": p.name, "id": p.id, "photos": p.templates, "since": p.created.isoformat("T", "seconds")}
        for p in people
    ]
    session.out.table(f"{len(rows)} people", rows, columns=("name", "id", "photos", "since"))


def show(session: Session, who: Who) -> None:
    """One person's templates and where each came from."""
    person = session.house.gallery.person(who)
    rows = [
        {
            "template": t.id,
            "photo": shown(t.source),
            "box": ",".join(f"{v:.0f}" for v in t.box),
            "space": t.space.id,
            "detector": t.detector,
            "sharpness": t.quality.get("sharpness"),
            "since": None if t.created is None else t.created.isoformat("T", "seconds"),
        }
        for t in session.house.gallery.templates(person.id)
    ]
    columns = ("template", "photo", "box", "space", "detector", "sharpness", "since")
    data = {"id": person.id, "name": person.name, "since": person.created.isoformat(), "templates": rows}
    session.out.table(f"{person.name}, {person.id}", rows, columns=columns, data=data)


def rename(session: Session, who: Who, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a person another name; the id stays."""
    person = session.house.gallery.rename(who, name)
    session.out.table("renamed", [{"name": person.name, "id": person.id}], columns=("name", "id"))


def merge(
    session: Session,
    keep: Annotated[str, typer.Argument(metavar="KEEP", help="Who stays: a name or an id.")],
    gone: Annotated[str, typer.Argument(metavar="GONE", help="Who becomes part of them.")],
) -> None:
    """Make two people one; the other id keeps pointing to the one that stays."""
    person = session.house.gallery.merge(keep, gone)
    row = {"name": person.name, "id": person.id, "photos": person.templates}
    session.out.table("merged", [row], columns=("name", "id", "photos"))


def remove(
    session: Session,
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int | None:
    """Forget a person: nothing is left behind, and the receipt says what went."""
    person = session.house.gallery.person(who)
    if not yes and not typer.confirm(f"Forget {person.name} ({person.templates} photos) for ever?", err=True):
        session.out.note("nothing was removed")
        return Exit.FAILED
    receipt = session.house.gallery.remove(person.id)
    row = receipt.to_dict()
    rows = [
        {"what": key, "value": value if isinstance(value, str | int | float) else _flat(value)}
        for key, value in row.items()
    ]
    session.out.table("receipt", rows, columns=("what", "value"), data=row)
    return None if receipt.verified else Exit.FAILED


def export(session: Session, path: Annotated[Path, typer.Argument(metavar="FILE.npz", help="Where to.")]) -> None:
    """Write everybody into one .npz file: arrays and JSON, no pickles."""
    session.house.gallery.export(path)
    count = len(session.house.gallery.people())
    session.out.table("exported", [{"file": shown(path), "people": count}], columns=("file", "people"))


def import_people(
    session: Session, path: Annotated[Path, typer.Argument(metavar="FILE.npz", help="An export.")]
) -> None:
    """Take in an export: all of it or nothing."""
    taken = session.house.gallery.import_(path)
    row = {"file": shown(path), "people": taken.people, "templates": taken.templates, "known already": taken.skipped}
    session.out.table("imported", [row], columns=tuple(row))


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(v) for v in value)
    return "" if value is None else str(value)
