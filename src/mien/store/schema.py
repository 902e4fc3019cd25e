"""The tables, the same on SQLite and PostgreSQL.

Only living people have a row: a merge leaves a pointer from the former id, a removal leaves nothing but the audit line,
whose subject is the SHA-256 of the id and whose details are counts.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from mien.store.vector_type import STORED_VECTOR

__all__ = [
    "UtcDateTime",
    "access_keys",
    "answers",
    "audit",
    "calibration_people",
    "calibrations",
    "consents",
    "corrections",
    "deliveries",
    "edits",
    "evidence",
    "metadata",
    "openings",
    "people",
    "pictures",
    "pointers",
    "replies",
    "revision",
    "roster",
    "sessions",
    "settings",
    "sighting_candidates",
    "sightings",
    "spaces",
    "targets",
    "template_pictures",
    "templates",
    "users",
]


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in any zone, stored as UTC without one, read as aware UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        del dialect
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

people = Table(
    "people",
    metadata,
    Column("id", String(36), primary_key=True),  # uuid4, never changes
    Column("name", String(200), nullable=False),  # NFC
    Column("name_key", String(800), nullable=False, unique=True),  # names.name_key
    Column("created", UtcDateTime, nullable=False),
)

pointers = Table(
    "pointers",
    metadata,
    Column("former_id", String(36), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
)

spaces = Table(
    "spaces",
    metadata,
    Column("id", String(200), primary_key=True),  # EmbeddingSpace.id
    Column("name", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("weights", Text, nullable=False),
    Column("alignment", Text, nullable=False),
    Column("preprocessing", Text, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("seq", Integer, primary_key=True),  # the order of enrolment
    Column("id", String(36), nullable=False, unique=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("space_id", ForeignKey("spaces.id"), nullable=False, index=True),
    Column("source", Text, nullable=False),
    Column("photo_sha256", String(64), nullable=False),  # empty for arrays
    Column("x1", Double, nullable=False),  # box, pixels of the original
    Column("y1", Double, nullable=False),
    Column("x2", Double, nullable=False),
    Column("y2", Double, nullable=False),
    Column("quality", JSON, nullable=False),
    Column("detector", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("vector", STORED_VECTOR, nullable=False),  # float32 little-endian, last: it may leave the page
)

Index("ix_templates_photo", templates.c.photo_sha256, templates.c.space_id)

calibrations = Table(
    "calibrations",
    metadata,
    Column("space_id", String(200), primary_key=True),
    Column("content", JSON, nullable=False),  # Calibration.to_dict
)

calibration_people = Table(
    "calibration_people",
    metadata,
    Column("space_id", ForeignKey("calibrations.space_id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True),
)

settings = Table(
    "settings",
    metadata,
    Column("key", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)

revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True),  # one row, 1
    Column("value", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(64), nullable=False, index=True),  # sha256 of the person's id; empty for none
    Column("details", JSON, nullable=False),  # counts, never names
)

# Attendance: what was seen and said is only ever added to, and goes with its person

sessions = Table(
    "sessions",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("name_key", String(800), nullable=False, unique=True),
    Column("content", JSON, nullable=False),  # everything else of the session
    Column("created", UtcDateTime, nullable=False),
)

roster = Table(
    "roster",
    metadata,
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("since", Date, nullable=True),  # the first local date they are expected on
    Column("until", Date, nullable=True),  # the first one they no longer are
)

openings = Table(
    "openings",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("action", String(5), nullable=False),  # open, close
    Column("actor", Text, nullable=False),
)

sightings = Table(
    "sightings",
    metadata,
    Column("seq", Integer, primary_key=True),  # the order in which they came in
    Column("id", String(64), nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False, index=True),  # by the camera's clock
    Column("camera", Text, nullable=False),
    Column("decision", String(20), nullable=False),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("similarity", Double, nullable=True),
    Column("margin", Double, nullable=True),
)

sighting_candidates = Table(
    "sighting_candidates",
    metadata,
    Column("sighting_id", ForeignKey("sightings.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("rank", Integer, nullable=False),  # 0 is the nearest
)

answers = Table(
    "answers",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("sighting_id", ForeignKey("sightings.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=True, index=True),  # none of them
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

corrections = Table(
    "corrections",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("meeting", String(40), nullable=False),  # Meeting.key
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("status", String(10), nullable=False),
    Column("arrived", UtcDateTime, nullable=True),
    Column("old_status", String(10), nullable=False),
    Column("old_arrived", UtcDateTime, nullable=True),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Delivery: places outside, what stands there through us, and what others changed there

targets = Table(
    "targets",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("name_key", String(800), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=True, index=True),  # null: all
    Column("options", JSON, nullable=False),  # where a secret lies, never the secret
    Column("created", UtcDateTime, nullable=False),
    Column("delivered", UtcDateTime, nullable=True),  # when it was last brought wholly up to date
    Column("error", Text, nullable=False),  # why it is not; empty if it is
    Column("passing", Boolean, nullable=False),  # whether waiting helps
    Column("since", UtcDateTime, nullable=True),  # since when it fails
    Column("attempts", Integer, nullable=False),  # failed ones in a row
    Column("next_attempt", UtcDateTime, nullable=True),
    Column("waiting", Integer, nullable=False),  # entries not delivered when it failed
    Column("holder", Text, nullable=False),  # who delivers there now; empty for nobody
    Column("held_until", UtcDateTime, nullable=True),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("target_id", ForeignKey("targets.id", ondelete="CASCADE"), primary_key=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("key", String(400), primary_key=True),  # the channel's own; a person's ends with /ID, a note begins with ~
    Column("person_id", String(36), nullable=True, index=True),  # no foreign key: outlives its person until withdrawn
    Column("value", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

edits = Table(
    "edits",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("target_id", ForeignKey("targets.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("key", String(400), nullable=False),
    Column("entry_id", String(120), nullable=False),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("place", Text, nullable=False),  # for people: Marks!D7
    Column("put", Text, nullable=True),
    Column("found", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("mark", String(10), nullable=True),  # the status that ``found`` means
    Column("seen", UtcDateTime, nullable=False),
    Column("state", String(10), nullable=False),  # open, adopted, restored, gone
    Column("settled", UtcDateTime, nullable=True),
    Column("actor", Text, nullable=False),
)

# Evidence: crops of sightings, only of people who allow it

consents = Table(
    "consents",
    metadata,
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("evidence", Boolean, nullable=False),  # whether crops may be kept
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("pictures", Boolean, nullable=True),  # whether photographs may be kept; null: nothing was said
)

evidence = Table(
    "evidence",
    metadata,
    Column("sighting_id", ForeignKey("sightings.id", ondelete="CASCADE"), primary_key=True),
    Column("kept", UtcDateTime, nullable=False, index=True),
    Column("size", Integer, nullable=False),  # bytes
    Column("jpeg", LargeBinary, nullable=False),  # last: it may leave the page
)

# Access: programs by key, people by password; of both only the argon2 hash

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String(12), primary_key=True),  # the part of a key that is no secret
    Column("name", String(200), nullable=False),
    Column("name_key", String(800), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),  # of access.SCOPES
    Column("hash", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=True),
)

users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("name_key", String(800), nullable=False, unique=True),
    Column("role", String(10), nullable=False),  # of access.ROLES
    Column("hash", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("changed", UtcDateTime, nullable=False),  # when the password was last set
)

replies = Table(
    "replies",
    metadata,
    Column("caller", String(100), primary_key=True),
    Column("key", String(200), primary_key=True),  # Idempotency-Key
    Column("request", String(64), nullable=False),  # sha256 of method, path and body
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("status", Integer, nullable=True),  # null: under way
    Column("content", Text, nullable=True),  # null: under way, or forgotten with somebody who was removed
)

# Pictures: what is kept of photographs that people were enrolled from, so that another embedder can see them too

pictures = Table(
    "pictures",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kept", UtcDateTime, nullable=False),
    Column("face", JSON, nullable=False),  # box and landmarks, pixels of the picture
    Column("size", Integer, nullable=False),  # bytes
    Column("jpeg", LargeBinary, nullable=False),  # last: it may leave the page
)

template_pictures = Table(
    "template_pictures",
    metadata,
    Column("template_id", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True),
    Column("picture_id", ForeignKey("pictures.id", ondelete="CASCADE"), nullable=False, index=True),
)
