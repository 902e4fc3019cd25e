"""What the commands about people tell of the library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mien.core.errors import MienError, SpaceMismatchError
from mien.doors.cli.command import Session

if TYPE_CHECKING:
    from mien.core.people import Person
    from mien.jobs.search import Found

__all__ = ["faces_of", "library_counts"]


def library_counts(session: Session) -> dict[str, int] | None:
    """How many pictures of the library show each person, by id; None without a library."""
    library = session.house.gallery.library
    if not library.spaces():
        return None
    pictures = {(one.person_id, one.face.content) for one in _named(session) if one.person_id is not None}
    return dict(Counter(person for person, _ in pictures if person is not None))


def faces_of(session: Session, person: Person) -> list[str]:
    """Ids of the faces of the library that are taken for a person, without people having said so."""
    return [one.face.id for one in _named(session) if one.person_id == person.id and not one.by_hand]


def _named(session: Session) -> Iterator[Found]:
    """Every face of the library with who it is, in each space that people are enrolled in."""
    from mien.core.people import EmbeddingSpace
    from mien.jobs.search import named

    gallery = session.house.gallery
    enrolled: set[EmbeddingSpace] = {use.space for use in gallery.spaces()}
    for space in gallery.library.spaces():
        if space not in enrolled:
            continue
        try:
            yield from named(gallery.library, gallery, session.house.identifier, space)
        except SpaceMismatchError:
            continue
        except MienError as error:  # a space nobody has calibrated: what people said still counts
            session.out.note(f"faces in the space {space.name} are not named: {error}")
