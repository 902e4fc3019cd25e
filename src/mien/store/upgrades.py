"""Bring a database to this version of the schema: a file by itself, after a copy; a server only when told to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from mien.core.errors import StoreError, StoreVersionError
from mien.store.database import Database

__all__ = ["OURS", "Steps", "bring_up_to_date", "upgrade", "version_of"]


@dataclass(frozen=True, slots=True)
class Steps:
    """Where the migrations are and which is the last.

    Args:
        folder: with ``versions/``, as Alembic lays it out.
        head: the last version, four digits.
    """

    folder: Path
    head: str


OURS = Steps(Path(__file__).parent / "migrations", "0008")


def bring_up_to_date(database: Database, steps: Steps = OURS) -> None:
    """Create the tables of a new file or run the steps an older one lacks; a current one is only looked at.

    Before an older file is touched, a copy ``NAME.before-VERSION.bak`` is made beside it. A server is only looked at:
    who upgrades it decides for every machine that works with it, and says so (``upgrade``).

    Raises:
        StoreVersionError: it is of a newer version, or an older one that may not be written to here.
        StoreError: it belongs to another program.
    """
    version = version_of(database)
    if version == steps.head:
        return
    _check_version(database, version, steps)
    if not database.upgrades_itself:
        state = f"is of version {version}, this mien needs {steps.head}" if version else "has no tables of mien yet"
        raise StoreVersionError(f"{database.place} {state}; bring it up to date: mien db upgrade")
    upgrade(database, steps)


def upgrade(database: Database, steps: Steps = OURS) -> tuple[str, str]:
    """Run the steps that are missing, all or none; the version before (empty for none) and after.

    Raises:
        StoreVersionError: it is of a newer version, or may not be written to.
        StoreError: it belongs to another program, or lacks what we need.
    """
    version = version_of(database)
    _check_version(database, version, steps)
    with database.writing() as connection:
        # Another process may have done it meanwhile: what counts is what is found under the lock.
        found = _version(connection)
        if found != steps.head:
            database.before_upgrade(connection, found, steps.head)
            _run(database, connection, steps)
    return version, steps.head


def version_of(database: Database) -> str:
    """The version of the schema in the database; empty for a new one.

    Raises:
        StoreError: the tables there are another program's.
    """
    with database.reading() as connection:
        has_tables = bool(inspect(connection).get_table_names())
        version = _version(connection) if has_tables and database.is_ours(connection) else ""
    if has_tables and not version:
        raise StoreError(f"{database.place} is a database of another program; give the path of a gallery, or a new one")
    return version


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def _check_version(database: Database, version: str, steps: Steps) -> None:
    if version > steps.head:
        raise StoreVersionError(
            f"{database.place} is of version {version}, this mien knows {steps.head}; upgrade it: pip install -U mien"
        )
    if database.read_only and version != steps.head:
        raise StoreVersionError(
            f"{database.place} is of version {version or 'none'}, this mien needs {steps.head} and may not write to it; "
            "open it once with write access"
        )


def _run(database: Database, connection: Connection, steps: Steps) -> None:
    # Alembic costs a quarter of a second: imported only when there is something to do.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(steps.folder))
    context = MigrationContext.configure(connection)
    with Operations.context(context):
        for step in reversed(list(scripts.iterate_revisions(steps.head, _version(connection) or "base"))):
            step.module.upgrade()
    context.stamp(scripts, steps.head)
    database.sign(connection)
