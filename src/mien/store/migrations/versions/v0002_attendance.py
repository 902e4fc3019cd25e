"""Sessions, rosters, sightings with their candidates, answers, corrections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of the attendance book."""
    _create_sessions()
    _create_sightings()
    _create_corrections()


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(800), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_sessions"),
        sa.UniqueConstraint("id", name="uq_sessions_id"),
        sa.UniqueConstraint("name_key", name="uq_sessions_name_key"),
    )
    op.create_table(
        "roster",
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("since", sa.Date, nullable=True),
        sa.Column("until", sa.Date, nullable=True),
        sa.PrimaryKeyConstraint("session_id", "person_id", name="pk_roster"),
        _belongs("roster", "session_id", "sessions"),
        _belongs("roster", "person_id", "people"),
    )
    op.create_index("ix_roster_person_id", "roster", ["person_id"])
    op.create_table(
        "openings",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("action", sa.String(5), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_openings"),
        _belongs("openings", "session_id", "sessions"),
    )
    op.create_index("ix_openings_session_id", "openings", ["session_id"])


def _create_sightings() -> None:
    op.create_table(
        "sightings",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("decision", sa.String(20), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=True),
        sa.Column("similarity", sa.Double, nullable=True),
        sa.Column("margin", sa.Double, nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_sightings"),
        sa.UniqueConstraint("id", name="uq_sightings_id"),
        _belongs("sightings", "person_id", "people"),
    )
    op.create_index("ix_sightings_at", "sightings", ["at"])
    op.create_index("ix_sightings_person_id", "sightings", ["person_id"])
    op.create_table(
        "sighting_candidates",
        sa.Column("sighting_id", sa.String(64), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("sighting_id", "person_id", name="pk_sighting_candidates"),
        _belongs("sighting_candidates", "sighting_id", "sightings"),
        _belongs("sighting_candidates", "person_id", "people"),
    )
    op.create_index("ix_sighting_candidates_person_id", "sighting_candidates", ["person_id"])
    op.create_table(
        "answers",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("sighting_id", sa.String(64), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_answers"),
        _belongs("answers", "sighting_id", "sightings"),
        _belongs("answers", "person_id", "people"),
    )
    op.create_index("ix_answers_sighting_id", "answers", ["sighting_id"])
    op.create_index("ix_answers_person_id", "answers", ["person_id"])


def _create_corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("meeting", sa.String(40), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("arrived", sa.DateTime, nullable=True),
        sa.Column("old_status", sa.String(10), nullable=False),
        sa.Column("old_arrived", sa.DateTime, nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_corrections"),
        _belongs("corrections", "session_id", "sessions"),
        _belongs("corrections", "person_id", "people"),
    )
    op.create_index("ix_corrections_session_id", "corrections", ["session_id"])
    op.create_index("ix_corrections_person_id", "corrections", ["person_id"])


def _belongs(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete="CASCADE")
