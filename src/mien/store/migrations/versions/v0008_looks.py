"""When the box of a face in a video was taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the time to the faces of the library."""
    op.add_column("library_faces", sa.Column("looked", sa.Double, nullable=True))
