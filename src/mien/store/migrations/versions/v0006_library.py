"""The library: files, what they hold, faces, groups, and what people said of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mien.store.vector_type import STORED_VECTOR

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables of the library."""
    _files()
    _faces()
    _said()


def _files() -> None:
    op.create_table(
        "library_contents",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(5), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("taken", sa.DateTime, nullable=True),
        sa.Column("seconds", sa.Double, nullable=True),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_library_contents"),
        sa.UniqueConstraint("sha256", name="uq_library_contents_sha256"),
    )
    op.create_index("ix_library_contents_taken", "library_contents", ["taken"])
    op.create_table(
        "library_files",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("path_key", sa.String(64), nullable=False),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.String(5), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified", sa.BigInteger, nullable=False),
        sa.Column("root_key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(7), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("content_seq", sa.Integer, nullable=True),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("holder", sa.String(120), nullable=False),
        sa.Column("held_until", sa.DateTime, nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_library_files"),
        sa.UniqueConstraint("path_key", name="uq_library_files_path_key"),
        _belongs("library_files", "content_seq", "library_contents", "seq", "SET NULL"),
    )
    op.create_index("ix_library_files_work", "library_files", ["root_key", "state", "seq"])
    op.create_index("ix_library_files_content_seq", "library_files", ["content_seq"])


def _faces() -> None:
    op.create_table(
        "library_groups",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("made", sa.DateTime, nullable=False),
        sa.Column("by_hand", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_library_groups"),
        sa.UniqueConstraint("id", name="uq_library_groups_id"),
    )
    op.create_table(
        "library_faces",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("content_seq", sa.Integer, nullable=False),
        sa.Column("space_id", sa.String(200), nullable=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("x1", "y1", "x2", "y2", "score")),
        sa.Column("quality", sa.JSON, nullable=False),
        sa.Column("begins", sa.Double, nullable=True),
        sa.Column("ends", sa.Double, nullable=True),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("person_id", sa.String(36), nullable=True),
        sa.Column("group_id", sa.String(36), nullable=True),
        sa.Column("vector", STORED_VECTOR, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_library_faces"),
        sa.UniqueConstraint("id", name="uq_library_faces_id"),
        _belongs("library_faces", "content_seq", "library_contents", "seq", "CASCADE"),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name="fk_library_faces_space_id_spaces"),
        _belongs("library_faces", "person_id", "people", "id", "CASCADE"),
        _belongs("library_faces", "group_id", "library_groups", "id", "SET NULL"),
    )
    for column in ("content_seq", "space_id", "person_id", "group_id"):
        op.create_index(f"ix_library_faces_{column}", "library_faces", [column])


def _said() -> None:
    for table, other, home in (
        ("library_refusals", "person_id", "people"),
        ("library_apart", "other_id", "library_faces"),
    ):
        op.create_table(
            table,
            sa.Column("face_id", sa.String(36), nullable=False),
            sa.Column(other, sa.String(36), nullable=False),
            sa.Column("actor", sa.Text, nullable=False),
            sa.Column("at", sa.DateTime, nullable=False),
            sa.PrimaryKeyConstraint("face_id", other, name=f"pk_{table}"),
            _belongs(table, "face_id", "library_faces", "id", "CASCADE"),
            _belongs(table, other, home, "id", "CASCADE"),
        )
        op.create_index(f"ix_{table}_{other}", table, [other])


def _belongs(table: str, column: str, other: str, key: str, then: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{other}"
    return sa.ForeignKeyConstraint([column], [f"{other}.{key}"], name=name, ondelete=then)
