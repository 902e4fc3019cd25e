"""Bring a database to this version of the schema, after a copy of the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from mien.core.errors import StoreError, StoreVersionError
from mien.store.database import Database

__all__ = ["OURS", "Steps", "bring_up_to_date", "copies", "version_of"]

APPLICATION_ID = int.from_bytes(b"mien", "big")
"""Stands in the header of every gallery (``PRAGMA application_id``), so that no other program's file is taken for one."""


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

    Before an older file is touched, a copy ``NAME.before-VERSION.bak`` is made beside it.

    Raises:
        StoreVersionError: the file is of a newer version, or an older one that may not be written to.
        StoreError: the file belongs to another program.
    """
    version = version_of(database)
    if version == steps.head:
        return
    _check_version(database, version, steps)
    with database.writing() as connection:
        # Another process may have done it meanwhile: what counts is what is found under the lock.
        version = _version(connection)
        if version and version != steps.head:
            database.copy_to(_copy_name(database.path, steps))
        if version != steps.head:
            _run(connection, steps)


def version_of(database: Database) -> str:
    """The version of the schema in the file; empty for a new one.

    Raises:
        StoreError: the file is a database of another program.
    """
    with database.reading() as connection:
        has_tables = bool(inspect(connection).get_table_names())
        is_ours = connection.exec_driver_sql("PRAGMA application_id").scalar() == APPLICATION_ID
        version = _version(connection) if is_ours else ""
    if has_tables and not version:
        raise StoreError(f"{database.path} is a database of another program; give the path of a gallery, or a new one")
    return version


def copies(path: Path) -> list[Path]:
    """Copies that upgrades have left beside the database ``path``."""
    return sorted(p for p in path.parent.iterdir() if p.name.startswith(f"{path.name}.before-") and p.suffix == ".bak")


def _copy_name(path: Path, steps: Steps) -> Path:
    return path.with_name(f"{path.name}.before-{steps.head}.bak")


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def _check_version(database: Database, version: str, steps: Steps) -> None:
    if version > steps.head:
        raise StoreVersionError(
            f"{database.path} is of version {version}, this mien knows {steps.head}; upgrade it: pip install -U mien"
        )
    if database.read_only:
        raise StoreVersionError(
            f"{database.path} is of version {version or 'none'}, this mien needs {steps.head} and may not write to it; "
            "open it once with write access"
        )


def _run(connection: Connection, steps: Steps) -> None:
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
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
