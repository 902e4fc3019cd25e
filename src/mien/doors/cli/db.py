"""``mien db``: the database behind the gallery."""

from __future__ import annotations

import typer

from mien.doors.cli.command import Session, command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The database behind the gallery: bring it up to date.")
    app.add_typer(group, name="db", rich_help_panel="Set-up")
    command(group, "upgrade")(upgrade)


def upgrade(session: Session) -> None:
    """Make the tables, or bring older ones up to date: all steps or none. A server is upgraded by nothing else.

    Make a copy of a server's database first (pg_dump); a file gets one by itself.
    """
    from mien.store import upgrades
    from mien.store.places import open_database

    database = open_database(session.house.settings.database_url)
    try:
        before, after = upgrades.upgrade(database)
        row = {"database": database.place, "before": before or "none", "now": after}
    finally:
        database.close()
    session.out.table("up to date" if before == after else "upgraded", [row], columns=tuple(row))
