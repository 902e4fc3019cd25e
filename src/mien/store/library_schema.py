"""The tables of the library: files, what they hold, the faces in them, groups of unknown ones, and what people said of them.

What a file holds is kept by the SHA-256 of its bytes, so that a file that was moved, renamed or copied costs nothing and
keeps its names.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from mien.store.schema import UtcDateTime, metadata
from mien.store.vector_type import STORED_VECTOR

__all__ = ["library_apart", "library_contents", "library_faces", "library_files", "library_groups", "library_refusals"]

library_contents = Table(
    "library_contents",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("kind", String(5), nullable=False),  # photo, video
    Column("width", Integer, nullable=False),  # pixels of the original, upright
    Column("height", Integer, nullable=False),
    Column("taken", UtcDateTime, nullable=True, index=True),  # as the file says, else when it was last changed
    Column("seconds", Double, nullable=True),
    Column("stamp", String(64), nullable=False),  # the settings its faces were found with
)

library_files = Table(
    "library_files",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("path_key", String(64), nullable=False, unique=True),  # SHA-256 of the path: any length can be unique
    Column("path", LargeBinary, nullable=False),  # absolute; names need not be Unicode
    Column("kind", String(5), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),  # nanoseconds since 1970, by the clock of the file system
    Column("root_key", String(64), nullable=False),  # SHA-256 of the folder whose indexing it waits for
    Column("state", String(7), nullable=False),  # waiting, done, failed, gone
    Column("reason", Text, nullable=False),  # why it failed, or is done without a search
    Column("content_seq", ForeignKey("library_contents.seq", ondelete="SET NULL"), nullable=True, index=True),
    Column("stamp", String(64), nullable=False),  # the settings that it was, or is to be, searched with
    Column("crashes", Integer, nullable=False),  # how many workers ended over it
    Column("holder", String(120), nullable=False),  # who works on it, or did it last; empty for nobody
    Column("held_until", UtcDateTime, nullable=True),  # by the clock of the database
)

Index("ix_library_files_work", library_files.c.root_key, library_files.c.state, library_files.c.seq)

library_groups = Table(
    "library_groups",
    metadata,
    Column("seq", Integer, primary_key=True),  # its number, as people call it
    Column("id", String(36), nullable=False, unique=True),
    Column("made", UtcDateTime, nullable=False),
    Column("by_hand", Boolean, nullable=False),  # people have merged, split or corrected it
)

library_faces = Table(
    "library_faces",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("content_seq", ForeignKey("library_contents.seq", ondelete="CASCADE"), nullable=False, index=True),
    Column("space_id", ForeignKey("spaces.id"), nullable=False, index=True),
    Column("x1", Double, nullable=False),  # box, pixels of the original
    Column("y1", Double, nullable=False),
    Column("x2", Double, nullable=False),
    Column("y2", Double, nullable=False),
    Column("score", Double, nullable=False),
    Column("quality", JSON, nullable=False),
    Column("begins", Double, nullable=True),  # seconds of a video
    Column("ends", Double, nullable=True),
    Column("looked", Double, nullable=True),  # when the box was taken
    Column("detector", Text, nullable=False),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=True, index=True),  # as people said
    Column("group_id", ForeignKey("library_groups.id", ondelete="SET NULL"), nullable=True, index=True),
    Column("vector", STORED_VECTOR, nullable=False),  # float32 little-endian, last: it may leave the page
)

library_refusals = Table(
    "library_refusals",
    metadata,
    Column("face_id", ForeignKey("library_faces.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

library_apart = Table(
    "library_apart",
    metadata,
    Column(
        "face_id", ForeignKey("library_faces.id", ondelete="CASCADE"), primary_key=True
    ),  # the smaller of the two ids
    Column("other_id", ForeignKey("library_faces.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("actor", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
