"""Migrations: from nothing, from an older version, never from a newer one."""

import shutil
import stat
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from mien.core.errors import StoreError, StoreVersionError
from mien.store.gallery import open_gallery
from mien.store.schema import metadata
from mien.store.sqlite import SqliteDatabase
from mien.store.upgrades import OURS, Steps, bring_up_to_date, version_of
from tests.fakes.gallery import SPACE, make_template

NEXT = f"""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{OURS.head}"


def upgrade():
    op.add_column("people", sa.Column("nickname", sa.Text, nullable=False, server_default=""))
"""


@pytest.fixture
def next_steps(tmp_path) -> Steps:
    """What the next version of mien might bring: a column."""
    folder = tmp_path / "steps"
    shutil.copytree(OURS.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "v9999_next.py").write_text(NEXT)
    return Steps(folder, "9999")


def test_last_step_is_the_one_named():
    """The version mien asks for is the last migration there is, and the steps are one line."""
    assert ScriptDirectory(str(OURS.folder)).get_heads() == [OURS.head]


def test_migrations_make_the_tables_the_code_knows(gallery):
    """Tables made by the migrations are those of the schema, columns, types, keys and indices."""
    with gallery._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.file
def test_newer_database_is_refused(path, next_steps):
    """A file of a newer version is refused with the way to upgrade, and is not touched."""
    database = SqliteDatabase(path)
    bring_up_to_date(database, next_steps)
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match="pip install -U mien"):
        open_gallery(path)
    assert path.read_bytes() == before


@pytest.mark.file
def test_older_database_is_upgraded_after_a_copy(path, gallery, next_steps):
    """An older file keeps its people, and a private copy of what it was lies beside it."""
    gallery.add("Ada", [make_template(1)])
    bring_up_to_date(gallery._database, next_steps)
    assert version_of(gallery._database) == "9999"
    assert gallery.person("Ada").templates == 1
    (copy,) = gallery._database.copies()
    assert copy.name == "gallery.db.before-9999.bak"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    shutil.move(copy, path.with_name("old.db"))
    with open_gallery(path.with_name("old.db")) as old:
        assert len(old.vectors(SPACE)[0]) == 1


@pytest.mark.file
def test_failed_upgrade_changes_nothing(gallery, next_steps):
    """A step that fails leaves the file at the version it had."""
    with (next_steps.folder / "versions" / "v9999_next.py").open("a") as step:
        step.write("    op.execute('SELECT nothing FROM nowhere')\n")
    gallery.add("Ada", [make_template(1)])
    with pytest.raises(StoreError):
        bring_up_to_date(gallery._database, next_steps)
    assert version_of(gallery._database) == OURS.head
    with gallery._database.reading() as connection:
        columns = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(people)")]
    assert "nickname" not in columns


@pytest.mark.file
def test_older_database_that_may_not_be_written_to(path, gallery, next_steps):
    """An older file opened for reading is refused, with what to do."""
    gallery.add("Ada", [])
    with open_gallery(path, read_only=True) as reading, pytest.raises(StoreVersionError, match="write access"):
        bring_up_to_date(reading._database, next_steps)


@pytest.mark.file
def test_nothing_new_costs_no_alembic(path):
    """Opening a current file in a new process neither imports Alembic nor copies anything."""
    open_gallery(path).close()
    code = "import sys; from mien.store.gallery import open_gallery; open_gallery(sys.argv[1]).close(); "
    code += "sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    assert list(path.parent.glob("*.bak")) == []
