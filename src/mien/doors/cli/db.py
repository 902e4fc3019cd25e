"""``mien db``: the database behind the gallery."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from mien.doors.cli.command import Session, command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The database behind the gallery: bring it up to date, move it.")
    app.add_typer(group, name="db", rich_help_panel="Set-up")
    command(group, "upgrade")(upgrade)
    command(group, "move")(move)


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
