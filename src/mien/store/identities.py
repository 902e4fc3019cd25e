"""Who is who: ids, names, former ids, and the rows of people.

Every function works inside the transaction of the connection it is given.
"""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from mien.core.errors import DuplicateError, InputError, NotFoundError
from mien.core.people import Person
from mien.store.names import SHORTEST_ID_PREFIX, clean_name, is_id_prefix, name_key, storable
from mien.store.schema import people, pointers, templates

__all__ = [
    "create_person",
    "free_name",
    "id_of_name",
    "known_id",
    "living_and_former_ids",
    "new_id",
    "person_id_of",
    "read_people",
    "read_person",
]

_MANY_PEOPLE = 5_000
"""From here on close names are looked for among those with the same first letter: comparing 100,000 takes 0.6 s, and
every enrolment of a new person asks whether the name is known."""


def new_id() -> str:
    """A new id of a person or template: random, so that it says nothing about anybody."""
    return str(uuid.uuid4())


def read_person(connection: Connection, who: str) -> Person:
    """The person that ``person_id_of`` finds."""
    return read_people(connection, [person_id_of(connection, who)])[0]


def read_people(connection: Connection, ids: Iterable[str] | None = None) -> list[Person]:
    """People with these few ids, or everybody, ordered by name; templates of any space are counted."""
    counted = func.count(templates.c.seq)
    query = select(people.c.id, people.c.name, people.c.created, counted).outerjoin(templates).group_by(people.c.id)
    if ids is not None:
        query = query.where(people.c.id.in_(list(ids)))
    found = [Person(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda person: (name_key(person.name), person.id))


def id_of_name(connection: Connection, name: str) -> str | None:
    """The id of the person of this name, if there is one."""
    return connection.execute(select(people.c.id).where(people.c.name_key == name_key(name))).scalar()


def known_id(connection: Connection, person_id: str, name: str) -> str | None:
    """The id of the person with this id, this former id or this name, in this order, if there is one."""
    living = select(people.c.id).where(people.c.id == person_id)
    former = select(pointers.c.person_id).where(pointers.c.former_id == person_id)
    found = connection.execute(living).scalar() or connection.execute(former).scalar()
    return found or id_of_name(connection, name)


def person_id_of(connection: Connection, who: str) -> str:
    """The id of the person with this id, former id, name, or abbreviated id, in this order.

    Raises:
        NotFoundError: nobody, with the names that come close; or several people whose ids begin so.
    """
    who = storable(who)
    return known_id(connection, who.lower(), who) or _person_id_of_prefix(connection, who)


def _person_id_of_prefix(connection: Connection, who: str) -> str:
    found = _ids_beginning(connection, who) if is_id_prefix(who) else set()
    if len(found) > 1:
        raise NotFoundError(f"{len(found)} people have an id that begins with {who}; give more of it")
    if not found:
        raise NotFoundError(f"the gallery knows nobody called {who!r}{_suggestion(connection, who)}")
    return found.pop()


def _ids_beginning(connection: Connection, prefix: str) -> set[str]:
    living = select(people.c.id).where(people.c.id.startswith(prefix.lower(), autoescape=True))
    former = select(pointers.c.person_id).where(pointers.c.former_id.startswith(prefix.lower(), autoescape=True))
    return {*connection.execute(living).scalars(), *connection.execute(former).scalars()}


def living_and_former_ids(connection: Connection) -> set[str]:
    """Every id that leads to somebody."""
    living, former = select(people.c.id), select(pointers.c.former_id)
    return {*connection.execute(living).scalars(), *connection.execute(former).scalars()}


def _suggestion(connection: Connection, who: str) -> str:
    query = select(people.c.name_key, people.c.name)
    if connection.execute(select(func.count(people.c.id))).scalar_one() > _MANY_PEOPLE:
        query = query.where(people.c.name_key.startswith(name_key(who)[:1], autoescape=True))
    names = {row.name_key: row.name for row in connection.execute(query)}
    close = difflib.get_close_matches(name_key(who), names, n=3)
    if not close:
        return "; see who is there with: mien people list"
    return f"; did you mean {' or '.join(repr(names[key]) for key in close)}?"


def free_name(connection: Connection, name: str) -> str:
    """``name`` made clean, if nobody has it and it cannot be taken for the id of somebody.

    Raises:
        InputError: a name nobody may have (``names.clean_name``), or one that abbreviates an id.
        DuplicateError: somebody has it.
    """
    name = clean_name(name)
    holder = connection.execute(select(people.c.name).where(people.c.name_key == name_key(name))).scalar()
    if holder is not None:
        raise DuplicateError(f"somebody is called {holder!r} already; choose another name, or merge the two")
    if is_id_prefix(name) and len(name) >= SHORTEST_ID_PREFIX and _ids_beginning(connection, name):
        raise InputError(f"the name {name!r} abbreviates the id of somebody; give another")
    return name


def create_person(connection: Connection, person_id: str, name: str, created: datetime) -> None:
    """A new person without templates; the name must be free."""
    connection.execute(insert(people).values(id=person_id, name=name, name_key=name_key(name), created=created))
