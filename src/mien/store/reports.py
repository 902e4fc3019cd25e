"""What a gallery says about itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mien.core.people import EmbeddingSpace

__all__ = ["AuditLine", "GalleryInfo", "Imported", "SpaceUse"]


@dataclass(frozen=True, slots=True)
class SpaceUse:
    """A space and how much lives in it.

    Args:
        space: the space.
        people: how many people have templates there.
        templates: how many templates.
        active: whether it is the one that is searched.
    """

    space: EmbeddingSpace
    people: int
    templates: int
    active: bool


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what.

    Args:
        at: aware datetime.
        actor: who, as given to ``open_gallery``.
        action: e.g. ``"enroll"``, ``"remove"``.
        subject: SHA-256 of the person's id, hex; empty for none.
        details: counts.
    """

    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought.

    Args:
        people: how many people are new.
        templates: how many templates are new.
        skipped: how many templates were there already.
    """

    people: int
    templates: int
    skipped: int

    def to_dict(self) -> dict[str, int]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """What ``doctor`` shows of a gallery.

    Args:
        path: the file.
        bytes: its size with the write-ahead log.
        journal_mode: ``"wal"`` where the file system allows it.
        schema_version: four digits.
        read_only: whether writes are refused.
        revision: grows with every change.
        people: how many.
        templates: how many, of any space.
        spaces: how many spaces have templates.
        active_space: id of the space that is searched; empty before the first enrolment.
        clock_ahead: seconds by which the server's clock is ahead of this machine's; None for a file.
    """

    path: str
    bytes: int
    journal_mode: str
    schema_version: str
    read_only: bool
    revision: int
    people: int
    templates: int
    spaces: int
    active_space: str
    clock_ahead: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
