"""``mien people``: who is known, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.core.errors import InputError
from mien.doors.cli.command import Exit, Session, ask, command
from mien.doors.cli.pictures import shown

if TYPE_CHECKING:
    from mien.core.people import Person

__all__ = ["register"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Who = Annotated[str, typer.Argument(metavar="WHO", help="A name or an id (its first 6 characters will do).")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    people = typer.Typer(no_args_is_help=True, help="The people that are known: list, rename, merge, remove, export.")
    app.add_typer(people, name="people", rich_help_panel="People")
    for function in (list_people, show, rename, merge, remove, export, import_people):
        command(people, function.__name__.removesuffix("_people"), reads=function is not import_people)(function)


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
    yes: Yes = False,
) -> int | None:
    """Make two people one; the other id keeps pointing to the one that stays."""
    one, other = session.house.gallery.person(keep), session.house.gallery.person(gone)
    if not yes and not ask(
        f"{other.name} becomes part of {one.name} for good. They {_alike(session, one, other)}. Merge?"
    ):
        session.out.note("nobody was merged")
        return Exit.FAILED
    person = session.house.gallery.merge(one.id, other.id)
    row = {"name": person.name, "id": person.id, "photos": person.templates}
    session.out.table("merged", [row], columns=("name", "id", "photos"))
    return None


def _alike(session: Session, one: Person, other: Person) -> str:
    """How near two people's nearest templates are, in words."""
    import numpy as np

    gallery = session.house.gallery
    near = [
        float(np.dot(a.embedding, b.embedding))
        for a in gallery.templates(one.id)
        for b in gallery.templates(other.id)
        if a.space == b.space
    ]
    return f"are alike by {max(near):.2f}" if near else "have no templates in one space to compare"


def remove(
    session: Session,
    who: Who,
    photo: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="Forget this one photo only, as `people show` names it.")
    ] = None,
    yes: Yes = False,
) -> int | None:
    """Forget a person, or one photo of theirs: nothing is left behind, and the receipt says what went."""
    person = session.house.gallery.person(who)
    if photo is not None:
        _remove_photo(session, person, photo)
        return None
    if not yes and not ask(f"Forget {person.name} ({person.templates} photos) for ever?"):
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


def _remove_photo(session: Session, person: Person, photo: str) -> None:
    """Take one template back; its id may be shortened."""
    found = [t.id for t in session.house.gallery.templates(person.id) if t.id.startswith(photo)]
    if len(found) != 1:
        raise InputError(f"{person.name} has {len(found)} photos whose id begins with {photo!r}; see mien people show")
    left = session.house.gallery.remove_template(found[0])
    row = {"name": left.name, "id": left.id, "photos": left.templates}
    session.out.table("one photo forgotten", [row], columns=("name", "id", "photos"))


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
