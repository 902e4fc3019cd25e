"""Targets outside, what was put there, and what others changed there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables of the outbox."""
    _create_targets()
    _create_deliveries()
    _create_edits()


def _create_targets() -> None:
    op.create_table(
        "targets",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(800), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("session_id", sa.String(36), nullable=True),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("delivered", sa.DateTime, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("passing", sa.Boolean, nullable=False),
        sa.Column("since", sa.DateTime, nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt", sa.DateTime, nullable=True),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("held_until", sa.DateTime, nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_targets"),
        sa.UniqueConstraint("id", name="uq_targets_id"),
        sa.UniqueConstraint("name_key", name="uq_targets_name_key"),
        _belongs("targets", "session_id", "sessions"),
    )
    op.create_index("ix_targets_session_id", "targets", ["session_id"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("target_id", sa.String(36), nullable=False),
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(400), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("target_id", "session_id", "key", name="pk_deliveries"),
        _belongs("deliveries", "target_id", "targets"),
        _belongs("deliveries", "session_id", "sessions"),
    )
    op.create_index("ix_deliveries_session_id", "deliveries", ["session_id"])
    op.create_index("ix_deliveries_person_id", "deliveries", ["person_id"])


def _create_edits() -> None:
    op.create_table(
        "edits",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("target_id", sa.String(36), nullable=False),
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(400), nullable=False),
        sa.Column("entry_id", sa.String(120), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=True),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("put", sa.Text, nullable=True),
        sa.Column("found", sa.Text, nullable=False),
        sa.Column("wanted", sa.Text, nullable=False),
        sa.Column("mark", sa.String(10), nullable=True),
        sa.Column("seen", sa.DateTime, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("settled", sa.DateTime, nullable=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_edits"),
        sa.UniqueConstraint("id", name="uq_edits_id"),
        _belongs("edits", "target_id", "targets"),
        _belongs("edits", "session_id", "sessions"),
        _belongs("edits", "person_id", "people"),
    )
    for column in ("target_id", "session_id", "person_id"):
        op.create_index(f"ix_edits_{column}", "edits", [column])


def _belongs(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete="CASCADE")
