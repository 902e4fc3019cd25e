"""Pictures kept of photographs, and whether a person allows it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables of kept pictures; consents get a word about them."""
    op.create_table(
        "pictures",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("kept", sa.DateTime, nullable=False),
        sa.Column("face", sa.JSON, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pictures"),
        _belongs("pictures", "person_id", "people"),
    )
    op.create_index("ix_pictures_person_id", "pictures", ["person_id"])
    op.create_table(
        "template_pictures",
        sa.Column("template_id", sa.String(36), nullable=False),
        sa.Column("picture_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("template_id", name="pk_template_pictures"),
        _belongs("template_pictures", "template_id", "templates"),
        _belongs("template_pictures", "picture_id", "pictures"),
    )
    op.create_index("ix_template_pictures_picture_id", "template_pictures", ["picture_id"])
    op.add_column("consents", sa.Column("pictures", sa.Boolean, nullable=True))


def _belongs(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete="CASCADE")
