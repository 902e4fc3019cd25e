"""``mien db``: the database behind the gallery."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from mien.core.errors import InputError
from mien.doors.cli.command import Session, command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        no_args_is_help=True, help="The database behind the gallery: bring it up to date, move it, index it."
    )
    app.add_typer(group, name="db", rich_help_panel="Set-up")
    command(group, "upgrade")(upgrade)
    command(group, "move")(move)
    command(group, "index")(index)


def upgrade(session: Session) -> None:
    """Make the tables, or bring older ones up to date: all steps or none. A server is upgraded by nothing else.

    Make a copy of a server's database first (pg_dump); a file gets one by itself.
    """
    from mien.store import upgrades
    from mien.store.places import open_database

    with closing(open_database(session.house.settings.database_url)) as database:
        before, after = upgrades.upgrade(database)
        row = {"database": database.place, "before": before or "none", "now": after}
    session.out.table("up to date" if before == after else "upgraded", [row], columns=tuple(row))


def move(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="FROM", help="A file, or a database URL.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="An empty one: a file that is not there yet, or a URL.")],
) -> None:
    """Copy everything into another database: people, book, library, keys. All of it or nothing, every value compared.

    Nobody can write to FROM meanwhile, and it stays as it was.
    """
    from mien.store import moving, places, upgrades

    with (
        closing(places.open_database(source, create=False)) as old,
        closing(places.open_database(target)) as new,
        session.out.steps("rows") as progress,
    ):
        upgrades.bring_up_to_date(old)
        upgrades.bring_up_to_date(new)
        moved = moving.move(old, new, progress)
        place = new.place
    rows = [{"table": name, "rows": count} for name, count in moved.rows.items()]
    data = {"to": place, "rows": moved.rows, "sha256": moved.digest}
    session.out.table("copied and compared", rows, columns=("table", "rows"), data=data)
    session.out.note("every value is the same in both; from now on name the new one: --database, or MIEN_DATABASE_URL")


def index(
    session: Session,
    *,
    drop: Annotated[
        bool, typer.Option("--drop", help="Take the index away; the gallery is searched exactly again.")
    ] = False,
) -> None:
    """Make the index of a gallery in PostgreSQL that is too large for memory, or make it anew; says how much it finds.

    Others go on reading and writing. It is asked once the compact form would need more than --search-compact-memory.
    """
    from mien.store import indexed, upgrades
    from mien.store.places import open_database

    gallery = session.house.gallery
    space = gallery.active_space()
    if space is None:
        raise InputError("nobody is enrolled yet: an index is made of faces (mien enroll)")
    with closing(open_database(session.house.settings.database_url)) as database:
        upgrades.bring_up_to_date(database)
        if drop:
            indexed.drop_index(database, space)
        else:
            session.out.note(f"an index of {gallery.count(space)} templates is made; that may take hours for millions")
            indexed.build_index(database, space)
    measured = None if drop else gallery.search_recall(space, measure=True)
    row = {
        "space": space.id,
        "templates": gallery.count(space),
        "index": "none" if measured is None else measured.words(),
    }
    session.out.table("index", [row], columns=tuple(row))
