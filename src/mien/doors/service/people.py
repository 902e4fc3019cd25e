"""``/v1/people``: who is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from mien.core.errors import DuplicateError
from mien.core.people import Person
from mien.doors.service.gate import Needs
from mien.doors.service.problems import ProblemError
from mien.doors.service.routes import caller_of, router, service_of
from mien.doors.service.schemas import Merge, NewPerson, PersonOut
from mien.store.gallery import SqlGallery
from mien.store.names import name_key

__all__ = ["gallery_of", "people"]

people = router("/v1/people", "people")


def gallery_of(request: Request) -> SqlGallery:
    """The gallery, with whoever asks as the actor."""
    return service_of(request).house.gallery.acting_as(caller_of(request).name)


@people.get("", response_model=list[PersonOut], dependencies=[Depends(Needs("read"))])
def list_people(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[Person]:
    """Everybody, by name."""
    return gallery_of(request).people()[offset : offset + limit]


@people.post("", response_model=PersonOut, status_code=201, dependencies=[Depends(Needs("enrol"))])
def create_person(request: Request, body: NewPerson, response: Response) -> Person:
    """Make somebody known, as yet without a photograph."""
    gallery = gallery_of(request)
    if any(name_key(person.name) == name_key(body.name) for person in gallery.people()):
        raise DuplicateError(
            f"somebody is called {body.name!r} already; choose another name, or enrol photographs there"
        )
    person, _ = gallery.add(body.name, [])
    response.headers["Location"] = f"/v1/people/{person.id}"
    return person


@people.get("/{person_id}", response_model=PersonOut, dependencies=[Depends(Needs("read"))])
def show_person(request: Request, person_id: str) -> Person:
    """One person; a former id leads to whoever they were merged into."""
    return gallery_of(request).person(person_id)


@people.patch("/{person_id}", response_model=PersonOut, dependencies=[Depends(Needs("enrol"))])
def rename_person(request: Request, person_id: str, body: NewPerson) -> Person:
    """Give somebody another name; the id stays."""
    return gallery_of(request).rename(person_id, body.name)


@people.post("/{person_id}/merge", response_model=PersonOut, dependencies=[Depends(Needs("enrol"))])
def merge_people(request: Request, person_id: str, body: Merge) -> Person:
    """Make two people one: everything of the other becomes this person's, and the other id leads here."""
    return gallery_of(request).merge(person_id, body.other)


@people.delete("/{person_id}", dependencies=[Depends(Needs("enrol"))])
def remove_person(request: Request, person_id: str) -> dict[str, Any]:
    """Forget somebody: templates, attendance, crops. The receipt says what was removed and how it was verified."""
    gallery = gallery_of(request)
    if gallery.person(person_id).id != person_id:
        raise ProblemError("not_found", "give the id in full, and not a former one: this cannot be undone")
    receipt = gallery.remove(person_id).to_dict()
    return receipt | {"searched": {Path(file).name: size for file, size in receipt["searched"].items()}}
