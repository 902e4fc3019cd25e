"""Crops kept as evidence of sightings, and who allows it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables of consents and of evidence."""
    op.create_table(
        "consents",
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("evidence", sa.Boolean, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_consents"),
        _belongs("consents", "person_id", "people"),
    )
    op.create_table(
        "evidence",
        sa.Column("sighting_id", sa.String(64), nullable=False),
        sa.Column("kept", sa.DateTime, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sighting_id", name="pk_evidence"),
        _belongs("evidence", "sighting_id", "sightings"),
    )
    op.create_index("ix_evidence_kept", "evidence", ["kept"])


def _belongs(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete="CASCADE")
