"""People, their templates, spaces, calibrations, settings, revision and audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mien.store.vector_type import STORED_VECTOR

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of the first version."""
    _create_people()
    _create_templates()
    _create_calibrations()
    _create_ledger()


def _create_people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(800), nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("name_key", name="uq_people_name_key"),
    )
    op.create_table(
        "pointers",
        sa.Column("former_id", sa.String(36), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("former_id", name="pk_pointers"),
        _belongs_to_person("pointers"),
    )
    op.create_index("ix_pointers_person_id", "pointers", ["person_id"])


def _create_templates() -> None:
    op.create_table(
        "spaces",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("dimensions", sa.Integer, nullable=False),
        sa.Column("weights", sa.Text, nullable=False),
        sa.Column("alignment", sa.Text, nullable=False),
        sa.Column("preprocessing", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spaces"),
    )
    op.create_table(
        "templates",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("space_id", sa.String(200), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("photo_sha256", sa.String(64), nullable=False),
        *(sa.Column(edge, sa.Double, nullable=False) for edge in ("x1", "y1", "x2", "y2")),
        sa.Column("quality", sa.JSON, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("vector", STORED_VECTOR, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_templates"),
        sa.UniqueConstraint("id", name="uq_templates_id"),
        _belongs_to_person("templates"),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"], name="fk_templates_space_id_spaces"),
    )
    op.create_index("ix_templates_person_id", "templates", ["person_id"])
    op.create_index("ix_templates_space_id", "templates", ["space_id"])
    op.create_index("ix_templates_photo", "templates", ["photo_sha256", "space_id"])


def _create_calibrations() -> None:
    op.create_table(
        "calibrations",
        sa.Column("space_id", sa.String(200), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("space_id", name="pk_calibrations"),
    )
    op.create_table(
        "calibration_people",
        sa.Column("space_id", sa.String(200), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("space_id", "person_id", name="pk_calibration_people"),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["calibrations.space_id"],
            name="fk_calibration_people_space_id_calibrations",
            ondelete="CASCADE",
        ),
        _belongs_to_person("calibration_people"),
    )
    op.create_index("ix_calibration_people_person_id", "calibration_people", ["person_id"])


def _create_ledger() -> None:
    op.create_table(
        "settings",
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_settings"),
    )
    revision_table = op.create_table(
        "revision",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
    )
    op.bulk_insert(revision_table, [{"id": 1, "value": 0}])
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])


def _belongs_to_person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["person_id"], ["people.id"], name=f"fk_{table}_person_id_people", ondelete="CASCADE"
    )
